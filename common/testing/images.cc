#include "common/testing/images.h"

namespace perennial::testing {

data::LabeledImages ClassImages(int32_t size, int32_t height, int32_t width, int32_t classes,
                                double noise, const random::Stream& templates,
                                random::Stream stream) {
  data::LabeledImages images;
  images.height = height;
  images.width = width;
  images.classes = classes;
  images.pixels.reserve(static_cast<size_t>(size) * images.features());
  for (int32_t i = 0; i < size; ++i) {
    const int32_t label = i % classes;
    images.labels.push_back(label);
    random::Stream pattern = templates.Split(label);
    for (int32_t pixel = 0; pixel < images.features(); ++pixel) {
      const uint8_t expected = static_cast<uint8_t>(pattern.Below(256));
      const bool replaced = stream.Uniform() < noise;
      images.pixels.push_back(replaced ? static_cast<uint8_t>(stream.Below(256)) : expected);
    }
  }
  return images;
}

}  // namespace perennial::testing
