// What becomes of a layer's weight gradient.
//
// A backward pass produces, for each dense layer, the pair (inputs x, deltas d), whose product
// d^T x is the weight gradient. A sink decides what is made of the pair: a gradient in a row
// (below), a sum into a row, per-sample quantities, or an update.
#ifndef PERENNIAL_COMMON_NN_SINK_H_
#define PERENNIAL_COMMON_NN_SINK_H_

#include "common/kernels/aligned.h"
#include "common/nn/rows.h"

namespace perennial::nn {

// A dense layer y = x W^T + b and its place in a row.
struct DenseSlot {
  int64_t inputs = 0;
  int64_t outputs = 0;
  int64_t weight_offset = 0;  // W [outputs, inputs]
  int64_t bias_offset = 0;    // b [outputs]
};

template <typename T>
class WeightGradientSink {
 public:
  virtual ~WeightGradientSink() = default;
  // x [B, inputs], d [B, outputs] = dLoss/dy. Called once for each layer, last layer first.
  virtual void Dense(const DenseSlot& slot, kernels::MatrixView<const T> x,
                     kernels::MatrixView<const T> d) = 0;
};

// gradient = scale * dLoss/drow, or gradient += that. Gaps of the layout are left alone.
template <typename T>
class GradientSink final : public WeightGradientSink<T> {
 public:
  enum class Mode { kOverwrite, kAccumulate };
  GradientSink(Row<T> gradient, Mode mode, T scale = 1)
      : gradient_(gradient), mode_(mode), scale_(scale) {}

  void Dense(const DenseSlot& slot, kernels::MatrixView<const T> x,
             kernels::MatrixView<const T> d) override;

 private:
  Row<T> gradient_;
  Mode mode_;
  T scale_;
};

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_SINK_H_
