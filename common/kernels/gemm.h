// Row-major matrix products, by the BLAS in LibTorch (MKL), always on the calling thread alone.
//
// One thread a product is what makes results independent of the number of threads of a run:
// parallelism lies above, over units. The caller's thread settings of MKL are left as they were.
//
//   Gemm<float>(Transpose::kNo, Transpose::kYes, 1, x, w, 0, y);   // y [B, out] = x [B, in] w^T
#ifndef PERENNIAL_COMMON_KERNELS_GEMM_H_
#define PERENNIAL_COMMON_KERNELS_GEMM_H_

#include <cstdint>
#include <memory>

#include "common/kernels/aligned.h"

namespace perennial::kernels {

enum class Transpose { kNo, kYes };

// c = alpha * op(a) op(b) + beta * c. Shapes must agree (CHECK). beta = 0 overwrites c, NaN
// included. T is float or double.
template <typename T>
void Gemm(Transpose transpose_a, Transpose transpose_b, T alpha, MatrixView<const T> a,
          MatrixView<const T> b, T beta, MatrixView<T> c);

// A matrix b that many others are multiplied by, laid out once as products read it. Gemm lays out
// both of its factors each time: some per cent of a product of a few hundred rows.
//
//   PackedMatrix<float> weights(/*n=*/256, /*k=*/784, /*rows=*/128);
//   weights.Pack(w);
//   weights.Multiply(x, y);   // y [128, 256] = x [128, 784] w^T
//
// Of float: of double it holds nothing, since LibTorch does not export MKL's packing of it, and
// products are Gemm's.
template <typename T>
class PackedMatrix {
 public:
  // For b [n, k] and factors of `rows` rows, each at least 1.
  PackedMatrix(int64_t n, int64_t k, int64_t rows);

  // Address space that one takes: MKL asks for some 8 MB whatever the shape. What is touched, and
  // so takes memory, is little more than b.
  static int64_t Bytes(int64_t n, int64_t k, int64_t rows);

  // b must stay as it is until the next Pack.
  void Pack(MatrixView<const T> b);
  // c [R, n] = a [R, k] b^T. The layout is for R = rows; others are products by Gemm.
  void Multiply(MatrixView<const T> a, MatrixView<T> c) const;

 private:
  struct Free {
    void operator()(T* memory) const;
  };

  int64_t n_;
  int64_t k_;
  int64_t rows_;
  MatrixView<const T> b_;
  std::unique_ptr<T, Free> packed_;  // Not to be copied: it knows its alignment.
};

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_GEMM_H_
