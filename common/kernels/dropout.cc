#include "common/kernels/dropout.h"

#include <algorithm>
#include <cmath>

#include "common/base/logging.h"

// The rest of this file is compiled once for every instruction set that Highway knows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/dropout.cc"
#include "common/kernels/simd-inl.h"
// Only then what it compiles for each of them.
#include "common/kernels/philox-inl.h"

HWY_BEFORE_NAMESPACE();
namespace perennial::kernels {
namespace HWY_NAMESPACE {

// out[i] = x[i] * scale where words[i] > limit, else 0.
template <typename T>
HWY_INLINE void DropWhere(const uint32_t* words, uint32_t limit, T scale, const T* x, T* out,
                          int64_t count) {
  ForEach<T>(count, [&](auto d, int64_t i) HWY_ATTR {
    using D = decltype(d);
    const hn::RebindToUnsigned<D> bits;
    const hn::Rebind<uint32_t, D> d32;
    const auto word = hn::LoadU(d32, words + i);
    const auto scaled = hn::Mul(hn::LoadU(d, x + i), hn::Set(d, scale));
    if constexpr (sizeof(T) == 4) {
      const auto kept = hn::RebindMask(d, hn::Gt(word, hn::Set(bits, limit)));
      hn::StoreU(hn::IfThenElseZero(kept, scaled), d, out + i);
    } else {
      const auto kept = hn::RebindMask(d, hn::Gt(hn::PromoteTo(bits, word), hn::Set(bits, limit)));
      hn::StoreU(hn::IfThenElseZero(kept, scaled), d, out + i);
    }
  });
}

template <typename T>
void DropoutT(const random::PhiloxBlock& identity, uint32_t limit, T scale, MatrixView<const T> x,
              MatrixView<T> out) {
  constexpr int64_t kWords = 2048;
  static_assert(kWords % (4 * kPhiloxBlocks) == 0);
  HWY_ALIGN uint32_t words[kWords];
  const int64_t size = x.rows * x.columns;
  int64_t r = 0;
  int64_t c = 0;
  for (int64_t begin = 0; begin < size; begin += kWords) {
    const int64_t count = std::min(kWords, size - begin);
    const int64_t blocks = (count + 4 * kPhiloxBlocks - 1) / (4 * kPhiloxBlocks) * kPhiloxBlocks;
    PhiloxWords(identity, static_cast<uint64_t>(begin / 4), blocks, words);
    // The stretch of elements that these words decide, row by row.
    for (int64_t i = 0; i < count;) {
      const int64_t part = std::min(count - i, x.columns - c);
      DropWhere(words + i, limit, scale, x.row(r) + c, out.row(r) + c, part);
      i += part;
      c += part;
      if (c == x.columns) {
        c = 0;
        ++r;
      }
    }
  }
}

PERENNIAL_KERNEL(Dropout)

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perennial::kernels {

PERENNIAL_EXPORT(Dropout)

template <typename T>
void Dropout(const random::Stream& stream, double rate, MatrixView<const T> x, MatrixView<T> out) {
  CHECK(rate >= 0 && rate < 1) << rate;
  CHECK(SameShape(x, out));
  const double threshold = std::round(rate * 0x1p32);
  const T scale = static_cast<T>(1 / (1 - rate));
  if (threshold == 0 || threshold == 0x1p32) {  // Every word is kept, or none is.
    for (int64_t r = 0; r < x.rows; ++r) {
      for (int64_t c = 0; c < x.columns; ++c) out(r, c) = threshold == 0 ? x(r, c) * scale : T(0);
    }
    return;
  }
  PERENNIAL_DISPATCH(Dropout, stream.identity(), static_cast<uint32_t>(threshold - 1), scale, x,
                     out);
}

#define PERENNIAL_INSTANTIATE(T) \
  template void Dropout<T>(const random::Stream&, double, MatrixView<const T>, MatrixView<T>);
PERENNIAL_INSTANTIATE(float)
PERENNIAL_INSTANTIATE(double)
#undef PERENNIAL_INSTANTIATE

}  // namespace perennial::kernels
#endif  // HWY_ONCE
