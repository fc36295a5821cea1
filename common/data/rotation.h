// Rotation of images about their centre by bilinear interpolation.
#ifndef PERENNIAL_COMMON_DATA_ROTATION_H_
#define PERENNIAL_COMMON_DATA_ROTATION_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace perennial::data {

// The map from source to target pixels for one angle, made once and applied to many images.
//
// Counter-clockwise as seen, in degrees, about the centre of the image (between the middle pixels
// if their number is even); same size. What comes from outside counts as 0, at the border too
// (grid_sample's zero padding). Results are rounded to eight bits, half up.
//
//   const data::Rotation turn(28, 28, 22.5);
//   turn.Apply(images.image(0), std::span(rotated));
class Rotation {
 public:
  Rotation(int32_t height, int32_t width, double degrees);

  // source and target [height * width], not overlapping.
  void Apply(std::span<const uint8_t> source, std::span<uint8_t> target) const;

 private:
  // The upper left neighbour of a target pixel's origin in an image with a border of one zero
  // pixel, and the weights of it, its right, its lower, and its lower right neighbour.
  struct Tap {
    int32_t offset = 0;
    std::array<float, 4> weights = {};
  };
  int32_t height_;
  int32_t width_;
  std::vector<Tap> taps_;
};

}  // namespace perennial::data

#endif  // PERENNIAL_COMMON_DATA_ROTATION_H_
