// Uniform numbers of a stream in bulk, as initialisers draw them.
//
//   FillUniform<float>(stream.Split("weights"), -bound, bound, weights);
#ifndef PERENNIAL_COMMON_KERNELS_UNIFORM_H_
#define PERENNIAL_COMMON_KERNELS_UNIFORM_H_

#include <span>

#include "common/random/stream.h"

namespace perennial::kernels {

// Fills `out` with the numbers that a stream of this name gives from its beginning, bit for bit:
//   for (T& value : out) value = static_cast<T>(stream.Uniform(low, high));
// What was drawn from `stream` before makes no difference. In float a number may round to `high`.
template <typename T>
void FillUniform(const random::Stream& stream, double low, double high, std::span<T> out);

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_UNIFORM_H_
