// What the makers of sample sources share.
#ifndef PERENNIAL_CAUSAL_SOURCES_MAKER_H_
#define PERENNIAL_CAUSAL_SOURCES_MAKER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "causal/causal.pb.h"
#include "causal/data/observations.h"
#include "causal/data/sample_source.h"

namespace perennial::causal {

using SourceOr = absl::StatusOr<std::shared_ptr<const SampleSource>>;

// From the data of the configuration, whose kind is the maker's, and the folder of --data; empty:
// none was given.
using SourceMaker = SourceOr (*)(const DataConfig& config, const std::string& data_folder);

// Of all numbers of a sample and the names of its covariates.
std::string DigestOf(const Observations& observations);

// The same units for every seed: real data, where a seed is a split and a fit.
SourceOr FixedSource(std::string group, Realisation realisation);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_SOURCES_MAKER_H_
