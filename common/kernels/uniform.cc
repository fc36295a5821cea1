#include "common/kernels/uniform.h"

#include <algorithm>
#include <cstdint>

// The rest of this file is compiled once for every instruction set that Highway knows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/uniform.cc"
#include "common/kernels/simd-inl.h"
// Only then what it compiles for each of them.
#include "common/kernels/philox-inl.h"

HWY_BEFORE_NAMESPACE();
namespace perennial::kernels {
namespace HWY_NAMESPACE {

// Below 2^32 as a double: the bits of 2^52 with x in the lowest places, less 2^52.
template <class D, class V>
HWY_INLINE hn::VFromD<D> FromHalf(D d, V x) {
  const hn::RebindToUnsigned<D> bits;
  return hn::Sub(hn::BitCast(d, hn::Or(x, hn::Set(bits, 0x4330000000000000))), hn::Set(d, 0x1p52));
}

template <typename T>
void FillUniformT(const random::PhiloxBlock& identity, double low, double width, T* out,
                  int64_t size) {
  constexpr int64_t kWords = 2048;
  static_assert(kWords % (4 * kPhiloxBlocks) == 0);
  HWY_ALIGN uint32_t words[kWords];
  for (int64_t begin = 0; begin < size; begin += kWords / 2) {  // Two words a number.
    const int64_t count = std::min(kWords / 2, size - begin);
    const int64_t blocks = (count + 2 * kPhiloxBlocks - 1) / (2 * kPhiloxBlocks) * kPhiloxBlocks;
    PhiloxWords(identity, static_cast<uint64_t>(begin / 2), blocks, words);
    const uint64_t* pairs = reinterpret_cast<const uint64_t*>(words);
    ForEach<double>(count, [&](auto d, int64_t i) HWY_ATTR {
      using D = decltype(d);
      const hn::RebindToUnsigned<D> bits;
      const auto pair = hn::LoadU(bits, pairs + i);
      // The upper 53 bits, in two exact parts of 32 and 21.
      const auto upper = hn::Mul(FromHalf(d, hn::ShiftRight<32>(pair)), hn::Set(d, 0x1p-32));
      const auto lower =
          hn::Mul(FromHalf(d, hn::And(hn::ShiftRight<11>(pair), hn::Set(bits, (1 << 21) - 1))),
                  hn::Set(d, 0x1p-53));
      const auto value =
          hn::Add(hn::Set(d, low), hn::Mul(hn::Set(d, width), hn::Add(upper, lower)));
      if constexpr (sizeof(T) == 4) {
        const hn::Rebind<float, D> narrow;
        hn::StoreU(hn::DemoteTo(narrow, value), narrow, out + begin + i);
      } else {
        hn::StoreU(value, d, out + begin + i);
      }
    });
  }
}

PERENNIAL_KERNEL(FillUniform)

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perennial::kernels {

PERENNIAL_EXPORT(FillUniform)

template <typename T>
void FillUniform(const random::Stream& stream, double low, double high, std::span<T> out) {
  PERENNIAL_DISPATCH(FillUniform, stream.identity(), low, high - low, out.data(),
                     static_cast<int64_t>(out.size()));
}

#define PERENNIAL_INSTANTIATE(T) \
  template void FillUniform<T>(const random::Stream&, double, double, std::span<T>);
PERENNIAL_INSTANTIATE(float)
PERENNIAL_INSTANTIATE(double)
#undef PERENNIAL_INSTANTIATE

}  // namespace perennial::kernels
#endif  // HWY_ONCE
