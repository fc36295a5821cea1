// Normalisation of rows (layer norm, Ba et al. 2016) or of columns (batch norm, Ioffe & Szegedy
// 2015), forward and backward.
//
// Matrices are [B, H], one example a row; gamma and beta [H] scale and shift the normalised
// numbers. Variances are biased (divided by H or B) and taken around the mean in a second pass.
// `normalized` keeps (x - mean) / sqrt(variance + epsilon) for the backward pass. normalized or y
// may be x, and one another where no backward pass follows; dx may be dy. A batch without rows
// writes statistics of zero and nothing else. A row (or column) with NaN or infinity becomes NaN.
//
// The gradients of the parameters are sums over the batch: of dy * normalized for gamma, of dy for
// beta.
//
//   LayerNormForward<float>(1e-5f, gamma, beta, x, normalized, inverse_deviation, y);
//   ...                                                             // dy: dLoss/dy
//   ColumnProductSums<float>(dy, normalized, 1, false, gamma_gradient);
//   ColumnSums<float>(dy, 1, false, beta_gradient);
//   LayerNormBackward<float>(gamma, normalized, inverse_deviation, dy, dy);
#ifndef PERENNIAL_COMMON_KERNELS_NORM_H_
#define PERENNIAL_COMMON_KERNELS_NORM_H_

#include "common/kernels/aligned.h"

namespace perennial::kernels {

// y[r, :] = gamma * normalized[r, :] + beta, normalised over the columns of each row.
// inverse_deviation [B] receives 1 / sqrt(variance + epsilon).
template <typename T>
void LayerNormForward(T epsilon, const T* gamma, const T* beta, MatrixView<const T> x,
                      MatrixView<T> normalized, T* inverse_deviation, MatrixView<T> y);

template <typename T>
void LayerNormBackward(const T* gamma, MatrixView<const T> normalized, const T* inverse_deviation,
                       MatrixView<const T> dy, MatrixView<T> dx);

// Normalises each column by the statistics of the batch, which mean [H] and variance [H] receive.
template <typename T>
void BatchNormForward(T epsilon, const T* gamma, const T* beta, MatrixView<const T> x,
                      MatrixView<T> normalized, T* mean, T* variance, MatrixView<T> y);

template <typename T>
void BatchNormBackward(T epsilon, const T* gamma, MatrixView<const T> normalized, const T* variance,
                       MatrixView<const T> dy, MatrixView<T> dx);

// The same with given statistics, which the backward pass takes as constants:
// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, dx = dy * gamma / sqrt(variance +
// epsilon).
template <typename T>
void FixedNormForward(T epsilon, const T* gamma, const T* beta, const T* mean, const T* variance,
                      MatrixView<const T> x, MatrixView<T> normalized, MatrixView<T> y);

template <typename T>
void FixedNormBackward(T epsilon, const T* gamma, const T* variance, MatrixView<const T> dy,
                       MatrixView<T> dx);

// out[c] = scale * sum over r of a[r, c] * b[r, c]  (+ out[c] if `accumulate`): ColumnSums of
// elementwise.h for a product, as the gradient of gamma needs it.
template <typename T>
void ColumnProductSums(MatrixView<const T> a, MatrixView<const T> b, T scale, bool accumulate,
                       T* out);

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_NORM_H_
