#include "common/nn/squared_sink.h"

#include "common/kernels/elementwise.h"
#include "common/kernels/gemm.h"
#include "common/kernels/norm.h"

namespace perennial::nn {

using kernels::MatrixView;

template <typename T>
MatrixView<const T> SquaredGradientSink<T>::Squared(MatrixView<const T> x,
                                                    kernels::AlignedVector<T>& memory) {
  const int64_t stride = kernels::RoundUp(x.columns);
  const size_t needed = static_cast<size_t>(x.rows * stride);
  if (memory.size() < needed) memory.resize(needed);
  const MatrixView<T> squares = {memory.data(), x.rows, x.columns, stride};
  kernels::Square<T>(x, squares);
  return squares;
}

template <typename T>
void SquaredGradientSink<T>::Dense(const DenseSlot& slot, MatrixView<const T> x,
                                   MatrixView<const T> d) {
  const MatrixView<const T> squared_d = Squared(d, squared_d_);
  kernels::Gemm<T>(kernels::Transpose::kYes, kernels::Transpose::kNo, scale_, squared_d,
                   Squared(x, squared_x_), 1,
                   {sums_.data() + slot.weight_offset, slot.outputs, slot.inputs, slot.inputs});
  if (slot.bias_offset < 0) return;
  kernels::ColumnSums<T>(squared_d, scale_, true, sums_.data() + slot.bias_offset);
}

template <typename T>
void SquaredGradientSink<T>::OneHot(const DenseSlot& slot, ActiveView x, MatrixView<const T> d) {
  const MatrixView<const T> squared_d = Squared(d, squared_d_);
  AddRowsAtActive<T>(x, squared_d, scale_,
                     {sums_.data() + slot.weight_offset, slot.inputs, slot.outputs, slot.outputs});
  if (slot.bias_offset < 0) return;
  kernels::ColumnSums<T>(squared_d, scale_, true, sums_.data() + slot.bias_offset);
}

template <typename T>
void SquaredGradientSink<T>::Norm(const NormSlot& slot, MatrixView<const T> n,
                                  MatrixView<const T> d) {
  const MatrixView<const T> squared_d = Squared(d, squared_d_);
  kernels::ColumnProductSums<T>(Squared(n, squared_x_), squared_d, scale_, true,
                                sums_.data() + slot.scale_offset);
  kernels::ColumnSums<T>(squared_d, scale_, true, sums_.data() + slot.shift_offset);
}

template class SquaredGradientSink<float>;
template class SquaredGradientSink<double>;

}  // namespace perennial::nn
