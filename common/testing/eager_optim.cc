#include "common/testing/eager_optim.h"

#include <torch/torch.h>

#include <memory>

namespace perennial::testing {
namespace {

std::unique_ptr<torch::optim::Optimizer> Make(const optim::OptimizerConfig& config,
                                              const torch::Tensor& parameters) {
  const std::vector<torch::Tensor> all = {parameters};
  switch (config.kind) {
    case optim::OptimizerKind::kSgd:
      return std::make_unique<torch::optim::SGD>(all, torch::optim::SGDOptions(1)
                                                          .momentum(config.momentum)
                                                          .nesterov(config.nesterov)
                                                          .weight_decay(config.weight_decay));
    case optim::OptimizerKind::kAdam:
      return std::make_unique<torch::optim::Adam>(all, torch::optim::AdamOptions(1)
                                                           .betas({config.beta1, config.beta2})
                                                           .eps(config.epsilon)
                                                           .weight_decay(config.weight_decay));
    case optim::OptimizerKind::kAdamW:
      return std::make_unique<torch::optim::AdamW>(all, torch::optim::AdamWOptions(1)
                                                            .betas({config.beta1, config.beta2})
                                                            .eps(config.epsilon)
                                                            .weight_decay(config.weight_decay));
    case optim::OptimizerKind::kRmsprop:
      return std::make_unique<torch::optim::RMSprop>(all, torch::optim::RMSpropOptions(1)
                                                              .alpha(config.smoothing)
                                                              .eps(config.epsilon)
                                                              .momentum(config.momentum)
                                                              .weight_decay(config.weight_decay));
  }
  return nullptr;
}

}  // namespace

std::vector<std::vector<double>> EagerOptimize(const optim::OptimizerConfig& config,
                                               std::span<const double> rates,
                                               std::span<const double> start,
                                               const std::vector<std::vector<double>>& gradients) {
  torch::Tensor parameters =
      torch::tensor(at::ArrayRef<double>(start.data(), start.size()), torch::kDouble)
          .requires_grad_();
  const std::unique_ptr<torch::optim::Optimizer> optimizer = Make(config, parameters);
  std::vector<std::vector<double>> path;
  for (size_t i = 0; i < gradients.size(); ++i) {
    parameters.mutable_grad() = torch::tensor(gradients[i], torch::kDouble);
    if (config.clip_norm > 0) torch::nn::utils::clip_grad_norm_({parameters}, config.clip_norm);
    for (torch::optim::OptimizerParamGroup& group : optimizer->param_groups()) {
      group.options().set_lr(rates[i]);
    }
    optimizer->step();
    const double* data = parameters.const_data_ptr<double>();
    path.emplace_back(data, data + start.size());
  }
  return path;
}

std::vector<double> EagerStepRates(double learning_rate, int64_t period, double gamma, int steps) {
  torch::optim::SGD optimizer({torch::zeros(1)}, torch::optim::SGDOptions(learning_rate));
  torch::optim::StepLR schedule(optimizer, static_cast<unsigned>(period), gamma);
  std::vector<double> rates;
  for (int i = 0; i < steps; ++i) {
    // Before the optimizer's step: the first call leaves the rate as it is. (In Python the
    // scheduler makes it itself when it is built.)
    schedule.step();
    rates.push_back(optimizer.param_groups()[0].options().get_lr());
  }
  return rates;
}

}  // namespace perennial::testing
