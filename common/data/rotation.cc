#include "common/data/rotation.h"

#include <cmath>
#include <numbers>

#include "common/base/logging.h"

namespace perennial::data {

Rotation::Rotation(int32_t height, int32_t width, double degrees) {
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
      Tap tap = {};
      for (int corner = 0; corner < 4; ++corner) {
        const double column = left + corner % 2;
        const double row = top + corner / 2;
        if (column < 0 || column >= width || row < 0 || row >= height) continue;
        tap.offsets[corner] = static_cast<int32_t>(row) * width + static_cast<int32_t>(column);
        tap.weights[corner] =
            static_cast<float>((corner % 2 == 0 ? 1 - fx : fx) * (corner / 2 == 0 ? 1 - fy : fy));
      }
      taps_.push_back(tap);
    }
  }
}

void Rotation::Apply(std::span<const uint8_t> source, std::span<uint8_t> target) const {
  CHECK(source.size() == taps_.size() && target.size() == taps_.size());
  for (size_t i = 0; i < taps_.size(); ++i) {
    const Tap& tap = taps_[i];
    float value = 0.5f;  // To round half up.
    for (int corner = 0; corner < 4; ++corner) {
      value += tap.weights[corner] * static_cast<float>(source[tap.offsets[corner]]);
    }
    target[i] = static_cast<uint8_t>(value);
  }
}

}  // namespace perennial::data
