// Gradient-boosted trees by LightGBM (Ke et al. 2017), on one thread.
//
// Squared error for any target, logistic loss for a binary one, whose probability is predicted.
// LightGBM keeps targets and weights as float32, so they are scaled in double first: targets by
// their weighted mean and standard deviation (not the binary ones), weights to the mean 1. Trees of
// squared error do not depend on the scale, so nothing but rounding changes, and a target of 1e9
// that varies by 1 loses no digits. Units of weight 0 are left out. A target that is constant, or
// that has no covariates, is its weighted mean.
//
// With BoostingStart::kLinear the trees are added to a linear fit (ridge regression, its penalty by
// cross-validation as in ridge.h; of a binary target logistic regression, its penalty by the
// held-out units), so that they need not build slopes out of steps.
// Small trees that stop early leave a part of each slope, and where a covariate moves both
// treatment and outcome, that part is bias.
//
// Equal data, options and stream give equal bytes, in any number of threads at once: LightGBM runs
// with deterministic=true, force_row_wise=true, num_threads=1 and a seed from the stream. The
// stream matters for the units held out, for shares below 1, and beyond 200,000 units, where bins
// come from a sample.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const auto boosting, Boosting::Create({.rounds = 300}));
//   PERENNIAL_ASSIGN_OR_RETURN(const auto fit, boosting->Fit({.x = x, .y = y, .stream = stream}));
//   fit->Predict(x_new, predicted);
//
// Serialize: "pnboost2", a masked CRC-32C and the length of what follows, then that: the scaling,
// the linear fit and LightGBM's own text. Damaged bytes are refused before LightGBM's parser sees
// them. A checksum is no signature, and that parser is not hardened: a model file that somebody
// made on purpose can do harm, so load none from a source that you do not trust.
#ifndef PERENNIAL_CAUSAL_MODELS_BOOSTING_H_
#define PERENNIAL_CAUSAL_MODELS_BOOSTING_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "causal/models/regressor.h"

namespace perennial::causal {

// The mean, a linear fit (but the mean where the units that are not held out are of one class), or
// of these two the one with the smaller loss on the held-out units, with trees or without. Where
// there are none of these, or fewer than two others a covariate, that is the mean.
enum class BoostingStart { kMean, kLinear, kBetter };

// Many small trees, as many as held-out units ask for, then fitted to all units. The defaults were
// chosen for the X-learner, on the ten development sets of ACIC 2016 and on noisy outcomes (setting
// A of Nie and Wager): on the latter, fixed numbers of rounds fit noise.
struct BoostingOptions {
  int rounds = 1000;            // Trees at most, 1 to 100,000.
  double learning_rate = .05;   // In (0, 1].
  int leaves = 4;               // Of a tree at most, 2 to 131,072.
  int min_data_in_leaf = 1;     // Units, at least 1. Below two leaves of units there is no split.
  double feature_fraction = 1;  // Share of the covariates that a tree may use, in (0, 1].
  double row_fraction = 1;      // Share of the units that a tree is fitted to, in (0, 1].
  double lambda = 1;            // L2 penalty of leaf values, at least 0; in units of weight.
  // Share of the units, in [0, 1), that is held out (of each class, if binary) to stop: after
  // `patience` rounds without a smaller loss on them the rounds up to the best are kept. 0, or a
  // share of less than one unit: no stopping.
  double early_stopping_share = .2;
  int patience = 50;  // At least 1.
  // After stopping, all units are fitted anew, in as many rounds as were kept.
  bool refit = true;
  // What trees are added to.
  BoostingStart start = BoostingStart::kMean;
};

class Boosting : public Regressor {
 public:
  // InvalidArgument names the option that is out of range.
  static absl::StatusOr<std::unique_ptr<Boosting>> Create(const BoostingOptions& options);

  // InvalidArgument for numbers that are not finite, targets that are neither 0 nor 1 though
  // binary, weights that are negative or all 0, and targets too large to be squared.
  absl::StatusOr<std::unique_ptr<Regression>> Fit(const RegressionData& data) const override;
  // InvalidArgument for bytes that are something else, DataLoss for damaged ones.
  absl::StatusOr<std::unique_ptr<Regression>> Restore(const std::string& bytes) const override;

 private:
  explicit Boosting(const BoostingOptions& options) : options_(options) {}

  BoostingOptions options_;
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_MODELS_BOOSTING_H_
