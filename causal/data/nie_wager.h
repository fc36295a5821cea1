// Settings A to D of Nie & Wager, "Quasi-Oracle Estimation of Heterogeneous Treatment Effects"
// (arXiv:1712.04912), section on simulations: baseline b, effect tau, propensity e of covariates x,
//
//   Y = b(x) + (T - 1/2) tau(x) + sigma N(0, 1),
//
//   A  x uniform on [0, 1]^p   b = sin(pi x1 x2) + 2 (x3 - 1/2)^2 + x4 + x5 / 2
//                              tau = (x1 + x2) / 2, e = sin(pi x1 x2) cut to [0.1, 0.9]
//   B  x ~ N(0, I)             b = max(x1 + x2, x3, 0) + max(x4 + x5, 0)
//                              tau = x1 + log(1 + exp(x2)), e = 1/2: a randomised experiment
//   C  x ~ N(0, I)             b = 2 log(1 + exp(x1 + x2 + x3)), tau = 1
//                              e = 1 / (1 + exp(x2 + x3))
//   D  x ~ N(0, I)             b = (max(x1 + x2 + x3, 0) + max(x4 + x5, 0)) / 2
//                              tau = max(x1 + x2 + x3, 0) - max(x4 + x5, 0)
//                              e = 1 / (1 + exp(-x1) + exp(-x2))
//
// So b is halfway between the arms, not the control's mean: E[Y(0)] = b - tau / 2.
// `adj`, causalml's knob, is taken off the logit of e: the larger, the fewer are treated. There it
// acts in A and D only, here in all four.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const Observations sample,
//                              NieWager({.setting = NieWagerSetting::kA, .n = 500}, stream));
#ifndef PERENNIAL_CAUSAL_DATA_NIE_WAGER_H_
#define PERENNIAL_CAUSAL_DATA_NIE_WAGER_H_

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "causal/data/observations.h"
#include "common/random/stream.h"

namespace perennial::causal {

enum class NieWagerSetting { kA, kB, kC, kD };

struct NieWagerConfig {
  NieWagerSetting setting = NieWagerSetting::kA;
  int64_t n = 500;   // Units, 2 to 1e7.
  int64_t p = 6;     // Covariates, 5 to 10000; those after the fifth are noise.
  double sigma = 1;  // Noise, 0 to 1e6.
  double adj = 0;    // Off the logit of the propensity, -20 to 20.
};

struct NieWagerPoint {
  double baseline, effect, propensity;
};

// The surfaces at x [at least 5].
NieWagerPoint NieWagerAt(NieWagerSetting setting, double adj, std::span<const double> x);

// Equal (config, stream) give equal bits. X, T and Y have streams of their own, so that X and the
// noise do not change with sigma and adj; fewer units are the first ones of more.
absl::StatusOr<Observations> NieWager(const NieWagerConfig& config, const random::Stream& stream);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_NIE_WAGER_H_
