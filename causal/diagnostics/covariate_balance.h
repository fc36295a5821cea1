// Do the covariates of an arm look like those of control? Before weighting and after it.
//
// Of each covariate, over the units of the arm (1) and of control (0):
//
//   standardised difference  (m_1 - m_0) / sqrt((s_1^2 + s_0^2) / 2), m weighted, s^2 the variances
//                            without weights (over n - 1), so that weights cannot mend the scale
//   variance ratio           v_1 / v_0, weighted variances sum w (x - m)^2 / (W - sum w^2 / W)
//   Kolmogorov-Smirnov       the greatest distance between the weighted distribution functions
//
// Source: Austin and Stuart, Statistics in Medicine 34 (2015). A standardised difference beyond 0.1
// and a variance ratio outside 1/2 to 2 are what is usually called imbalance.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const auto before, CovariateBalance(x, treatment, 1, {}));
//   PERENNIAL_ASSIGN_OR_RETURN(const auto after, CovariateBalance(x, treatment, 1, weights));
#ifndef PERENNIAL_CAUSAL_DIAGNOSTICS_COVARIATE_BALANCE_H_
#define PERENNIAL_CAUSAL_DIAGNOSTICS_COVARIATE_BALANCE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "common/kernels/aligned.h"

namespace perennial::causal {

struct Balance {
  double treated_mean;
  double control_mean;
  // Absent where both samples are constant and differ, or one has a single unit. 0 where both are
  // constant and equal.
  std::optional<double> standardized_difference;
  // Absent where control does not vary, or a sample has a single unit (of positive weight).
  std::optional<double> variance_ratio;
  double kolmogorov_smirnov;
};

// [p], of arm `arm` (1 or greater) against control. x [n, p]: covariates, or a representation of
// them; treatment [n]; weights [n], not negative, or empty. InvalidArgument for lengths that do not
// fit, numbers that are not finite, negative weights, and a sample without units or weight.
absl::StatusOr<std::vector<Balance>> CovariateBalance(kernels::MatrixView<const double> x,
                                                      std::span<const int32_t> treatment, int arm,
                                                      std::span<const double> weights);

// The same of features that a network makes of the units, [n, width] row by row; some columns are
// looked at a time, so that no copy is made of all. Errors count features from 1, as above.
absl::StatusOr<std::vector<Balance>> RepresentationBalance(std::span<const float> features,
                                                           std::span<const int32_t> treatment,
                                                           int arm,
                                                           std::span<const double> weights);

// A magnitude of the standardised difference up to which a covariate counts as balanced.
inline constexpr double kBalancedDifference = 0.1;

// The magnitude of the standardised difference. Where there is none, because nothing tells the
// scale: infinity if the means differ, else 0. The one place that says what is balanced:
// DifferenceOf(balance) <= kBalancedDifference.
double DifferenceOf(const Balance& balance);

// Many of them in a few numbers, such as the covariates, or the features of a representation.
struct BalanceSummary {
  // Of the magnitudes of the standardised differences that there are; 0 if there are none.
  double mean_difference = 0;
  double greatest_difference = 0;
  int64_t unbalanced = 0;
  // The first of those of the greatest DifferenceOf; -1 if there are none at all.
  int64_t worst = -1;
};
BalanceSummary SummaryOf(std::span<const Balance> balances);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DIAGNOSTICS_COVARIATE_BALANCE_H_
