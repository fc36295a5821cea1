// Buffers that begin on a cache line, and matrix views.
//
// Alignment is part of the contract of reproducibility: the GEMM may take another path, and round
// differently, on data that lies differently. Every buffer that a kernel touches begins on 64
// bytes.
#ifndef PERENNIAL_COMMON_KERNELS_ALIGNED_H_
#define PERENNIAL_COMMON_KERNELS_ALIGNED_H_

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

namespace perennial::kernels {

inline constexpr int64_t kAlignmentBytes = 64;

// Elements in rows of matrices, and in slices of parameter rows, start at multiples of this.
inline constexpr int64_t kAlignmentElements = 16;

constexpr int64_t RoundUp(int64_t elements) {
  return (elements + kAlignmentElements - 1) / kAlignmentElements * kAlignmentElements;
}

template <typename T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <typename U>
  explicit AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(size_t count) {
    return static_cast<T*>(::operator new (count * sizeof(T), std::align_val_t{kAlignmentBytes}));
  }
  void deallocate(T* pointer, size_t) {
    ::operator delete (pointer, std::align_val_t{kAlignmentBytes});
  }
  bool operator==(const AlignedAllocator&) const { return true; }
};

template <typename T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

// A row-major matrix that somebody else owns: element (r, c) is data[r * stride + c].
template <typename T>
struct MatrixView {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t stride = 0;

  T* row(int64_t index) const { return data + index * stride; }
  T& operator()(int64_t r, int64_t c) const { return data[r * stride + c]; }
  // To MatrixView<const T>: a template, so that the latter has no conversion to itself.
  template <typename U>
  requires(std::is_same_v<U, const T> && !std::is_const_v<T>) operator MatrixView<U>() const {
    return {data, rows, columns, stride};
  }
};

template <typename A, typename B>
constexpr bool SameShape(MatrixView<A> a, MatrixView<B> b) {
  return a.rows == b.rows && a.columns == b.columns;
}

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_ALIGNED_H_
