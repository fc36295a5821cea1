// Least squares and ridge regression with an intercept, on standardised covariates.
//
// With z the covariates of mean 0 and standard deviation 1 (weighted, where there are weights), and
// W the sum of the weights, the fit minimises
//
//   (1 / W) sum_i w_i (y_i - b_0 - z_i b)^2 + penalty |b|^2
//
// so that a penalty means the same for any number of rows and any units of a covariate; b_0 is not
// penalised. (scikit-learn's alpha is penalty * W.) With penalty 0 it is least squares.
// A constant column gets the coefficient 0. Where columns depend on each other (equal columns, an
// indicator for each category, more columns than rows) and the penalty is 0, the fit is the one of
// least |b|; columns count as dependent when an eigenvalue of their correlation matrix is below
// 1e-10 of the greatest.
// Generalised cross-validation (Golub, Heath and Wahba, Technometrics 1979) picks, of penalties
// 1e-6 to 1e3 in steps of 10^(1/4), the one of least
//
//   RSS / W / (1 - df / n)^2,  df = 1 + sum_j l_j / (l_j + penalty)
//
// with RSS the weighted sum of squares of the residuals, l_j the eigenvalues of the correlation
// matrix, and n the number of rows of positive weight. It takes rows for independent. Where they
// come in clusters, covariates that are the same within a cluster would be trusted too much, and
// the penalty is instead the one of least weighted sum of squared errors of rows that were left out
// with their clusters, each by the fit to the others: one cluster after another of up to five, or
// five groups of them (the largest first, each to the group of fewest rows).
//
// Errors of a fit's values come from the sandwich HC3 (MacKinnon and White, Journal of Econometrics
// 29, 1985), for which the noise may differ from row to row: with a = (1, z), P = diag(0, penalty,
// ..), A = sum_i a_i a_i' + n P, residuals e_i and leverages h_i = a_i' A^-1 a_i,
//
//   Var f(x) = a' A^-1 (sum_i (e_i / (1 - h_i))^2 a_i a_i') A^-1 a
//
// It counts noise, not what the penalty, or an outcome that is not linear, brings a fit off by.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const LinearFit fit, FitRidge(x, y, {}, {.penalty = 1e-3}));
//   const double predicted = fit.Predict(x.row(i));
//   const double error = std::sqrt(RobustCovariance(x, y, fit).Variance(x.row(i)));
#ifndef PERENNIAL_CAUSAL_ESTIMATORS_RIDGE_H_
#define PERENNIAL_CAUSAL_ESTIMATORS_RIDGE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "causal/models/regressor.h"
#include "common/kernels/aligned.h"
#include "common/record/safetensors.h"

namespace perennial::causal {

struct RidgeOptions {
  double penalty = 0;             // Not negative. Has no say with cross_validation.
  bool cross_validation = false;  // Chooses the penalty.
};

// An affine function of covariates [p].
struct LinearFit {
  std::vector<double> center;        // [p], means of the covariates.
  std::vector<double> coefficients;  // [p], in the covariates' own units.
  double mean = 0;                   // At the center: b_0.
  double penalty = 0;                // That was used.

  double Predict(const double* x) const {
    double sum = mean;
    for (size_t j = 0; j < center.size(); ++j) sum += coefficients[j] * (x[j] - center[j]);
    return sum;
  }
  // At x = 0.
  double intercept() const { return Predict(std::vector<double>(center.size()).data()); }

  // Tensors "<prefix>center", "<prefix>coefficients", "<prefix>scalars".
  absl::Status Save(absl::string_view prefix, record::SafetensorsWriter& writer) const;
  // Of a file that is not trusted.
  static absl::StatusOr<LinearFit> Load(absl::string_view prefix,
                                        const record::SafetensorsFile& file);
};

// x [n, p], n at least 1; y [n]; weights [n] or empty; cluster [n], numbers that rows of a cluster
// share, or empty: rows are independent. It matters to cross_validation only, and not where there
// is one cluster alone. InvalidArgument for a penalty that is negative, a number that is not
// finite, a negative weight, and weights that are all 0.
absl::StatusOr<LinearFit> FitRidge(kernels::MatrixView<const double> x, std::span<const double> y,
                                   std::span<const double> weights, const RidgeOptions& options,
                                   std::span<const int32_t> cluster = {});

// The variance of a fit's values.
class RobustCovariance {
 public:
  // x [n, p] and y [n] that `fit` was fitted to, without weights.
  RobustCovariance(kernels::MatrixView<const double> x, std::span<const double> y,
                   const LinearFit& fit);

  // Of the value at x [p].
  double Variance(const double* x) const;
  // What the noise of each row brings to the value at `at` [p]: a' A^-1 a_i e_i / (1 - h_i) [n],
  // whose squares add up to Variance(at). x as it was given before.
  std::vector<double> Terms(kernels::MatrixView<const double> x, const double* at) const;

 private:
  // z of the columns that are not constant, and S^-1 z for their correlation matrix S, penalty
  // included.
  void Solve(const double* x, std::span<double> z, std::span<double> solved) const;

  int64_t rows_;
  std::vector<double> center_;   // [p]
  std::vector<double> inverse_;  // [p], of standard deviations.
  std::vector<int64_t> columns_;
  std::vector<double> solver_;     // [q, q], S^-1
  std::vector<double> residuals_;  // [n], e_i / (1 - h_i)
  // [q + 1, q + 1], of their squares and (1, z), the lower triangle.
  std::vector<double> meat_;
};

// The same as a building block. Of a binary target it is the linear probability model, whose
// predictions are brought into [0, 1].
class Ridge : public Regressor {
 public:
  explicit Ridge(RidgeOptions options) : options_(options) {}
  absl::StatusOr<std::unique_ptr<Regression>> Fit(const RegressionData& data) const override;
  absl::StatusOr<std::unique_ptr<Regression>> Restore(const std::string& bytes) const override;

 private:
  RidgeOptions options_;
};

// What every regression here asks of its data: lengths (a CHECK), finite numbers, usable weights.
absl::Status CheckRegressionData(kernels::MatrixView<const double> x, std::span<const double> y,
                                 std::span<const double> weights);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATORS_RIDGE_H_
