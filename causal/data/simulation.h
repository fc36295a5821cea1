// What the generators of causal/data share.
//
//   PERENNIAL_RETURN_IF_ERROR(CheckSize(config.n, config.p));
//   sample.treatment = DrawArms(truth.propensity, stream.Split("treatment"));
//   return Validated(std::move(sample));
#ifndef PERENNIAL_CAUSAL_DATA_SIMULATION_H_
#define PERENNIAL_CAUSAL_DATA_SIMULATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "causal/data/observations.h"
#include "common/random/stream.h"

namespace perennial::causal {

// InvalidArgument if n rows of p covariates are more than 1e9 numbers (8 GB).
absl::Status CheckSize(int64_t n, int64_t p);

// prefix_1 .. prefix_count.
std::vector<std::string> NumberedNames(absl::string_view prefix, int64_t count);

// propensity [arms][n] -> [n], by one uniform u a unit: arm 1 if u < e_1, arm 2 if e_1 <= u < e_1 +
// e_2, and so on; the rest is control. So with two arms and the same stream, a unit whose
// propensity grows never leaves the treatment.
std::vector<int32_t> DrawArms(const std::vector<std::vector<double>>& propensity,
                              random::Stream stream);

// The sample if Validate accepts it: a small sample can have an arm without units, and a strong
// selection propensities that are 0 or 1 in double.
absl::StatusOr<Observations> Validated(Observations sample);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_SIMULATION_H_
