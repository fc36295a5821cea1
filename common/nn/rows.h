// Parameters are rows of a flat matrix [K, D] that the caller owns: one row a network, D numbers.
//
// Methods become algebra on rows (a line between two rows, a mean of rows, a distance), and
// checkpoints, averages and fingerprints see one block of memory.
//
//   nn::Rows<float> rows(3, network.layout().size());
//   network.Initialize(stream.Split("init"), rows.row(0));
//   rows.CopyRow(0, 1);
#ifndef PERENNIAL_COMMON_NN_ROWS_H_
#define PERENNIAL_COMMON_NN_ROWS_H_

#include <algorithm>
#include <cstdint>
#include <span>

#include "common/kernels/aligned.h"

namespace perennial::nn {

template <typename T>
using Row = std::span<T>;
template <typename T>
using ConstRow = std::span<const T>;

// Zeros at first. Every row begins on a cache line if `size` is a multiple of 16, as layouts' sizes
// are.
template <typename T>
class Rows {
 public:
  Rows(int64_t count, int64_t size) : count_(count), size_(size), values_(count * size) {}

  int64_t count() const { return count_; }
  int64_t size() const { return size_; }
  Row<T> row(int64_t index) { return all().subspan(index * size_, size_); }
  ConstRow<T> row(int64_t index) const { return all().subspan(index * size_, size_); }
  std::span<T> all() { return values_; }
  std::span<const T> all() const { return values_; }

  void CopyRow(int64_t from, int64_t to) { std::ranges::copy(row(from), row(to).begin()); }

 private:
  int64_t count_;
  int64_t size_;
  kernels::AlignedVector<T> values_;
};

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_ROWS_H_
