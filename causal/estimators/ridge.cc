#include "causal/estimators/ridge.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
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

constexpr size_t kClusterFolds = 5;

// The fold of each row, by whole clusters; -1 of rows of weight 0. Empty where there are not two
// clusters, or none has two rows.
std::vector<int32_t> FoldsOfClusters(std::span<const int32_t> cluster,
                                     std::span<const double> weights) {
  std::map<int32_t, std::vector<size_t>> rows;
  for (size_t i = 0; i < cluster.size(); ++i) {
    if (weights.empty() || weights[i] > 0) rows[cluster[i]].push_back(i);
  }
  const auto alone = [](const auto& of_cluster) { return of_cluster.second.size() == 1; };
  if (rows.size() < 2 || std::ranges::all_of(rows, alone)) return {};
  std::vector<const std::vector<size_t>*> order;
  for (const auto& [number, of_cluster] : rows) order.push_back(&of_cluster);
  // By rows, not by numbers, which are names.
  std::ranges::sort(order, [](const auto* a, const auto* b) {
    return a->size() != b->size() ? a->size() > b->size() : a->front() < b->front();
  });
  std::vector<int32_t> fold_of(cluster.size(), -1);
  std::vector<size_t> size(std::min(kClusterFolds, order.size()));
  for (const std::vector<size_t>* of_cluster : order) {
    const auto fold = std::ranges::min_element(size) - size.begin();
    size[fold] += of_cluster->size();
    for (const size_t row : *of_cluster) fold_of[row] = static_cast<int32_t>(fold);
  }
  return fold_of;
}

// Weighted sums over rows, of z, what is standardised by all rows, and the target less its mean.
struct Sums {
  double weight = 0;
  double target = 0;
  double squares = 0;            // of the target
  std::vector<double> columns;   // [q]
  std::vector<double> cross;     // [q], with the target
  std::vector<double> products;  // [q, q]
};

// The error, over rows that sum up to `out`, of the fit of each penalty to rows that sum up to
// `in`: adds to errors [kPenalties].
void AddErrors(const Sums& in, const Sums& out, std::span<double> errors) {
  // Of the variance over all rows, 1: of a column that varies in those left out alone.
  constexpr double kConstant = 1e-10;
  const size_t q = in.columns.size();
  std::vector<size_t> varying;
  std::vector<double> scale;
  for (size_t a = 0; a < q; ++a) {
    const double mean = in.columns[a] / in.weight;
    const double variance = in.products[a * q + a] / in.weight - mean * mean;
    if (variance <= kConstant) continue;
    varying.push_back(a);
    scale.push_back(std::sqrt(variance));
  }
  const auto v = static_cast<int64_t>(varying.size());
  Moments moments = {.correlation = std::vector<double>(v * v), .cross = std::vector<double>(v)};
  for (int64_t k = 0; k < v; ++k) {
    const size_t a = varying[k];
    const double mean = in.columns[a] / in.weight;
    moments.cross[k] = (in.cross[a] - mean * in.target) / in.weight / scale[k];
    for (int64_t l = 0; l < v; ++l) {
      moments.correlation[k * v + l] =
          (in.products[a * q + varying[l]] - mean * in.columns[varying[l]]) / in.weight /
          (scale[k] * scale[l]);
    }
  }
  for (int step = 0; step < kPenalties; ++step) {
    std::vector<double> b = SolveByFactor(moments, PenaltyOf(step));
    // Columns that hardly vary in these rows are known to few digits.
    if (b.empty() && v > 0) {
      b = SolveByEigen(moments, EigenOf(moments.correlation, v), PenaltyOf(step));
    }
    double intercept = in.target / in.weight;
    for (int64_t k = 0; k < v; ++k) {
      b[k] /= scale[k];
      intercept -= b[k] * in.columns[varying[k]] / in.weight;
    }
    double error = out.squares + intercept * (intercept * out.weight - 2 * out.target);
    for (int64_t k = 0; k < v; ++k) {
      const size_t a = varying[k];
      double sum = 2 * (intercept * out.columns[a] - out.cross[a]);
      for (int64_t l = 0; l < v; ++l) sum += b[l] * out.products[a * q + varying[l]];
      error += b[k] * sum;
    }
    errors[step] += std::max(error, 0.0);
  }
}

double PenaltyByClusters(kernels::MatrixView<const double> x, std::span<const double> y,
                         std::span<const double> weights, std::span<const int32_t> fold_of,
                         const Standardization& standardization, std::span<const int64_t> columns,
                         double mean) {
  const size_t q = columns.size();
  const Sums none = {.columns = std::vector<double>(q),
                     .cross = std::vector<double>(q),
                     .products = std::vector<double>(q * q)};
  std::vector<Sums> folds(std::ranges::max(fold_of) + 1, none);
  std::vector<double> z(q);
  for (int64_t i = 0; i < x.rows; ++i) {
    if (fold_of[i] < 0) continue;
    Sums& sums = folds[fold_of[i]];
    const double weight = weights.empty() ? 1 : weights[i];
    const double residual = y[i] - mean;
    sums.weight += weight;
    sums.target += weight * residual;
    sums.squares += weight * residual * residual;
    for (size_t a = 0; a < q; ++a) {
      const int64_t j = columns[a];
      z[a] = (x(i, j) - standardization.center[j]) * standardization.inverse[j];
      const double weighted = weight * z[a];
      sums.columns[a] += weighted;
      sums.cross[a] += weighted * residual;
      for (size_t b = 0; b <= a; ++b) sums.products[a * q + b] += weighted * z[b];
    }
  }
  for (Sums& sums : folds) {
    for (size_t a = 0; a < q; ++a) {
      for (size_t b = 0; b < a; ++b) sums.products[b * q + a] = sums.products[a * q + b];
    }
  }
  std::vector<double> errors(kPenalties);
  for (size_t out = 0; out < folds.size(); ++out) {
    Sums in = none;
    for (size_t fold = 0; fold < folds.size(); ++fold) {
      if (fold == out) continue;
      in.weight += folds[fold].weight;
      in.target += folds[fold].target;
      for (size_t a = 0; a < q; ++a) {
        in.columns[a] += folds[fold].columns[a];
        in.cross[a] += folds[fold].cross[a];
      }
      for (size_t k = 0; k < q * q; ++k) in.products[k] += folds[fold].products[k];
    }
    AddErrors(in, folds[out], errors);
  }
  // The greatest of several that are as good.
  int best = kPenalties - 1;
  for (int step = kPenalties - 1; step >= 0; --step) {
    if (errors[step] < errors[best]) best = step;
  }
  return PenaltyOf(best);
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
                                   std::span<const double> weights, const RidgeOptions& options,
                                   std::span<const int32_t> cluster) {
  if (!options.cross_validation && !(options.penalty >= 0 && std::isfinite(options.penalty))) {
    return absl::InvalidArgumentError(absl::StrCat("the penalty of a ridge regression is ",
                                                   options.penalty,
                                                   "; it must be a finite number, 0 or more"));
  }
  PERENNIAL_RETURN_IF_ERROR(CheckRegressionData(x, y, weights));
  CHECK(cluster.empty() || cluster.size() == y.size());
  const Standardization standardization = StandardizationOf(x, weights);
  const std::vector<int64_t> columns = VaryingColumns(standardization);
  const int64_t q = static_cast<int64_t>(columns.size());
  const Moments moments = MomentsOf(x, y, weights, standardization, columns);
  LinearFit fit = {.center = standardization.center,
                   .coefficients = std::vector<double>(x.columns),
                   .mean = moments.mean};
  const std::vector<int32_t> fold_of =
      options.cross_validation ? FoldsOfClusters(cluster, weights) : std::vector<int32_t>();
  std::vector<double> b;
  double penalty = options.penalty;
  if (options.cross_validation && fold_of.empty()) {
    const SymmetricEigen eigen = EigenOf(moments.correlation, q);
    penalty = CrossValidatedPenalty(moments, eigen);
    b = SolveByEigen(moments, eigen, penalty);
  } else {
    if (!fold_of.empty()) {
      penalty = PenaltyByClusters(x, y, weights, fold_of, standardization, columns, moments.mean);
    }
    if (q > 0) b = SolveByFactor(moments, penalty);
    if (b.empty()) b = SolveByEigen(moments, EigenOf(moments.correlation, q), penalty);
  }
  fit.penalty = penalty;
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
    residuals_.push_back(residual);
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

std::vector<double> RobustCovariance::Terms(kernels::MatrixView<const double> x,
                                            const double* at) const {
  CHECK_EQ(x.rows, rows_);
  CHECK_EQ(x.columns, static_cast<int64_t>(center_.size()));
  const size_t q = columns_.size();
  std::vector<double> z(q);
  std::vector<double> solved(q);
  Solve(at, z, solved);
  std::vector<double> terms(rows_);
  for (int64_t i = 0; i < rows_; ++i) {
    double sum = 1;
    for (size_t k = 0; k < q; ++k) {
      const int64_t j = columns_[k];
      sum += solved[k] * (x(i, j) - center_[j]) * inverse_[j];
    }
    terms[i] = sum * residuals_[i] / static_cast<double>(rows_);
  }
  return terms;
}

absl::StatusOr<std::unique_ptr<Regression>> Ridge::Fit(const RegressionData& data) const {
  PERENNIAL_ASSIGN_OR_RETURN(LinearFit fit,
                             FitRidge(data.x, data.y, data.weights, options_, data.cluster));
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
