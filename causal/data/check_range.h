// The words for a number that is out of its range.
//
//   PERENNIAL_RETURN_IF_ERROR(CheckRange("sigma", config.sigma, 0, 1e6));
#ifndef PERENNIAL_CAUSAL_DATA_CHECK_RANGE_H_
#define PERENNIAL_CAUSAL_DATA_CHECK_RANGE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace perennial::causal {

// InvalidArgument unless low <= value <= high, which a NaN is not.
absl::Status CheckRange(absl::string_view what, double value, double low, double high);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_CHECK_RANGE_H_
