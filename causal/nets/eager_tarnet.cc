#include "causal/nets/eager_tarnet.h"

#include <torch/torch.h>

#include <algorithm>
#include <iterator>

namespace perennial::causal {
namespace {

torch::nn::Sequential Stack(int64_t inputs, const std::vector<int64_t>& widths, bool linear) {
  torch::nn::Sequential stack;
  for (const int64_t width : widths) {
    stack->push_back(torch::nn::Linear(inputs, width));
    stack->push_back(torch::nn::ELU());
    inputs = width;
  }
  if (linear) stack->push_back(torch::nn::Linear(inputs, 1));
  return stack;
}

torch::Tensor Floats(std::span<const float> values, at::IntArrayRef shape) {
  // from_blob wants mutable pointers; nothing writes.
  return torch::from_blob(const_cast<float*>(values.data()), shape).clone();
}

torch::Tensor Indices(const std::vector<int64_t>& indices) {
  return torch::tensor(indices, torch::kLong);
}

}  // namespace

struct EagerTarnet::State {
  torch::Tensor covariates;
  torch::Tensor outcome;
  std::vector<int32_t> treatment;
  torch::nn::Sequential trunk;
  torch::nn::Sequential heads[2];
  std::vector<torch::Tensor> parameters;
  std::unique_ptr<torch::optim::Adam> optimizer;
};

EagerTarnet::EagerTarnet(const EagerTarnetOptions& options) : state_(std::make_unique<State>()) {
  at::set_num_threads(1);
  const auto n = static_cast<int64_t>(options.treatment.size());
  const auto features = static_cast<int64_t>(options.covariates.size()) / n;
  state_->covariates = Floats(options.covariates, {n, features});
  state_->outcome = Floats(options.outcome, {n});
  state_->treatment.assign(options.treatment.begin(), options.treatment.end());
  state_->trunk = Stack(features, options.trunk, /*linear=*/false);
  std::vector<torch::Tensor>& parameters = state_->parameters;
  parameters = state_->trunk->parameters();
  for (torch::nn::Sequential& head : state_->heads) {
    head = Stack(options.trunk.back(), options.head, /*linear=*/true);
    for (const torch::Tensor& parameter : head->parameters()) parameters.push_back(parameter);
  }
  state_->optimizer = std::make_unique<torch::optim::Adam>(
      parameters, torch::optim::AdamOptions(options.learning_rate));
}

EagerTarnet::~EagerTarnet() = default;

void EagerTarnet::SetParameters(const std::vector<std::span<const float>>& parameters) {
  const torch::NoGradGuard no_grad;
  TORCH_CHECK(parameters.size() == state_->parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    state_->parameters[i].copy_(Floats(parameters[i], state_->parameters[i].sizes()));
  }
}

double EagerTarnet::Step(std::span<const int32_t> indices) {
  State& state = *state_;
  std::vector<int64_t> rows(indices.begin(), indices.end());
  const auto treated = std::stable_partition(
      rows.begin(), rows.end(), [&](int64_t row) { return state.treatment[row] == 0; });
  const int64_t controls = treated - rows.begin();
  const auto size = static_cast<int64_t>(rows.size());
  const torch::Tensor selected = Indices(rows);
  state.optimizer->zero_grad();
  const torch::Tensor features = state.trunk->forward(state.covariates.index_select(0, selected));
  const torch::Tensor predicted =
      torch::cat({state.heads[0]->forward(features.slice(0, 0, controls)),
                  state.heads[1]->forward(features.slice(0, controls, size))})
          .squeeze(1);
  const torch::Tensor loss = torch::mse_loss(predicted, state.outcome.index_select(0, selected));
  loss.backward();
  state.optimizer->step();
  return loss.item<double>();
}

std::vector<float> EagerTarnet::Predict(int arm, std::span<const float> covariates) const {
  const torch::NoGradGuard no_grad;
  const int64_t features = state_->covariates.size(1);
  const torch::Tensor x = Floats(covariates, {std::ssize(covariates) / features, features});
  const torch::Tensor y = state_->heads[arm]->forward(state_->trunk->forward(x)).contiguous();
  return {y.data_ptr<float>(), y.data_ptr<float>() + y.numel()};
}

}  // namespace perennial::causal
