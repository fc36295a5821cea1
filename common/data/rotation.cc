#include "common/data/rotation.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace perennial::data {

Rotation::Rotation(int32_t height, int32_t width, double degrees) : height_(height), width_(width) {
  const double radians = degrees * std::numbers::pi / 180;
  double cosine = std::cos(radians);
  double sine = std::sin(radians);
  // Quarter turns of square images are permutations of pixels, exactly.
  const double quarters = degrees / 90;
  if (quarters == std::round(quarters)) {
    cosine = std::round(cosine);
    sine = std::round(sine);
  }
  const double center_x = (width - 1) / 2.0;
  const double center_y = (height - 1) / 2.0;
  taps_.reserve(static_cast<size_t>(height) * width);
  for (int32_t y = 0; y < height; ++y) {
    for (int32_t x = 0; x < width; ++x) {
      const double dx = x - center_x;
      const double dy = y - center_y;
      // The y axis points down: a counter-clockwise turn seen is clockwise in these coordinates,
      // and the origin of a target pixel is found by the inverse.
      const double source_x = cosine * dx - sine * dy + center_x;
      const double source_y = sine * dx + cosine * dy + center_y;
      const double left = std::floor(source_x);
      const double top = std::floor(source_y);
      const double across[] = {1 - (source_x - left), source_x - left};
      const double down[] = {1 - (source_y - top), source_y - top};
      kernels::BilinearTap tap;
      // Origins a pixel or more outside keep weights of zero.
      if (left >= -1 && left < width && top >= -1 && top < height) {
        const int32_t first_x = static_cast<int32_t>(left);
        const int32_t first_y = static_cast<int32_t>(top);
        // The window begins in the image; what of it is outside weighs nothing.
        const int32_t begin_x = std::max(first_x, 0);
        const int32_t begin_y = std::max(first_y, 0);
        tap.offset = begin_y * width + begin_x;
        for (int32_t v = begin_y; v <= std::min(first_y + 1, height - 1); ++v) {
          for (int32_t u = begin_x; u <= std::min(first_x + 1, width - 1); ++u) {
            tap.weights[2 * (v - begin_y) + u - begin_x] =
                static_cast<float>(across[u - first_x] * down[v - first_y]);
          }
        }
      }
      taps_.push_back(tap);
    }
  }
}

void Rotation::Apply(std::span<const uint8_t* const> sources, std::span<uint8_t> targets) const {
  kernels::ResampleBilinear(taps_, height_, width_, sources, targets);
}

}  // namespace perennial::data
