#include "common/testing/eager_loss.h"

#include <torch/torch.h>

namespace perennial::testing {
namespace {

namespace F = torch::nn::functional;

torch::Tensor ToTensor(std::span<const double> values, at::IntArrayRef shape) {
  return torch::tensor(at::ArrayRef<double>(values.data(), values.size()), torch::kDouble)
      .view(shape);
}

std::vector<double> ToVector(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.detach().contiguous();
  const double* data = flat.const_data_ptr<double>();
  return {data, data + flat.numel()};
}

// [B]
torch::Tensor RowLosses(EagerLossKind kind, const EagerLossProblem& problem,
                        const torch::Tensor& outputs) {
  const auto softmax =
      F::CrossEntropyFuncOptions().reduction(torch::kNone).label_smoothing(problem.label_smoothing);
  if (kind == EagerLossKind::kLabels) {
    const std::vector<int64_t> labels(problem.labels.begin(), problem.labels.end());
    return F::cross_entropy(outputs, torch::tensor(labels), softmax);
  }
  const torch::Tensor targets = ToTensor(problem.targets, outputs.sizes());
  switch (kind) {
    case EagerLossKind::kLabels:
    case EagerLossKind::kSoftTargets:
      return F::cross_entropy(outputs, targets, softmax);
    case EagerLossKind::kSquared:
      return F::mse_loss(outputs, targets, F::MSELossFuncOptions().reduction(torch::kNone)).sum(1);
    case EagerLossKind::kHuber:
      return F::huber_loss(outputs, targets,
                           F::HuberLossFuncOptions().reduction(torch::kNone).delta(problem.delta))
          .sum(1);
    case EagerLossKind::kLogistic:
      return F::binary_cross_entropy_with_logits(
                 outputs, targets,
                 F::BinaryCrossEntropyWithLogitsFuncOptions().reduction(torch::kNone))
          .sum(1);
  }
  return {};
}

}  // namespace

EagerLossResult EagerLoss(EagerLossKind kind, const EagerLossProblem& problem) {
  const int64_t rows = static_cast<int64_t>(problem.weights.size());
  const torch::Tensor outputs = ToTensor(problem.outputs, {rows, problem.columns}).requires_grad_();
  const torch::Tensor loss =
      (RowLosses(kind, problem, outputs) * ToTensor(problem.weights, {rows})).sum();
  const torch::Tensor gradient = torch::autograd::grad({loss}, {outputs}, {},
                                                       /*retain_graph=*/true,
                                                       /*create_graph=*/true)[0];
  const torch::Tensor slope = (gradient * ToTensor(problem.tangent, outputs.sizes())).sum();
  const torch::Tensor product = torch::autograd::grad({slope}, {outputs})[0];
  return {loss.item<double>(), ToVector(gradient), ToVector(product)};
}

}  // namespace perennial::testing
