// Rotation of images about their centre by bilinear interpolation.
#ifndef PERENNIAL_COMMON_DATA_ROTATION_H_
#define PERENNIAL_COMMON_DATA_ROTATION_H_

#include <cstdint>
#include <span>
#include <vector>

#include "common/kernels/bilinear.h"

namespace perennial::data {

// The map from source to target pixels for one angle, made once and applied to many images.
//
// Counter-clockwise as seen, in degrees, about the centre of the image (between the middle pixels
// if their number is even); same size. What comes from outside counts as 0, at the border too
// (grid_sample's zero padding). Results are rounded to eight bits, half up.
//
//   const data::Rotation turn(28, 28, 22.5);
//   const uint8_t* const sources[] = {images.image(0).data(), images.image(7).data()};
//   turn.Apply(sources, turned);
class Rotation {
 public:
  Rotation(int32_t height, int32_t width, double degrees);

  // The images at `sources`, height * width bytes each, to targets [sources, height * width], which
  // overlap none of them. An image's bytes do not depend on the others; its time does: sixteen
  // together take that of three alone.
  void Apply(std::span<const uint8_t* const> sources, std::span<uint8_t> targets) const;

 private:
  int32_t height_;
  int32_t width_;
  std::vector<kernels::BilinearTap> taps_;
};

}  // namespace perennial::data

#endif  // PERENNIAL_COMMON_DATA_ROTATION_H_
