// A continual learner: what it adds to the one training loop (trainer.h).
//
// For each task a learner lists phases. A phase trains one row of parameters on a sum of losses; a
// loss is a mean cross-entropy over batches of some images, at the row itself or averaged over
// points of a line that ends in the row. Between tasks a learner updates what it keeps (a memory).
// After a task it names the row that predicts.
//
//   std::vector<Phase> Naive::Phases(const TaskContext& task) {
//     return {{.name = "train", .terms = {{.images = task.images(), .batch_size = 64}},
//              .optimizer = {.learning_rate = 0.01, .momentum = 0.8}}};
//   }
#ifndef PERENNIAL_CONTINUAL_TRAINING_LEARNER_H_
#define PERENNIAL_CONTINUAL_TRAINING_LEARNER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/data/labeled_images.h"
#include "common/nn/rows.h"
#include "common/optim/optimizer.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"
#include "continual/streams/stream.h"

namespace perennial::continual {

// How a term takes its batches.
enum class Draw {
  kEpochs,  // In a new random order each epoch, every image once; the last batch may be smaller.
  kRandom,  // Each step anew, without replacement within the batch.
};

// The line from another row of the learner to the row being trained: the loss is the mean over the
// points + 1 evenly spaced points alpha = 0, 1/points, ..., 1, and its gradient exact, that is, the
// gradient at a point counts alpha times (chain rule through from + alpha (row - from)). The point
// alpha = 0 does not depend on the row; it is left out of the reported value, which is therefore
// lower than the mean by a constant (the loss at `row`, divided by points + 1).
struct LineFrom {
  int row = 0;
  int points = 1;  // At least 1.
};

// weight * mean cross-entropy over a batch of `images`.
struct LossTerm {
  std::shared_ptr<const data::LabeledImages> images;  // At least one image.
  int32_t batch_size = 1;
  Draw draw = Draw::kEpochs;
  double weight = 1;
  std::optional<LineFrom> line;
  bool replay = false;  // Examples of a memory: counted apart in what a run costs.
};

struct WeightedRow {
  int row = 0;
  double weight = 1;
};

struct Phase {
  std::string name;                // Keys the order of batches: equal names, equal orders.
  int row = 0;                     // The row that is trained.
  std::vector<WeightedRow> start;  // The row starts as this sum; empty: as it is.
  std::vector<LossTerm> terms;
  optim::OptimizerConfig optimizer;  // Begins anew: no momentum, step 0.
  // Passes over the longest of the terms drawn by epochs; shorter ones begin again. 0 only starts.
  int epochs = 1;
};

// A task as a learner sees it.
class TaskContext {
 public:
  // `random` is the learner's stream for this task. `stream` must outlive the context.
  TaskContext(const TaskStream& stream, int task, const random::Stream& random)
      : stream_(stream), task_(task), random_(random) {}

  int task() const { return task_; }
  bool last() const { return task_ + 1 == stream_.tasks(); }
  const TaskStream& stream() const { return stream_; }
  const random::Stream& random() const { return random_; }
  // The task's training images; made at the first call and kept while the task lasts.
  const std::shared_ptr<const data::LabeledImages>& images() const {
    if (images_ == nullptr) images_ = stream_.Train(task_);
    return images_;
  }

 private:
  const TaskStream& stream_;
  int task_;
  random::Stream random_;
  mutable std::shared_ptr<const data::LabeledImages> images_;
};

class Learner {
 public:
  virtual ~Learner() = default;

  // Rows of parameters it needs. Row 0 begins initialised, the others zero.
  virtual int rows() const { return 1; }

  // Called once a task (and again when a saved run goes on within the task), in the order of tasks.
  // A function of the task and of what the learner keeps.
  virtual std::vector<Phase> Phases(const TaskContext& task) = 0;

  // A hook between gradient and step of the row being trained, for learners that say so; may change
  // the gradient.
  virtual bool adjusts_gradients() const { return false; }
  virtual void AdjustGradient(const Phase& /*phase*/, nn::ConstRow<float> /*parameters*/,
                              nn::Row<float> /*gradient*/) {}

  // After the last phase of a task.
  virtual void AfterTask(const TaskContext& /*task*/) {}

  // The row that predicts after `task`; nullopt if the learner has learned nothing yet.
  virtual std::optional<int> PredictingRow(int /*task*/, int /*tasks*/) const { return 0; }

  // True for learners that see all tasks at once: their accuracy is the joint accuracy.
  virtual bool joint() const { return false; }

  // Images kept beyond the current task.
  virtual int64_t stored_images() const { return 0; }

  // What it keeps, as tensors whose names begin with "learner.".
  virtual absl::Status Save(record::SafetensorsWriter& /*writer*/) const {
    return absl::OkStatus();
  }
  // Into a new learner. The file is not trusted: DataLoss unless what it holds fits `stream` after
  // `tasks_done` tasks.
  virtual absl::Status Load(const record::SafetensorsFile& /*file*/, const TaskStream& /*stream*/,
                            int /*tasks_done*/) {
    return absl::OkStatus();
  }
};

using LearnerFactory = std::function<std::unique_ptr<Learner>()>;

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_TRAINING_LEARNER_H_
