#include "common/testing/eager_training.h"

#include <torch/torch.h>

#include <algorithm>
#include <utility>

namespace perennial::testing {
namespace F = torch::nn::functional;

struct EagerTraining::State {
  torch::Tensor data;
  torch::Tensor labels;
  double scale = 1;
  double shift = 0;
  torch::nn::Sequential model;
  std::unique_ptr<torch::optim::Optimizer> optimizer;

  torch::Tensor Normalized(torch::Tensor x) const {
    if (x.scalar_type() != torch::kByte) return x;
    x = x.to(torch::kFloat).mul_(scale);
    return shift == 0 ? x : x.add_(shift);
  }
  static torch::Tensor Indices(std::span<const int32_t> indices) {
    torch::Tensor tensor = torch::empty({static_cast<int64_t>(indices.size())}, torch::kLong);
    std::copy(indices.begin(), indices.end(), tensor.data_ptr<int64_t>());
    return tensor;
  }
};

EagerTraining::EagerTraining(const EagerTrainingOptions& options)
    : state_(std::make_unique<State>()) {
  at::set_num_threads(1);
  const data::InputTable& inputs = options.inputs;
  // from_blob wants mutable pointers; nothing writes.
  if (inputs.kind() == data::InputTable::Kind::kBytes) {
    state_->data = torch::from_blob(const_cast<uint8_t*>(inputs.bytes()),
                                    {inputs.size(), inputs.features()}, torch::kByte);
    state_->scale = inputs.scale();
    state_->shift = inputs.shift();
  } else {
    state_->data = torch::from_blob(const_cast<float*>(inputs.floats()),
                                    {inputs.size(), inputs.features()}, torch::kFloat);
  }
  state_->labels = State::Indices(options.labels);
  for (size_t i = 0; i + 1 < options.widths.size(); ++i) {
    if (i > 0) state_->model->push_back(torch::nn::ReLU());
    state_->model->push_back(torch::nn::Linear(options.widths[i], options.widths[i + 1]));
  }
  if (options.adam) {
    state_->optimizer = std::make_unique<torch::optim::Adam>(
        state_->model->parameters(), torch::optim::AdamOptions(options.learning_rate));
  } else {
    state_->optimizer = std::make_unique<torch::optim::SGD>(
        state_->model->parameters(), torch::optim::SGDOptions(options.learning_rate).momentum(0.8));
  }
}

EagerTraining::~EagerTraining() = default;
EagerTraining::EagerTraining(EagerTraining&&) noexcept = default;

double EagerTraining::Step(std::span<const int32_t> indices) {
  const torch::Tensor rows = State::Indices(indices);
  state_->optimizer->zero_grad();
  const torch::Tensor loss = F::cross_entropy(
      state_->model->forward(state_->Normalized(state_->data.index_select(0, rows))),
      state_->labels.index_select(0, rows));
  loss.backward();
  state_->optimizer->step();
  return loss.item<double>();
}

std::pair<double, double> EagerTraining::Evaluate() {
  const torch::NoGradGuard no_grad;
  double loss = 0;
  int64_t correct = 0;
  constexpr int64_t kBatch = 1000;
  for (int64_t begin = 0; begin < state_->data.size(0); begin += kBatch) {
    const int64_t end = std::min(begin + kBatch, state_->data.size(0));
    const torch::Tensor labels = state_->labels.slice(0, begin, end);
    const torch::Tensor logits =
        state_->model->forward(state_->Normalized(state_->data.slice(0, begin, end)));
    loss += F::cross_entropy(logits, labels, F::CrossEntropyFuncOptions().reduction(torch::kSum))
                .item<double>();
    correct += logits.argmax(1).eq(labels).sum().item<int64_t>();
  }
  const double size = static_cast<double>(state_->data.size(0));
  return {static_cast<double>(correct) / size, loss / size};
}

double EagerTraining::PerSampleSquares(std::span<const int32_t> indices) {
  std::vector<torch::Tensor> sums;
  for (const torch::Tensor& parameter : state_->model->parameters()) {
    sums.push_back(torch::zeros_like(parameter));
  }
  for (const int32_t index : indices) {
    const torch::Tensor row = State::Indices({&index, 1});
    state_->model->zero_grad();
    F::cross_entropy(state_->model->forward(state_->Normalized(state_->data.index_select(0, row))),
                     state_->labels.index_select(0, row))
        .backward();
    for (size_t i = 0; i < sums.size(); ++i) {
      const torch::Tensor& gradient = state_->model->parameters()[i].grad();
      sums[i].addcmul_(gradient, gradient);
    }
  }
  double total = 0;
  for (const torch::Tensor& sum : sums) total += sum.sum().item<double>();
  return total;
}

}  // namespace perennial::testing
