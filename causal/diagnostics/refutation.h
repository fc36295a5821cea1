// Do repeated runs of a refutation agree with what they should find?
//
//   PERENNIAL_ASSIGN_OR_RETURN(const auto placebo, TestOfMean(estimates, 0));
//   placebo.p_value < 0.01;                                 // An effect where there is none.
#ifndef PERENNIAL_CAUSAL_DIAGNOSTICS_REFUTATION_H_
#define PERENNIAL_CAUSAL_DIAGNOSTICS_REFUTATION_H_

#include <span>

#include "absl/status/statusor.h"

namespace perennial::causal {

struct RefutationTest {
  double mean;
  // The interval of the mean, at the level asked for.
  double low;
  double high;
  double p_value;  // Two-sided.
};

// Of R runs with mean m and standard deviation s (over R - 1), by Student's t with R - 1 degrees of
// freedom: is their mean `expected`? m -+ t s / sqrt(R). InvalidArgument for fewer than two runs,
// numbers that are not finite, or a level outside (0, 1). Runs that are all equal leave no doubt:
// the p-value is 1 or 0.
absl::StatusOr<RefutationTest> TestOfMean(std::span<const double> runs, double expected,
                                          double level = 0.95);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DIAGNOSTICS_REFUTATION_H_
