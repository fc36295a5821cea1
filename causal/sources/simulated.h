// Sources of simulated units.
#ifndef PERENNIAL_CAUSAL_SOURCES_SIMULATED_H_
#define PERENNIAL_CAUSAL_SOURCES_SIMULATED_H_

#include <string>

#include "causal/data/honest_generator.h"
#include "causal/sources/maker.h"

namespace perennial::causal {

SourceOr MakeNieWager(const DataConfig& config, const std::string& data_folder);
SourceOr MakeKangSchafer(const DataConfig& config, const std::string& data_folder);
SourceOr MakeNews(const DataConfig& config, const std::string& data_folder);
// Knobs that are at odds with each other are found here, not at the first draw.
SourceOr MakeHonest(const DataConfig& config, const std::string& data_folder);

// The knobs of the generator; the configuration's n, surfaces and test units are no part of it.
HonestConfig HonestConfigOf(const HonestData& config);

// The generator whose surfaces have this number.
absl::StatusOr<HonestGenerator> HonestGeneratorOf(const HonestConfig& config, int surfaces);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_SOURCES_SIMULATED_H_
