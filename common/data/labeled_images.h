// Labelled images, resident in memory once, in the eight bits they come in.
//
// Networks read them by index (data::Batch): the conversion to floating point, `pixel * scale +
// shift`, happens while a batch is gathered, so a data set is never copied to floats.
#ifndef PERENNIAL_COMMON_DATA_LABELED_IMAGES_H_
#define PERENNIAL_COMMON_DATA_LABELED_IMAGES_H_

#include <cstdint>
#include <span>
#include <vector>

namespace perennial::data {

struct LabeledImages {
  int32_t height = 0;
  int32_t width = 0;
  int32_t classes = 0;
  std::vector<uint8_t> pixels;  // [size, height, width]
  std::vector<int32_t> labels;  // [size], in [0, classes)
  // Value of a pixel as a network sees it: pixel * scale + shift.
  float scale = 1.0f / 255;
  float shift = 0;

  int32_t size() const { return static_cast<int32_t>(labels.size()); }
  int32_t features() const { return height * width; }
  std::span<const uint8_t> image(int32_t index) const {
    return std::span(pixels).subspan(static_cast<int64_t>(index) * features(), features());
  }

  // Same shape, classes and pixel values, no images.
  LabeledImages Empty() const;
  // The images at `indices`, in that order. Indices must be in [0, size()).
  LabeledImages Select(std::span<const int32_t> indices) const;
  // Makes room for `count` images in all, so that appending does not copy what is there.
  void Reserve(int64_t count);
  // Appends all images of `other`, which must have the same shape.
  void Append(const LabeledImages& other);
};

}  // namespace perennial::data

#endif  // PERENNIAL_COMMON_DATA_LABELED_IMAGES_H_
