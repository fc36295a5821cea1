#include "common/kernels/packed_matrix.h"

#include <algorithm>
#include <type_traits>

#include "common/base/logging.h"
#include "common/kernels/activation.h"
#include "common/kernels/gemm.h"
#include "hwy/cache_control.h"

// The rest of this file is compiled once for every instruction set that Highway knows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/packed_matrix.cc"
#include "common/kernels/simd-inl.h"

#ifndef PERENNIAL_COMMON_KERNELS_PACKED_MATRIX_CONSTANTS_
#define PERENNIAL_COMMON_KERNELS_PACKED_MATRIX_CONSTANTS_
namespace perennial::kernels {
// Columns of a panel, on every instruction set: element (p, c) of panel i is b(32 i + c, p).
constexpr int64_t kPanel = 32;
}  // namespace perennial::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace perennial::kernels {
namespace HWY_NAMESPACE {

using Lanes = hn::CappedTag<float, kPanel / 2>;

// Rows of a tile, an even number: with two vectors each, as many sums as the instruction set has
// registers for.
#if HWY_TARGET <= HWY_AVX3  // Newer instruction sets have smaller numbers.
constexpr int64_t kTileRows = 14;
#else
constexpr int64_t kTileRows = 6;
#endif
// Steps of k that a panel is fetched ahead: it comes from the second-level cache.
constexpr int64_t kAhead = 12;

// Whole, or the compiler keeps the sums in memory.
#define PERENNIAL_UNROLL _Pragma("GCC unroll 16")

// c = epilogue(a b^T + bias) for kRows rows and kVectors vectors of columns.
template <int64_t kRows, int64_t kVectors>
HWY_NOINLINE void Tile(const float* HWY_RESTRICT a, int64_t a_stride,
                       const float* HWY_RESTRICT panel, int64_t k, const float* HWY_RESTRICT bias,
                       Epilogue epilogue, float* HWY_RESTRICT c, int64_t c_stride) {
  const Lanes d;
  using V = hn::VFromD<Lanes>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  V sums[kRows][kVectors];
  PERENNIAL_UNROLL
  for (int64_t v = 0; v < kVectors; ++v) {
    const V first = bias == nullptr ? hn::Zero(d) : hn::LoadU(d, bias + v * lanes);
    PERENNIAL_UNROLL
    for (int64_t r = 0; r < kRows; ++r) sums[r][v] = first;
  }
  for (int64_t p = 0; p < k; ++p, panel += kPanel) {
    V inputs[kVectors];
    PERENNIAL_UNROLL
    for (int64_t v = 0; v < kVectors; ++v) {
      inputs[v] = hn::LoadU(d, panel + v * lanes);
    }
    PERENNIAL_UNROLL
    for (int64_t r = 0; r < kRows; ++r) {
      const V factor = hn::Set(d, a[r * a_stride + p]);
      if (r < kVectors) hwy::Prefetch(panel + kAhead * kPanel + r * lanes);
      PERENNIAL_UNROLL
      for (int64_t v = 0; v < kVectors; ++v) {
        sums[r][v] = hn::MulAdd(factor, inputs[v], sums[r][v]);
      }
    }
  }
  PERENNIAL_UNROLL
  for (int64_t r = 0; r < kRows; ++r) {
    PERENNIAL_UNROLL
    for (int64_t v = 0; v < kVectors; ++v) {
      // A comparison, not Max: Max would turn NaN into a number.
      const V z = sums[r][v];
      const bool rectify = epilogue == Epilogue::kRectify;
      hn::StoreU(rectify ? hn::IfThenZeroElse(hn::Le(z, hn::Zero(d)), z) : z, d,
                 c + r * c_stride + v * lanes);
    }
  }
}

#undef PERENNIAL_UNROLL

// Tile for `rows` <= kRows.
template <int64_t kRows, int64_t kVectors, typename... Arguments>
HWY_INLINE void TileOf(int64_t rows, Arguments... arguments) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return TileOf<kRows - 1, kVectors>(rows, arguments...);
  }
  Tile<kRows, kVectors>(arguments...);
}

// The columns of one panel, `columns` of them in c, for the rows of a tile.
HWY_INLINE void Panel(MatrixView<const float> a, const float* panel, const float* bias,
                      Epilogue epilogue, int64_t columns, float* c, int64_t c_stride) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(Lanes()));
  for (int64_t begin = 0; begin < columns; begin += 2 * lanes) {
    const float* from = bias == nullptr ? nullptr : bias + begin;
    if (columns - begin > lanes) {
      TileOf<kTileRows, 2>(a.rows, a.data, a.stride, panel + begin, a.columns, from, epilogue,
                           c + begin, c_stride);
    } else {
      TileOf<kTileRows, 1>(a.rows, a.data, a.stride, panel + begin, a.columns, from, epilogue,
                           c + begin, c_stride);
    }
  }
}

void MultiplyPanels(MatrixView<const float> a, const float* panels, const float* bias,
                    Epilogue epilogue, MatrixView<float> c) {
  // Of the last panel, if it is not whole: tiles work on whole vectors.
  HWY_ALIGN float last_bias[kPanel] = {};
  HWY_ALIGN float last[kTileRows * kPanel];
  const int64_t whole = c.columns / kPanel * kPanel;
  const int64_t rest = c.columns - whole;
  if (bias != nullptr) std::copy_n(bias + whole, rest, last_bias);

  const int64_t pairs = (a.rows + 1) / 2;
  const int64_t tiles = (a.rows + kTileRows - 1) / kTileRows;
  for (int64_t t = 0; t < tiles; ++t) {
    // Of nearly equal size, as few rows cost nearly as much as many; and, but for the last, of an
    // even number of rows: 13 are slower than 12 or 14.
    const int64_t begin = 2 * (pairs * t / tiles);
    const int64_t rows = std::min(a.rows, 2 * (pairs * (t + 1) / tiles)) - begin;
    const MatrixView<const float> part = {a.row(begin), rows, a.columns, a.stride};
    float* to = c.row(begin);
    for (int64_t column = 0; column < whole; column += kPanel) {
      Panel(part, panels + column * a.columns, bias == nullptr ? nullptr : bias + column, epilogue,
            kPanel, to + column, c.stride);
    }
    if (rest == 0) continue;
    Panel(part, panels + whole * a.columns, last_bias, epilogue, rest, last, kPanel);
    for (int64_t r = 0; r < rows; ++r) {
      std::copy_n(last + r * kPanel, rest, to + r * c.stride + whole);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perennial::kernels {

HWY_EXPORT(MultiplyPanels);

namespace {

int64_t Panels(int64_t n) { return (n + kPanel - 1) / kPanel; }

// The transpose of at most kPanel rows; what a panel has beyond stays as it is.
template <typename T>
void PackPanel(MatrixView<const T> rows, T* panel) {
  for (int64_t p = 0; p < rows.columns; ++p, panel += kPanel) {
    const T* from = rows.data + p;
    for (int64_t r = 0; r < rows.rows; ++r, from += rows.stride) panel[r] = *from;
  }
}

}  // namespace

template <typename T>
PackedMatrix<T>::PackedMatrix(int64_t n, int64_t k)
    : n_(n), k_(k), panels_(Bytes(n, k) / static_cast<int64_t>(sizeof(T))) {
  CHECK(n > 0 && k > 0);
}

template <typename T>
int64_t PackedMatrix<T>::Bytes(int64_t n, int64_t k) {
  if (!std::is_same_v<T, float>) return 0;
  return static_cast<int64_t>(sizeof(T)) * Panels(n) * kPanel * k;
}

template <typename T>
void PackedMatrix<T>::Pack(MatrixView<const T> b) {
  CHECK(b.rows == n_ && b.columns == k_);
  b_ = b;
  if (panels_.empty()) return;
  for (int64_t first = 0; first < n_; first += kPanel) {
    PackPanel<T>({b.row(first), std::min(kPanel, n_ - first), k_, b.stride},
                 panels_.data() + first * k_);
  }
}

template <typename T>
void PackedMatrix<T>::Multiply(MatrixView<const T> a, MatrixView<T> c, const T* bias,
                               Epilogue epilogue) const {
  CHECK(b_.data != nullptr) << "nothing is packed";
  CHECK(a.columns == k_ && c.columns == n_ && c.rows == a.rows);
  if constexpr (std::is_same_v<T, float>) {
    HWY_DYNAMIC_DISPATCH(MultiplyPanels)(a, panels_.data(), bias, epilogue, c);
  } else {
    Gemm<T>(Transpose::kNo, Transpose::kYes, 1, a, b_, 0, c);
    BiasActivation<T>(epilogue == Epilogue::kRectify ? Activation::kRelu : Activation::kIdentity,
                      bias, c, {});
  }
}

template class PackedMatrix<float>;
template class PackedMatrix<double>;

}  // namespace perennial::kernels
#endif  // HWY_ONCE
