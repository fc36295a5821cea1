// Bias and activation function of a dense layer, forward and backward, SIMD.
//
// Matrices are [B, H], one example a row; CReLU's outputs are [B, 2 H]. The functions are those of
// activation_scalar.h, to a few units in the last place (GELU in float: of max(|z|, 1)). NaN stays
// NaN; where the output is NaN, the gradient is NaN or passes unchanged. Pointers need no
// alignment; nothing beyond the stated extent is read or written.
//
//   Gemm(...);                                             // y [B, ActivationWidth(f, H)]: x W^T
//   BiasActivation<float>(f, bias, y, saved);              // y = f(y + bias)
//   ...                                                    // delta [B, ...]: dLoss/dy
//   ActivationBackward<float>(f, y, saved, delta);         // delta: dLoss/dz in the first H
//   columns
#ifndef PERENNIAL_COMMON_KERNELS_ACTIVATION_H_
#define PERENNIAL_COMMON_KERNELS_ACTIVATION_H_

#include <cstdint>

#include "common/kernels/activation_scalar.h"
#include "common/kernels/aligned.h"

namespace perennial::kernels {

// Columns of the outputs of a layer of `columns` inputs to the activation function.
constexpr int64_t ActivationWidth(Activation f, int64_t columns) {
  return f == Activation::kCrelu ? 2 * columns : columns;
}

// Whether the backward pass needs z, not the outputs alone.
constexpr bool SavesInputs(Activation f) { return f == Activation::kGelu; }

// y[r, :] = f(z[r, :] + bias), in place: z are the first H of the ActivationWidth(f, H) columns of
// y on entry. `bias` [H] may be null (none). `saved` [B, H] receives z + bias if SavesInputs(f),
// and may be empty otherwise.
template <typename T>
void BiasActivation(Activation f, const T* bias, MatrixView<T> y, MatrixView<T> saved);

// delta *= f'(z), in place, from what BiasActivation left in y and saved. For kCrelu delta has the
// 2 H columns of y, and the result lies in its first H.
template <typename T>
void ActivationBackward(Activation f, MatrixView<const T> y, MatrixView<const T> saved,
                        MatrixView<T> delta);

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_ACTIVATION_H_
