// Any LibTorch expression as a loss on matrices: outputs and taps of a network.
//
// The expression sees the matrices as leaves of autograd; their gradients are written where the
// network's backward pass reads them. Leaves and gradients are views, strides included: nothing is
// copied. A new loss is one expression and one line of test (testing::LossGradientError); a fused
// version may follow if it pays.
//
//   const nn::LossExpression loss = [&](const std::vector<at::Tensor>& leaves) {
//     return at::mse_loss(leaves[0], targets) + 0.1 * leaves[1].square().mean();
//   };
//   network.Forward<float>(row, batch, workspace, {.mode = nn::Mode::kTrain});
//   PERENNIAL_ASSIGN_OR_RETURN(const double value,
//                              nn::AutogradLoss(network, {"head", "trunk"}, workspace, loss));
//   network.Backward<float>(row, workspace, sink);
#ifndef PERENNIAL_COMMON_NN_AUTOGRAD_LOSS_H_
#define PERENNIAL_COMMON_NN_AUTOGRAD_LOSS_H_

#include <functional>
#include <span>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/kernels/aligned.h"
#include "common/nn/network.h"

namespace perennial::nn {

// A scalar from leaves [rows, columns] of the matrices' type. It must not change them in place, nor
// keep them: they point into the caller's memory.
using LossExpression = std::function<at::Tensor(const std::vector<at::Tensor>& leaves)>;

// Returns loss(values) and writes dloss/dvalues[i] to gradients[i], which has the shape of
// values[i] and lies apart from all values, from its first number to its last (CHECK); zero for a
// matrix that the loss does not read. T is float or double.
//
// InvalidArgument, with LibTorch's message on one line, if the expression throws, is not a scalar,
// is NaN, or depends on none of the matrices; the gradients are undefined then.
template <typename T>
absl::StatusOr<double> AutogradLoss(std::span<const kernels::MatrixView<const T>> values,
                                    std::span<const kernels::MatrixView<T>> gradients,
                                    const LossExpression& loss);

// The same on the outputs of `blocks` of the last Forward, in this order, for Backward.
template <typename T>
absl::StatusOr<double> AutogradLoss(const Network& network,
                                    const std::vector<absl::string_view>& blocks,
                                    Workspace<T>& workspace, const LossExpression& loss);

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_AUTOGRAD_LOSS_H_
