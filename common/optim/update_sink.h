// The optimizer's update fused into the backward pass: each layer's parameters are updated as soon
// as its gradient is known, while all of it is in the cache.
//
// The weight gradient of a dense layer is computed tile by tile in registers and used at once, so
// no gradient is ever stored, and parameters and state are read and written once. No clipping by
// the norm of the whole gradient.
//
//   optim::Optimizer<float> optimizer(config, network.layout().trainable());
//   optim::UpdateSink<float> sink(optimizer, row);
//   for (...) {
//     network.Forward<float>(row, batch, workspace); ...
//     sink.BeginStep();
//     network.Backward<float>(row, workspace, sink);   // row has taken a step
//   }
#ifndef PERENNIAL_COMMON_OPTIM_UPDATE_SINK_H_
#define PERENNIAL_COMMON_OPTIM_UPDATE_SINK_H_

#include "common/kernels/aligned.h"
#include "common/nn/network.h"
#include "common/nn/rows.h"
#include "common/nn/sink.h"
#include "common/optim/optimizer.h"

namespace perennial::optim {

template <typename T>
class UpdateSink final : public nn::WeightGradientSink<T> {
 public:
  // Both must outlive it. The optimizer must not clip.
  UpdateSink(Optimizer<T>& optimizer, nn::Row<T> row) : optimizer_(optimizer), row_(row) {}

  // Numbers that one keeps besides, at most: the gradient of one-hot inputs' weights, which are not
  // a product, or of a bias.
  static int64_t ScratchSize(const nn::Network& network);

  // Once before each backward pass.
  void BeginStep() { optimizer_.BeginStep(); }

  void Dense(const nn::DenseSlot& slot, kernels::MatrixView<const T> x,
             kernels::MatrixView<const T> d) override;
  void OneHot(const nn::DenseSlot& slot, nn::ActiveView x, kernels::MatrixView<const T> d) override;
  void Norm(const nn::NormSlot& slot, kernels::MatrixView<const T> n,
            kernels::MatrixView<const T> d) override;

 private:
  nn::Row<T> Scratch(int64_t size);
  void UpdateBias(int64_t offset, kernels::MatrixView<const T> d);

  Optimizer<T>& optimizer_;
  nn::Row<T> row_;
  kernels::AlignedVector<T> scratch_;  // The gradient of a slice.
};

}  // namespace perennial::optim

#endif  // PERENNIAL_COMMON_OPTIM_UPDATE_SINK_H_
