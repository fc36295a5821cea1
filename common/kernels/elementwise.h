// Fused element-wise kernels, SIMD by Highway with the instruction set chosen at run time.
//
// Each is written for float and double alike, and tested against a scalar loop. All reductions run
// in an order that depends on the shapes and the instruction set only. Pointers need no alignment;
// nothing beyond the stated extent is read or written.
#ifndef PERENNIAL_COMMON_KERNELS_ELEMENTWISE_H_
#define PERENNIAL_COMMON_KERNELS_ELEMENTWISE_H_

#include <cstdint>
#include <span>

#include "common/kernels/aligned.h"

namespace perennial::kernels {

// out[r, :] = pixels of image indices[r] * scale + shift, where image i is pixels[i * features
// ...].
template <typename T>
void GatherPixels(const uint8_t* pixels, int64_t features, std::span<const int32_t> indices,
                  T scale, T shift, MatrixView<T> out);

// y[r, :] += bias, in place.
template <typename T>
void AddBias(const T* bias, MatrixView<T> y);

// y[r, :] = max(y[r, :] + bias, 0), in place. NaN stays NaN.
template <typename T>
void AddBiasRelu(const T* bias, MatrixView<T> y);

// delta = 0 where the activation y is 0 or less, else unchanged. Same shape and strides.
template <typename T>
void ReluBackward(MatrixView<const T> y, MatrixView<T> delta);

// out[c] = scale * sum over r of x[r, c]  (+ out[c] if `accumulate`).
template <typename T>
void ColumnSums(MatrixView<const T> x, T scale, bool accumulate, T* out);

// One step of stochastic gradient descent with momentum, as in Sutskever et al. 2013 without
// dampening (LibTorch's convention): v = momentum * v + g + decay * w;  w = w - rate * v.
template <typename T>
void SgdMomentumStep(T rate, T momentum, T decay, std::span<const T> gradient, std::span<T> weights,
                     std::span<T> velocity);

// out = anchor + alpha * (end - anchor), the point at `alpha` on the line from anchor to end.
template <typename T>
void LinePoint(T alpha, std::span<const T> anchor, std::span<const T> end, std::span<T> out);

// out += alpha * x.
template <typename T>
void Axpy(T alpha, std::span<const T> x, std::span<T> out);

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_ELEMENTWISE_H_
