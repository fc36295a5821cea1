// The arithmetic of those CUDA kernels whose host twin has no scalar header of its own: one element
// of dropout and one gathered pixel, compiled for CPU and GPU and tested on the CPU.
#ifndef PERENNIAL_COMMON_KERNELS_ELEMENTWISE_CUDA_SCALAR_H_
#define PERENNIAL_COMMON_KERNELS_ELEMENTWISE_CUDA_SCALAR_H_

#include <cmath>
#include <cstdint>

#include "common/kernels/host_device.h"
#include "common/random/philox.h"

namespace perennial::kernels {

// Element `index` (row * columns + column) of a dropout: x * scale where word `index` of the stream
// is at least `threshold` = round(rate * 2^32), else 0 (see dropout.h). `identity` is the stream's.
template <typename T>
PERENNIAL_HOST_DEVICE inline T DropoutElement(const random::PhiloxBlock& identity,
                                              uint64_t threshold, T scale, uint64_t index, T x) {
  const uint64_t block = index / 4;
  // Stream::At(block).
  const random::PhiloxBlock words = random::Philox4x32(
      {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), identity[2], identity[3]},
      {identity[0], identity[1]});
  return words[index % 4] >= threshold ? x * scale : T(0);
}

// A pixel as a network's input.
template <typename T>
PERENNIAL_HOST_DEVICE inline T PixelInput(uint8_t pixel, T scale, T shift) {
  using std::fma;
  return fma(static_cast<T>(pixel), scale, shift);
}

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_ELEMENTWISE_CUDA_SCALAR_H_
