#include "common/testing/eager.h"

#include <torch/torch.h>

#include <cmath>
#include <numbers>

namespace perennial::testing {
namespace {

torch::Tensor ToTensor(std::span<const double> values, at::IntArrayRef shape) {
  // from_blob wants a mutable pointer; the clone is what is used.
  return torch::from_blob(const_cast<double*>(values.data()), shape, torch::kDouble).clone();
}

std::vector<double> ToVector(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.detach().contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

}  // namespace

EagerResult EagerCrossEntropy(const nn::NetworkSpec& spec, const nn::ParameterLayout& layout,
                              std::span<const double> row, std::span<const double> inputs,
                              std::span<const int32_t> labels, std::span<const double> weights) {
  std::vector<torch::Tensor> parameters;
  for (const nn::ParameterSlice& slice : layout.slices()) {
    parameters.push_back(
        ToTensor(row.subspan(slice.offset, slice.size), slice.shape).requires_grad_());
  }
  const int64_t batch = static_cast<int64_t>(labels.size());
  torch::Tensor x = ToTensor(inputs, {batch, spec.inputs});
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    x = torch::nn::functional::linear(x, parameters[2 * i], parameters[2 * i + 1]);
    if (spec.layers[i].activation == nn::Activation::kRelu) x = torch::relu(x);
  }
  std::vector<int64_t> targets(labels.begin(), labels.end());
  const torch::Tensor losses = torch::nn::functional::cross_entropy(
      x, torch::tensor(targets),
      torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kNone));
  const torch::Tensor loss = (losses * ToTensor(weights, {batch})).sum();
  loss.backward();

  EagerResult result;
  result.logits = ToVector(x);
  result.loss = loss.item<double>();
  result.gradient.resize(row.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    const std::vector<double> gradient = ToVector(parameters[i].grad());
    std::copy(gradient.begin(), gradient.end(),
              result.gradient.begin() + layout.slices()[i].offset);
  }
  return result;
}

std::vector<double> EagerSgd(std::span<const double> start,
                             const std::vector<std::vector<double>>& gradients,
                             double learning_rate, double momentum, double weight_decay) {
  const int64_t size = static_cast<int64_t>(start.size());
  torch::Tensor parameters = ToTensor(start, {size}).requires_grad_();
  torch::optim::SGD optimizer(
      {parameters},
      torch::optim::SGDOptions(learning_rate).momentum(momentum).weight_decay(weight_decay));
  for (const std::vector<double>& gradient : gradients) {
    parameters.mutable_grad() = ToTensor(gradient, {size});
    optimizer.step();
  }
  return ToVector(parameters);
}

std::vector<double> EagerRotate(std::span<const double> image, int64_t height, int64_t width,
                                double degrees) {
  namespace F = torch::nn::functional;
  const double angle = degrees * std::numbers::pi / 180;
  // From normalised target to normalised source coordinates, y down.
  const torch::Tensor theta =
      torch::tensor({std::cos(angle), -std::sin(angle), 0.0, std::sin(angle), std::cos(angle), 0.0},
                    torch::kDouble)
          .view({1, 2, 3});
  const torch::Tensor grid = F::affine_grid(theta, {1, 1, height, width}, /*align_corners=*/true);
  return ToVector(F::grid_sample(ToTensor(image, {1, 1, height, width}), grid,
                                 F::GridSampleFuncOptions()
                                     .mode(torch::kBilinear)
                                     .padding_mode(torch::kZeros)
                                     .align_corners(true)));
}

std::vector<double> EagerMatmul(std::span<const double> a, std::span<const double> b, int64_t m,
                                int64_t k, int64_t n) {
  // By sums of products, so that no BLAS is asked.
  return ToVector((ToTensor(a, {m, k, 1}) * ToTensor(b, {1, k, n})).sum(1));
}

}  // namespace perennial::testing
