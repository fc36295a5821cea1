// Parts of matrices, and the plainest things done to them.
#ifndef PERENNIAL_COMMON_KERNELS_MATRIX_H_
#define PERENNIAL_COMMON_KERNELS_MATRIX_H_

#include <algorithm>
#include <cstdint>

#include "common/kernels/aligned.h"

namespace perennial::kernels {

// Rows [begin, begin + rows).
template <typename T>
MatrixView<T> SubRows(MatrixView<T> view, int64_t begin, int64_t rows) {
  return {view.row(begin), rows, view.columns, view.stride};
}

template <typename T>
MatrixView<T> FirstColumns(MatrixView<T> view, int64_t columns) {
  return {view.data, view.rows, columns, view.stride};
}

template <typename T>
void CopyMatrix(MatrixView<const T> from, MatrixView<T> to) {
  for (int64_t r = 0; r < from.rows; ++r) std::copy_n(from.row(r), from.columns, to.row(r));
}

template <typename T>
void FillZero(MatrixView<T> view) {
  for (int64_t r = 0; r < view.rows; ++r) std::fill_n(view.row(r), view.columns, T(0));
}

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_MATRIX_H_
