// What learners with a memory of past tasks' images share: the memory takes a task's images when
// the task ends.
#ifndef PERENNIAL_CONTINUAL_LEARNERS_MEMORY_LEARNER_H_
#define PERENNIAL_CONTINUAL_LEARNERS_MEMORY_LEARNER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "common/nn/rows.h"
#include "common/record/safetensors.h"
#include "continual/continual.pb.h"
#include "continual/learners/memory.h"
#include "continual/training/learner.h"

namespace perennial::continual {

class MemoryLearner : public Learner {
 public:
  void AfterTask(const TaskContext& task, nn::Rows<float>& /*rows*/) final {
    Remember(task, memory_);
  }
  int64_t stored_images() const final { return memory_.size(); }
  absl::Status Save(record::SafetensorsWriter& writer) const final { return memory_.Save(writer); }
  absl::Status Load(const record::SafetensorsFile& file, const TaskStream& stream,
                    int tasks_done) final {
    return memory_.Load(file, stream, tasks_done);
  }

 protected:
  explicit MemoryLearner(const MemoryConfig& config) : memory_(config) {}

  // Of the tasks before.
  const ReplayMemory& memory() const { return memory_; }
  // Adds the task's images to `memory` as to the learner's own when the task ends.
  static void Remember(const TaskContext& task, ReplayMemory& memory) {
    memory.Add(task.images(), task.stream().tasks(), task.random().Split("memory"));
  }

 private:
  ReplayMemory memory_;
};

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_LEARNERS_MEMORY_LEARNER_H_
