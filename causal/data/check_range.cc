#include "causal/data/check_range.h"

#include "absl/strings/str_cat.h"

namespace perennial::causal {

absl::Status CheckRange(absl::string_view what, double value, double low, double high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " is ", value, ", must be from ", low, " to ", high));
}

}  // namespace perennial::causal
