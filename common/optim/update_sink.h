// The optimizer's update fused into the backward pass: each layer's parameters are updated as soon
// as its gradient is known, while all of it is in the cache.
//
// The weight gradient of a dense layer is computed tile by tile in registers and used at once, so
// no gradient is ever stored, and parameters and state are read and written once. Where the
// gradient's norm is clipped, the whole gradient is needed first: it is collected, and the step
// taken at the end.
//
//   optim::Optimizer<float> optimizer(config, network.layout().trainable());
//   optim::UpdateSink<float> sink(optimizer, row);
//   for (...) {
//     network.Forward<float>(row, batch, workspace); ...
//     sink.BeginStep();
//     network.Backward<float>(row, workspace, sink);
//     sink.EndStep();                                   // row has taken a step
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
  // Both must outlive it.
  UpdateSink(Optimizer<T>& optimizer, nn::Row<T> row) : optimizer_(optimizer), row_(row) {}

  // Numbers that one keeps besides, at most: the gradient of one-hot inputs' weights, which are not
  // a product, or of a bias; all of it, if it is clipped.
  static int64_t ScratchSize(const nn::Network& network, const OptimizerConfig& config);

  // Once before and after each backward pass.
  void BeginStep();
  void EndStep();

  void Dense(const nn::DenseSlot& slot, kernels::MatrixView<const T> x,
             kernels::MatrixView<const T> d) override;
  void OneHot(const nn::DenseSlot& slot, nn::ActiveView x, kernels::MatrixView<const T> d) override;
  void Norm(const nn::NormSlot& slot, kernels::MatrixView<const T> n,
            kernels::MatrixView<const T> d) override;

 private:
  bool clips() const { return optimizer_.config().clip_norm > 0; }
  nn::Row<T> Scratch(int64_t size);
  // Collects the gradient in scratch memory.
  nn::GradientSink<T> Collect();
  void UpdateBias(int64_t offset, kernels::MatrixView<const T> d);

  Optimizer<T>& optimizer_;
  nn::Row<T> row_;
  kernels::AlignedVector<T> scratch_;  // The gradient of a slice, or of all if it is clipped.
};

}  // namespace perennial::optim

#endif  // PERENNIAL_COMMON_OPTIM_UPDATE_SINK_H_
