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
#include "continual/continual.pb.h"
#include "continual/streams/image_view.h"
#include "continual/streams/stream.h"

namespace perennial::continual {

// `count` indices of `images` (all, if there are fewer), in random order, with as equal a number of
// each class as the images allow.
std::vector<int32_t> ChooseBalanced(const ImageView& images, int32_t count, random::Stream stream);

// The same number of each class; of each class the last ones, latest first.
std::vector<int32_t> ChooseLast(const ImageView& images, int32_t count);

// Keeps copies of images of every task, by the configured policy: of each task's images
// `per_task`, balanced by class (random ones or, as a ring buffer of each class would, the last);
// or a uniform sample of all images so far (reservoir: Vitter 1985, algorithm R).
class ReplayMemory {
 public:
  explicit ReplayMemory(const MemoryConfig& config) : config_(config) {}

  // All images of a task, one of `tasks`; in the order in which they count as having come.
  void Add(const ImageView& images, int tasks, random::Stream stream);

  bool empty() const { return images_ == nullptr; }
  int64_t size() const { return empty() ? 0 : images_->size(); }
  // All images kept so far; oldest task first, unless it is a reservoir. Nothing if empty. Later
  // additions leave the view unchanged.
  ImageView images() const { return empty() ? ImageView() : ImageView(images_); }

  absl::Status Save(record::SafetensorsWriter& writer) const;
  // DataLoss unless the file holds the images that a memory of `tasks_done` tasks of `stream`
  // holds: as many, of the same shape, with labels below the number of classes.
  absl::Status Load(const record::SafetensorsFile& file, const TaskStream& stream, int tasks_done);

 private:
  int64_t Capacity(int tasks) const { return int64_t{config_.per_task()} * tasks; }

  MemoryConfig config_;
  int64_t seen_ = 0;  // Images that have come.
  std::shared_ptr<const data::LabeledImages> images_;
};

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_LEARNERS_MEMORY_H_
