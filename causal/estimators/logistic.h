// Logistic regression of two or more classes, with a ridge penalty, by Newton's method.
//
// P(class k | x) is proportional to exp(a_k + z b_k), z the standardised covariates (weighted,
// where there are weights). With W the sum of the weights, the fit minimises
//
//   -(1 / W) sum_i w_i log P(class_i | x_i) + penalty sum_k |b_k|^2,  sum_k b_k = 0
//
// which does not depend on how classes are numbered. For two classes the penalty is that of the log
// odds' slope b = b_1 - b_0, (penalty / 2) |b|^2 (scikit-learn's C is 1 / (penalty W); for more
// classes 1 / (2 penalty W)). Intercepts are not penalised. The penalty is positive, so that the
// slopes stay finite where classes are separable, and columns may depend on each other. Newton's
// steps are halved until the objective, which is convex, falls enough.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const LogisticFit fit, FitLogistic(x, arm, /*classes=*/3, {}, {}));
//   fit.Predict(x.row(i), probability);                    // [classes]
#ifndef PERENNIAL_CAUSAL_ESTIMATORS_LOGISTIC_H_
#define PERENNIAL_CAUSAL_ESTIMATORS_LOGISTIC_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "causal/models/regressor.h"
#include "common/kernels/aligned.h"

namespace perennial::causal {

struct LogisticOptions {
  // 1e-12 or more. The default moves the slopes of some hundred rows little, and keeps the
  // probabilities of separable classes within about 0.001 to 0.999.
  double penalty = 1e-4;
};

// Log odds against class 0.
struct LogisticFit {
  std::vector<double> center;        // [p], means of the covariates.
  std::vector<double> coefficients;  // [classes - 1, p], in the covariates' own units.
  std::vector<double> mean;          // [classes - 1], log odds at the center.
  int64_t iterations = 0;
  bool converged = true;  // The last step was rounding.

  int classes() const { return static_cast<int>(mean.size()) + 1; }
  // x [p] -> probability [classes].
  void Predict(const double* x, std::span<double> probability) const;
};

// x [n, p], n at least 1; classes of rows [n], each in [0, classes); weights [n] or empty.
// InvalidArgument for a penalty below 1e-12, a number that is not finite, weights that are negative
// or all 0, a class out of range, and a class that no row (of positive weight) is of.
absl::StatusOr<LogisticFit> FitLogistic(kernels::MatrixView<const double> x,
                                        std::span<const int32_t> class_of_row, int classes,
                                        std::span<const double> weights,
                                        const LogisticOptions& options);

// As a building block, of binary targets alone (InvalidArgument for others). A target that is
// constant gets the probability (k + 1/2) / (n + 1) for all x, k of n rows being 1, so that log
// odds are finite.
class Logistic : public Regressor {
 public:
  explicit Logistic(LogisticOptions options) : options_(options) {}
  absl::StatusOr<std::unique_ptr<Regression>> Fit(const RegressionData& data) const override;
  absl::StatusOr<std::unique_ptr<Regression>> Restore(const std::string& bytes) const override;

 private:
  LogisticOptions options_;
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATORS_LOGISTIC_H_
