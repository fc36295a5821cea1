// The inputs of a data set, resident in memory: what batches draw from by index. A view.
//
// Bytes (images) are normalised while they are gathered, floats (tables of covariates) are copied,
// and one-hot inputs are lists of the features that are 1, whose rows of the first layer's weights
// are added up instead of multiplied.
//
//   const data::InputTable covariates = data::InputTable::Floats(values, /*features=*/25);
#ifndef PERENNIAL_COMMON_DATA_INPUT_TABLE_H_
#define PERENNIAL_COMMON_DATA_INPUT_TABLE_H_

#include <cstdint>
#include <span>

#include "common/data/labeled_images.h"

namespace perennial::data {

class InputTable {
 public:
  enum class Kind { kBytes, kFloats, kOneHot };

  // values [size, features]; a value counts as value * scale + shift.
  static InputTable Bytes(std::span<const uint8_t> values, int64_t features, float scale,
                          float shift) {
    InputTable table(Kind::kBytes, values.size(), features, features);
    table.bytes_ = values.data();
    table.scale_ = scale;
    table.shift_ = shift;
    return table;
  }
  // values [size, features]
  static InputTable Floats(std::span<const float> values, int64_t features) {
    InputTable table(Kind::kFloats, values.size(), features, features);
    table.floats_ = values.data();
    return table;
  }
  // active [size, active_per_example], each in [0, features) and different within an example: those
  // features are 1, all others 0. For networks with NetworkSpec::one_hot.
  static InputTable OneHot(std::span<const int32_t> active, int64_t active_per_example,
                           int64_t features) {
    InputTable table(Kind::kOneHot, active.size(), active_per_example, features);
    table.active_ = active.data();
    return table;
  }

  // Of images, which must stay where they are.
  // NOLINTNEXTLINE(google-explicit-constructor): images are what most batches draw from.
  InputTable(const LabeledImages* images)
      : InputTable(Bytes(images->pixels, images->features(), images->scale, images->shift)) {}

  Kind kind() const { return kind_; }
  int64_t size() const { return size_; }
  int64_t features() const { return features_; }
  // Numbers stored of an example.
  int64_t stored() const { return stored_; }
  const uint8_t* bytes() const { return bytes_; }
  float scale() const { return scale_; }
  float shift() const { return shift_; }
  const float* floats() const { return floats_; }
  const int32_t* active() const { return active_; }

 private:
  InputTable(Kind kind, size_t values, int64_t stored, int64_t features)
      : kind_(kind),
        size_(stored > 0 ? static_cast<int64_t>(values) / stored : 0),
        stored_(stored),
        features_(features) {}

  Kind kind_;
  int64_t size_;
  int64_t stored_;
  int64_t features_;
  const uint8_t* bytes_ = nullptr;
  float scale_ = 1;
  float shift_ = 0;
  const float* floats_ = nullptr;
  const int32_t* active_ = nullptr;
};

}  // namespace perennial::data

#endif  // PERENNIAL_COMMON_DATA_INPUT_TABLE_H_
