// Is it worth treating those with the greatest predicted effects, and how well are units ranked?
//
// All is estimated from scores Gamma_i whose mean given x is the effect tau(x): AipwScores, of
// nuisances predicted out of fold (with known propensities and mu = 0 they are inverse propensity
// scores). The predicted effects, or priorities, must come from other data than the scores.
// Sources: Athey and Wager, Econometrica 89 (2021), for values; Yadlowsky et al., arXiv:2111.07966,
// for the rest. With units sorted by falling priority, u the share treated first:
//
//   Qini curve  Q(u) = (1/n) sum of Gamma over the first u n units: what treating them yields per
//               unit
//   TOC(u)      mean of Gamma over the first u n units - mean of Gamma
//   AUTOC       integral of TOC(u) du
//   Qini        integral of u TOC(u) du: the area between the Qini curve and its chord
//
// as sums over u = 1/n, 2/n, ..., 1. Units of equal priority stand in no order: each counts as
// their mean.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const Rate rate,
//                              RateOf(tau_hat, scores, {}, {}, stream.Split("rate")));
//   rate.autoc.low > 0;                                     // the ranking is better than none
#ifndef PERENNIAL_CAUSAL_DIAGNOSTICS_UPLIFT_H_
#define PERENNIAL_CAUSAL_DIAGNOSTICS_UPLIFT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "causal/estimators/average_effect.h"
#include "common/random/stream.h"

namespace perennial::causal {

// Of the policy that treats where effect > cost, per unit, cost counted: against treating nobody,
// and against treating all. Intervals from the scores' spread (clusters as in average_effect.h).
struct PolicyValue {
  double treated_share;
  Estimate over_none;
  Estimate over_all;
};

// effect [n], scores [n], cluster [n] or empty. InvalidArgument for lengths that do not fit,
// numbers that are not finite, fewer than two units or clusters, or a level outside (0, 1).
absl::StatusOr<PolicyValue> PolicyValueOf(std::span<const double> effect,
                                          std::span<const double> scores,
                                          std::span<const int32_t> cluster, double cost = 0,
                                          double level = 0.95);

struct CurvePoint {
  double share;  // u
  double gain;   // Q(u)
};

// At u = 0, 1/points, ..., 1, each brought to a whole number of units (rounded down). points at
// least 1.
absl::StatusOr<std::vector<CurvePoint>> QiniCurve(std::span<const double> priority,
                                                  std::span<const double> scores, int points = 100);

// A point of the Qini curve with its interval, for a share that is fixed beforehand: of treating
// the first u n units (not rounded: of the unit at the border a part, of equal priorities each the
// same part) the value over treating nobody, as a policy has one.
struct GainPoint {
  double share;
  Estimate gain;
};

// At u = 0, 1/points, ..., 1. Errors as of PolicyValueOf. points at least 1 (CHECK).
absl::StatusOr<std::vector<GainPoint>> GainCurve(std::span<const double> priority,
                                                 std::span<const double> scores,
                                                 std::span<const int32_t> cluster, int points,
                                                 double level = 0.95);

struct RateOptions {
  double level = 0.95;
  int resamples = 200;  // 2 or more.
};

struct Rate {
  Estimate autoc;
  Estimate qini;
};

// Standard errors by the half-sample bootstrap: the standard deviation over resamples of the
// statistic on half of the units (or clusters), drawn without replacement, which is that of the
// whole sample's statistic; intervals are normal. Resample r draws from stream.Split(r). Errors as
// above, and for fewer than four units or clusters.
absl::StatusOr<Rate> RateOf(std::span<const double> priority, std::span<const double> scores,
                            std::span<const int32_t> cluster, const RateOptions& options,
                            const random::Stream& stream);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DIAGNOSTICS_UPLIFT_H_
