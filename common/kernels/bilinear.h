// Bilinear resampling of many byte images by one map: a rotation, a shift, a change of size.
//
// Sixteen images at a time lie pixel by pixel, so that a vector holds one pixel of many images and
// the map is read once for all of them.
//
//   const BilinearTap halfway = {.offset = 7, .weights = {0.5f, 0.5f, 0, 0}};
//   ResampleBilinear(taps, 28, 28, sources, targets);
#ifndef PERENNIAL_COMMON_KERNELS_BILINEAR_H_
#define PERENNIAL_COMMON_KERNELS_BILINEAR_H_

#include <array>
#include <cstdint>
#include <span>

namespace perennial::kernels {

// Where a target pixel comes from: a window of two by two source pixels.
struct BilinearTap {
  int32_t offset = 0;                 // Of the window's upper left pixel, in the image.
  std::array<float, 4> weights = {};  // Row by row; at least 0, together at most 1.
};

// Sources of height * width bytes each, row by row; targets [sources, taps], not overlapping them.
// Pixel i of a target is the sum of 0.5 and the weighted pixels of the window of taps[i], cut to an
// integer. Pixels of a window that are not in the image (beyond the last row, or the last column)
// must have weights of 0.
//
// In float: 256.5 + w0 p0 + w1 p1 + w2 p2 + w3 p3 from left to right, each product and each sum
// rounded, less 256 once it is cut. Hence the same bytes on every instruction set, and for an image
// alone or among others.
void ResampleBilinear(std::span<const BilinearTap> taps, int32_t height, int32_t width,
                      std::span<const uint8_t* const> sources, std::span<uint8_t> targets);

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_BILINEAR_H_
