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

// out[r, c] = pixel pixel_map[c] of image indices[r] * scale + shift: as GatherPixels, of images
// whose pixels are permuted (or chosen: out may have fewer columns, or more) by a map of
// out.columns entries below `features`.
template <typename T>
void GatherPixelsMapped(const uint8_t* pixels, int64_t features, const int32_t* pixel_map,
                        std::span<const int32_t> indices, T scale, T shift, MatrixView<T> out);

// out[r, c] = T(values[indices[r] * features + c]): rows of a table.
template <typename T>
void GatherRows(const float* values, int64_t features, std::span<const int32_t> indices,
                MatrixView<T> out);

// out[r, c] = T(values[indices[r] * features + column_map[c]]), a map as in GatherPixelsMapped.
template <typename T>
void GatherRowsMapped(const float* values, int64_t features, const int32_t* column_map,
                      std::span<const int32_t> indices, MatrixView<T> out);

// out[c] = scale * sum over r of x[r, c]  (+ out[c] if `accumulate`).
template <typename T>
void ColumnSums(MatrixView<const T> x, T scale, bool accumulate, T* out);

// out = anchor + alpha * (end - anchor), the point at `alpha` on the line from anchor to end.
template <typename T>
void LinePoint(T alpha, std::span<const T> anchor, std::span<const T> end, std::span<T> out);

// out += alpha * x.
template <typename T>
void Axpy(T alpha, std::span<const T> x, std::span<T> out);

// The quadratic penalty scale / 2 * sum over i of (precision[i] x[i]^2 - 2 centre[i] x[i]), which
// is, but for a constant, scale / 2 * sum of precision[i] (x[i] - c[i])^2 with centre = precision
// c. Its gradient, added: gradient += scale (precision x - centre).
template <typename T>
void AddQuadraticGradient(T scale, std::span<const T> precision, std::span<const T> centre,
                          std::span<const T> x, std::span<T> gradient);
// Its proximal step, x = argmin over y of penalty(y) + |y - x|^2 / 2
//                      = (x + scale centre) / (1 + scale precision). Precisions are at least 0.
template <typename T>
void QuadraticProximalStep(T scale, std::span<const T> precision, std::span<const T> centre,
                           std::span<T> x);

// Sums of products and of squares, accumulated in double; 0 of nothing.
template <typename T>
double Dot(std::span<const T> x, std::span<const T> y);
template <typename T>
double SquaredNorm(std::span<const T> x);

// out = x * x, element by element. `out` may be x.
template <typename T>
void Square(MatrixView<const T> x, MatrixView<T> out);

// out = sum over m of coefficients[m] * matrices[m], summed in this order: the activations at a
// point of a line or plane from those at its basis. All of out's shape; out may be one of them.
template <typename T>
void Combine(std::span<const T> coefficients, std::span<const MatrixView<const T>> matrices,
             MatrixView<T> out);

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_ELEMENTWISE_H_
