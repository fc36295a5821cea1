// Words of a random stream in bulk: Philox4x32-10 (see common/random/philox.h) of consecutive
// counters, one block a 64-bit lane. Integers only, so every instruction set gives the same words.
// Include after simd-inl.h.
//
//   PhiloxWords(stream.identity(), /*first_block=*/0, /*blocks=*/256, words);

#if defined(PERENNIAL_COMMON_KERNELS_PHILOX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERENNIAL_COMMON_KERNELS_PHILOX_INL_H_
#undef PERENNIAL_COMMON_KERNELS_PHILOX_INL_H_
#else
#define PERENNIAL_COMMON_KERNELS_PHILOX_INL_H_
#endif

#include <cstdint>

#include "common/kernels/simd-inl.h"
#include "common/random/philox.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace perennial::kernels {
namespace HWY_NAMESPACE {

// Blocks are made in pairs of vectors, whose chains of multiplications overlap; buffers of words
// hold a multiple of this.
constexpr int64_t kPhiloxBlocks = 2 * (HWY_MAX_BYTES / sizeof(uint64_t));

// words[4 b + w] = word w of block first_block + b of the stream of this identity, for b in
// 0 .. blocks - 1, a multiple of kPhiloxBlocks. `words` lies on a vector's boundary.
HWY_INLINE void PhiloxWords(const random::PhiloxBlock& identity, uint64_t first_block,
                            int64_t blocks, uint32_t* words) {
  const Tag<uint64_t> d;
  using V = hn::VFromD<decltype(d)>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const V multiplier0 = hn::Set(d, 0xD2511F53);
  const V multiplier1 = hn::Set(d, 0xCD9E8D57);
  const V low_half = hn::Set(d, 0xFFFFFFFF);
  // Upper halves of lanes hold what is left of products: the multiplication does not read them.
  const auto product = [&](V a, V b) HWY_ATTR {
#if HWY_TARGET == HWY_SCALAR  // A lane has no even half.
    return hn::Set(d, (hn::GetLane(a) & 0xFFFFFFFF) * hn::GetLane(b));
#else
    const hn::Repartition<uint32_t, decltype(d)> d32;
    return hn::MulEven(hn::BitCast(d32, a), hn::BitCast(d32, b));
#endif
  };
  const auto round = [&](V(&c)[4], V key0, V key1) HWY_ATTR {
    const V product0 = product(c[0], multiplier0);
    const V product1 = product(c[2], multiplier1);
    c[0] = hn::Xor(hn::Xor(hn::ShiftRight<32>(product1), c[1]), key0);
    c[2] = hn::Xor(hn::Xor(hn::ShiftRight<32>(product0), c[3]), key1);
    c[1] = product1;
    c[3] = product0;
  };
  const auto store = [&](V(&c)[4], uint32_t* to) HWY_ATTR {
    const V even = hn::Or(hn::And(c[0], low_half), hn::ShiftLeft<32>(c[1]));
    const V odd = hn::Or(hn::And(c[2], low_half), hn::ShiftLeft<32>(c[3]));
    hn::StoreInterleaved2(even, odd, d, reinterpret_cast<uint64_t*>(to));
  };
  const V step = hn::Set(d, static_cast<uint64_t>(lanes));
  V next = hn::Add(hn::Iota(d, 0), hn::Set(d, first_block));
  for (int64_t b = 0; b < blocks; b += 2 * lanes) {
    const V first = next;
    const V second = hn::Add(first, step);
    next = hn::Add(second, step);
    V x[4] = {first, hn::ShiftRight<32>(first), hn::Set(d, identity[2]), hn::Set(d, identity[3])};
    V y[4] = {second, hn::ShiftRight<32>(second), x[2], x[3]};
    uint32_t key0 = identity[0];
    uint32_t key1 = identity[1];
    for (int i = 0; i < 10; ++i) {
      const V k0 = hn::Set(d, key0);
      const V k1 = hn::Set(d, key1);
      round(x, k0, k1);
      round(y, k0, k1);
      key0 += 0x9E3779B9;
      key1 += 0xBB67AE85;
    }
    store(x, words + 4 * b);
    store(y, words + 4 * (b + lanes));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#endif
