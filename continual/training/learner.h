// A continual learner: what it adds to the one training loop (trainer.h).
//
// For each task a learner lists phases. A phase trains one row of parameters on a sum of losses; a
// loss is a mean cross-entropy over batches of some images, at the row itself or averaged over
// points of a line that ends in the row. Losses may bound the gradient instead of adding to it, and
// a quadratic penalty may hold the row back. Between tasks a learner updates what it keeps (a
// memory, other rows). After a task it names the row that predicts.
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
#include <vector>

#include "absl/status/status.h"
#include "common/nn/rows.h"
#include "common/optim/optimizer.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"
#include "continual/streams/image_view.h"
#include "continual/streams/stream.h"

namespace perennial::continual {

// How a term takes its batches.
enum class Draw {
  kEpochs,  // In a new random order each epoch, every image once; the last batch may be smaller.
  kRandom,  // Each step anew, without replacement within the batch.
};

// The line from another row of the learner to the row being trained, w(alpha) = from + alpha (row -
// from): the loss is the mean over the points + 1 evenly spaced points alpha = 0, 1/points, ..., 1,
// or that at one random point a step.
//
// The gradient is exact if `chain_rule`: the gradient at a point counts alpha times. The point at
// alpha = 0 does not depend on the row then; it is left out of the reported value, which is
// therefore lower than the mean by a constant (the loss at `from`, divided by points + 1). Without
// the chain rule, as in MC-SGD's published code, every point counts once, also that one.
struct LineFrom {
  int row = 0;
  int points = 1;           // At least 1.
  bool stochastic = false;  // One alpha uniform in [0, 1) a step, instead of all points.
  bool chain_rule = true;

  // Forward and backward passes a step.
  int passes() const { return stochastic ? 1 : points + (chain_rule ? 0 : 1); }
};

// weight * mean cross-entropy over a batch of `images`.
struct LossTerm {
  ImageView images;  // At least one image.
  int32_t batch_size = 1;
  Draw draw = Draw::kEpochs;
  double weight = 1;
  std::optional<LineFrom> line;
  bool replay = false;  // Examples of a memory: counted apart in what a run costs.
  // Does not add to the loss: where its gradient r and that of the other terms g disagree, <g, r> <
  // 0, g loses its part along r (A-GEM: Chaudhry et al. 2019, arXiv:1812.00420, eq. 11). Not along
  // a line, and behind the terms that add.
  bool constraint = false;
};

struct WeightedRow {
  int row = 0;
  double weight = 1;
};

// strength / 2 * sum over i of (precision[i] w[i]^2 - 2 pull[i] w[i]): a sum of quadratic penalties
// about any number of centres c_t in two rows, precision = sum of p_t, pull = sum of p_t c_t, but
// for a constant. It is no part of the reported loss.
struct QuadraticPenalty {
  int precision_row = 0;
  int pull_row = 0;
  double strength = 0;
  // After each step of the optimizer the proximal step, of length strength * learning rate / (1 -
  // momentum), which rests where the sum of loss and penalty has no gradient and cannot diverge;
  // or the penalty's gradient is added to the loss's. Needs SGD.
  bool proximal = true;
};

// Instead of training: a row becomes the mean over the phase's one term of squared gradients at the
// phase's row, without dropout (the diagonal of the Fisher information).
struct FisherEstimate {
  enum class Kind {
    kEmpirical,  // Of single examples, with their labels.
    kSampled,    // Of single examples, with labels drawn from the prediction.
    kBatchMean,  // Of batches' mean gradients, with their labels.
  };
  Kind kind = Kind::kEmpirical;
  int row = 0;  // Where it goes.
};

struct Phase {
  std::string name;                // Keys the order of batches: equal names, equal orders.
  int row = 0;                     // The row that is trained.
  std::vector<WeightedRow> start;  // The row starts as this sum; empty: as it is.
  std::vector<LossTerm> terms;
  optim::OptimizerConfig optimizer;  // Begins anew: no momentum, step 0.
  // Passes over the longest of the terms drawn by epochs; shorter ones begin again. 0 only starts.
  int epochs = 1;
  // False: the network as it predicts, without dropout and with batch norms' running statistics.
  bool dropout = true;
  std::optional<QuadraticPenalty> penalty;
  std::optional<FisherEstimate> fisher;
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
  // The task's training images.
  const ImageView& images() const {
    if (images_.empty()) images_ = stream_.Train(task_);
    return images_;
  }

 private:
  const TaskStream& stream_;
  int task_;
  random::Stream random_;
  mutable ImageView images_;
};

class Learner {
 public:
  virtual ~Learner() = default;

  // Rows of parameters it needs. Row 0 begins initialised, the others zero.
  virtual int rows() const { return 1; }

  // Called once a task (and again when a saved run goes on within the task), in the order of tasks.
  // A function of the task and of what the learner keeps.
  virtual std::vector<Phase> Phases(const TaskContext& task) = 0;

  // After the last phase of a task; may change the learner's rows (which have no numbers while a
  // plan is made).
  virtual void AfterTask(const TaskContext& /*task*/, nn::Rows<float>& /*rows*/) {}

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
