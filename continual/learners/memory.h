// A small memory of past tasks' images.
#ifndef PERENNIAL_CONTINUAL_LEARNERS_MEMORY_H_
#define PERENNIAL_CONTINUAL_LEARNERS_MEMORY_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "common/data/labeled_images.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"
#include "continual/streams/stream.h"

namespace perennial::continual {

// `count` indices of `images` (all, if there are fewer), in random order, with as equal a number of
// each class as the images allow.
std::vector<int32_t> ChooseBalanced(const data::LabeledImages& images, int32_t count,
                                    random::Stream stream);

// Keeps `per_task` class-balanced images of every task.
class ReplayMemory {
 public:
  explicit ReplayMemory(int32_t per_task) : per_task_(per_task) {}

  void Add(const data::LabeledImages& images, const random::Stream& stream);

  bool empty() const { return images_ == nullptr; }
  int64_t size() const { return empty() ? 0 : images_->size(); }
  // All images kept so far, oldest task first; null if empty. Later additions leave it unchanged.
  const std::shared_ptr<const data::LabeledImages>& images() const { return images_; }

  absl::Status Save(record::SafetensorsWriter& writer) const;
  // DataLoss unless the file holds the images that a memory of `tasks_done` tasks of `stream`
  // holds: as many, of the same shape, with labels below the number of classes.
  absl::Status Load(const record::SafetensorsFile& file, const TaskStream& stream, int tasks_done);

 private:
  int32_t per_task_;
  std::shared_ptr<const data::LabeledImages> images_;
};

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_LEARNERS_MEMORY_H_
