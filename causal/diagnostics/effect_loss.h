// Are predicted effects of units nearer to the truth than one effect for all? Many are not: a
// constant, or no effect at all, is what any prediction has to beat.
//
// Effects are not seen, but scores S_i are, whose mean given x is the effect tau(x): AipwScores
// (average_effect.h), of nuisances predicted out of fold. With tau_hat predicted out of fold, too,
// and c_i the mean of the scores outside i's fold,
//
//   D = mean of (S_i - tau_hat(x_i))^2 - (S_i - c_i)^2
//
// has the expectation E (tau_hat - tau)^2 - E (c - tau)^2: the mean squared error of the prediction
// (PEHE squared) less that of one effect for all, both as they are learned from other folds; the
// noise of S_i itself drops out. So a prediction that tells no units apart has D near 0, also where
// folds hold clusters whose scores go together. It is the difference of two DR losses (Kennedy,
// Electronic Journal of Statistics 17, 2023, of the scores; Foster and Syrgkanis, Annals of
// Statistics 51, 2023, of the loss). Below 0 the prediction is the better one. tau_hat = 0 gives
// what no effect at all loses.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const Estimate excess,
//                              ExcessEffectLoss(tau_hat, scores, fold_of, {}, 0.95));
//   excess.high < 0;                                       // nearer than a constant effect
#ifndef PERENNIAL_CAUSAL_DIAGNOSTICS_EFFECT_LOSS_H_
#define PERENNIAL_CAUSAL_DIAGNOSTICS_EFFECT_LOSS_H_

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "causal/estimators/average_effect.h"

namespace perennial::causal {

// D, in squares of the outcome's units, with its interval from the terms' spread. effect [n],
// scores [n], fold_of [n], at least 0, cluster [n] or empty. InvalidArgument for lengths that do
// not fit, numbers that are not finite, a single fold, fewer than two units or clusters, or a level
// outside (0, 1).
absl::StatusOr<Estimate> ExcessEffectLoss(std::span<const double> effect,
                                          std::span<const double> scores,
                                          std::span<const int32_t> fold_of,
                                          std::span<const int32_t> cluster, double level = 0.95);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DIAGNOSTICS_EFFECT_LOSS_H_
