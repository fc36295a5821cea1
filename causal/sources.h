// From the data of the configuration to where a study's units come from.
#ifndef PERENNIAL_CAUSAL_SOURCES_H_
#define PERENNIAL_CAUSAL_SOURCES_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "causal/causal.pb.h"
#include "causal/data/sample_source.h"

namespace perennial::causal {

// The kind must be set. `data_folder` is empty for data that came with the build. Errors name the
// file or the field.
absl::StatusOr<std::shared_ptr<const SampleSource>> MakeSampleSource(
    const DataConfig& config, const std::string& data_folder);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_SOURCES_H_
