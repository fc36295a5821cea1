#include "common/testing/eager.h"

#include <torch/torch.h>

#include <cmath>
#include <map>
#include <numbers>
#include <string>

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

torch::Tensor Activate(const torch::Tensor& z, nn::Activation activation) {
  switch (activation) {
    case nn::Activation::kIdentity:
      return z;
    case nn::Activation::kRelu:
      return torch::relu(z);
    case nn::Activation::kLeakyRelu:
      return torch::leaky_relu(z);
    case nn::Activation::kElu:
      return torch::elu(z);
    case nn::Activation::kTanh:
      return torch::tanh(z);
    case nn::Activation::kGelu:
      return torch::gelu(z);
    case nn::Activation::kCrelu:
      return torch::cat({torch::relu(z), torch::relu(-z)}, 1);
  }
  TORCH_CHECK(false, "unknown activation");
}

// The slices of a row as leaves, by name, and back.
class Leaves {
 public:
  Leaves(const nn::ParameterLayout& layout, std::span<const double> row) : layout_(layout) {
    for (const nn::ParameterSlice& slice : layout.slices()) {
      torch::Tensor leaf = ToTensor(row.subspan(slice.offset, slice.size), slice.shape);
      leaves_[slice.name] = leaf.requires_grad_(slice.role != nn::ParameterRole::kBuffer);
    }
  }

  // Undefined if there is none of that name.
  torch::Tensor Get(const std::string& name) const {
    const auto found = leaves_.find(name);
    return found == leaves_.end() ? torch::Tensor() : found->second;
  }

  std::vector<double> Values() const {
    return Collect([](const torch::Tensor& leaf) { return leaf; });
  }
  std::vector<double> Gradients() const {
    return Collect([](const torch::Tensor& leaf) { return leaf.grad(); });
  }

 private:
  template <typename What>
  std::vector<double> Collect(What what) const {
    std::vector<double> row(layout_.size());
    for (const nn::ParameterSlice& slice : layout_.slices()) {
      const torch::Tensor tensor = what(leaves_.at(slice.name));
      if (!tensor.defined()) continue;
      const std::vector<double> values = ToVector(tensor);
      std::copy(values.begin(), values.end(), row.begin() + slice.offset);
    }
    return row;
  }

  const nn::ParameterLayout& layout_;
  std::map<std::string, torch::Tensor> leaves_;
};

// Outputs of every block; `leaves` has the running statistics changed in training.
std::vector<torch::Tensor> Outputs(const nn::NetworkSpec& spec, const Leaves& leaves,
                                   const torch::Tensor& inputs, const EagerNetworkInput& options) {
  namespace F = torch::nn::functional;
  const bool train = options.mode == nn::Mode::kTrain;
  std::map<std::string, size_t> index;
  std::vector<torch::Tensor> outputs;
  size_t layers_before = 0;
  for (size_t b = 0; b < spec.blocks.size(); ++b) {
    const nn::BlockSpec& block = spec.blocks[b];
    nn::RowRange range = {0, options.rows};
    if (!options.ranges.empty()) range = options.ranges[b];
    torch::Tensor x = inputs;
    if (!block.input.empty()) {
      const size_t source = index.at(block.input);
      x = outputs[source];
      if (!options.ranges.empty()) {
        range.begin -= options.ranges[source].begin;
        range.end -= options.ranges[source].begin;
      }
    }
    x = x.slice(0, range.begin, range.end);
    for (size_t i = 0; i < block.layers.size(); ++i) {
      const nn::LayerSpec& layer = block.layers[i];
      const std::string prefix = nn::LayerName(block, i) + ".";
      torch::Tensor weight = leaves.Get(prefix + "weight");
      switch (layer.kind) {
        case nn::LayerSpec::Kind::kDense:
          if (spec.one_hot && block.input.empty() && i == 0) weight = weight.t();
          x = F::linear(x, weight, leaves.Get(prefix + "bias"));
          break;
        case nn::LayerSpec::Kind::kLayerNorm:
          x = F::layer_norm(x, F::LayerNormFuncOptions({x.size(1)})
                                   .weight(leaves.Get(prefix + "scale"))
                                   .bias(leaves.Get(prefix + "shift")));
          break;
        case nn::LayerSpec::Kind::kBatchNorm:
          x = F::batch_norm(x, leaves.Get(prefix + "running_mean"),
                            leaves.Get(prefix + "running_variance"),
                            F::BatchNormFuncOptions()
                                .weight(leaves.Get(prefix + "scale"))
                                .bias(leaves.Get(prefix + "shift"))
                                .momentum(0.1)
                                .training(train));
          break;
        case nn::LayerSpec::Kind::kDropout:
          if (train) x = x * ToTensor(options.dropout.at(layers_before + i), x.sizes());
          break;
      }
      x = Activate(x, layer.activation);
    }
    layers_before += block.layers.size();
    index[block.name] = b;
    outputs.push_back(x);
  }
  return outputs;
}

}  // namespace

EagerNetworkResult EagerNetwork(const nn::NetworkSpec& spec, const nn::ParameterLayout& layout,
                                std::span<const double> row, const EagerNetworkInput& input) {
  const Leaves leaves(layout, row);
  const torch::Tensor inputs = ToTensor(input.inputs, {input.rows, spec.inputs}).requires_grad_();
  const std::vector<torch::Tensor> outputs = Outputs(spec, leaves, inputs, input);
  // Attached to the graph even if there are no cotangents.
  torch::Tensor loss = 0 * inputs.sum();
  EagerNetworkResult result;
  for (size_t b = 0; b < outputs.size(); ++b) {
    result.outputs.push_back(ToVector(outputs[b]));
    if (input.cotangents[b].empty()) continue;
    loss = loss + (outputs[b] * ToTensor(input.cotangents[b], outputs[b].sizes())).sum();
  }
  loss.backward();
  result.loss = loss.item<double>();
  result.gradient = leaves.Gradients();
  result.input_gradient = ToVector(inputs.grad());
  result.row = leaves.Values();
  return result;
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

}  // namespace perennial::testing
