#include "common/nn/small_cnn.h"

#include <torch/torch.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "common/nn/torch_boundary.h"

namespace perennial::nn {
namespace {

absl::Status CheckExtent(absl::string_view name, int64_t value, int64_t least) {
  constexpr int64_t kMost = 1 << 16;
  if (value >= least && value <= kMost) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("SmallCnn: ", name, " is ", value, "; it must lie in ", least, " .. ", kMost));
}

torch::nn::Sequential MakeModule(const SmallCnnConfig& config) {
  const auto convolution = [](int64_t inputs, int64_t outputs) {
    return torch::nn::Conv2d(torch::nn::Conv2dOptions(inputs, outputs, 3).padding(1));
  };
  const auto pool = [] { return torch::nn::MaxPool2d(torch::nn::MaxPool2dOptions(2)); };
  torch::nn::Sequential module;
  module->push_back("conv1", convolution(config.channels, 16));
  module->push_back("norm1", torch::nn::BatchNorm2d(16));
  module->push_back("relu1", torch::nn::ReLU());
  module->push_back("pool1", pool());
  module->push_back("conv2", convolution(16, 32));
  module->push_back("relu2", torch::nn::ReLU());
  module->push_back("pool2", pool());
  module->push_back("flatten", torch::nn::Flatten());
  module->push_back(
      "linear", torch::nn::Linear(32 * (config.height / 4) * (config.width / 4), config.outputs));
  return module;
}

}  // namespace

template <typename T>
absl::StatusOr<ModuleNetwork<T>> SmallCnn(const SmallCnnConfig& config) {
  PERENNIAL_RETURN_IF_ERROR(CheckExtent("channels", config.channels, 1));
  PERENNIAL_RETURN_IF_ERROR(CheckExtent("height", config.height, 4));
  PERENNIAL_RETURN_IF_ERROR(CheckExtent("width", config.width, 4));
  PERENNIAL_RETURN_IF_ERROR(CheckExtent("outputs", config.outputs, 1));
  torch::nn::Sequential module = nullptr;
  PERENNIAL_RETURN_IF_ERROR(CatchTorchErrors([&] {  // Memory that is not there.
    module = MakeModule(config);
    return absl::OkStatus();
  }));
  return ModuleNetwork<T>::FromModule(module);
}

template absl::StatusOr<ModuleNetwork<float>> SmallCnn(const SmallCnnConfig&);
template absl::StatusOr<ModuleNetwork<double>> SmallCnn(const SmallCnnConfig&);

}  // namespace perennial::nn
