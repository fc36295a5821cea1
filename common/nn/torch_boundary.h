// Where LibTorch's code meets ours: its exceptions become status, and the loss that an expression
// returned is checked.
//
// LibTorch throws c10::Error, with a stack trace, for what a user's expression or module gets wrong
// (shapes above all). Public functions that call such code do it inside CatchTorchErrors.
//
//   absl::Status status = CatchTorchErrors([&] {
//     outputs = forward(inputs);   // "mat1 and mat2 shapes cannot be multiplied (2x5 and 4x3)"
//     return absl::OkStatus();
//   });
#ifndef PERENNIAL_COMMON_NN_TORCH_BOUNDARY_H_
#define PERENNIAL_COMMON_NN_TORCH_BOUNDARY_H_

#include "ATen/core/Tensor.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace perennial::nn {

// What `body` returns, or InvalidArgument with the message of what it threw, on one line and
// without stack trace.
absl::Status CatchTorchErrors(absl::FunctionRef<absl::Status()> body);

// The value of a loss from which gradients are to be taken. InvalidArgument if it is not one
// floating-point number, is NaN (infinity passes), or depends on nothing that requires a gradient.
absl::StatusOr<double> LossValue(const at::Tensor& loss);

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_TORCH_BOUNDARY_H_
