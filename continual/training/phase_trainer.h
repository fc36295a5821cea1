// One phase of training (learner.h), step by step.
//
//   PhaseTrainer trainer(network, phase, random.Split("order").Split(phase.name), rows);
//   for (int64_t step = 0; step < trainer.steps(); ++step) loss = trainer.Step(step);
#ifndef PERENNIAL_CONTINUAL_TRAINING_PHASE_TRAINER_H_
#define PERENNIAL_CONTINUAL_TRAINING_PHASE_TRAINER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/data/batch.h"
#include "common/data/epoch_sampler.h"
#include "common/nn/affine.h"
#include "common/nn/network.h"
#include "common/nn/rows.h"
#include "common/nn/sink.h"
#include "common/optim/optimizer.h"
#include "common/optim/update_sink.h"
#include "common/random/stream.h"
#include "continual/streams/image_view.h"
#include "continual/training/learner.h"

namespace perennial::continual {

// One phase of training, step by step: a function of the parameters, the phase and `random`.
// Memory is taken at the first step.
class PhaseTrainer {
 public:
  // `network`, `rows` and `phase` must outlive it. Does not apply phase.start.
  PhaseTrainer(const nn::Network& network, const Phase& phase, const random::Stream& random,
               nn::Rows<float>& rows);

  int64_t steps() const { return steps_; }

  // Examples that step `step` propagates forward and back, points of lines counted singly, and the
  // floating-point operations of the matrix products, of which points share those of the first
  // layer.
  struct Work {
    int64_t examples = 0;  // Of terms that are no replay.
    int64_t replayed = 0;  // Of replay terms.
    int64_t passes = 0;    // Forward and backward passes over a term's batch.
    double training_flops = 0;
    double replay_flops = 0;
  };
  Work WorkOf(int64_t step) const;
  // Memory of the phase's passes, gradients and optimizer, for rows of `network`.
  int64_t MemoryBytes() const;

  // One step of the optimizer on the phase's row, or of the phase's Fisher estimate; running
  // statistics of batch norms follow the batches of terms at the row itself. Returns the loss
  // before the step, without constraints, the penalty and the constant parts of lines (see
  // LineFrom); parameters are unchanged if it is not finite.
  double Step(int64_t step);

  // Without the step: the loss, and in gradient() what the optimizer would get, but for a proximal
  // penalty.
  double LossAndGradient(int64_t step);
  nn::ConstRow<float> gradient() const { return gradient_->row(0); }

  // Its state is what a saved phase keeps.
  optim::Optimizer<float>& optimizer();
  const optim::Optimizer<float>& optimizer() const;

 private:
  using Mode = nn::GradientSink<float>::Mode;

  struct Sampler {
    random::Stream random;
    data::EpochSampler epochs;
    std::vector<int32_t> drawn;  // Of a term that draws at random.
  };

  std::span<const int32_t> Indices(size_t term, int64_t step);
  int64_t BatchSize(size_t term, int64_t step) const;
  // Appends a term's batch to parts_, labels_ and weights_; `weight` is shared by its examples.
  void AddBatch(size_t term, int64_t step, double weight);
  void ClearBatch();
  nn::ForwardOptions Options(int64_t step) const;
  // The loss of all terms at the row itself, with the forward pass done and the gradient of the
  // outputs written, constraints' too; 0 if there are none.
  double ForwardPlainTerms(int64_t step);
  // The gradient of those terms, bounded by the constraints.
  void PlainGradient();
  // Of one term along its line, whose gradient is added to, or put into, gradient_.
  double LineLossAndGradient(size_t index, int64_t step, Mode mode);
  double FisherStep(int64_t step);
  nn::Row<float> MutableGradient(int index = 0);
  nn::Row<float> Trained(int row) { return rows_.row(row).first(network_.layout().trainable()); }

  const nn::Network& network_;
  const Phase& phase_;
  nn::Rows<float>& rows_;
  random::Stream dropout_;
  std::vector<Sampler> samplers_;
  int64_t steps_ = 0;
  int64_t plain_rows_ = 0;  // Of a batch of all terms at the row itself.
  int64_t line_rows_ = 0;   // Of the largest batch of a term along a line.
  int gradients_ = 1;       // 2 with constraints.
  // Made when they are needed.
  mutable std::optional<optim::Optimizer<float>> optimizer_;
  std::optional<optim::UpdateSink<float>> update_;
  std::optional<nn::Rows<float>> gradient_;
  std::optional<nn::Workspace<float>> workspace_;
  std::optional<nn::AffinePass<float>> line_;
  // Of the batch at hand.
  ImageView::Staging staging_;
  std::vector<data::BatchPart> parts_;
  std::vector<int32_t> labels_;
  std::vector<float> weights_;
  int64_t adding_rows_ = 0;  // Of terms that add to the loss; constraints stand behind.
};

// row = the phase's start, a sum of rows; the row of a Fisher estimate becomes 0.
void ApplyStart(const Phase& phase, nn::Rows<float>& rows);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_TRAINING_PHASE_TRAINER_H_
