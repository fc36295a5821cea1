// The linear assignment problem: each row gets a column of its own, at the least total cost.
//
// Source: Crouse, "On implementing 2D rectangular assignment algorithms", IEEE Trans. Aerospace and
// Electronic Systems 52 (2016): the shortest augmenting paths of Jonker and Volgenant (1987), one
// row after the other. Exact, O(n^3) time at worst, O(n) memory beside the costs. Names follow
// scipy.optimize.linear_sum_assignment, whose totals the test compares with.
//
// It stands here, with the other small exact procedures on spans of doubles that have their oracle
// in SciPy, and not in common/kernels: it is searching, not arithmetic on rows of parameters.
//
//   const double costs[] = {4, 1, 3, 2, 0, 5, 3, 2, 2};
//   PERENNIAL_ASSIGN_OR_RETURN(stats::Assignment best, stats::LinearAssignment(costs, 3));
//   // best.column = {1, 0, 2}, best.cost = 5
#ifndef PERENNIAL_COMMON_STATS_ASSIGNMENT_H_
#define PERENNIAL_COMMON_STATS_ASSIGNMENT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace perennial::stats {

struct Assignment {
  std::vector<int32_t> column;  // Of each row; a permutation.
  double cost = 0;              // The sum of the costs chosen, in the order of rows.
};

// Minimises the sum over rows i of costs[i * n + column[i]]; negated costs maximise. Of several
// best assignments it gives one, a function of the costs alone. costs [n, n], n >= 0 (CHECK).
// InvalidArgument names the first cost that is not finite, or beyond 1e300 in size, where sums
// would not be.
absl::StatusOr<Assignment> LinearAssignment(std::span<const double> costs, int64_t n);

}  // namespace perennial::stats

#endif  // PERENNIAL_COMMON_STATS_ASSIGNMENT_H_
