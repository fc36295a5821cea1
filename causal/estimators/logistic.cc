#include "causal/estimators/logistic.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "causal/data/logit.h"
#include "causal/estimators/ridge.h"
#include "causal/estimators/standardization.h"
#include "causal/estimators/symmetric_matrix.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/record/safetensors.h"

namespace perennial::causal {
namespace {

constexpr int64_t kMaxIterations = 200;

// The penalised likelihood as a function of theta [classes - 1, 1 + p], intercepts first.
class Objective {
 public:
  Objective(kernels::MatrixView<const double> x, std::span<const int32_t> class_of_row, int classes,
            std::span<const double> weights, const Standardization& standardization, double penalty)
      : x_(x),
        class_of_row_(class_of_row),
        weights_(weights),
        standardization_(standardization),
        heads_(classes - 1),
        width_(1 + x.columns),
        penalty_(penalty),
        z_(width_),
        odds_(heads_) {
    for (int64_t i = 0; i < x.rows; ++i) total_ += weights.empty() ? 1 : weights[i];
  }

  int64_t size() const { return heads_ * width_; }

  // The value; and, where they are not empty, the gradient [size] and the lower triangle of the
  // Hessian [size, size].
  double Evaluate(std::span<const double> theta, std::span<double> gradient,
                  std::span<double> hessian) {
    const bool derivatives = !gradient.empty();
    std::ranges::fill(gradient, 0);
    std::ranges::fill(hessian, 0);
    double value = 0;
    for (int64_t i = 0; i < x_.rows; ++i) {
      const double weight = (weights_.empty() ? 1 : weights_[i]) / total_;
      if (weight == 0) continue;
      z_[0] = 1;
      standardization_.Apply(x_.row(i), std::span<double>(z_).subspan(1));
      double greatest = 0;
      for (int64_t k = 0; k < heads_; ++k) {
        double sum = 0;
        for (int64_t j = 0; j < width_; ++j) sum += theta[k * width_ + j] * z_[j];
        odds_[k] = sum;
        greatest = std::max(greatest, sum);
      }
      const int32_t truth = class_of_row_[i];
      const double own = truth == 0 ? 0 : odds_[truth - 1];
      double normalizer = std::exp(-greatest);
      for (const double odds : odds_) normalizer += std::exp(odds - greatest);
      value += weight * (greatest + std::log(normalizer) - own);
      if (!derivatives) continue;
      // From here on odds_ are probabilities.
      for (double& odds : odds_) odds = std::exp(odds - greatest) / normalizer;
      for (int64_t k = 0; k < heads_; ++k) {
        const double residual = weight * (odds_[k] - (truth == k + 1 ? 1 : 0));
        for (int64_t j = 0; j < width_; ++j) gradient[k * width_ + j] += residual * z_[j];
        for (int64_t l = 0; l <= k; ++l) {
          const double curvature = weight * odds_[k] * ((k == l ? 1 : 0) - odds_[l]);
          for (int64_t j = 0; j < width_; ++j) {
            double* const row = hessian.data() + (k * width_ + j) * size() + l * width_;
            const double scaled = curvature * z_[j];
            for (int64_t h = 0; h <= (k == l ? j : width_ - 1); ++h) row[h] += scaled * z_[h];
          }
        }
      }
    }
    return value + AddPenalty(theta, gradient, hessian);
  }

 private:
  // With b_k = g_k - mean g, g_0 = 0: sum |b_k|^2 = sum |g_k|^2 - |sum g_k|^2 / classes.
  double AddPenalty(std::span<const double> theta, std::span<double> gradient,
                    std::span<double> hessian) {
    const double share = 1 / static_cast<double>(heads_ + 1);
    double value = 0;
    for (int64_t j = 1; j < width_; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < heads_; ++k) sum += theta[k * width_ + j];
      for (int64_t k = 0; k < heads_; ++k) {
        const double b = theta[k * width_ + j];
        value += penalty_ * b * (b - share * sum);
        if (gradient.empty()) continue;
        gradient[k * width_ + j] += 2 * penalty_ * (b - share * sum);
        for (int64_t l = 0; l <= k; ++l) {
          hessian[(k * width_ + j) * size() + l * width_ + j] +=
              2 * penalty_ * ((k == l ? 1 : 0) - share);
        }
      }
    }
    return value;
  }

  kernels::MatrixView<const double> x_;
  std::span<const int32_t> class_of_row_;
  std::span<const double> weights_;
  const Standardization& standardization_;
  int64_t heads_;
  int64_t width_;
  double penalty_;
  double total_ = 0;
  std::vector<double> z_;
  std::vector<double> odds_;
};

// The step of Newton's method. Where the Hessian is singular to rounding (all probabilities close
// to 0 or 1) its diagonal is raised until it is not, which shortens the step.
std::vector<double> NewtonStep(std::span<const double> hessian, std::span<const double> gradient) {
  const int64_t n = static_cast<int64_t>(gradient.size());
  double greatest = 0;
  for (int64_t k = 0; k < n; ++k) greatest = std::max(greatest, hessian[k * n + k]);
  for (double raise = 0;; raise = raise == 0 ? 1e-14 * greatest + 1e-300 : 10 * raise) {
    std::vector<double> factor(hessian.begin(), hessian.end());
    for (int64_t k = 0; k < n; ++k) factor[k * n + k] += raise;
    if (!Cholesky(factor, n, 1e-15 * greatest)) continue;
    std::vector<double> step(gradient.begin(), gradient.end());
    CholeskySolve(factor, n, step);
    return step;
  }
}

class LogisticRegression : public Regression {
 public:
  explicit LogisticRegression(LogisticFit fit) : fit_(std::move(fit)) {}

  void Predict(kernels::MatrixView<const double> x, std::span<double> predicted) const override {
    CHECK_EQ(x.columns, static_cast<int64_t>(fit_.center.size()));
    CHECK_EQ(x.rows, static_cast<int64_t>(predicted.size()));
    double probability[2];
    for (int64_t i = 0; i < x.rows; ++i) {
      fit_.Predict(x.row(i), probability);
      predicted[i] = probability[1];
    }
  }

  std::string Serialize() const override {
    record::SafetensorsWriter writer;
    const std::vector<int64_t> shape = {static_cast<int64_t>(fit_.center.size())};
    CHECK(writer.Add("center", shape, std::span<const double>(fit_.center)).ok());
    CHECK(writer.Add("coefficients", shape, std::span<const double>(fit_.coefficients)).ok());
    CHECK(writer.Add("mean", {1}, std::span<const double>(fit_.mean)).ok());
    writer.SetMetadata("kind", "logistic");
    const absl::StatusOr<std::string> bytes = writer.Finish();
    CHECK(bytes.ok()) << bytes.status();
    return *bytes;
  }

 private:
  LogisticFit fit_;
};

}  // namespace

void LogisticFit::Predict(const double* x, std::span<double> probability) const {
  CHECK_EQ(static_cast<int>(probability.size()), classes());
  const size_t p = center.size();
  double greatest = 0;
  for (size_t k = 0; k < mean.size(); ++k) {
    double odds = mean[k];
    for (size_t j = 0; j < p; ++j) odds += coefficients[k * p + j] * (x[j] - center[j]);
    probability[k + 1] = odds;
    greatest = std::max(greatest, odds);
  }
  probability[0] = std::exp(-greatest);
  double total = probability[0];
  for (double& value : probability.subspan(1)) total += value = std::exp(value - greatest);
  for (double& value : probability) value /= total;
}

absl::StatusOr<LogisticFit> FitLogistic(kernels::MatrixView<const double> x,
                                        std::span<const int32_t> class_of_row, int classes,
                                        std::span<const double> weights,
                                        const LogisticOptions& options) {
  CHECK_GE(classes, 2);
  CHECK_EQ(static_cast<int64_t>(class_of_row.size()), x.rows);
  if (!(options.penalty >= 1e-12 && std::isfinite(options.penalty))) {
    return absl::InvalidArgumentError(absl::StrCat("the penalty of a logistic regression is ",
                                                   options.penalty,
                                                   "; it must be a finite number, 1e-12 or more"));
  }
  PERENNIAL_RETURN_IF_ERROR(CheckRegressionData(x, std::vector<double>(x.rows), weights));
  std::vector<double> share(classes);
  for (int64_t i = 0; i < x.rows; ++i) {
    if (class_of_row[i] < 0 || class_of_row[i] >= classes) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the class of row ", i + 1, " is ", class_of_row[i], "; it must be 0 to ", classes - 1));
    }
    share[class_of_row[i]] += weights.empty() ? 1 : weights[i];
  }
  for (int k = 0; k < classes; ++k) {
    if (share[k] > 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("no row is of class ", k, "; a probability needs rows of each class"));
  }

  const Standardization standardization = StandardizationOf(x, weights);
  Objective objective(x, class_of_row, classes, weights, standardization, options.penalty);
  const int64_t size = objective.size();
  const int64_t width = 1 + x.columns;
  std::vector<double> theta(size);
  for (int k = 1; k < classes; ++k) theta[(k - 1) * width] = std::log(share[k] / share[0]);
  std::vector<double> gradient(size);
  std::vector<double> hessian(size * size);
  std::vector<double> next(size);
  LogisticFit fit = {.center = standardization.center, .converged = false};
  while (fit.iterations < kMaxIterations && !fit.converged) {
    ++fit.iterations;
    const double value = objective.Evaluate(theta, gradient, hessian);
    const std::vector<double> step = NewtonStep(hessian, gradient);
    double decrease = 0;  // that the gradient promises for a whole step
    for (int64_t d = 0; d < size; ++d) decrease += step[d] * gradient[d];
    // Of a sum over the rows.
    const double rounding = 1e-15 * (1 + std::abs(value)) * std::sqrt(static_cast<double>(x.rows));
    // A step that promises less than rounding cannot be seen in the value; it is the last one, and
    // what is left after it is the square of what it was.
    if (decrease <= rounding) {
      for (int64_t d = 0; d < size; ++d) theta[d] -= step[d];
      fit.converged = true;
      break;
    }
    double scale = 1;
    bool moved = false;
    for (int halving = 0; halving < 60 && !moved; ++halving, scale /= 2) {
      for (int64_t d = 0; d < size; ++d) next[d] = theta[d] - scale * step[d];
      const double tried = objective.Evaluate(next, {}, {});
      moved = std::isfinite(tried) && tried <= value - 1e-4 * scale * decrease + rounding;
    }
    if (!moved) break;
    theta.swap(next);
  }
  for (int k = 0; k < classes - 1; ++k) {
    fit.mean.push_back(theta[k * width]);
    for (int64_t j = 0; j < x.columns; ++j) {
      fit.coefficients.push_back(theta[k * width + 1 + j] * standardization.inverse[j]);
    }
  }
  return fit;
}

absl::StatusOr<std::unique_ptr<Regression>> Logistic::Fit(const RegressionData& data) const {
  if (!data.binary) {
    return absl::InvalidArgumentError("logistic regression is for binary targets");
  }
  PERENNIAL_RETURN_IF_ERROR(CheckRegressionData(data.x, data.y, data.weights));
  std::vector<int32_t> class_of_row;
  double ones = 0;
  double total = 0;
  for (size_t i = 0; i < data.y.size(); ++i) {
    if (data.y[i] != 0 && data.y[i] != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("the target of row ", i + 1, " is ", data.y[i], "; a binary one is 0 or 1"));
    }
    class_of_row.push_back(data.y[i] == 1 ? 1 : 0);
    const double weight = data.weights.empty() ? 1 : data.weights[i];
    ones += weight * data.y[i];
    total += weight;
  }
  if (ones == 0 || ones == total) {
    const size_t p = static_cast<size_t>(data.x.columns);
    // In numbers of rows, so that the scale of weights has no say.
    const double rows = static_cast<double>(data.y.size());
    return std::make_unique<LogisticRegression>(
        LogisticFit{.center = std::vector<double>(p),
                    .coefficients = std::vector<double>(p),
                    .mean = {Logit(((ones > 0 ? rows : 0) + 0.5) / (rows + 1))}});
  }
  PERENNIAL_ASSIGN_OR_RETURN(LogisticFit fit,
                             FitLogistic(data.x, class_of_row, 2, data.weights, options_));
  return std::make_unique<LogisticRegression>(std::move(fit));
}

absl::StatusOr<std::unique_ptr<Regression>> Logistic::Restore(const std::string& bytes) const {
  PERENNIAL_ASSIGN_OR_RETURN(const record::SafetensorsFile file,
                             record::SafetensorsFile::Parse(bytes));
  const auto kind = file.metadata().find("kind");
  if (kind == file.metadata().end() || kind->second != "logistic") {
    return absl::InvalidArgumentError("these are not the bytes of a logistic regression");
  }
  LogisticFit fit;
  PERENNIAL_ASSIGN_OR_RETURN(fit.center, file.Read<double>("center"));
  PERENNIAL_ASSIGN_OR_RETURN(fit.coefficients, file.Read<double>("coefficients"));
  PERENNIAL_ASSIGN_OR_RETURN(fit.mean, file.Read<double>("mean"));
  if (fit.center.size() != fit.coefficients.size() || fit.mean.size() != 1) {
    return absl::DataLossError(absl::StrCat(
        "a logistic regression has ", fit.center.size(), " centers, ", fit.coefficients.size(),
        " coefficients and ", fit.mean.size(), " intercepts, not p, p and 1"));
  }
  for (const std::vector<double>* const numbers : {&fit.center, &fit.coefficients, &fit.mean}) {
    for (const double number : *numbers) {
      if (!std::isfinite(number)) {
        return absl::DataLossError(
            absl::StrCat("a logistic regression holds ", number, ", not a finite number"));
      }
    }
  }
  return std::make_unique<LogisticRegression>(std::move(fit));
}

}  // namespace perennial::causal
