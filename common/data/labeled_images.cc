#include "common/data/labeled_images.h"

#include "common/base/logging.h"

namespace perennial::data {

LabeledImages LabeledImages::Empty() const {
  LabeledImages empty;
  empty.height = height;
  empty.width = width;
  empty.classes = classes;
  empty.scale = scale;
  empty.shift = shift;
  return empty;
}

LabeledImages LabeledImages::Select(std::span<const int32_t> indices) const {
  LabeledImages selected = Empty();
  selected.Reserve(static_cast<int64_t>(indices.size()));
  for (const int32_t index : indices) {
    CHECK(index >= 0 && index < size()) << "index " << index << " of " << size() << " images";
    const std::span<const uint8_t> source = image(index);
    selected.pixels.insert(selected.pixels.end(), source.begin(), source.end());
    selected.labels.push_back(labels[index]);
  }
  return selected;
}

void LabeledImages::Reserve(int64_t count) {
  pixels.reserve(count * features());
  labels.reserve(count);
}

void LabeledImages::Append(const LabeledImages& other) {
  CHECK(height == other.height && width == other.width && classes == other.classes);
  pixels.insert(pixels.end(), other.pixels.begin(), other.pixels.end());
  labels.insert(labels.end(), other.labels.begin(), other.labels.end());
}

}  // namespace perennial::data
