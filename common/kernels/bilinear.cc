#include "common/kernels/bilinear.h"

#include <algorithm>
#include <cstring>

#include "common/base/logging.h"
#include "common/kernels/aligned.h"

// The rest of this file is compiled once for every instruction set that Highway knows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/bilinear.cc"
#include "common/kernels/simd-inl.h"

// What all instruction sets share.
#ifndef PERENNIAL_COMMON_KERNELS_BILINEAR_CC_
#define PERENNIAL_COMMON_KERNELS_BILINEAR_CC_
namespace perennial::kernels {

inline constexpr int64_t kImages = 16;  // A block.
inline constexpr int64_t kPixels = 16;  // Moved at a time: four words of each image.
inline constexpr int64_t kWords = kPixels / 4;

// The last stretch of kPixels of a row of at least as many may overlap the one before.
inline int64_t StretchBegin(int64_t next, int64_t size) { return std::min(next, size - kPixels); }

}  // namespace perennial::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace perennial::kernels {
namespace HWY_NAMESPACE {

using Floats = hn::CappedTag<float, kImages>;
using Words = hn::RebindToUnsigned<Floats>;
using Word = hn::Vec<Words>;  // Of some images, four pixels each; the first lowest.

HWY_INLINE void StoreWord(Word word, float* HWY_RESTRICT pixels) {
  const Floats f;
  const hn::RebindToSigned<Floats> integers;
  const Word byte = hn::Set(Words(), 0xff);
  const auto store = [&](Word bytes, float* to) HWY_ATTR {
    hn::Store(hn::ConvertTo(f, hn::BitCast(integers, bytes)), f, to);
  };
  store(hn::And(word, byte), pixels);
  store(hn::And(hn::ShiftRight<8>(word), byte), pixels + kImages);
  store(hn::And(hn::ShiftRight<16>(word), byte), pixels + 2 * kImages);
  store(hn::ShiftRight<24>(word), pixels + 3 * kImages);
}

// A sum in [256, 512), where bits 15 to 22 of a float are the integer less 256.
HWY_INLINE Word Resample(const BilinearTap& tap, int64_t width, const float* HWY_RESTRICT pixels) {
  const Floats f;
  const float* upper = pixels + tap.offset * kImages;
  const float* lower = upper + width * kImages;
  const auto term = [&](int neighbour, const float* at) HWY_ATTR {
    return hn::Mul(hn::Set(f, tap.weights[neighbour]), hn::Load(f, at));
  };
  auto sum = hn::Add(hn::Set(f, 256.5f), term(0, upper));
  sum = hn::Add(sum, term(1, upper + kImages));
  sum = hn::Add(sum, term(2, lower));
  sum = hn::Add(sum, term(3, lower + kImages));
  return hn::BitCast(Words(), sum);
}

// The target pixels of four taps.
HWY_INLINE Word ResampleWord(const BilinearTap* taps, int64_t width,
                             const float* HWY_RESTRICT pixels) {
  const Word byte = hn::Set(Words(), 0xff);
  const Word first = hn::ShiftRight<15>(Resample(taps[0], width, pixels));
  const Word second = hn::ShiftRight<7>(Resample(taps[1], width, pixels));
  const Word third = hn::ShiftLeft<1>(Resample(taps[2], width, pixels));
  const Word fourth = hn::ShiftLeft<9>(Resample(taps[3], width, pixels));
  return hn::Or(
      hn::Or(hn::And(first, byte), hn::And(second, hn::ShiftLeft<8>(byte))),
      hn::Or(hn::And(third, hn::ShiftLeft<16>(byte)), hn::And(fourth, hn::ShiftLeft<24>(byte))));
}

// kImages images of `size` pixels, which fill `words` [stretches, kImages, kWords] and `pixels`
// [size, kImages] on the way. `size` and `count` are at least kPixels.
void ResampleBlock(const BilinearTap* taps, int64_t count, int64_t size, int64_t width,
                   const uint8_t* const* sources, uint32_t* HWY_RESTRICT words,
                   float* HWY_RESTRICT pixels, uint8_t* const* targets) {
  const Words d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  // All bytes are copied before the first are loaded again: a wide load of what was just stored in
  // narrow pieces waits.
  for (int64_t i = 0; i < kImages; ++i) {
    uint32_t* to = words + i * kWords;
    for (int64_t next = 0; next < size; next += kPixels, to += kImages * kWords) {
      std::memcpy(to, sources[i] + StretchBegin(next, size), kPixels);
    }
  }
  const uint32_t* from = words;
  for (int64_t next = 0; next < size; next += kPixels, from += kImages * kWords) {
    float* const stretch = pixels + StretchBegin(next, size) * kImages;
    for (int64_t i = 0; i < kImages; i += lanes) {
      Word v0, v1, v2, v3;
      hn::LoadInterleaved4(d, from + i * kWords, v0, v1, v2, v3);
      StoreWord(v0, stretch + i);
      StoreWord(v1, stretch + 4 * kImages + i);
      StoreWord(v2, stretch + 8 * kImages + i);
      StoreWord(v3, stretch + 12 * kImages + i);
    }
  }
  for (int64_t next = 0; next < count; next += kPixels) {
    const int64_t begin = StretchBegin(next, count);
    for (int64_t i = 0; i < kImages; i += lanes) {
      const Word v0 = ResampleWord(taps + begin, width, pixels + i);
      const Word v1 = ResampleWord(taps + begin + 4, width, pixels + i);
      const Word v2 = ResampleWord(taps + begin + 8, width, pixels + i);
      const Word v3 = ResampleWord(taps + begin + 12, width, pixels + i);
      hn::StoreInterleaved4(v0, v1, v2, v3, d, words + i * kWords);
    }
    for (int64_t i = 0; i < kImages; ++i) {
      std::memcpy(targets[i] + begin, words + i * kWords, kPixels);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perennial::kernels {

HWY_EXPORT(ResampleBlock);

namespace {

// The same of one image.
void ResampleOne(std::span<const BilinearTap> taps, int64_t size, int64_t width,
                 const uint8_t* source, float* pixels, uint8_t* target) {
  std::copy_n(source, size, pixels);
  for (const BilinearTap& tap : taps) {
    const float* const upper = pixels + tap.offset;
    const float* const lower = upper + width;
    const float sum = 256.5f + tap.weights[0] * upper[0] + tap.weights[1] * upper[1] +
                      tap.weights[2] * lower[0] + tap.weights[3] * lower[1];
    *target++ = static_cast<uint8_t>(static_cast<int32_t>(sum) - 256);
  }
}

}  // namespace

void ResampleBilinear(std::span<const BilinearTap> taps, int32_t height, int32_t width,
                      std::span<const uint8_t* const> sources, std::span<uint8_t> targets) {
  const int64_t size = int64_t{height} * width;
  const int64_t count = std::ssize(taps);
  CHECK_EQ(std::ssize(targets), std::ssize(sources) * count);
  // Kept between calls: an allocation costs as much as a good part of a small image. Windows may
  // end beyond the image, in what an earlier call left: any finite number, times 0.
  static thread_local AlignedVector<uint32_t> words;
  static thread_local AlignedVector<float> pixels;
  const auto at_least = [](auto& buffer, int64_t elements) {
    if (std::ssize(buffer) < elements) buffer.resize(elements);
  };
  at_least(words, (size + kPixels - 1) / kPixels * kImages * kWords);
  at_least(pixels, (size + width + 1) * kImages);

  const bool large = std::min(size, count) >= kPixels;
  uint8_t* target = targets.data();
  while (!sources.empty()) {
    // A block costs as much as two images one by one.
    if (!large || sources.size() <= 2) {
      ResampleOne(taps, size, width, sources[0], pixels.data(), target);
      target += count;
      sources = sources.subspan(1);
      continue;
    }
    // What is left of the last block does its last image several times.
    const int64_t images = std::min(kImages, std::ssize(sources));
    const uint8_t* from[kImages];
    uint8_t* to[kImages];
    for (int64_t i = 0; i < kImages; ++i) {
      from[i] = sources[std::min(i, images - 1)];
      to[i] = target + std::min(i, images - 1) * count;
    }
    HWY_DYNAMIC_DISPATCH(ResampleBlock)
    (taps.data(), count, size, width, from, words.data(), pixels.data(), to);
    target += images * count;
    sources = sources.subspan(images);
  }
}

}  // namespace perennial::kernels
#endif  // HWY_ONCE
