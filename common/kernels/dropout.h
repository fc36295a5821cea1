// Inverted dropout (Srivastava et al. 2014) whose mask is a function of a stream and of an
// element's place: nothing is stored, the backward pass makes the same mask again.
//
//   const random::Stream stream = unit.Split("dropout").Split(step).Split(layer);
//   Dropout<float>(stream, 0.5, activations, activations);
//   ...
//   Dropout<float>(stream, 0.5, gradient, gradient);
#ifndef PERENNIAL_COMMON_KERNELS_DROPOUT_H_
#define PERENNIAL_COMMON_KERNELS_DROPOUT_H_

#include "common/kernels/aligned.h"
#include "common/random/stream.h"

namespace perennial::kernels {

// out = x / (1 - rate) where x is kept, else 0 (even where x is NaN or infinite). Element
// i = r * columns + c of x [B, columns] is kept if word i of the stream (word i % 4 of block i / 4
// of stream.At(), whatever was drawn from the stream) is at least round(rate * 2^32). `out` has the
// shape of x and may be x. Needs 0 <= rate < 1; the multiplication is by T(1 / (1 - rate)).
template <typename T>
void Dropout(const random::Stream& stream, double rate, MatrixView<const T> x, MatrixView<T> out);

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_DROPOUT_H_
