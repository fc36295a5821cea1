#include "common/optim/optimizer.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/kernels/elementwise.h"
#include "common/kernels/optimizer.h"

namespace perennial::optim {
namespace {

bool IsAdam(const OptimizerConfig& config) {
  return config.kind == OptimizerKind::kAdam || config.kind == OptimizerKind::kAdamW;
}

// Written so that NaN is out of range.
absl::Status CheckRange(const char* field, double value, bool in_range, const char* range) {
  if (in_range && std::isfinite(value)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, "; it must be ", range));
}

}  // namespace

absl::Status Validate(const OptimizerConfig& config) {
  const auto check_fraction = [](const char* field, double value) {
    return CheckRange(field, value, value >= 0 && value < 1, "in [0, 1)");
  };
  const auto check_not_negative = [](const char* field, double value) {
    return CheckRange(field, value, value >= 0, "finite and at least 0");
  };
  PERENNIAL_RETURN_IF_ERROR(check_not_negative("learning_rate", config.learning_rate));
  PERENNIAL_RETURN_IF_ERROR(check_not_negative("weight_decay", config.weight_decay));
  PERENNIAL_RETURN_IF_ERROR(check_not_negative("clip_norm", config.clip_norm));
  if (IsAdam(config)) {
    PERENNIAL_RETURN_IF_ERROR(check_fraction("beta1", config.beta1));
    PERENNIAL_RETURN_IF_ERROR(check_fraction("beta2", config.beta2));
  } else {
    PERENNIAL_RETURN_IF_ERROR(check_fraction("momentum", config.momentum));
  }
  if (config.kind == OptimizerKind::kRmsprop) {
    PERENNIAL_RETURN_IF_ERROR(check_fraction("smoothing", config.smoothing));
  }
  if (config.kind != OptimizerKind::kSgd) {
    PERENNIAL_RETURN_IF_ERROR(
        CheckRange("epsilon", config.epsilon, config.epsilon > 0, "finite and more than 0"));
  }
  if (config.nesterov && !(config.kind == OptimizerKind::kSgd && config.momentum > 0)) {
    return absl::InvalidArgumentError("nesterov is set; it must be false without SGD's momentum");
  }
  return Validate(config.schedule);
}

template <typename T>
Optimizer<T>::Optimizer(const OptimizerConfig& config, int64_t size)
    : config_(config), state_(StateRows(config), size) {
  const absl::Status status = Validate(config);
  CHECK(status.ok()) << status;
}

template <typename T>
int64_t Optimizer<T>::StateRows(const OptimizerConfig& config) {
  if (IsAdam(config)) return 2;
  return (config.kind == OptimizerKind::kRmsprop ? 1 : 0) + (config.momentum > 0 ? 1 : 0);
}

// Coefficients are computed in double and rounded once.
template <typename T>
void Optimizer<T>::Prepare(double gradient_scale) {
  const double rate = config_.learning_rate * Factor(config_.schedule, steps_);
  ++steps_;
  if (IsAdam(config_)) {
    const bool decoupled = config_.kind == OptimizerKind::kAdamW;
    const double t = static_cast<double>(steps_);
    adam_ = {
        .rate = static_cast<T>(rate / (1 - std::pow(config_.beta1, t))),
        .beta1 = static_cast<T>(config_.beta1),
        .gradient_weight = static_cast<T>(1 - config_.beta1),
        .beta2 = static_cast<T>(config_.beta2),
        .square_weight = static_cast<T>(1 - config_.beta2),
        .deviation_scale = static_cast<T>(1 / std::sqrt(1 - std::pow(config_.beta2, t))),
        .epsilon = static_cast<T>(config_.epsilon),
        .decay = static_cast<T>(decoupled ? 0 : config_.weight_decay),
        .shrinkage = static_cast<T>(decoupled ? 1 - rate * config_.weight_decay : 1),
        .gradient_scale = static_cast<T>(gradient_scale),
    };
  } else if (config_.kind == OptimizerKind::kRmsprop) {
    rmsprop_ = {
        .rate = static_cast<T>(rate),
        .momentum = static_cast<T>(config_.momentum),
        .smoothing = static_cast<T>(config_.smoothing),
        .square_weight = static_cast<T>(1 - config_.smoothing),
        .epsilon = static_cast<T>(config_.epsilon),
        .decay = static_cast<T>(config_.weight_decay),
        .gradient_scale = static_cast<T>(gradient_scale),
    };
  } else {
    sgd_ = {
        .rate = static_cast<T>(rate),
        .momentum = static_cast<T>(config_.momentum),
        .decay = static_cast<T>(config_.weight_decay),
        .gradient_scale = static_cast<T>(gradient_scale),
        .nesterov = config_.nesterov,
    };
  }
}

template <typename T>
void Optimizer<T>::Step(nn::ConstRow<T> gradient, nn::Row<T> row) {
  CHECK_EQ(static_cast<int64_t>(row.size()), state_.size());
  double gradient_scale = 1;
  if (config_.clip_norm > 0) {
    // LibTorch's constant. A norm that is not a number makes the step so, as there.
    const double ratio = config_.clip_norm / (std::sqrt(kernels::SquaredNorm<T>(gradient)) + 1e-6);
    gradient_scale = ratio >= 1 ? 1 : ratio;
  }
  Prepare(gradient_scale);
  Update(0, gradient, row);
}

template <typename T>
void Optimizer<T>::BeginStep() {
  CHECK_EQ(config_.clip_norm, 0) << "a clipped gradient is needed whole: call Step";
  Prepare(1);
}

template <typename T>
nn::Row<T> Optimizer<T>::State(int64_t slot, int64_t offset, int64_t size) {
  CHECK(offset >= 0 && size <= state_.size() - offset);
  return slot < state_.count() ? state_.row(slot).subspan(offset, size) : nn::Row<T>();
}

template <typename T>
void Optimizer<T>::Update(int64_t offset, nn::ConstRow<T> gradient, nn::Row<T> parameters) {
  const auto state = [&](int64_t slot) { return State(slot, offset, std::ssize(parameters)); };
  switch (config_.kind) {
    case OptimizerKind::kSgd:
      return kernels::SgdStep<T>(sgd_, gradient, parameters, state(0));
    case OptimizerKind::kAdam:
    case OptimizerKind::kAdamW:
      return kernels::AdamStep<T>(adam_, gradient, parameters, state(0), state(1));
    case OptimizerKind::kRmsprop:
      return kernels::RmspropStep<T>(rmsprop_, gradient, parameters, state(0), state(1));
  }
}

template <typename T>
void Optimizer<T>::UpdateProduct(int64_t offset, kernels::MatrixView<const T> d,
                                 kernels::MatrixView<const T> x, nn::Row<T> parameters) {
  const auto state = [&](int64_t slot) { return State(slot, offset, std::ssize(parameters)); };
  switch (config_.kind) {
    case OptimizerKind::kSgd:
      return kernels::SgdProductStep<T>(sgd_, d, x, parameters, state(0));
    case OptimizerKind::kAdam:
    case OptimizerKind::kAdamW:
      return kernels::AdamProductStep<T>(adam_, d, x, parameters, state(0), state(1));
    case OptimizerKind::kRmsprop:
      return kernels::RmspropProductStep<T>(rmsprop_, d, x, parameters, state(0), state(1));
  }
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace perennial::optim
