// The loss of networks with a head for each arm, and its gradient, on one batch:
//
//   L = mean over labelled i of w_i l(y_i, h_{t_i}(Phi(x_i)))        factual outcomes
//     + propensity * mean of CE(t_i, g(Phi(x_i)))                    arXiv:1906.02120, eq. 2.2
//     + targeted * mean of l(y_i, h_{t_i} + eps q_i)                 the same, section 3
//     + alpha * sum over arms a of D({Phi(x): t = a}, {Phi(x): t = 0})
//     + beta * sum over arms a of D1({h_0(Phi(x)): t = a}, C)
//
// alpha balances representations (arXiv:1606.03976; 2011.11199), beta control outcomes: what the
// control head predicts for treated units shall look like the outcomes of controls (2011.11199). C
// are those that it predicts for controls, or the observed ones. l is the squared error, or of
// binary outcomes the logistic loss. The abstract of 2011.11199 names the two terms and no formula:
// D, D1 and C are ours, so each choice is a switch.
//
// Under unconfoundedness treated and control units need not have equal control outcomes, and where
// they have not, beta adds bias: with a large beta the effect on the treated becomes the difference
// of the arms' means. Weighting controls by the odds of treatment, or balancing within strata of
// the propensity, keeps the target; both are ours, not the paper's.
//
// Rows of a batch stand by arm, control first. Rows without an outcome (units of a transductive
// analysis) stand in front of the control's labelled rows, and behind those of other arms:
//   [unlabelled 0 | labelled 0][labelled 1 | unlabelled 1] ...
//
//   Objective<float> objective(network, options, max_rows);
//   network.network.Forward<float>(row, x, workspace,
//                                  {.mode = kTrain, .rows = objective.Ranges(layout)});
//   const ObjectiveLosses losses = objective.Evaluate(batch, workspace);
//   network.network.Backward<float>(row, workspace, sink);
#ifndef PERENNIAL_CAUSAL_NETS_OBJECTIVE_H_
#define PERENNIAL_CAUSAL_NETS_OBJECTIVE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "causal/balance/discrepancy.h"
#include "causal/balance/wasserstein.h"
#include "causal/nets/effect_network.h"
#include "common/kernels/aligned.h"
#include "common/nn/network.h"

namespace perennial::causal {

struct ControlBalanceOptions {
  enum class Distance {
    kWasserstein1,
    kWasserstein2,  // Squared.
    kMean,          // Squared difference of means.
    kMoments,       // And of standard deviations.
    kRbf,           // Squared maximum mean discrepancy.
  };
  enum class Target { kPredicted, kObserved };
  enum class Gradient { kBoth, kTreatedOnly };  // What the term may change.
  enum class Scale { kLogit, kProbability };    // Of binary outcomes.
  Distance distance = Distance::kWasserstein1;
  Target target = Target::kPredicted;
  Gradient gradient = Gradient::kBoth;
  Scale scale = Scale::kLogit;
  double bandwidth = 0;  // Of kRbf; 0: the median of distances in the batch.
};

struct ObjectiveOptions {
  bool binary = false;
  double propensity = 0;  // Weight of its loss.
  double targeted = 0;
  double alpha = 0;
  DiscrepancyConfig balance = {};
  // Representations are compared at unit length, so that shrinking them is no balance.
  bool unit_length = true;
  double beta = 0;
  ControlBalanceOptions control = {};
};

// InvalidArgument that names the option: weights that are negative or not finite; terms that the
// network has no block for; observed outcomes on the logit scale.
absl::Status Validate(const ObjectiveOptions& options, const EffectNetwork& network);

// Which rows of a batch are whose.
struct BatchLayout {
  std::vector<nn::RowRange> arms;      // [arms], one after the other from row 0.
  std::vector<nn::RowRange> labelled;  // [arms], within those of the arm; see above.
  int64_t rows() const { return arms.back().end; }
};

template <typename T>
struct ObjectiveBatch {
  const BatchLayout* layout = nullptr;
  std::span<const T> outcome;  // [rows]; not looked at where there is no label.
  std::span<const T> weights;  // [rows], w_i / (labelled rows); likewise.
  double beta_factor = 1;      // Of this step.
  // Of each arm but the control, weights [rows] of control units in its D1 (their scale does not
  // matter), or strata [rows] within which it is taken; empty: neither.
  std::span<const std::vector<T>> control_weights = {};
  std::span<const std::vector<int32_t>> strata = {};
  // Of each arm but the control; empty without targeted regularisation.
  std::span<const T> epsilon = {};
};

// Each times its weight.
struct ObjectiveLosses {
  double factual = 0;
  double propensity = 0;
  double targeted = 0;
  double balance = 0;
  double control_balance = 0;
  double total() const { return factual + propensity + targeted + balance + control_balance; }
};

template <typename T>
class Objective {
 public:
  // `network` must outlive it; the options must be valid for it (CHECK).
  Objective(const EffectNetwork& network, const ObjectiveOptions& options, int64_t max_rows);

  // Memory that one takes.
  static int64_t Bytes(const EffectNetwork& network, const ObjectiveOptions& options,
                       int64_t max_rows);

  // What each block sees, for Network::Forward; good until the next call.
  std::span<const nn::RowRange> Ranges(const BatchLayout& layout);

  // After a Forward with those ranges: writes the gradient of the loss at every block that it
  // reaches. epsilon_gradient [arms - 1], if there is an epsilon.
  ObjectiveLosses Evaluate(const ObjectiveBatch<T>& batch, nn::Workspace<T>& workspace,
                           std::span<T> epsilon_gradient = {});

 private:
  void Factual(const ObjectiveBatch<T>& batch, nn::Workspace<T>& workspace,
               std::span<T> epsilon_gradient, ObjectiveLosses& losses);
  double Balance(const BatchLayout& layout, nn::Workspace<T>& workspace);
  double ControlBalance(const ObjectiveBatch<T>& batch, nn::Workspace<T>& workspace);
  // D1 of two samples; adds scale times its gradient. `gy` may be empty.
  double Distance(std::span<const T> x, std::span<const T> y, std::span<const T> y_weights,
                  double scale, std::span<T> gx, std::span<T> gy);

  const EffectNetwork& network_;
  ObjectiveOptions options_;
  std::optional<Discrepancy<T>> representation_;
  std::optional<Discrepancy<T>> rbf_;
  std::optional<Wasserstein1d<T>> wasserstein_;
  std::vector<nn::RowRange> ranges_;
  kernels::AlignedVector<T> unit_;  // Representations at unit length, and their gradient.
  kernels::AlignedVector<T> unit_gradient_;
  std::vector<T> length_;
  std::vector<double> row_dots_;
  std::vector<T> h0_, h0_gradient_;             // Control outcomes on the scale of D1.
  std::vector<T> x_, y_, y_weights_, gx_, gy_;  // A stratum's.
  std::vector<int32_t> x_rows_, y_rows_;        // Where there are no strata.
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_NETS_OBJECTIVE_H_
