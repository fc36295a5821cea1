// Covariates that say the outcome or the arm: columns that a table holds twice, in other units,
// or that came about with the treatment or after it.
//
// The outcome. r is the correlation of a covariate x with the outcome y over all units, r_w that of
// their deviations from the means of each unit's arm:
//   copy      y = slope x + intercept in every row, up to the rounding of both: |r| > 0.9999, and
//             no residual of the least-squares line is larger than half of the last digit of y and
//             |slope| times half of that of x
//   near      |r_w| > 0.99
//   monotone  Spearman's rank correlation with y beyond 0.999, of at most 2000 units that are
//             evenly spaced: a logarithm, a class of width
// The arm. Of the units of an arm and of control, a threshold of x (or a level of a category)
// sorts all but one in a hundred of either, on average of the two shares.
//
// Below 20 units nothing is said: so few may agree by chance.
//
//   if (const OutcomeLink link = LinkToOutcome(x, observations); link.kind == kCopy) ...
//   if (const auto split = SplitOfArms(x, observations)) ...   // x > split->threshold is the arm
#ifndef PERENNIAL_CAUSAL_ESTIMATION_LEAKS_H_
#define PERENNIAL_CAUSAL_ESTIMATION_LEAKS_H_

#include <cstdint>
#include <optional>
#include <span>

#include "causal/data/observations.h"

namespace perennial::causal {

struct OutcomeLink {
  enum class Kind { kNone, kCopy, kNear, kMonotone };

  Kind kind = Kind::kNone;
  double slope = 0;        // Of a copy.
  double intercept = 0;    // Of a copy.
  double correlation = 0;  // Of another: r_w, or of ranks.
};

// `values`: [n], a covariate that is not constant. Only treatment, outcome and arms are read of
// `observations`.
OutcomeLink LinkToOutcome(std::span<const double> values, const Observations& observations);

struct ArmSplit {
  int arm;             // Told from control.
  int64_t told;        // Units of the two that are sorted rightly.
  int64_t units;       // Of the two.
  double threshold;    // The largest value below it; 0 of categories.
  bool above = false;  // The arm is above it.
};

// The arm that a threshold tells best; none if it is told worse than said above.
std::optional<ArmSplit> SplitOfArms(std::span<const double> values,
                                    const Observations& observations);

// `category`: [n], in [0, categories). Each goes to the arm of which it holds the larger share.
// Nothing is said where a category has fewer than five units on average.
std::optional<ArmSplit> SplitByCategory(std::span<const int32_t> category, int categories,
                                        const Observations& observations);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_LEAKS_H_
