#include "common/stats/samples.h"

#include <cmath>
#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace perennial::stats {

absl::Status CheckSample(std::span<const double> values, int64_t minimum, absl::string_view name) {
  const std::string prefix = name.empty() ? "" : absl::StrCat(name, ": ");
  if (values.empty())
    return absl::InvalidArgumentError(absl::StrCat(prefix, "there are no values"));
  if (static_cast<int64_t>(values.size()) < minimum) {
    return absl::InvalidArgumentError(absl::StrCat(prefix, "the number of values is ",
                                                   values.size(), ", and at least ", minimum,
                                                   " are needed"));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return absl::InvalidArgumentError(absl::StrCat(prefix, "value ", i, " of ", values.size(),
                                                     " is ", values[i], ", not a finite number"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPairs(std::span<const double> a, std::span<const double> b, int64_t minimum) {
  if (a.size() != b.size()) {
    return absl::InvalidArgumentError(absl::StrCat("the first sample has ", a.size(),
                                                   " values and the second ", b.size(),
                                                   "; pairs need as many of each"));
  }
  PERENNIAL_RETURN_IF_ERROR(CheckSample(a, minimum, "first sample"));
  return CheckSample(b, minimum, "second sample");
}

absl::Status CheckLevel(double level) {
  if (level > 0 && level < 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the level of an interval is ", level, "; it must lie between 0 and 1"));
}

}  // namespace perennial::stats
