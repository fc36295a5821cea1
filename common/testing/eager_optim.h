// LibTorch's optimizers as the oracle of common/optim, behind one source file that pays for
// torch/torch.h. Everything is in double.
#ifndef PERENNIAL_COMMON_TESTING_EAGER_OPTIM_H_
#define PERENNIAL_COMMON_TESTING_EAGER_OPTIM_H_

#include <cstdint>
#include <span>
#include <vector>

#include "common/optim/optimizer.h"

namespace perennial::testing {

// The parameters [steps][D] after each step of torch::optim's SGD, Adam, AdamW or RMSprop with the
// config's hyper-parameters, one step for each gradient [steps][D], clipped by
// torch::nn::utils::clip_grad_norm_. The learning rate of step i is rates[i]; the config's own rate
// and schedule are not looked at.
std::vector<std::vector<double>> EagerOptimize(const optim::OptimizerConfig& config,
                                               std::span<const double> rates,
                                               std::span<const double> start,
                                               const std::vector<std::vector<double>>& gradients);

// The learning rates of `steps` steps under torch::optim::StepLR, called before each.
std::vector<double> EagerStepRates(double learning_rate, int64_t period, double gamma, int steps);

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_EAGER_OPTIM_H_
