// What becomes of the gradients of parameters.
//
// A backward pass produces, for each layer with parameters, what its gradients are made of: for a
// dense layer the pair (inputs x, deltas d), whose product d^T x is the weight gradient. A sink
// decides what is made of it: a gradient in a row or a sum into one (here), per-sample squares
// (squared_sink.h) or factors (factors.h), the optimizer's update (update_sink.h).
//
//   nn::GradientSink<float> sink(gradient, nn::GradientSink<float>::Mode::kOverwrite);
//   network.Backward<float>(row, workspace, sink);
#ifndef PERENNIAL_COMMON_NN_SINK_H_
#define PERENNIAL_COMMON_NN_SINK_H_

#include "common/kernels/aligned.h"
#include "common/nn/rows.h"

namespace perennial::nn {

// A dense layer y = x W^T + b and its place in a row.
struct DenseSlot {
  int64_t inputs = 0;
  int64_t outputs = 0;
  int64_t weight_offset = 0;  // W [outputs, inputs], or [inputs, outputs] for one-hot inputs.
  int64_t bias_offset = -1;   // b [outputs]; -1: none.
  bool reads_inputs = false;  // The network's, not those of another layer.
};

// A norm's scale and shift, y = scale * n + shift, and their place in a row.
struct NormSlot {
  int64_t features = 0;
  int64_t scale_offset = 0;
  int64_t shift_offset = 0;
};

// One-hot inputs: the active features of each example, [rows, per_row].
struct ActiveView {
  const int32_t* data = nullptr;
  int64_t rows = 0;
  int64_t per_row = 0;

  const int32_t* row(int64_t index) const { return data + index * per_row; }
};

// Each layer's method is called once in a backward pass, last layer first, and nothing reads the
// layer's parameters afterwards: a sink may change them. A layer that no gradient reached is passed
// with 0 rows: its gradient is zero.
template <typename T>
class WeightGradientSink {
 public:
  virtual ~WeightGradientSink() = default;
  // x [B, inputs], d [B, outputs] = dLoss/dy.
  virtual void Dense(const DenseSlot& slot, kernels::MatrixView<const T> x,
                     kernels::MatrixView<const T> d) = 0;
  // The same where x is one-hot.
  virtual void OneHot(const DenseSlot& slot, ActiveView x, kernels::MatrixView<const T> d) = 0;
  // n [B, features], d [B, features] = dLoss/dy.
  virtual void Norm(const NormSlot& slot, kernels::MatrixView<const T> n,
                    kernels::MatrixView<const T> d) = 0;
};

// gradient = scale * dLoss/drow, or gradient += that. Gaps and buffers of the layout are left
// alone. `gradient` holds at least the layout's trainable() numbers.
template <typename T>
class GradientSink final : public WeightGradientSink<T> {
 public:
  enum class Mode { kOverwrite, kAccumulate };
  GradientSink(Row<T> gradient, Mode mode, T scale = 1)
      : gradient_(gradient), mode_(mode), scale_(scale) {}

  void Dense(const DenseSlot& slot, kernels::MatrixView<const T> x,
             kernels::MatrixView<const T> d) override;
  void OneHot(const DenseSlot& slot, ActiveView x, kernels::MatrixView<const T> d) override;
  void Norm(const NormSlot& slot, kernels::MatrixView<const T> n,
            kernels::MatrixView<const T> d) override;

 private:
  Row<T> gradient_;
  Mode mode_;
  T scale_;
};

// Two gradients of one pass: the first `split` examples' sum goes to one sink, that of the others
// to another. For networks whose blocks see all rows, with losses of example r alone.
//
//   nn::GradientSink<float> now(gradient, kOverwrite), past(reference, kOverwrite);
//   nn::SplitSink<float> sink(64, now, past);
template <typename T>
class SplitSink final : public WeightGradientSink<T> {
 public:
  // Both must outlive it.
  SplitSink(int64_t split, WeightGradientSink<T>& first, WeightGradientSink<T>& second)
      : split_(split), first_(first), second_(second) {}

  void Dense(const DenseSlot& slot, kernels::MatrixView<const T> x,
             kernels::MatrixView<const T> d) override;
  void OneHot(const DenseSlot& slot, ActiveView x, kernels::MatrixView<const T> d) override;
  void Norm(const NormSlot& slot, kernels::MatrixView<const T> n,
            kernels::MatrixView<const T> d) override;

 private:
  int64_t split_;
  WeightGradientSink<T>& first_;
  WeightGradientSink<T>& second_;
};

// Takes no notice: for passes that are after the gradient of the inputs alone.
template <typename T>
class DiscardSink final : public WeightGradientSink<T> {
 public:
  void Dense(const DenseSlot&, kernels::MatrixView<const T>,
             kernels::MatrixView<const T>) override {}
  void OneHot(const DenseSlot&, ActiveView, kernels::MatrixView<const T>) override {}
  void Norm(const NormSlot&, kernels::MatrixView<const T>, kernels::MatrixView<const T>) override {}
};

// table[x[r, k], :] += scale * d[r, :] for all r, k: the weight gradient d^T x of one-hot inputs.
template <typename T>
void AddRowsAtActive(ActiveView x, kernels::MatrixView<const T> d, T scale,
                     kernels::MatrixView<T> table);

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_SINK_H_
