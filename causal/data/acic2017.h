// The simulation of the data analysis challenge of the Atlantic Causal Inference Conference 2017
// (Hahn, Dorie & Murray), restated from the formulas of its public generator (aciccomp, 2017).
//
// With indicators i_k of the first level of column k,
//
//   s     = x1 + x43 + 0.3 i10
//   e     = 1 / (1 + exp(b0 + b1 s)), (b0, b1) = (-1, 3) if strong_confounding, else (0, 1/2)
//   mu    = -sin(z) + x43, z the normal quantile of e
//   alpha = delta (i3 [x24 = B] + i14 - i15), delta = 2 if large_effect, else 1/3
//   sd    = sd of (mu + e alpha) over the units, times 1.25 if high_noise, else 0.25
//
// and, for each kind of error, with e_i of N(0, 1),
//
//   kIid              Y = mu + T alpha + sd e_i
//   kGroupCorrelated  Y = mu + T alpha + 0.9 sd e_i + 0.1 sd u_g, u_g of N(0, 1) shared by the
//   units
//                     of a level g of x21 (Observations.cluster)
//   kHeteroskedastic  Y = mu + T alpha + h_g sd e_i, h_g = 0.4 at the first of the 16 levels of
//   x21,
//                     1.4 at the last, evenly between
//   kNonadditive      Y = 13 Phi((mu + T alpha + sd e_i - a) / (1.25 b)) - 6 + 0.01 N(0, 1),
//                     a = mean of mu + e alpha, b^2 = sd^2 + its variance; then
//                     E[Y(t)] = 13 Phi((mu + t alpha - a) / sqrt((1.25 b)^2 + sd^2)) - 6
//
// x1 and x43 are counts after a Box-Cox transform of greatest likelihood (1 is added first if there
// are zeros) and standardisation; columns 3, 10, 14 and 15 are split at zero. Acic2017Prepare does
// that from the raw columns of the challenge of 2016 (4802 units).
//
// What could not be checked: the challenge used 4302 of the 4802 units, and which is known only
// from a file that is not read here; its random numbers are R's. So the surfaces are those of the
// challenge, for units in common up to the optimiser's digits of Box-Cox (sd, a and b are means
// over the units at hand), and no published data set is reproduced. The mean outcomes are those
// over the group effects u_g too.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const Acic2017Columns columns, Acic2017Prepare(raw));
//   PERENNIAL_ASSIGN_OR_RETURN(const Observations sample,
//                              Acic2017(Acic2017Setting(1), columns, {}, stream));
#ifndef PERENNIAL_CAUSAL_DATA_ACIC2017_H_
#define PERENNIAL_CAUSAL_DATA_ACIC2017_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "causal/data/observations.h"
#include "common/random/stream.h"

namespace perennial::causal {

enum class Acic2017Error { kGroupCorrelated, kHeteroskedastic, kIid, kNonadditive };

struct Acic2017Config {
  Acic2017Error error = Acic2017Error::kIid;
  bool large_effect = false;
  bool high_noise = false;
  bool strong_confounding = false;
};

// The 32 of the challenge in its order, number 1 to 32: the kind of error (in the order of the
// enum) changes slowest, then the effect, the noise, and the confounding.
Acic2017Config Acic2017Setting(int number);

inline constexpr int kAcic2017Groups = 16;

// As in the file of 2016; each [n].
struct Acic2017Raw {
  std::vector<double> x1, x43;            // Counts, not negative.
  std::vector<double> x3, x10, x14, x15;  // Not negative.
  std::vector<int32_t> x21;               // Its level, A is 0, P is 15.
  std::vector<int32_t> x24;               // Its level, A is 0, E is 4.
};

// What the surfaces are functions of; each [n].
struct Acic2017Columns {
  std::vector<double> x1, x43;             // Standardised.
  std::vector<uint8_t> i3, i10, i14, i15;  // 1 at the first level, else 0.
  std::vector<int32_t> x21;                // 0 to 15.
  std::vector<uint8_t> x24_is_b;           // 0 or 1.
};

// Over the units given. InvalidArgument: lengths that differ, fewer than 3 units, a negative or not
// finite number, a constant x1 or x43, a level out of range.
absl::StatusOr<Acic2017Columns> Acic2017Prepare(const Acic2017Raw& raw);

// Columns without any data, ours: x1 and x43 of N(0, 1), the indicators 1 with probability 1/2
// (i3), 9/10 (i10), 17/20 (i14), 13/20 (i15) and 1/4 (x24 = B), x21 uniform. All independent.
Acic2017Columns SimulateAcic2017Columns(int64_t n, random::Stream stream);

struct Acic2017Surfaces {
  std::vector<double> propensity;                 // [n]
  std::vector<double> linear_mean;                // [n], mu
  std::vector<double> linear_effect;              // [n], alpha
  std::vector<std::vector<double>> mean_outcome;  // [2][n], after the errors' transformation
  double noise_sd = 0;                            // sd
  double center = 0;                              // a
  double spread = 0;                              // 1.25 b
};

// InvalidArgument: fewer than 2 units, lengths that differ, a level out of range, x1 and x43 that
// are not finite or so large that a propensity would be 0 or 1 (they are to be standardised).
absl::StatusOr<Acic2017Surfaces> Acic2017At(const Acic2017Config& config,
                                            const Acic2017Columns& columns);

// What learners see. Without names: the eight columns, x21 and x24 as far as they matter, that is
// x21 as indicators of its levels.
struct Acic2017Covariates {
  std::vector<std::string> names = {};  // [p]
  std::vector<double> values = {};      // [n, p], row by row
};

// Equal arguments give equal bits; T and Y have streams of their own.
absl::StatusOr<Observations> Acic2017(const Acic2017Config& config, const Acic2017Columns& columns,
                                      const Acic2017Covariates& covariates,
                                      const random::Stream& stream);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_ACIC2017_H_
