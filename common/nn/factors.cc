#include "common/nn/factors.h"

#include <algorithm>

#include "common/base/logging.h"
#include "common/kernels/gemm.h"
#include "common/kernels/matrix.h"

namespace perennial::nn {
namespace {

using kernels::MatrixView;
using kernels::Transpose;

template <typename T>
kernels::AlignedVector<T> Copy(MatrixView<const T> from) {
  const int64_t stride = kernels::RoundUp(from.columns);
  kernels::AlignedVector<T> to(from.rows * stride);
  kernels::CopyMatrix<T>(from, {to.data(), from.rows, from.columns, stride});
  return to;
}

template <typename T>
MatrixView<const T> View(const kernels::AlignedVector<T>& memory, int64_t rows, int64_t columns) {
  return {memory.data(), rows, columns, kernels::RoundUp(columns)};
}

template <typename T>
MatrixView<const T> Inputs(const GradientFactors<T>& factors, size_t layer) {
  return View(factors.layers[layer].x, factors.rows, factors.layers[layer].slot.inputs);
}

template <typename T>
MatrixView<const T> Deltas(const GradientFactors<T>& factors, size_t layer) {
  return View(factors.layers[layer].d, factors.rows, factors.layers[layer].slot.outputs);
}

}  // namespace

template <typename T>
void FactorSink<T>::Dense(const DenseSlot& slot, MatrixView<const T> x, MatrixView<const T> d) {
  if (d.rows == 0) return;
  if (factors_.layers.empty()) factors_.rows = d.rows;
  CHECK_EQ(d.rows, factors_.rows) << "a layer that does not see all rows of the batch";
  for (const auto& layer : factors_.layers) {
    CHECK_NE(layer.slot.weight_offset, slot.weight_offset) << "a second pass needs a new sink";
  }
  factors_.layers.push_back({slot, Copy(x), Copy(d)});
}

template <typename T>
void FactorSink<T>::OneHot(const DenseSlot&, ActiveView, MatrixView<const T>) {
  LOG(FATAL) << "factors of one-hot inputs";
}

template <typename T>
void FactorSink<T>::Norm(const NormSlot&, MatrixView<const T>, MatrixView<const T>) {
  LOG(FATAL) << "factors of a norm";
}

template <typename T>
void GradientGram(const GradientFactors<T>& a, const GradientFactors<T>& b, MatrixView<T> gram) {
  CHECK(gram.rows == a.rows && gram.columns == b.rows);
  kernels::AlignedVector<T> memory(2 * a.rows * kernels::RoundUp(b.rows));
  const MatrixView<T> inputs = {memory.data(), a.rows, b.rows, kernels::RoundUp(b.rows)};
  const MatrixView<T> deltas = {memory.data() + a.rows * inputs.stride, a.rows, b.rows,
                                inputs.stride};
  for (int64_t r = 0; r < gram.rows; ++r) std::fill_n(gram.row(r), gram.columns, T(0));
  for (size_t i = 0; i < a.layers.size(); ++i) {
    const auto same = std::ranges::find(b.layers, a.layers[i].slot.weight_offset,
                                        [](const auto& layer) { return layer.slot.weight_offset; });
    if (same == b.layers.end()) continue;
    const size_t j = same - b.layers.begin();
    kernels::Gemm<T>(Transpose::kNo, Transpose::kYes, 1, Inputs(a, i), Inputs(b, j), 0, inputs);
    kernels::Gemm<T>(Transpose::kNo, Transpose::kYes, 1, Deltas(a, i), Deltas(b, j), 0, deltas);
    const T bias = a.layers[i].slot.bias_offset >= 0 ? 1 : 0;
    for (int64_t r = 0; r < gram.rows; ++r) {
      for (int64_t s = 0; s < gram.columns; ++s) {
        gram(r, s) += deltas(r, s) * (inputs(r, s) + bias);
      }
    }
  }
}

template <typename T>
void GradientDots(const GradientFactors<T>& factors, ConstRow<T> direction, std::span<T> dots) {
  CHECK_EQ(std::ssize(dots), factors.rows);
  std::ranges::fill(dots, T(0));
  kernels::AlignedVector<T> memory;
  for (size_t i = 0; i < factors.layers.size(); ++i) {
    const DenseSlot& slot = factors.layers[i].slot;
    const int64_t stride = kernels::RoundUp(slot.outputs);
    memory.resize(std::max<size_t>(memory.size(), factors.rows * stride));
    const MatrixView<T> image = {memory.data(), factors.rows, slot.outputs, stride};
    kernels::Gemm<T>(
        Transpose::kNo, Transpose::kYes, 1, Inputs(factors, i),
        {direction.data() + slot.weight_offset, slot.outputs, slot.inputs, slot.inputs}, 0, image);
    const MatrixView<const T> d = Deltas(factors, i);
    for (int64_t r = 0; r < factors.rows; ++r) {
      for (int64_t c = 0; c < slot.outputs; ++c) {
        const T bias = slot.bias_offset >= 0 ? direction[slot.bias_offset + c] : 0;
        dots[r] += d(r, c) * (image(r, c) + bias);
      }
    }
  }
}

template <typename T>
void AddGradients(const GradientFactors<T>& factors, std::span<const T> coefficients,
                  Row<T> gradient) {
  CHECK_EQ(std::ssize(coefficients), factors.rows);
  for (size_t i = 0; i < factors.layers.size(); ++i) {
    const DenseSlot& slot = factors.layers[i].slot;
    kernels::AlignedVector<T> scaled = factors.layers[i].d;
    const int64_t stride = kernels::RoundUp(slot.outputs);
    for (int64_t r = 0; r < factors.rows; ++r) {
      for (int64_t c = 0; c < slot.outputs; ++c) {
        scaled[r * stride + c] *= coefficients[r];
        if (slot.bias_offset >= 0) gradient[slot.bias_offset + c] += scaled[r * stride + c];
      }
    }
    kernels::Gemm<T>(
        Transpose::kYes, Transpose::kNo, 1, View(scaled, factors.rows, slot.outputs),
        Inputs(factors, i), 1,
        {gradient.data() + slot.weight_offset, slot.outputs, slot.inputs, slot.inputs});
  }
}

#define PERENNIAL_INSTANTIATE(T)                                                       \
  template class FactorSink<T>;                                                        \
  template void GradientGram<T>(const GradientFactors<T>&, const GradientFactors<T>&,  \
                                MatrixView<T>);                                        \
  template void GradientDots<T>(const GradientFactors<T>&, ConstRow<T>, std::span<T>); \
  template void AddGradients<T>(const GradientFactors<T>&, std::span<const T>, Row<T>);
PERENNIAL_INSTANTIATE(float)
PERENNIAL_INSTANTIATE(double)
#undef PERENNIAL_INSTANTIATE

}  // namespace perennial::nn
