#include "common/nn/module_network.h"

#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "ATen/core/grad_mode.h"
#include "ATen/ops/empty.h"
#include "ATen/ops/from_blob.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/kernels/aligned.h"
#include "common/kernels/uniform.h"
#include "common/nn/gather.h"
#include "common/nn/torch_boundary.h"

namespace perennial::nn {
namespace {

template <typename T>
constexpr c10::ScalarType kScalarType = c10::CppTypeToScalarType<T>::value;

int64_t NumbersOf(at::IntArrayRef shape) {
  int64_t numbers = 1;
  for (const int64_t extent : shape) numbers *= extent;
  return numbers;
}

// The name of the weight that belongs to a bias: "weight" for "bias" in the last part of the name.
// Empty if there is no "bias".
std::string WeightOfBias(const std::string& name) {
  const size_t at = name.rfind("bias");
  if (at == std::string::npos || name.find('.', at) != std::string::npos) return "";
  return absl::StrCat(name.substr(0, at), "weight", name.substr(at + 4));
}

bool IsWeight(absl::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot != absl::string_view::npos) name.remove_prefix(dot + 1);
  return name.find("weight") != absl::string_view::npos;
}

// Role and fan-in of a parameter among the others.
struct Place {
  ParameterRole role = ParameterRole::kScale;
  int64_t fan_in = 0;
};

Place PlaceOf(const NamedTensor& parameter, const std::vector<NamedTensor>& parameters) {
  const at::Tensor& tensor = parameter.tensor;
  if (tensor.dim() >= 2) {
    const bool drawn = IsWeight(parameter.name) && tensor.numel() > 0;
    return {ParameterRole::kWeight, drawn ? tensor.numel() / tensor.size(0) : 0};
  }
  const std::string weight = WeightOfBias(parameter.name);
  if (weight.empty()) return {};
  const auto found = std::ranges::find(parameters, weight, &NamedTensor::name);
  if (found == parameters.end()) return {ParameterRole::kBias, 0};
  const int64_t fan_in = PlaceOf(*found, parameters).fan_in;
  return {fan_in > 0 ? ParameterRole::kBias : ParameterRole::kShift, fan_in};
}

absl::Status Refuse(const std::string& name, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" of the module ", what));
}

template <typename T>
absl::Status CheckTensor(const NamedTensor& named, bool is_parameter) {
  const at::Tensor& tensor = named.tensor;
  if (!tensor.defined()) return Refuse(named.name, "is an undefined tensor");
  if (!tensor.device().is_cpu() || tensor.layout() != c10::kStrided) {
    return Refuse(named.name, "must be a dense tensor on the CPU");
  }
  const bool integer = !is_parameter && c10::isIntegralType(tensor.scalar_type(), true);
  if (tensor.scalar_type() != kScalarType<T> && !integer) {
    return Refuse(named.name, absl::StrCat("is ", c10::toString(tensor.scalar_type()),
                                           "; this network is ", c10::toString(kScalarType<T>)));
  }
  if (is_parameter && !tensor.is_leaf()) {
    return Refuse(named.name, "is computed from other tensors; a parameter must be a leaf");
  }
  if (is_parameter && !tensor.requires_grad()) {
    return Refuse(named.name, "requires no gradient; pass it among the buffers");
  }
  if (integer) {
    const at::Tensor stored = tensor.to(kScalarType<T>);
    if (!stored.to(tensor.scalar_type()).equal(tensor)) {
      return Refuse(named.name,
                    absl::StrCat("holds integers that ", c10::toString(kScalarType<T>), " cannot"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

template <typename T>
absl::StatusOr<ModuleNetwork<T>> ModuleNetwork<T>::Create(
    const std::vector<NamedTensor>& parameters, const std::vector<NamedTensor>& buffers,
    ForwardFunction forward, TrainingFunction set_training) {
  CHECK(forward != nullptr && set_training != nullptr);
  ModuleNetwork network;
  network.forward_ = std::move(forward);
  network.set_training_ = std::move(set_training);
  network.parameters_ = parameters.size();
  const auto add = [&](const NamedTensor& named, const Place& place) -> absl::Status {
    for (size_t i = 0; i < network.leaves_.size(); ++i) {
      const std::string& other = network.layout_.slices()[i].name;
      if (named.name == other) return Refuse(other, "is the name of two tensors");
      if (named.tensor.is_same(network.leaves_[i])) {
        return Refuse(named.name, absl::StrCat("is the same tensor as \"", other, "\""));
      }
    }
    network.layout_.Add(named.name, named.tensor.sizes().vec(), place.role, place.fan_in);
    network.leaves_.push_back(named.tensor);
    std::vector<T> given;
    if (place.fan_in == 0) {
      const at::Tensor values = named.tensor.detach().to(kScalarType<T>).contiguous();
      const T* data = values.template const_data_ptr<T>();
      given.assign(data, data + values.numel());
    }
    network.given_.push_back(std::move(given));
    return absl::OkStatus();
  };
  PERENNIAL_RETURN_IF_ERROR(CatchTorchErrors([&]() -> absl::Status {
    for (const NamedTensor& named : parameters) {
      PERENNIAL_RETURN_IF_ERROR(CheckTensor<T>(named, /*is_parameter=*/true));
    }
    for (const NamedTensor& named : buffers) {
      PERENNIAL_RETURN_IF_ERROR(CheckTensor<T>(named, /*is_parameter=*/false));
    }
    for (const NamedTensor& named : parameters) {
      PERENNIAL_RETURN_IF_ERROR(add(named, PlaceOf(named, parameters)));
    }
    for (const NamedTensor& named : buffers) {
      PERENNIAL_RETURN_IF_ERROR(add(named, {ParameterRole::kBuffer, 0}));
    }
    return absl::OkStatus();
  }));
  return network;
}

template <typename T>
void ModuleNetwork<T>::Initialize(const random::Stream& stream, Row<T> row) const {
  CHECK_EQ(std::ssize(row), layout_.size());
  std::ranges::fill(row, T(0));
  for (size_t i = 0; i < given_.size(); ++i) {
    const ParameterSlice& slice = layout_.slices()[i];
    if (slice.fan_in == 0) {
      std::ranges::copy(given_[i], row.begin() + slice.offset);
      continue;
    }
    const double bound = 1 / std::sqrt(static_cast<double>(slice.fan_in));
    kernels::FillUniform<T>(stream.Split(slice.name), -bound, bound,
                            row.subspan(slice.offset, slice.size));
  }
}

template <typename T>
bool ModuleNetwork<T>::IsInteger(size_t leaf) const {
  return leaves_[leaf].scalar_type() != kScalarType<T>;
}

template <typename T>
at::Tensor ModuleNetwork<T>::View(T* begin, size_t index) const {
  const ParameterSlice& slice = layout_.slices()[index];
  const int64_t offset = slice.offset - (index < parameters_ ? 0 : layout_.trainable());
  return at::from_blob(begin + offset, slice.shape, kScalarType<T>);
}

template <typename T>
void ModuleNetwork<T>::Bind(T* parameters, T* buffers) {
  const at::AutoGradMode no_gradients(false);
  for (size_t i = 0; i < leaves_.size(); ++i) {
    const at::Tensor view = View(i < parameters_ ? parameters : buffers, i);
    if (IsInteger(i)) {
      leaves_[i].copy_(view.round());  // Averages of rows need not be whole.
    } else {
      leaves_[i].set_data(view);
    }
  }
}

template <typename T>
absl::StatusOr<double> ModuleNetwork<T>::LossAndGradient(Row<T> row, const at::Tensor& inputs,
                                                         const OutputLoss& loss, Row<T> gradient) {
  CHECK_EQ(std::ssize(row), layout_.size());
  CHECK_EQ(std::ssize(gradient), layout_.size());
  double value = 0;
  PERENNIAL_RETURN_IF_ERROR(CatchTorchErrors([&]() -> absl::Status {
    const at::AutoGradMode enable(true);
    T* const buffers = row.data() + layout_.trainable();
    Bind(row.data(), buffers);
    std::ranges::fill(gradient, T(0));
    for (size_t i = 0; i < parameters_; ++i) {
      // Autograd adds to a gradient that is there, in place.
      leaves_[i].mutable_grad() = View(gradient.data(), i);
    }
    set_training_(true);
    const at::Tensor result = loss(forward_(inputs));
    PERENNIAL_ASSIGN_OR_RETURN(value, LossValue(result));
    result.backward();
    for (size_t i = parameters_; i < leaves_.size(); ++i) {
      if (IsInteger(i)) View(buffers, i).copy_(leaves_[i]);
    }
    for (size_t i = 0; i < parameters_; ++i) {
      const ParameterSlice& slice = layout_.slices()[i];
      if (slice.size == 0) continue;
      const at::Tensor& leaf = leaves_[i];
      if (leaf.const_data_ptr() != row.data() + slice.offset || !leaf.grad().defined() ||
          leaf.grad().const_data_ptr() != gradient.data() + slice.offset) {
        return Refuse(slice.name, "was moved, or its gradient was, by the module or the loss");
      }
    }
    return absl::OkStatus();
  }));
  return value;
}

template <typename T>
absl::StatusOr<at::Tensor> ModuleNetwork<T>::Forward(ConstRow<T> row, const at::Tensor& inputs) {
  CHECK_EQ(std::ssize(row), layout_.size());
  at::Tensor outputs;
  PERENNIAL_RETURN_IF_ERROR(CatchTorchErrors([&] {
    const at::AutoGradMode no_gradients(false);
    // from_blob wants mutable pointers; nothing is written in evaluation mode.
    T* data = const_cast<T*>(row.data());
    Bind(data, data + layout_.trainable());
    set_training_(false);
    outputs = forward_(inputs);
    return absl::OkStatus();
  }));
  return outputs;
}

template <typename T>
absl::Status ModuleNetwork<T>::HessianVectorProduct(ConstRow<T> row, const at::Tensor& inputs,
                                                    const OutputLoss& loss, ConstRow<T> vector,
                                                    Row<T> product) {
  CHECK_EQ(std::ssize(row), layout_.size());
  CHECK_EQ(std::ssize(vector), layout_.size());
  CHECK_EQ(std::ssize(product), layout_.size());
  T* const data = const_cast<T*>(row.data());
  // The buffers that training mode changes.
  kernels::AlignedVector<T> buffers(row.begin() + layout_.trainable(), row.end());
  absl::Status status = CatchTorchErrors([&]() -> absl::Status {
    const at::AutoGradMode enable(true);
    Bind(data, buffers.data());
    set_training_(true);
    const at::Tensor result = loss(forward_(inputs));
    PERENNIAL_RETURN_IF_ERROR(LossValue(result).status());
    const std::vector<at::Tensor> parameters(leaves_.begin(), leaves_.begin() + parameters_);
    const std::vector<at::Tensor> gradients = torch::autograd::grad(
        {result}, parameters, /*grad_outputs=*/{}, /*retain_graph=*/true, /*create_graph=*/true,
        /*allow_unused=*/true);
    // The gradients that depend on the parameters, with `vector` as what multiplies them.
    std::vector<at::Tensor> varying;
    std::vector<at::Tensor> cotangents;
    for (size_t i = 0; i < parameters_; ++i) {
      if (!gradients[i].defined() || !gradients[i].requires_grad()) continue;
      varying.push_back(gradients[i]);
      cotangents.push_back(View(const_cast<T*>(vector.data()), i));
    }
    std::ranges::fill(product, T(0));
    if (varying.empty()) return absl::OkStatus();
    const std::vector<at::Tensor> products =
        torch::autograd::grad(varying, parameters, cotangents, /*retain_graph=*/false,
                              /*create_graph=*/false, /*allow_unused=*/true);
    for (size_t i = 0; i < parameters_; ++i) {
      if (products[i].defined()) View(product.data(), i).copy_(products[i]);
    }
    return absl::OkStatus();
  });
  // The copies of the buffers end here.
  status.Update(CatchTorchErrors([&] {
    Bind(data, data + layout_.trainable());
    return absl::OkStatus();
  }));
  return status;
}

template <typename T>
at::Tensor GatherInputs(const data::Batch& batch, at::IntArrayRef shape) {
  const int64_t features = NumbersOf(shape);
  std::vector<int64_t> extents = {batch.size()};
  extents.insert(extents.end(), shape.begin(), shape.end());
  at::Tensor inputs = at::empty(extents, kScalarType<T>);
  Gather<T>(batch, {inputs.mutable_data_ptr<T>(), batch.size(), features, features});
  return inputs;
}

template class ModuleNetwork<float>;
template class ModuleNetwork<double>;
template at::Tensor GatherInputs<float>(const data::Batch&, at::IntArrayRef);
template at::Tensor GatherInputs<double>(const data::Batch&, at::IntArrayRef);

}  // namespace perennial::nn
