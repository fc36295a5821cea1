#include "causal/nets/objective.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "causal/data/logit.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/kernels/matrix.h"

namespace perennial::causal {
namespace {

using kernels::MatrixView;

// Propensities are kept this far from 0 and 1 where they are divided by, as in the authors' code of
// arXiv:1906.02120.
constexpr double kPropensityFloor = 0.01;

// The loss of one prediction and its derivative.
struct Loss {
  double value;
  double slope;
};
Loss OutcomeLoss(bool binary, double y, double prediction) {
  if (binary) return {Softplus(prediction) - y * prediction, Sigmoid(prediction) - y};
  const double residual = prediction - y;
  return {residual * residual, 2 * residual};
}

absl::Status CheckWeight(absl::string_view name, double value) {
  if (value >= 0 && std::isfinite(value)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " = ", value, ": must be a number of at least 0"));
}

// Of each row of a and b, the sum of products in the order of the columns. Rows go side by side,
// for one sum waits for itself.
template <typename T>
void RowDots(MatrixView<const T> a, MatrixView<const T> b, std::span<double> sums) {
  constexpr int64_t kSide = 8;
  int64_t r = 0;
  for (; r + kSide <= a.rows; r += kSide) {
    double side[kSide] = {};
    for (int64_t c = 0; c < a.columns; ++c) {
      for (int64_t k = 0; k < kSide; ++k) side[k] += double{a(r + k, c)} * b(r + k, c);
    }
    std::copy_n(side, kSide, sums.begin() + r);
  }
  for (; r < a.rows; ++r) {
    double sum = 0;
    for (int64_t c = 0; c < a.columns; ++c) sum += double{a(r, c)} * b(r, c);
    sums[r] = sum;
  }
}

// Of rows that need not be all of the block's.
template <typename T>
MatrixView<T> Part(MatrixView<T> block, const nn::RowRange& of_block, const nn::RowRange& part) {
  return kernels::SubRows(block, part.begin - of_block.begin, part.size());
}

struct Moments {
  double mean = 0;
  double deviation = 0;
};

// Of weights that add up to 1; empty: equal ones.
template <typename T>
Moments MomentsOf(std::span<const T> x, std::span<const double> weights) {
  Moments moments;
  for (size_t i = 0; i < x.size(); ++i) moments.mean += weights[i] * x[i];
  for (size_t i = 0; i < x.size(); ++i) {
    moments.deviation += weights[i] * (x[i] - moments.mean) * (x[i] - moments.mean);
  }
  moments.deviation = std::sqrt(moments.deviation);
  return moments;
}

std::vector<double> Normalized(size_t size, auto weights) {
  std::vector<double> normalized(size, 1.0 / static_cast<double>(size));
  if (weights.empty()) return normalized;
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (size_t i = 0; i < size; ++i) normalized[i] = weights[i] / sum;
  return normalized;
}

}  // namespace

absl::Status Validate(const ObjectiveOptions& options, const EffectNetwork& network) {
  PERENNIAL_RETURN_IF_ERROR(CheckWeight("propensity", options.propensity));
  PERENNIAL_RETURN_IF_ERROR(CheckWeight("targeted", options.targeted));
  PERENNIAL_RETURN_IF_ERROR(CheckWeight("alpha", options.alpha));
  PERENNIAL_RETURN_IF_ERROR(CheckWeight("beta", options.beta));
  PERENNIAL_RETURN_IF_ERROR(CheckWeight("control.bandwidth", options.control.bandwidth));
  if (options.alpha > 0) {
    if (network.features < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("alpha = ", options.alpha,
                       ": there are no shared features to balance; choose shared ones, or 0"));
    }
    PERENNIAL_RETURN_IF_ERROR(Validate(options.balance));
  }
  if ((options.propensity > 0 || options.targeted > 0) && network.propensity < 0) {
    return absl::InvalidArgumentError(
        "propensity and targeted need a network with a propensity head");
  }
  if (options.beta > 0 && options.binary &&
      options.control.target == ControlBalanceOptions::Target::kObserved &&
      options.control.scale == ControlBalanceOptions::Scale::kLogit) {
    return absl::InvalidArgumentError(
        "control outcomes that are observed, 0 or 1, have no logits: choose the scale of "
        "probabilities");
  }
  return absl::OkStatus();
}

template <typename T>
Objective<T>::Objective(const EffectNetwork& network, const ObjectiveOptions& options,
                        int64_t max_rows)
    : network_(network), options_(options) {
  const absl::Status valid = Validate(options, network);
  CHECK(valid.ok()) << valid.message();
  if (options.alpha > 0) {
    const int64_t width = network.network.outputs(network.features);
    representation_.emplace(options.balance, max_rows, max_rows, width);
    if (options.unit_length) {
      unit_.resize(max_rows * width);
      unit_gradient_.resize(max_rows * width);
      length_.resize(max_rows);
      row_dots_.resize(max_rows);
    }
  }
  if (options.beta > 0) {
    using Distance = ControlBalanceOptions::Distance;
    const Distance distance = options.control.distance;
    if (distance == Distance::kRbf) {
      rbf_.emplace(
          DiscrepancyConfig{.kind = DiscrepancyKind::kRbf, .bandwidth = options.control.bandwidth},
          max_rows, max_rows, 1);
    } else if (distance == Distance::kWasserstein1 || distance == Distance::kWasserstein2) {
      wasserstein_.emplace(
          distance == Distance::kWasserstein1 ? WassersteinKind::kW1 : WassersteinKind::kW2Squared,
          max_rows, max_rows);
    }
    h0_.resize(max_rows);
    h0_gradient_.resize(max_rows);
  }
}

template <typename T>
int64_t Objective<T>::Bytes(const EffectNetwork& network, const ObjectiveOptions& options,
                            int64_t max_rows) {
  int64_t bytes = 0;
  if (options.alpha > 0) {
    const int64_t width = network.network.outputs(network.features);
    bytes += Discrepancy<T>::Bytes(options.balance, max_rows, max_rows, width);
    if (options.unit_length) bytes += 2 * max_rows * width * static_cast<int64_t>(sizeof(T));
  }
  // Vectors of a batch: sorted samples, their order, weights and gradients.
  if (options.beta > 0) bytes += 16 * max_rows * static_cast<int64_t>(sizeof(double));
  return bytes;
}

template <typename T>
std::span<const nn::RowRange> Objective<T>::Ranges(const BatchLayout& layout) {
  const int64_t rows = layout.rows();
  ranges_.assign(network_.network.blocks(), nn::RowRange{0, rows});
  for (int arm = 0; arm < network_.arms(); ++arm) {
    ranges_[network_.heads[arm]] = layout.labelled[arm];
  }
  // D1 asks the control head about everybody, and so do differences from it.
  if (options_.beta > 0 || network_.offset) ranges_[network_.heads[0]] = {0, rows};
  return ranges_;
}

template <typename T>
void Objective<T>::Factual(const ObjectiveBatch<T>& batch, nn::Workspace<T>& workspace,
                           std::span<T> epsilon_gradient, ObjectiveLosses& losses) {
  const BatchLayout& layout = *batch.layout;
  const int arms = network_.arms();
  const bool asks_propensity = options_.propensity > 0 || options_.targeted > 0;
  MatrixView<const T> logits;
  MatrixView<T> logits_gradient;
  if (asks_propensity) {
    logits = workspace.output(network_.propensity);
    logits_gradient = workspace.gradient(network_.propensity);
    kernels::FillZero(logits_gradient);
  }
  double labelled = 0;
  for (const nn::RowRange& range : layout.labelled) labelled += static_cast<double>(range.size());
  const double mean = 1 / labelled;
  double epsilon_sum = 0;
  for (const T epsilon : batch.epsilon) epsilon_sum += epsilon;
  std::ranges::fill(epsilon_gradient, T(0));
  std::vector<double> p(arms);
  for (int arm = 0; arm < arms; ++arm) {
    const int head = network_.heads[arm];
    const MatrixView<const T> output = workspace.output(head);
    const nn::RowRange& range = layout.labelled[arm];
    const int64_t first = ranges_[head].begin;
    if (output.rows == 0) continue;
    const MatrixView<T> gradient = workspace.gradient(head);
    if (range.size() < output.rows) kernels::FillZero(gradient);
    // Arms come after the control, whose gradient is written by then.
    const bool adds = network_.offset && arm > 0;
    const MatrixView<const T> base = workspace.output(network_.heads[0]);
    for (int64_t r = range.begin; r < range.end; ++r) {
      const double y = batch.outcome[r];
      const double weight = batch.weights[r];
      const double prediction = output(r - first, 0) + (adds ? double{base(r, 0)} : 0.0);
      const Loss factual = OutcomeLoss(options_.binary, y, prediction);
      losses.factual += weight * factual.value;
      double slope = weight * factual.slope;
      if (asks_propensity) {
        double largest = logits(r, 0);
        for (int k = 1; k < arms; ++k) largest = std::max<double>(largest, logits(r, k));
        double sum = 0;
        for (int k = 0; k < arms; ++k) sum += p[k] = std::exp(logits(r, k) - largest);
        for (double& probability : p) probability /= sum;
        losses.propensity +=
            options_.propensity * mean * (std::log(sum) + largest - logits(r, arm));
        for (int k = 0; k < arms; ++k) {
          logits_gradient(r, k) = static_cast<T>(options_.propensity * mean * (p[k] - (k == arm)));
        }
      }
      if (options_.targeted > 0) {
        const double scale = options_.targeted * mean;
        const double range_of_p = 1 + kPropensityFloor * arms;
        const double g = (p[arm] + kPropensityFloor) / range_of_p;
        const double step = arm == 0 ? -epsilon_sum : batch.epsilon[arm - 1];
        const Loss targeted = OutcomeLoss(options_.binary, y, prediction + step / g);
        losses.targeted += scale * targeted.value;
        slope += scale * targeted.slope;
        if (arm == 0) {
          for (T& e : epsilon_gradient) e -= static_cast<T>(scale * targeted.slope / g);
        } else {
          epsilon_gradient[arm - 1] += static_cast<T>(scale * targeted.slope / g);
        }
        // d(step / g) / dp, then through the softmax.
        const double to_p = -scale * targeted.slope * step / (g * g * range_of_p);
        for (int k = 0; k < arms; ++k) {
          logits_gradient(r, k) += static_cast<T>(to_p * p[arm] * ((k == arm) - p[k]));
        }
      }
      gradient(r - first, 0) = static_cast<T>(slope);
      if (adds) workspace.gradient(network_.heads[0])(r, 0) += static_cast<T>(slope);
    }
  }
}

template <typename T>
double Objective<T>::Balance(const BatchLayout& layout, nn::Workspace<T>& workspace) {
  const MatrixView<const T> features = workspace.output(network_.features);
  const MatrixView<T> gradient = workspace.gradient(network_.features);
  kernels::FillZero(gradient);
  const int64_t rows = features.rows;
  const int64_t width = features.columns;
  MatrixView<const T> compared = features;
  MatrixView<T> compared_gradient = gradient;
  if (options_.unit_length) {
    const MatrixView<T> unit = {unit_.data(), rows, width, width};
    RowDots<T>(features, features, row_dots_);
    for (int64_t r = 0; r < rows; ++r) {
      length_[r] = static_cast<T>(std::sqrt(row_dots_[r]));
      const T inverse = length_[r] > 0 ? 1 / length_[r] : 0;
      for (int64_t c = 0; c < width; ++c) unit(r, c) = features(r, c) * inverse;
    }
    compared = unit;
    compared_gradient = {unit_gradient_.data(), rows, width, width};
    kernels::FillZero(compared_gradient);
  }
  double loss = 0;
  const nn::RowRange& control = layout.arms[0];
  for (int arm = 1; arm < network_.arms(); ++arm) {
    const nn::RowRange& treated = layout.arms[arm];
    loss += options_.alpha *
            representation_->Evaluate(
                kernels::SubRows(compared, treated.begin, treated.size()),
                kernels::SubRows(compared, control.begin, control.size()), options_.alpha,
                kernels::SubRows(compared_gradient, treated.begin, treated.size()),
                kernels::SubRows(compared_gradient, control.begin, control.size()));
  }
  if (options_.unit_length) {
    RowDots<T>(compared, compared_gradient, row_dots_);
    for (int64_t r = 0; r < rows; ++r) {
      if (!(length_[r] > 0)) continue;
      const T* u = compared.row(r);
      const T* g = compared_gradient.row(r);
      const T part = static_cast<T>(row_dots_[r]);
      const T inverse = 1 / length_[r];
      for (int64_t c = 0; c < width; ++c) gradient(r, c) = (g[c] - part * u[c]) * inverse;
    }
  }
  return loss;
}

template <typename T>
double Objective<T>::Distance(std::span<const T> x, std::span<const T> y,
                              std::span<const T> y_weights, double scale, std::span<T> gx,
                              std::span<T> gy) {
  if (x.empty() || y.empty()) return 0;
  using Kind = ControlBalanceOptions::Distance;
  switch (options_.control.distance) {
    case Kind::kWasserstein1:
    case Kind::kWasserstein2:
      return wasserstein_->Evaluate(AsColumn(x), AsColumn(y), scale, AsColumn(gx), AsColumn(gy), {},
                                    y_weights);
    case Kind::kRbf:
      return rbf_->Evaluate(AsColumn(x), AsColumn(y), scale, AsColumn(gx), AsColumn(gy), {},
                            y_weights);
    case Kind::kMean:
    case Kind::kMoments:
      break;
  }
  const std::vector<double> wx = Normalized(x.size(), std::span<const T>());
  const std::vector<double> wy = Normalized(y.size(), y_weights);
  const Moments mx = MomentsOf(x, wx);
  const Moments my = MomentsOf(y, wy);
  const double shift = mx.mean - my.mean;
  const bool both = options_.control.distance == Kind::kMoments;
  const double widening = both ? mx.deviation - my.deviation : 0;
  const auto add = [&](std::span<const T> values, std::span<const double> weights,
                       const Moments& moments, double sign, std::span<T> gradient) {
    for (size_t i = 0; i < gradient.size(); ++i) {
      double slope = 2 * shift;
      if (moments.deviation > 0) {
        slope += 2 * widening * (values[i] - moments.mean) / moments.deviation;
      }
      gradient[i] += static_cast<T>(scale * sign * weights[i] * slope);
    }
  };
  add(x, wx, mx, 1, gx);
  add(y, wy, my, -1, gy);
  return shift * shift + widening * widening;
}

template <typename T>
double Objective<T>::ControlBalance(const ObjectiveBatch<T>& batch, nn::Workspace<T>& workspace) {
  const double beta = options_.beta * batch.beta_factor;
  if (beta == 0) return 0;
  const BatchLayout& layout = *batch.layout;
  const ControlBalanceOptions& control = options_.control;
  const int head = network_.heads[0];
  const MatrixView<const T> output = workspace.output(head);
  const MatrixView<T> gradient = workspace.gradient(head);
  const bool probability =
      options_.binary && control.scale == ControlBalanceOptions::Scale::kProbability;
  const bool observed = control.target == ControlBalanceOptions::Target::kObserved;
  const bool move_controls =
      !observed && control.gradient == ControlBalanceOptions::Gradient::kBoth;
  const int64_t rows = layout.rows();
  for (int64_t r = 0; r < rows; ++r) {
    h0_[r] = probability ? static_cast<T>(Sigmoid(output(r, 0))) : output(r, 0);
    h0_gradient_[r] = 0;
  }
  const nn::RowRange& controls = observed ? layout.labelled[0] : layout.arms[0];
  double loss = 0;
  for (int arm = 1; arm < network_.arms(); ++arm) {
    const nn::RowRange& treated = layout.arms[arm];
    // Control outcomes of treated and control units.
    const auto compare = [&](std::span<const int32_t> x_rows, std::span<const int32_t> y_rows) {
      if (x_rows.empty() || y_rows.empty()) return;
      const double share = static_cast<double>(x_rows.size()) / static_cast<double>(treated.size());
      x_.clear();
      y_.clear();
      y_weights_.clear();
      for (const int32_t r : x_rows) x_.push_back(h0_[r]);
      for (const int32_t r : y_rows) y_.push_back(observed ? batch.outcome[r] : h0_[r]);
      if (!batch.control_weights.empty()) {
        for (const int32_t r : y_rows) y_weights_.push_back(batch.control_weights[arm - 1][r]);
      }
      gx_.assign(x_.size(), 0);
      gy_.assign(move_controls ? y_.size() : 0, 0);
      loss += beta * share * Distance(x_, y_, y_weights_, beta * share, gx_, gy_);
      for (size_t i = 0; i < gx_.size(); ++i) h0_gradient_[x_rows[i]] += gx_[i];
      for (size_t i = 0; i < gy_.size(); ++i) h0_gradient_[y_rows[i]] += gy_[i];
    };
    if (batch.strata.empty()) {
      x_rows_.resize(treated.size());
      y_rows_.resize(controls.size());
      std::iota(x_rows_.begin(), x_rows_.end(), static_cast<int32_t>(treated.begin));
      std::iota(y_rows_.begin(), y_rows_.end(), static_cast<int32_t>(controls.begin));
      compare(x_rows_, y_rows_);
      continue;
    }
    std::map<int32_t, std::pair<std::vector<int32_t>, std::vector<int32_t>>> strata;
    for (int64_t r = treated.begin; r < treated.end; ++r) {
      strata[batch.strata[arm - 1][r]].first.push_back(static_cast<int32_t>(r));
    }
    for (int64_t r = controls.begin; r < controls.end; ++r) {
      strata[batch.strata[arm - 1][r]].second.push_back(static_cast<int32_t>(r));
    }
    for (const auto& [stratum, members] : strata) compare(members.first, members.second);
  }
  for (int64_t r = 0; r < rows; ++r) {
    const T slope = probability ? h0_[r] * (1 - h0_[r]) : T(1);
    gradient(r, 0) += h0_gradient_[r] * slope;
  }
  return loss;
}

template <typename T>
ObjectiveLosses Objective<T>::Evaluate(const ObjectiveBatch<T>& batch, nn::Workspace<T>& workspace,
                                       std::span<T> epsilon_gradient) {
  const BatchLayout& layout = *batch.layout;
  const auto arms = static_cast<size_t>(network_.arms());
  CHECK(layout.arms.size() == arms && layout.labelled.size() == arms);
  CHECK_EQ(static_cast<int64_t>(batch.outcome.size()), layout.rows());
  CHECK_EQ(batch.weights.size(), batch.outcome.size());
  CHECK(options_.targeted == 0 ||
        (batch.epsilon.size() == arms - 1 && epsilon_gradient.size() == arms - 1));
  ObjectiveLosses losses;
  Factual(batch, workspace, epsilon_gradient, losses);
  if (options_.alpha > 0) losses.balance = Balance(layout, workspace);
  if (options_.beta > 0) losses.control_balance = ControlBalance(batch, workspace);
  return losses;
}

template class Objective<float>;
template class Objective<double>;

}  // namespace perennial::causal
