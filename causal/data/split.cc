#include "causal/data/split.h"

#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/logging.h"

namespace perennial::causal {

absl::StatusOr<Split> SplitUnits(const Observations& observations, double test_share,
                                 random::Stream stream) {
  CHECK(test_share >= 0 && test_share < 1);
  std::vector<std::vector<int32_t>> by_arm(observations.arms);
  for (int32_t i = 0; i < observations.size(); ++i) {
    by_arm[observations.treatment[i]].push_back(i);
  }
  std::vector<bool> is_out(observations.size());
  for (int arm = 0; arm < observations.arms; ++arm) {
    random::Stream draws = stream.Split(static_cast<uint64_t>(arm));
    const auto size = static_cast<int32_t>(by_arm[arm].size());
    const auto out = static_cast<int32_t>(test_share * size);
    if (size - out < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("arm ", arm, " has ", size, " units: too few to fit and to test"));
    }
    for (const int32_t index : draws.Sample(size, out)) is_out[by_arm[arm][index]] = true;
  }
  std::vector<int32_t> in, out;
  for (int32_t i = 0; i < observations.size(); ++i) (is_out[i] ? out : in).push_back(i);
  return Split{.in = Select(observations, in), .out = Select(observations, out)};
}

}  // namespace perennial::causal
