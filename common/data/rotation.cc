#include "common/data/rotation.h"

#include <cmath>
#include <numbers>

#include "common/base/logging.h"

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
      const double fx = source_x - left;
      const double fy = source_y - top;
      Tap tap;
      // Origins more than a pixel outside keep weights of zero.
      if (left >= -1 && left < width && top >= -1 && top < height) {
        tap.offset = (static_cast<int32_t>(top) + 1) * (width + 2) + static_cast<int32_t>(left) + 1;
        tap.weights = {static_cast<float>((1 - fx) * (1 - fy)), static_cast<float>(fx * (1 - fy)),
                       static_cast<float>((1 - fx) * fy), static_cast<float>(fx * fy)};
      }
      taps_.push_back(tap);
    }
  }
}

void Rotation::Apply(std::span<const uint8_t> source, std::span<uint8_t> target) const {
  CHECK(source.size() == taps_.size() && target.size() == taps_.size());
  const int32_t stride = width_ + 2;
  // Kept between calls: an allocation costs as much as a good part of a small image.
  static thread_local std::vector<float> bordered;
  bordered.assign(static_cast<size_t>(stride) * (height_ + 2), 0.0f);
  for (int32_t y = 0; y < height_; ++y) {
    float* row = bordered.data() + static_cast<size_t>(y + 1) * stride + 1;
    for (int32_t x = 0; x < width_; ++x) row[x] = source[static_cast<size_t>(y) * width_ + x];
  }
  for (size_t i = 0; i < taps_.size(); ++i) {
    const Tap& tap = taps_[i];
    const float* upper = bordered.data() + tap.offset;
    const float* lower = upper + stride;
    // Half is added to round half up.
    const float value = 0.5f + tap.weights[0] * upper[0] + tap.weights[1] * upper[1] +
                        tap.weights[2] * lower[0] + tap.weights[3] * lower[1];
    target[i] = static_cast<uint8_t>(value);
  }
}

}  // namespace perennial::data
