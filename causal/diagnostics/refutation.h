// Do repeated runs of a refutation agree with what they should find?
//
//   PERENNIAL_ASSIGN_OR_RETURN(const auto placebo, TestOfMean(estimates, 0));
//   placebo.p_value < 0.01;                                 // An effect where there is none.
//   PERENNIAL_ASSIGN_OR_RETURN(const auto subset, TestOfOneMore(estimates, estimate));
//   subset.low <= estimate && estimate <= subset.high;      // As one of the runs may well be.
#ifndef PERENNIAL_CAUSAL_DIAGNOSTICS_REFUTATION_H_
#define PERENNIAL_CAUSAL_DIAGNOSTICS_REFUTATION_H_

#include <span>

#include "absl/status/statusor.h"

namespace perennial::causal {

struct RefutationTest {
  double mean;
  // Where the value that is compared should lie, at the level asked for.
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

// Could `value` be one run more, of the same normal distribution? m -+ t s sqrt(1 + 1 / R): the
// t test of two samples with a common variance, of which one holds a single value.
absl::StatusOr<RefutationTest> TestOfOneMore(std::span<const double> runs, double value,
                                             double level = 0.95);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DIAGNOSTICS_REFUTATION_H_
