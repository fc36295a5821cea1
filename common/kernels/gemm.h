// Row-major matrix products, by the BLAS in LibTorch (MKL), always on the calling thread alone.
//
// One thread a product is what makes results independent of the number of threads of a run:
// parallelism lies above, over units. The caller's thread settings of MKL are left as they were.
//
//   Gemm<float>(Transpose::kNo, Transpose::kYes, 1, x, w, 0, y);   // y [B, out] = x [B, in] w^T
#ifndef PERENNIAL_COMMON_KERNELS_GEMM_H_
#define PERENNIAL_COMMON_KERNELS_GEMM_H_

#include <cstdint>

#include "common/kernels/aligned.h"

namespace perennial::kernels {

enum class Transpose { kNo, kYes };

// c = alpha * op(a) op(b) + beta * c. Shapes must agree (CHECK). beta = 0 overwrites c, NaN
// included. T is float or double.
template <typename T>
void Gemm(Transpose transpose_a, Transpose transpose_b, T alpha, MatrixView<const T> a,
          MatrixView<const T> b, T beta, MatrixView<T> c);

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_GEMM_H_
