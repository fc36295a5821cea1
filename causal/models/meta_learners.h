// Meta-learners: effects from regressions of any kind. Every learner takes two or more arms; each
// is contrasted with control, arm 0. Below, a is an arm, T the arm and Y the outcome of a unit.
//
//   S   one regression of Y on (x, an indicator of each arm but control).
//   T   one of Y on x in each arm: mu_a(x).
//   X   (Kuenzel et al. 2019) T's, then the effects that they impute, Y - mu_0(x) in arm a and
//       mu_a(x) - Y in control, are regressed on x: tau_1, tau_0; the effect is
//       e(x) tau_0(x) + (1 - e(x)) tau_1(x).
//   R   (Nie and Wager 2021) among the units of arm a and control, t = (T = a), m(x) = E[Y | x]:
//       the effect minimises sum ((Y - m) - (t - e) tau(x))^2: (Y - m) / (t - e) is regressed with
//       the weights (t - e)^2.
//   DR  (Kennedy 2023) the scores of AIPW, from all units, are regressed on x:
//       mu_a - mu_0 + (T = a) (Y - mu_a) / p_a - (T = 0) (Y - mu_0) / p_0.
//
// e(x) = P(T = a | x, T is 0 or a) is fitted with binary = true to the units of these two arms and
// clipped. With more than two arms P(T = a | x) = p_a follows from the odds e / (1 - e) against
// control (Begg and Gray 1984); no unit of DR weighs more than 1 / clip. R and DR fit m, mu and e
// in folds (split by arm, clusters kept whole), so that no unit's own outcome is in what is
// subtracted from it.
//
// Outcomes that are binary are regressed with binary = true, effects never.
//
// Predictions: outcomes for S, T, X and DR; propensities for X, R and DR. R's and DR's are means
// over the folds, so for units of the fit they are not out of fold. Only S's and T's effects are
// the differences of their outcomes.
//
// A step fits one regression: S 1, T K, X 4 K - 3, R (2 F + 1) (K - 1), DR (2 K - 1) F + K - 1 of
// them for K arms and F folds.
//
//   const std::shared_ptr<const Regressor> trees = *Boosting::Create({});
//   PERENNIAL_ASSIGN_OR_RETURN(const ModelFactory x_learner,
//                              MetaLearner({.kind = MetaLearnerKind::kX,
//                                           .outcome = trees,
//                                           .effect = trees,
//                                           .propensity = trees}));
//   PERENNIAL_ASSIGN_OR_RETURN(const auto fit, x_learner({.observations = o, .stream = stream}));
#ifndef PERENNIAL_CAUSAL_MODELS_META_LEARNERS_H_
#define PERENNIAL_CAUSAL_MODELS_META_LEARNERS_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "causal/models/model.h"
#include "causal/models/regressor.h"
#include "common/record/safetensors.h"

namespace perennial::causal {

enum class MetaLearnerKind { kS, kT, kX, kR, kDr };

struct MetaLearnerOptions {
  MetaLearnerKind kind = MetaLearnerKind::kX;
  std::shared_ptr<const Regressor> outcome;     // Of mu and m.
  std::shared_ptr<const Regressor> effect;      // Of tau: X, R, DR; else unused.
  std::shared_ptr<const Regressor> propensity;  // Of e: X, R, DR; else unused.
  int folds = 5;                                // R, DR: at least 2.
  // Propensities are kept in [clip, 1 - clip]; in (0, .5).
  double clip = .01;
};

// InvalidArgument names the option. The factory's errors: what Validate says, and for R and DR what
// Folds (causal/estimators/average_effect.h) says. Unlabelled units are not used.
absl::StatusOr<ModelFactory> MetaLearner(const MetaLearnerOptions& options);

// A fit that has ended, without the data it was fitted to, from what its Save wrote: it predicts
// the same bits. Of `arms` arms, at least 2, and `features` covariates, at least 1 (CHECK).
// Untrusted, as far as the regressors' Restore is: InvalidArgument or DataLoss for what is of
// another learner.
absl::StatusOr<std::unique_ptr<ModelFit>> RestoreMetaLearner(const MetaLearnerOptions& options,
                                                             int arms, int64_t features,
                                                             absl::string_view prefix,
                                                             const record::SafetensorsFile& file);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_MODELS_META_LEARNERS_H_
