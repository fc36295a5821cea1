// What every statistic asks of its data first: enough values, all of them finite, pairs complete.
//
//   PERENNIAL_RETURN_IF_ERROR(stats::CheckSample(values, /*minimum=*/2));
//   // "value 1 of 3 is nan, not a finite number"
#ifndef PERENNIAL_COMMON_STATS_SAMPLES_H_
#define PERENNIAL_COMMON_STATS_SAMPLES_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace perennial::stats {

// InvalidArgument if there are fewer than `minimum` values (1 or more), or one is not finite; the
// message names the index, counted from 0. `name` says which sample where there are several.
absl::Status CheckSample(std::span<const double> values, int64_t minimum,
                         absl::string_view name = "");

// The same for two samples whose values belong together one by one.
absl::Status CheckPairs(std::span<const double> a, std::span<const double> b, int64_t minimum);

// InvalidArgument if `level`, the coverage of an interval, lies outside (0, 1).
absl::Status CheckLevel(double level);

}  // namespace perennial::stats

#endif  // PERENNIAL_COMMON_STATS_SAMPLES_H_
