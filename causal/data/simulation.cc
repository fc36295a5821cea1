#include "causal/data/simulation.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"

namespace perennial::causal {

absl::Status CheckSize(int64_t n, int64_t p) {
  constexpr double kMost = 1e9;
  if (static_cast<double>(n) * static_cast<double>(p) <= kMost) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(n, " units with ", p, " covariates are more than ",
                                                 kMost, " numbers; ask for fewer of either"));
}

std::vector<std::string> NumberedNames(absl::string_view prefix, int64_t count) {
  std::vector<std::string> names;
  names.reserve(count);
  for (int64_t i = 1; i <= count; ++i) names.push_back(absl::StrCat(prefix, "_", i));
  return names;
}

std::vector<int32_t> DrawArms(const std::vector<std::vector<double>>& propensity,
                              random::Stream stream) {
  CHECK_GE(propensity.size(), 2u);
  const size_t arms = propensity.size();
  std::vector<int32_t> drawn(propensity[0].size());
  for (size_t i = 0; i < drawn.size(); ++i) {
    const double u = stream.Uniform();
    double below = 0;
    for (size_t arm = 1; arm < arms; ++arm) {
      below += propensity[arm][i];
      if (u < below) {
        drawn[i] = static_cast<int32_t>(arm);
        break;
      }
    }
  }
  return drawn;
}

absl::StatusOr<Observations> Validated(Observations sample) {
  PERENNIAL_RETURN_IF_ERROR(base::WithContext(Validate(sample), "the simulated sample"));
  return sample;
}

}  // namespace perennial::causal
