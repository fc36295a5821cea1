#include "common/nn/sink.h"

#include "common/kernels/elementwise.h"
#include "common/kernels/gemm.h"

namespace perennial::nn {

template <typename T>
void GradientSink<T>::Dense(const DenseSlot& slot, kernels::MatrixView<const T> x,
                            kernels::MatrixView<const T> d) {
  const bool accumulate = mode_ == Mode::kAccumulate;
  const kernels::MatrixView<T> weights = {gradient_.data() + slot.weight_offset, slot.outputs,
                                          slot.inputs, slot.inputs};
  kernels::Gemm<T>(kernels::Transpose::kYes, kernels::Transpose::kNo, scale_, d, x,
                   accumulate ? 1 : 0, weights);
  kernels::ColumnSums<T>(d, scale_, accumulate, gradient_.data() + slot.bias_offset);
}

template class GradientSink<float>;
template class GradientSink<double>;

}  // namespace perennial::nn
