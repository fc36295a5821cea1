// Adjusted p values of a family of tests.
//
// - Holm (Scandinavian J. Statistics 6, 1979) holds the chance of any false rejection: of m sorted
// p
//   values, the adjusted k-th is the greatest of (m - i + 1) p_i over i <= k, at most 1.
// - Benjamini-Hochberg (JRSS B 57, 1995) holds the expected share of false rejections among the
//   rejections: the least of m p_i / i over i >= k, at most 1.
// Both keep the order of the p values: a smaller one never gets the greater adjusted value. The
// result stands in the order of the input. The same as statsmodels' multipletests.
//
//   PERENNIAL_ASSIGN_OR_RETURN(std::vector<double> adjusted, stats::HolmAdjust(p));
#ifndef PERENNIAL_COMMON_STATS_MULTIPLE_H_
#define PERENNIAL_COMMON_STATS_MULTIPLE_H_

#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace perennial::stats {

// InvalidArgument for no p values, or one that is not in [0, 1] (its index is named).
absl::StatusOr<std::vector<double>> HolmAdjust(std::span<const double> p);
absl::StatusOr<std::vector<double>> BenjaminiHochbergAdjust(std::span<const double> p);

}  // namespace perennial::stats

#endif  // PERENNIAL_COMMON_STATS_MULTIPLE_H_
