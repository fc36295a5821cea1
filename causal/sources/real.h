// Sources of real units, with real or simulated outcomes.
#ifndef PERENNIAL_CAUSAL_SOURCES_REAL_H_
#define PERENNIAL_CAUSAL_SOURCES_REAL_H_

#include <string>

#include "causal/sources/maker.h"

namespace perennial::causal {

// With the folder of --data: sim.csv.
SourceOr MakeIhdp(const DataConfig& config, const std::string& data_folder);
// With the folder: x.csv and zymu_<set>.csv. Seed r is set r % 10 + 1 if the set is 0.
SourceOr MakeAcic2016(const DataConfig& config, const std::string& data_folder);
// The covariates of 2016, all 4802 units.
SourceOr MakeAcic2017(const DataConfig& config, const std::string& data_folder);
// With the folder: NHEFS.csv.
SourceOr MakeNhefs(const DataConfig& config, const std::string& data_folder);
// With the folder: nsw_mixtape.dta and cps_mixtape.dta. The benchmark is the experiment's, whose
// controls are other people than the survey's: its error is not in the estimates.
SourceOr MakeLalonde(const DataConfig& config, const std::string& data_folder);
// Need the folder. A seed beyond the file's realisations is OutOfRange.
SourceOr MakeIhdpFile(const DataConfig& config, const std::string& data_folder);
SourceOr MakeJobsFile(const DataConfig& config, const std::string& data_folder);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_SOURCES_REAL_H_
