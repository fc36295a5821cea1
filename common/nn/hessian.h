// Products of the Hessian of a loss with a vector, by the R-operator: one forward and one backward
// pass that carry, beside every number, its derivative in the direction of the vector.
//
// Source: Pearlmutter 1994, "Fast exact multiplication by the Hessian". The cost is about that of
// two forward and backward passes; no difference quotient, no Hessian. For networks of dense layers
// and dropout; modules of LibTorch have theirs by autograd (module_network.h).
//
//   nn::HessianPass<float> pass(network, /*max_rows=*/256);
//   pass.Forward(row, vector, batch);
//   nn::SoftmaxCrossEntropy<float>(pass.workspace().output(), labels, weights,
//                                  pass.workspace().output_gradient());
//   nn::SoftmaxCrossEntropyHessian<float>(pass.workspace().output(), labels, weights,
//                                         pass.output_tangent(), pass.gradient_tangent());
//   pass.Backward(product);                                      // H vector
#ifndef PERENNIAL_COMMON_NN_HESSIAN_H_
#define PERENNIAL_COMMON_NN_HESSIAN_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "common/data/batch.h"
#include "common/kernels/aligned.h"
#include "common/nn/network.h"
#include "common/nn/rows.h"

namespace perennial::nn {

template <typename T>
class HessianPass {
 public:
  // `network` must outlive it and be supported (CHECK).
  HessianPass(const Network& network, int64_t max_rows);
  HessianPass(const HessianPass&) = delete;
  HessianPass& operator=(const HessianPass&) = delete;

  // Unimplemented, with the layer's name, for networks with norms.
  static absl::Status Supports(const Network& network);

  // The outputs at `row`, and their derivatives along `vector` [layout().size()] (its gaps are not
  // read). Both rows must stay as they are until Backward is done.
  void Forward(ConstRow<T> row, ConstRow<T> vector, const data::Batch& batch,
               const ForwardOptions& options = {});

  // The caller writes the loss's gradient into workspace().gradient(block), and its derivative
  // along output_tangent(block), a product of the loss's Hessian at the outputs, into
  // gradient_tangent(block).
  Workspace<T>& workspace() { return workspace_; }
  kernels::MatrixView<const T> output_tangent(int block) const;
  kernels::MatrixView<const T> output_tangent() const {
    return output_tangent(network_.blocks() - 1);
  }
  kernels::MatrixView<T> gradient_tangent(int block);
  kernels::MatrixView<T> gradient_tangent() { return gradient_tangent(network_.blocks() - 1); }

  // product = H vector, laid out as the row's trained part; gaps are left alone.
  void Backward(Row<T> product);

 private:
  // Derivatives along the vector of what the workspace holds.
  struct Tangents {
    kernels::MatrixView<T> z;
    kernels::MatrixView<T> y;
    kernels::MatrixView<T> delta;
  };

  int64_t LayOut(T* memory);
  kernels::MatrixView<const T> BlockInputTangent(int block) const;
  void ActivationTangent(size_t layer);
  void ActivationBackward(size_t layer);
  void BackwardBlock(int block, Row<T> product);

  const Network& network_;
  int64_t max_rows_;
  Workspace<T> workspace_;
  kernels::AlignedVector<T> memory_;
  std::vector<Tangents> layers_;
  ConstRow<T> row_;
  ConstRow<T> vector_;
};

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_HESSIAN_H_
