// The simulation of Kang & Schafer, "Demystifying Double Robustness" (Statistical Science 22,
// 2007), read as a causal problem: what is there the response indicator is here the treatment.
//
//   Z ~ N(0, I_4)
//   Y = 210 + 27.4 z1 + 13.7 (z2 + z3 + z4) + effect T + sigma N(0, 1)
//   P(T = 1 | Z) = expit(kappa (-z1 + 0.5 z2 - 0.25 z3 - 0.1 z4))
//
// Learners see not Z but
//
//   x1 = exp(z1 / 2)                x2 = z2 / (1 + exp(z1)) + 10
//   x3 = (z1 z3 / 25 + 0.6)^3       x4 = (z2 + z4 + 20)^2
//
// from which both models are hard, though X determines Z, so that nothing is confounded given X.
// With effect 0 and kappa 1, which are theirs, the naive difference of means is about -20.
// kappa (0: randomised) is ours.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const Observations sample, KangSchafer({.n = 1000}, stream));
#ifndef PERENNIAL_CAUSAL_DATA_KANG_SCHAFER_H_
#define PERENNIAL_CAUSAL_DATA_KANG_SCHAFER_H_

#include <array>
#include <cstdint>

#include "absl/status/statusor.h"
#include "causal/data/observations.h"
#include "common/random/stream.h"

namespace perennial::causal {

struct KangSchaferConfig {
  int64_t n = 1000;         // Units, 2 to 1e7.
  double sigma = 1;         // Noise, 0 to 1e6.
  double effect = 0;        // Of the treatment, the same for all, -1e6 to 1e6.
  double kappa = 1;         // Strength of the selection, -10 to 10.
  bool transformed = true;  // Learners see X; otherwise Z, where both models are easy.
};

// X of Z.
std::array<double, 4> KangSchaferTransform(const std::array<double, 4>& z);

// Equal (config, stream) give equal bits. Z, T and Y have streams of their own; fewer units are the
// first ones of more.
absl::StatusOr<Observations> KangSchafer(const KangSchaferConfig& config,
                                         const random::Stream& stream);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_KANG_SCHAFER_H_
