// A batch: which examples, not their values.
//
// A batch may draw from several data sets at once (new examples and a replay memory, say): its rows
// are those of the first part, then those of the second, and so on.
//
//   const data::BatchPart parts[] = {{&task, drawn}, {&memory, replayed}};
//   const data::Batch batch(parts);
//   network.Forward(row, batch, workspace);
#ifndef PERENNIAL_COMMON_DATA_BATCH_H_
#define PERENNIAL_COMMON_DATA_BATCH_H_

#include <cstdint>
#include <span>

#include "common/data/labeled_images.h"

namespace perennial::data {

struct BatchPart {
  const LabeledImages* images = nullptr;
  std::span<const int32_t> indices;  // Each in [0, images->size()).
};

class Batch {
 public:
  // The parts and what they point at must outlive the batch.
  explicit Batch(std::span<const BatchPart> parts) : parts_(parts) {
    for (const BatchPart& part : parts) size_ += static_cast<int32_t>(part.indices.size());
  }

  std::span<const BatchPart> parts() const { return parts_; }
  int32_t size() const { return size_; }

 private:
  std::span<const BatchPart> parts_;
  int32_t size_ = 0;
};

}  // namespace perennial::data

#endif  // PERENNIAL_COMMON_DATA_BATCH_H_
