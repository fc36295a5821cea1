// Sums of squared per-sample gradients, without a gradient of any sample: the diagonal of the
// empirical Fisher matrix.
//
// The gradient of example r at weight (o, i) of a dense layer is d[r, o] x[r, i], so the sum of its
// squares over the batch is one product of squared matrices, (d^2)^T (x^2).
//
//   network.Forward<float>(row, batch, workspace);
//   nn::SoftmaxCrossEntropy<float>(workspace.output(), labels, ones, workspace.output_gradient());
//   nn::SquaredGradientSink<float> sink(fisher, /*scale=*/1.0f / images);   // fisher is added to
//   network.Backward<float>(row, workspace, sink);
#ifndef PERENNIAL_COMMON_NN_SQUARED_SINK_H_
#define PERENNIAL_COMMON_NN_SQUARED_SINK_H_

#include "common/kernels/aligned.h"
#include "common/nn/rows.h"
#include "common/nn/sink.h"

namespace perennial::nn {

// sums += scale * sum over examples r of (dLoss_r/drow)^2, where the loss is a sum of Loss_r that
// depend on example r alone: not for batch norms in training. Weights of the loss count squared.
template <typename T>
class SquaredGradientSink final : public WeightGradientSink<T> {
 public:
  explicit SquaredGradientSink(Row<T> sums, T scale = 1) : sums_(sums), scale_(scale) {}

  void Dense(const DenseSlot& slot, kernels::MatrixView<const T> x,
             kernels::MatrixView<const T> d) override;
  void OneHot(const DenseSlot& slot, ActiveView x, kernels::MatrixView<const T> d) override;
  void Norm(const NormSlot& slot, kernels::MatrixView<const T> n,
            kernels::MatrixView<const T> d) override;

 private:
  kernels::MatrixView<const T> Squared(kernels::MatrixView<const T> x,
                                       kernels::AlignedVector<T>& memory);

  Row<T> sums_;
  T scale_;
  kernels::AlignedVector<T> squared_x_;
  kernels::AlignedVector<T> squared_d_;
};

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_SQUARED_SINK_H_
