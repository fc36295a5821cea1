#include "common/nn/sink.h"

#include <algorithm>

#include "common/kernels/elementwise.h"
#include "common/kernels/gemm.h"
#include "common/kernels/norm.h"

namespace perennial::nn {

template <typename T>
void AddRowsAtActive(ActiveView x, kernels::MatrixView<const T> d, T scale,
                     kernels::MatrixView<T> table) {
  for (int64_t r = 0; r < x.rows; ++r) {
    for (int64_t k = 0; k < x.per_row; ++k) {
      T* target = table.row(x.row(r)[k]);
      const T* source = d.row(r);
      for (int64_t c = 0; c < d.columns; ++c) target[c] += scale * source[c];
    }
  }
}

template <typename T>
void GradientSink<T>::Dense(const DenseSlot& slot, kernels::MatrixView<const T> x,
                            kernels::MatrixView<const T> d) {
  const bool accumulate = mode_ == Mode::kAccumulate;
  const kernels::MatrixView<T> weights = {gradient_.data() + slot.weight_offset, slot.outputs,
                                          slot.inputs, slot.inputs};
  kernels::Gemm<T>(kernels::Transpose::kYes, kernels::Transpose::kNo, scale_, d, x,
                   accumulate ? 1 : 0, weights);
  if (slot.bias_offset < 0) return;
  kernels::ColumnSums<T>(d, scale_, accumulate, gradient_.data() + slot.bias_offset);
}

template <typename T>
void GradientSink<T>::OneHot(const DenseSlot& slot, ActiveView x, kernels::MatrixView<const T> d) {
  const bool accumulate = mode_ == Mode::kAccumulate;
  const kernels::MatrixView<T> weights = {gradient_.data() + slot.weight_offset, slot.inputs,
                                          slot.outputs, slot.outputs};
  if (!accumulate) std::fill_n(weights.data, slot.inputs * slot.outputs, T(0));
  AddRowsAtActive<T>(x, d, scale_, weights);
  if (slot.bias_offset < 0) return;
  kernels::ColumnSums<T>(d, scale_, accumulate, gradient_.data() + slot.bias_offset);
}

template <typename T>
void GradientSink<T>::Norm(const NormSlot& slot, kernels::MatrixView<const T> n,
                           kernels::MatrixView<const T> d) {
  const bool accumulate = mode_ == Mode::kAccumulate;
  kernels::ColumnProductSums<T>(n, d, scale_, accumulate, gradient_.data() + slot.scale_offset);
  kernels::ColumnSums<T>(d, scale_, accumulate, gradient_.data() + slot.shift_offset);
}

namespace {

template <typename T>
kernels::MatrixView<const T> Examples(kernels::MatrixView<const T> x, int64_t begin, int64_t end) {
  x.data += begin * x.stride;
  x.rows = end - begin;
  return x;
}

ActiveView Examples(const ActiveView& x, int64_t begin, int64_t end) {
  return {x.data + begin * x.per_row, end - begin, x.per_row};
}

}  // namespace

template <typename T>
void SplitSink<T>::Dense(const DenseSlot& slot, kernels::MatrixView<const T> x,
                         kernels::MatrixView<const T> d) {
  const int64_t split = std::min(split_, d.rows);  // No rows at all: no gradient reached the layer.
  first_.Dense(slot, Examples<T>(x, 0, split), Examples<T>(d, 0, split));
  second_.Dense(slot, Examples<T>(x, split, d.rows), Examples<T>(d, split, d.rows));
}

template <typename T>
void SplitSink<T>::OneHot(const DenseSlot& slot, ActiveView x, kernels::MatrixView<const T> d) {
  const int64_t split = std::min(split_, d.rows);
  first_.OneHot(slot, Examples(x, 0, split), Examples<T>(d, 0, split));
  second_.OneHot(slot, Examples(x, split, d.rows), Examples<T>(d, split, d.rows));
}

template <typename T>
void SplitSink<T>::Norm(const NormSlot& slot, kernels::MatrixView<const T> n,
                        kernels::MatrixView<const T> d) {
  const int64_t split = std::min(split_, d.rows);
  first_.Norm(slot, Examples<T>(n, 0, split), Examples<T>(d, 0, split));
  second_.Norm(slot, Examples<T>(n, split, d.rows), Examples<T>(d, split, d.rows));
}

#define PERENNIAL_INSTANTIATE(T)                                                \
  template void AddRowsAtActive<T>(ActiveView, kernels::MatrixView<const T>, T, \
                                   kernels::MatrixView<T>);                     \
  template class GradientSink<T>;                                               \
  template class SplitSink<T>;
PERENNIAL_INSTANTIATE(float)
PERENNIAL_INSTANTIATE(double)
#undef PERENNIAL_INSTANTIATE

}  // namespace perennial::nn
