// A small convolutional network for images, on rows: the example of nn::ModuleNetwork.
//
//   conv1 3x3 (16) - norm1 (batch) - ReLU - max-pool 2 - conv2 3x3 (32) - ReLU - max-pool 2 -
//   linear
//
// Convolutions keep the extent, pools halve it (rounded down); inputs are [B, channels, height,
// width], outputs [B, outputs]. It is an example too of what a module of one's own takes: the
// module in a .cc, which alone includes torch/torch.h, and one call of FromModule.
//
//   PERENNIAL_ASSIGN_OR_RETURN(auto network, nn::SmallCnn<float>({.height = 28, .width = 28}));
//   network.Initialize(stream, rows.row(0));
//   const at::Tensor inputs = nn::GatherInputs<float>(batch, {1, 28, 28});
//   PERENNIAL_ASSIGN_OR_RETURN(const double value,
//                              network.LossAndGradient(rows.row(0), inputs, loss, rows.row(1)));
#ifndef PERENNIAL_COMMON_NN_SMALL_CNN_H_
#define PERENNIAL_COMMON_NN_SMALL_CNN_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "common/nn/module_network.h"

namespace perennial::nn {

struct SmallCnnConfig {
  int64_t channels = 1;
  int64_t height = 28;  // At least 4, as the width.
  int64_t width = 28;
  int64_t outputs = 10;
};

// InvalidArgument names an extent out of range. T is float or double.
template <typename T>
absl::StatusOr<ModuleNetwork<T>> SmallCnn(const SmallCnnConfig& config);

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_SMALL_CNN_H_
