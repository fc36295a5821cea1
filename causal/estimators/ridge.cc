#include "causal/estimators/ridge.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "causal/estimators/standardization.h"
#include "causal/estimators/symmetric_matrix.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

// Eigenvalues and pivots below this share of the greatest are rounding.
constexpr double kDependent = 1e-10;

constexpr int kPenalties = 37;
double PenaltyOf(int step) { return 1e-6 * std::pow(10.0, step / 4.0); }

std::vector<int64_t> VaryingColumns(const Standardization& standardization) {
  std::vector<int64_t> columns;
  for (size_t j = 0; j < standardization.inverse.size(); ++j) {
    if (standardization.inverse[j] > 0) columns.push_back(static_cast<int64_t>(j));
  }
  return columns;
}

// The normal equations in standardised columns that are not constant.
struct Moments {
  std::vector<double> correlation;  // [q, q]
  std::vector<double> cross;        // [q], of columns and target.
  double mean;                      // of the target
  double variance;                  // of the target
  int64_t rows;                     // of positive weight
};

Moments MomentsOf(kernels::MatrixView<const double> x, std::span<const double> y,
                  std::span<const double> weights, const Standardization& standardization,
                  std::span<const int64_t> columns) {
  const size_t q = columns.size();
  Moments moments = {.correlation = std::vector<double>(q * q),
                     .cross = std::vector<double>(q),
                     .mean = 0,
                     .variance = 0,
                     .rows = 0};
  double total = 0;
  for (int64_t i = 0; i < x.rows; ++i) {
    const double weight = weights.empty() ? 1 : weights[i];
    if (weight == 0) continue;
    total += weight;
    moments.mean += weight * y[i];
    ++moments.rows;
  }
  moments.mean /= total;
  std::vector<double> z(q);
  for (int64_t i = 0; i < x.rows; ++i) {
    const double weight = (weights.empty() ? 1 : weights[i]) / total;
    if (weight == 0) continue;
    const double* const row = x.row(i);
    for (size_t a = 0; a < q; ++a) {
      const int64_t j = columns[a];
      z[a] = (row[j] - standardization.center[j]) * standardization.inverse[j];
    }
    const double residual = y[i] - moments.mean;
    moments.variance += weight * residual * residual;
    for (size_t a = 0; a < q; ++a) {
      const double weighted = weight * z[a];
      moments.cross[a] += weighted * residual;
      double* const out = moments.correlation.data() + a * q;
      for (size_t b = 0; b <= a; ++b) out[b] += weighted * z[b];
    }
  }
  for (size_t a = 0; a < q; ++a) {
    for (size_t b = 0; b < a; ++b) moments.correlation[b * q + a] = moments.correlation[a * q + b];
  }
  return moments;
}

// A pivot is the share of a column's variance that the columns before it leave unexplained. It is
// at least the least eigenvalue, so the bar is set higher than for eigenvalues.
double LeastPivot(double penalty) { return 1e-8 * (1 + penalty); }

// By a Cholesky factor, which is far quicker than eigenvalues; empty where columns are close to
// dependent.
std::vector<double> SolveByFactor(const Moments& moments, double penalty) {
  const int64_t q = static_cast<int64_t>(moments.cross.size());
  std::vector<double> factor = moments.correlation;
  for (int64_t a = 0; a < q; ++a) factor[a * q + a] += penalty;
  if (!Cholesky(factor, q, LeastPivot(penalty))) return {};
  std::vector<double> b = moments.cross;
  CholeskySolve(factor, q, b);
  return b;
}

std::vector<double> SolveByEigen(const Moments& moments, const SymmetricEigen& eigen,
                                 double penalty) {
  const size_t q = moments.cross.size();
  std::vector<double> b(q);
  for (size_t k = 0; k < q; ++k) {
    if (eigen.values[k] <= kDependent * eigen.values[0]) break;
    const double* const vector = eigen.vectors.data() + k * q;
    double projection = 0;
    for (size_t a = 0; a < q; ++a) projection += vector[a] * moments.cross[a];
    projection /= eigen.values[k] + penalty;
    for (size_t a = 0; a < q; ++a) b[a] += projection * vector[a];
  }
  return b;
}

// (correlation + penalty I)^-1, of what SolveByEigen keeps where columns are close to dependent.
std::vector<double> InverseOf(const Moments& moments, double penalty) {
  const int64_t q = static_cast<int64_t>(moments.cross.size());
  std::vector<double> inverse(q * q);
  std::vector<double> factor = moments.correlation;
  for (int64_t a = 0; a < q; ++a) factor[a * q + a] += penalty;
  if (Cholesky(factor, q, LeastPivot(penalty))) {
    for (int64_t a = 0; a < q; ++a) {
      const std::span<double> row(inverse.data() + a * q, q);
      row[a] = 1;
      CholeskySolve(factor, q, row);
    }
    return inverse;
  }
  const SymmetricEigen eigen = EigenOf(moments.correlation, q);
  for (int64_t k = 0; k < q && eigen.values[k] > kDependent * eigen.values[0]; ++k) {
    const double* const vector = eigen.vectors.data() + k * q;
    for (int64_t a = 0; a < q; ++a) {
      const double scaled = vector[a] / (eigen.values[k] + penalty);
      for (int64_t b = 0; b < q; ++b) inverse[a * q + b] += scaled * vector[b];
    }
  }
  return inverse;
}

double CrossValidatedPenalty(const Moments& moments, const SymmetricEigen& eigen) {
  const size_t q = moments.cross.size();
  std::vector<double> values;
  std::vector<double> squares;  // of the target's covariance with each component, over its variance
  double unexplained = moments.variance;
  for (size_t k = 0; k < q && eigen.values[k] > kDependent * eigen.values[0]; ++k) {
    double projection = 0;
    for (size_t a = 0; a < q; ++a) projection += eigen.vectors[k * q + a] * moments.cross[a];
    values.push_back(eigen.values[k]);
    squares.push_back(projection * projection / eigen.values[k]);
    unexplained -= squares.back();
  }
  unexplained = std::max(unexplained, 0.0);
  double best = PenaltyOf(kPenalties - 1);
  double least = std::numeric_limits<double>::infinity();
  // From the greatest, which wins where the score says nothing.
  for (int step = kPenalties - 1; step >= 0; --step) {
    const double penalty = PenaltyOf(step);
    double rss = unexplained;
    double df = 1;
    for (size_t k = 0; k < values.size(); ++k) {
      const double left = penalty / (values[k] + penalty);
      rss += squares[k] * left * left;
      df += 1 - left;
    }
    const double free = 1 - df / static_cast<double>(moments.rows);
    if (free < 1e-6) break;
    const double score = rss / (free * free);
    if (score < least) {
      least = score;
      best = penalty;
    }
  }
  return best;
}

class RidgeRegression : public Regression {
 public:
  RidgeRegression(LinearFit fit, bool binary) : fit_(std::move(fit)), binary_(binary) {}

  void Predict(kernels::MatrixView<const double> x, std::span<double> predicted) const override {
    CHECK_EQ(x.columns, static_cast<int64_t>(fit_.center.size()));
    CHECK_EQ(x.rows, static_cast<int64_t>(predicted.size()));
    for (int64_t i = 0; i < x.rows; ++i) {
      const double value = fit_.Predict(x.row(i));
      predicted[i] = binary_ ? std::clamp(value, 0.0, 1.0) : value;
    }
  }

  std::string Serialize() const override {
    record::SafetensorsWriter writer;
    CHECK(fit_.Save("", writer).ok());
    const uint8_t binary = binary_ ? 1 : 0;
    CHECK(writer.Add("binary", {}, std::span<const uint8_t>(&binary, 1)).ok());
    writer.SetMetadata("kind", "ridge");
    const absl::StatusOr<std::string> bytes = writer.Finish();
    CHECK(bytes.ok()) << bytes.status();
    return *bytes;
  }

 private:
  LinearFit fit_;
  bool binary_;
};

}  // namespace

absl::Status CheckRegressionData(kernels::MatrixView<const double> x, std::span<const double> y,
                                 std::span<const double> weights) {
  CHECK_EQ(static_cast<int64_t>(y.size()), x.rows);
  CHECK(weights.empty() || weights.size() == y.size());
  if (x.rows < 1) return absl::InvalidArgumentError("there are no rows to fit");
  double total = weights.empty() ? 1 : 0;
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t j = 0; j < x.columns; ++j) {
      if (!std::isfinite(x(i, j))) {
        return absl::InvalidArgumentError(absl::StrCat("covariate ", j + 1, " of row ", i + 1,
                                                       " is ", x(i, j), ", not a finite number"));
      }
    }
    if (!std::isfinite(y[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat("the target of row ", i + 1, " is ", y[i], ", not a finite number"));
    }
    if (weights.empty()) continue;
    if (!(weights[i] >= 0 && std::isfinite(weights[i]))) {
      return absl::InvalidArgumentError(absl::StrCat("the weight of row ", i + 1, " is ",
                                                     weights[i],
                                                     "; it must be a finite number, 0 or more"));
    }
    total += weights[i];
  }
  if (!(total > 0 && std::isfinite(total))) {
    return absl::InvalidArgumentError(
        absl::StrCat("the weights add up to ", total, "; the sum must be positive and finite"));
  }
  return absl::OkStatus();
}

absl::Status LinearFit::Save(absl::string_view prefix, record::SafetensorsWriter& writer) const {
  const std::vector<int64_t> shape = {static_cast<int64_t>(center.size())};
  const double scalars[] = {mean, penalty};
  PERENNIAL_RETURN_IF_ERROR(
      writer.Add(absl::StrCat(prefix, "center"), shape, std::span<const double>(center)));
  PERENNIAL_RETURN_IF_ERROR(writer.Add(absl::StrCat(prefix, "coefficients"), shape,
                                       std::span<const double>(coefficients)));
  return writer.Add(absl::StrCat(prefix, "scalars"), {2}, std::span<const double>(scalars));
}

absl::StatusOr<LinearFit> LinearFit::Load(absl::string_view prefix,
                                          const record::SafetensorsFile& file) {
  LinearFit fit;
  PERENNIAL_ASSIGN_OR_RETURN(fit.center, file.Read<double>(absl::StrCat(prefix, "center")));
  PERENNIAL_ASSIGN_OR_RETURN(fit.coefficients,
                             file.Read<double>(absl::StrCat(prefix, "coefficients")));
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<double> scalars,
                             file.Read<double>(absl::StrCat(prefix, "scalars")));
  if (fit.center.size() != fit.coefficients.size() || scalars.size() != 2) {
    return absl::DataLossError(absl::StrCat("a linear fit has ", fit.center.size(), " centers, ",
                                            fit.coefficients.size(), " coefficients and ",
                                            scalars.size(), " scalars, not p, p and 2"));
  }
  fit.mean = scalars[0];
  fit.penalty = scalars[1];
  for (const std::span<const double> numbers :
       {std::span<const double>(fit.center), std::span<const double>(fit.coefficients),
        std::span<const double>(scalars)}) {
    for (const double number : numbers) {
      if (!std::isfinite(number)) {
        return absl::DataLossError(
            absl::StrCat("a linear fit holds ", number, ", not a finite number"));
      }
    }
  }
  return fit;
}

absl::StatusOr<LinearFit> FitRidge(kernels::MatrixView<const double> x, std::span<const double> y,
                                   std::span<const double> weights, const RidgeOptions& options) {
  if (!options.cross_validation && !(options.penalty >= 0 && std::isfinite(options.penalty))) {
    return absl::InvalidArgumentError(absl::StrCat("the penalty of a ridge regression is ",
                                                   options.penalty,
                                                   "; it must be a finite number, 0 or more"));
  }
  PERENNIAL_RETURN_IF_ERROR(CheckRegressionData(x, y, weights));
  const Standardization standardization = StandardizationOf(x, weights);
  const std::vector<int64_t> columns = VaryingColumns(standardization);
  const int64_t q = static_cast<int64_t>(columns.size());
  const Moments moments = MomentsOf(x, y, weights, standardization, columns);
  LinearFit fit = {.center = standardization.center,
                   .coefficients = std::vector<double>(x.columns),
                   .mean = moments.mean,
                   .penalty = options.penalty};
  std::vector<double> b;
  if (options.cross_validation) {
    const SymmetricEigen eigen = EigenOf(moments.correlation, q);
    fit.penalty = CrossValidatedPenalty(moments, eigen);
    b = SolveByEigen(moments, eigen, fit.penalty);
  } else if (q > 0) {
    b = SolveByFactor(moments, options.penalty);
    if (b.empty()) b = SolveByEigen(moments, EigenOf(moments.correlation, q), options.penalty);
  }
  for (int64_t a = 0; a < q; ++a) {
    fit.coefficients[columns[a]] = b[a] * standardization.inverse[columns[a]];
  }
  return fit;
}

RobustCovariance::RobustCovariance(kernels::MatrixView<const double> x, std::span<const double> y,
                                   const LinearFit& fit)
    : rows_(x.rows) {
  CHECK_EQ(static_cast<int64_t>(y.size()), x.rows);
  CHECK_EQ(static_cast<int64_t>(fit.center.size()), x.columns);
  Standardization standardization = StandardizationOf(x);
  columns_ = VaryingColumns(standardization);
  solver_ = InverseOf(MomentsOf(x, y, {}, standardization, columns_), fit.penalty);
  center_ = std::move(standardization.center);
  inverse_ = std::move(standardization.inverse);

  // Where every row has its own column, nothing is left to tell the noise by.
  constexpr double kLeast = 1e-10;
  const size_t q = columns_.size();
  const auto n = static_cast<double>(rows_);
  meat_.resize((q + 1) * (q + 1));
  std::vector<double> a(q + 1, 1);
  std::vector<double> solved(q);
  const std::span<double> z = std::span(a).last(q);
  for (int64_t i = 0; i < x.rows; ++i) {
    Solve(x.row(i), z, solved);
    double leverage = 1 / n;
    for (size_t k = 0; k < q; ++k) leverage += z[k] * solved[k] / n;
    const double residual = (y[i] - fit.Predict(x.row(i))) / std::max(1 - leverage, kLeast);
    for (size_t k = 0; k <= q; ++k) {
      const double weighted = residual * residual * a[k];
      for (size_t l = 0; l <= k; ++l) meat_[k * (q + 1) + l] += weighted * a[l];
    }
  }
}

void RobustCovariance::Solve(const double* x, std::span<double> z, std::span<double> solved) const {
  const size_t q = columns_.size();
  for (size_t k = 0; k < q; ++k) {
    const int64_t j = columns_[k];
    z[k] = (x[j] - center_[j]) * inverse_[j];
  }
  for (size_t k = 0; k < q; ++k) {
    double sum = 0;
    for (size_t l = 0; l < q; ++l) sum += solver_[k * q + l] * z[l];
    solved[k] = sum;
  }
}

double RobustCovariance::Variance(const double* x) const {
  const size_t q = columns_.size();
  std::vector<double> z(q);
  std::vector<double> b(q + 1, 1);  // n A^-1 a
  Solve(x, z, std::span(b).last(q));
  double variance = 0;
  for (size_t k = 0; k <= q; ++k) {
    double sum = meat_[k * (q + 1) + k] * b[k];
    for (size_t l = 0; l < k; ++l) sum += 2 * meat_[k * (q + 1) + l] * b[l];
    variance += b[k] * sum;
  }
  const auto n = static_cast<double>(rows_);
  return std::max(variance, 0.0) / (n * n);
}

absl::StatusOr<std::unique_ptr<Regression>> Ridge::Fit(const RegressionData& data) const {
  PERENNIAL_ASSIGN_OR_RETURN(LinearFit fit, FitRidge(data.x, data.y, data.weights, options_));
  return std::make_unique<RidgeRegression>(std::move(fit), data.binary);
}

absl::StatusOr<std::unique_ptr<Regression>> Ridge::Restore(const std::string& bytes) const {
  PERENNIAL_ASSIGN_OR_RETURN(const record::SafetensorsFile file,
                             record::SafetensorsFile::Parse(bytes));
  const auto kind = file.metadata().find("kind");
  if (kind == file.metadata().end() || kind->second != "ridge") {
    return absl::InvalidArgumentError("these are not the bytes of a ridge regression");
  }
  PERENNIAL_ASSIGN_OR_RETURN(LinearFit fit, LinearFit::Load("", file));
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<uint8_t> binary, file.Read<uint8_t>("binary"));
  if (binary.size() != 1 || binary[0] > 1) {
    return absl::DataLossError("a ridge regression does not say whether its target is binary");
  }
  return std::make_unique<RidgeRegression>(std::move(fit), binary[0] == 1);
}

}  // namespace perennial::causal
