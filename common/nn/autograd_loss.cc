#include "common/nn/autograd_loss.h"

#include <functional>
#include <utility>

#include "ATen/core/grad_mode.h"
#include "ATen/ops/from_blob.h"
#include "absl/status/status.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/nn/torch_boundary.h"

namespace perennial::nn {
namespace {

template <typename T>
at::Tensor View(kernels::MatrixView<T> matrix) {
  using Value = std::remove_const_t<T>;
  // from_blob wants a mutable pointer; autograd refuses to change a leaf.
  return at::from_blob(const_cast<Value*>(matrix.data), {matrix.rows, matrix.columns},
                       {matrix.stride, 1}, c10::CppTypeToScalarType<Value>::value);
}

// Where a matrix begins and ends in memory.
template <typename T>
std::pair<const T*, const T*> Extent(kernels::MatrixView<const T> matrix) {
  if (matrix.rows == 0 || matrix.columns == 0) return {};
  return {matrix.data, matrix.row(matrix.rows - 1) + matrix.columns};
}

template <typename T>
bool Overlap(kernels::MatrixView<const T> a, kernels::MatrixView<const T> b) {
  const auto [a_begin, a_end] = Extent(a);
  const auto [b_begin, b_end] = Extent(b);
  return std::less<>()(a_begin, b_end) && std::less<>()(b_begin, a_end);
}

}  // namespace

template <typename T>
absl::StatusOr<double> AutogradLoss(std::span<const kernels::MatrixView<const T>> values,
                                    std::span<const kernels::MatrixView<T>> gradients,
                                    const LossExpression& loss) {
  CHECK_EQ(values.size(), gradients.size());
  for (const kernels::MatrixView<const T>& matrix : values) {
    for (const kernels::MatrixView<T>& gradient : gradients) {
      CHECK(!Overlap<T>(matrix, gradient)) << "a gradient lies where values lie";
    }
  }
  double value = 0;
  PERENNIAL_RETURN_IF_ERROR(CatchTorchErrors([&]() -> absl::Status {
    const at::AutoGradMode enable(true);
    std::vector<at::Tensor> leaves;
    for (size_t i = 0; i < values.size(); ++i) {
      CHECK_EQ(values[i].rows, gradients[i].rows);
      CHECK_EQ(values[i].columns, gradients[i].columns);
      leaves.push_back(View(values[i]).requires_grad_());
      // Autograd adds to a gradient that is there, in place.
      leaves.back().mutable_grad() = View(gradients[i]).zero_();
    }
    const at::Tensor result = loss(leaves);
    PERENNIAL_ASSIGN_OR_RETURN(value, LossValue(result));
    result.backward();
    for (size_t i = 0; i < leaves.size(); ++i) {
      const at::Tensor& gradient = leaves[i].grad();
      if (leaves[i].numel() == 0) continue;
      if (!gradient.defined() || gradient.const_data_ptr() != gradients[i].data) {
        return absl::InvalidArgumentError("the loss expression replaced the gradient of a leaf");
      }
    }
    return absl::OkStatus();
  }));
  return value;
}

template <typename T>
absl::StatusOr<double> AutogradLoss(const Network& network,
                                    const std::vector<absl::string_view>& blocks,
                                    Workspace<T>& workspace, const LossExpression& loss) {
  std::vector<kernels::MatrixView<const T>> values;
  std::vector<kernels::MatrixView<T>> gradients;
  for (const absl::string_view name : blocks) {
    const int block = network.block(name);
    values.push_back(workspace.output(block));
    gradients.push_back(workspace.gradient(block));
  }
  return AutogradLoss<T>(values, gradients, loss);
}

template absl::StatusOr<double> AutogradLoss(std::span<const kernels::MatrixView<const float>>,
                                             std::span<const kernels::MatrixView<float>>,
                                             const LossExpression&);
template absl::StatusOr<double> AutogradLoss(std::span<const kernels::MatrixView<const double>>,
                                             std::span<const kernels::MatrixView<double>>,
                                             const LossExpression&);

template absl::StatusOr<double> AutogradLoss(const Network&, const std::vector<absl::string_view>&,
                                             Workspace<float>&, const LossExpression&);
template absl::StatusOr<double> AutogradLoss(const Network&, const std::vector<absl::string_view>&,
                                             Workspace<double>&, const LossExpression&);

}  // namespace perennial::nn
