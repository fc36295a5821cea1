// Products with one matrix that many others are multiplied by, as in tests of a network.
//
// The matrix is laid out once, in panels of columns; a product then reads the other factor where it
// is, and bias and rectifier are applied in registers. MKL's GEMM lays out the other factor each
// time, with b packed beforehand too: such products of 56 or 128 rows take about a tenth longer
// (packed_matrix_benchmark).
//
//   PackedMatrix<float> weights(/*n=*/256, /*k=*/784);
//   weights.Pack(w);
//   weights.Multiply(x, y);                             // y [B, 256] = x [B, 784] w^T
//   weights.Multiply(x, y, bias, Epilogue::kRectify);   // y = max(x w^T + bias, 0)
#ifndef PERENNIAL_COMMON_KERNELS_PACKED_MATRIX_H_
#define PERENNIAL_COMMON_KERNELS_PACKED_MATRIX_H_

#include <cstdint>

#include "common/kernels/aligned.h"

namespace perennial::kernels {

enum class Epilogue { kNone, kRectify };

// Of float: of double it holds nothing, and products are Gemm's.
//
// An element is one sum, from the bias on in the order of k: on one type of CPU a row of the
// product has the same bits in any batch. NaN and infinities go the way of the sum; NaN stays NaN
// when rectified.
template <typename T>
class PackedMatrix {
 public:
  // For b [n, k], each at least 1.
  PackedMatrix(int64_t n, int64_t k);

  // Memory that one takes.
  static int64_t Bytes(int64_t n, int64_t k);

  // b must stay as it is until the next Pack.
  void Pack(MatrixView<const T> b);
  // c [R, n] = epilogue(a [R, k] b^T + bias). `bias` [n] may be null (none).
  void Multiply(MatrixView<const T> a, MatrixView<T> c, const T* bias = nullptr,
                Epilogue epilogue = Epilogue::kNone) const;

 private:
  int64_t n_;
  int64_t k_;
  MatrixView<const T> b_;
  AlignedVector<T> panels_;
};

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_PACKED_MATRIX_H_
