// A batch: which examples, not their values.
//
// A batch may draw from several data sets at once (new examples and a replay memory, say): its rows
// are those of the first part, then those of the second, and so on. A part may read its features
// through a map, so that a permuted data set is the data set and a permutation.
//
//   const data::BatchPart parts[] = {{&task, drawn}, {&memory, replayed}};
//   const data::Batch batch(parts);
//   network.Forward(row, batch, workspace);
#ifndef PERENNIAL_COMMON_DATA_BATCH_H_
#define PERENNIAL_COMMON_DATA_BATCH_H_

#include <cstdint>
#include <span>

#include "common/data/input_table.h"

namespace perennial::data {

struct BatchPart {
  InputTable inputs;
  std::span<const int32_t> indices;  // Each in [0, inputs.size()).
  // Feature c of the batch is feature feature_map[c] of the table, each in [0, features); empty:
  // feature c. Not for one-hot inputs.
  std::span<const int32_t> feature_map = {};
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
