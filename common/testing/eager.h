// LibTorch in eager mode as the oracle of our fast paths.
//
// Everything is computed by LibTorch's own operators and autograd, in double, from plain numbers;
// the one source file behind this header is the only one that pays for torch/torch.h.
#ifndef PERENNIAL_COMMON_TESTING_EAGER_H_
#define PERENNIAL_COMMON_TESTING_EAGER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "common/nn/layout.h"
#include "common/nn/network.h"

namespace perennial::testing {

// Any network, under the loss sum over blocks b of <cotangents[b], outputs of b>, so that the
// cotangents are the gradients at the blocks.
struct EagerNetworkInput {
  std::vector<double> inputs;  // [rows, spec.inputs]; one-hot inputs as zeros and ones
  int64_t rows = 0;
  nn::Mode mode = nn::Mode::kEvaluate;
  std::vector<nn::RowRange> ranges;             // One a block.
  std::vector<std::vector<double>> cotangents;  // One a block; empty: zero.
  // Of each layer of the network in order: what a dropout layer multiplies by, [rows, features];
  // empty for other layers.
  std::vector<std::vector<double>> dropout;
};
struct EagerNetworkResult {
  std::vector<std::vector<double>> outputs;  // One a block.
  double loss = 0;
  std::vector<double> gradient;        // dLoss/drow, as the row; gaps and buffers zero
  std::vector<double> input_gradient;  // [rows, spec.inputs]
  // The row after a training step of the batch norms' running statistics (momentum 0.1).
  std::vector<double> row;
};
EagerNetworkResult EagerNetwork(const nn::NetworkSpec& spec, const nn::ParameterLayout& layout,
                                std::span<const double> row, const EagerNetworkInput& input);

// A grey image [height, width] turned counter-clockwise as seen, by affine_grid and bilinear
// grid_sample with zeros outside. height must equal width.
std::vector<double> EagerRotate(std::span<const double> image, int64_t height, int64_t width,
                                double degrees);

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_EAGER_H_
