// Optimizers on rows of parameters: SGD, Adam, AdamW and RMSprop with LibTorch's conventions.
//
// With gradient g, parameters w, rate = learning_rate * Factor(schedule, step), step t = 1, 2, ...
//   SGD      v = momentum v + g + decay w;  w -= rate v.  Nesterov: w -= rate (g + decay w +
//            momentum v).  (Sutskever et al. 2013, no dampening; without momentum v = g + decay w.)
//   Adam     g += decay w;  m = beta1 m + (1 - beta1) g;  s = beta2 s + (1 - beta2) g^2;
//            w -= rate / (1 - beta1^t) m / (sqrt(s / (1 - beta2^t)) + epsilon)
//            (Kingma & Ba 2015, algorithm 1)
//   AdamW    w *= 1 - rate decay, then Adam without decay in g  (Loshchilov & Hutter 2019)
//   RMSprop  g += decay w;  s = smoothing s + (1 - smoothing) g^2;  b = momentum b + g / (sqrt(s) +
//            epsilon);  w -= rate b  (Tieleman & Hinton 2012; not centred)
// Each is one pass over the row. One Optimizer belongs to one row (a unit), so hyper-parameters may
// differ from row to row. The update of a number depends on nothing but its own values: a row may
// be updated whole or slice by slice, with the same bits.
//
//   optim::OptimizerConfig config = {.kind = optim::OptimizerKind::kAdam, .learning_rate = 1e-3};
//   PERENNIAL_RETURN_IF_ERROR(optim::Validate(config));
//   optim::Optimizer<float> optimizer(config, row.size());
//   optimizer.Step(gradient, row);
#ifndef PERENNIAL_COMMON_OPTIM_OPTIMIZER_H_
#define PERENNIAL_COMMON_OPTIM_OPTIMIZER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "common/kernels/aligned.h"
#include "common/kernels/optimizer_update.h"
#include "common/nn/rows.h"
#include "common/optim/schedule.h"

namespace perennial::optim {

enum class OptimizerKind { kSgd, kAdam, kAdamW, kRmsprop };

struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::kSgd;
  double learning_rate = 0.01;
  double momentum = 0;      // SGD, RMSprop.
  bool nesterov = false;    // SGD; needs momentum.
  double weight_decay = 0;  // Added to the gradient as weight_decay * w; AdamW: see above.
  double beta1 = 0.9;       // Adam, AdamW.
  double beta2 = 0.999;     // Adam, AdamW.
  double smoothing = 0.99;  // RMSprop; LibTorch's alpha.
  double epsilon = 1e-8;    // Adam, AdamW, RMSprop.
  Schedule schedule;
  // The gradient is multiplied by min(1, clip_norm / (its Euclidean norm + 1e-6)), before decay is
  // added, as by LibTorch's clip_grad_norm_. 0: never.
  double clip_norm = 0;
};

// InvalidArgument that names the field, its value and its range.
absl::Status Validate(const OptimizerConfig& config);

template <typename T>
class Optimizer {
 public:
  // `size` is the size of the trained part of a row. The config must be valid (CHECK).
  Optimizer(const OptimizerConfig& config, int64_t size);

  // One step on a whole row: clipping, schedule, update. Both have `size` numbers.
  void Step(nn::ConstRow<T> gradient, nn::Row<T> row);

  // The same in pieces, for updates that are fused into a backward pass: BeginStep once, then each
  // number of the row exactly once, in slices of any size and order. There must be no clipping: the
  // norm is not known before the whole gradient is (CHECK).
  void BeginStep();
  // `parameters` is the slice of the row at `offset`, `gradient` its gradient.
  void Update(int64_t offset, nn::ConstRow<T> gradient, nn::Row<T> parameters);

  // The same for a dense layer's weights [outputs, inputs] at `offset`, whose gradient is the
  // product d^T x of d [B, outputs] and x [B, inputs]: it is used in registers and never stored.
  void UpdateProduct(int64_t offset, kernels::MatrixView<const T> d, kernels::MatrixView<const T> x,
                     nn::Row<T> parameters);

  // What a checkpoint keeps: the number of steps begun, and the state [StateRows(config), size].
  // SGD: v if there is momentum; Adam and AdamW: m, s; RMSprop: s, and b if there is momentum.
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  nn::Rows<T>& state() { return state_; }
  const nn::Rows<T>& state() const { return state_; }
  static int64_t StateRows(const OptimizerConfig& config);

  const OptimizerConfig& config() const { return config_; }

 private:
  void Prepare(double gradient_scale);
  // The slice of a state row; empty if there is no such row.
  nn::Row<T> State(int64_t slot, int64_t offset, int64_t size);

  OptimizerConfig config_;
  int64_t steps_ = 0;
  nn::Rows<T> state_;
  // Of the current step; the one that belongs to the kind is set.
  kernels::SgdCoefficients<T> sgd_;
  kernels::AdamCoefficients<T> adam_;
  kernels::RmspropCoefficients<T> rmsprop_;
};

}  // namespace perennial::optim

#endif  // PERENNIAL_COMMON_OPTIM_OPTIMIZER_H_
