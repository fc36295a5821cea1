// Simulated observational data with knobs for what makes them hard, and the whole truth.
//
// A design of our own, built from ideas of others: blocks of covariates that act on the treatment
// only (instruments), on treatment and outcome (confounders), on the outcome only, on the effect
// only or on nothing (as CATENets' generator has them), random surfaces, an alignment of treatment
// and outcome and an overlap that can be bad (as the challenge of ACIC 2016 has them).
//
// All scores g below are random surfaces (random_surface.h) over one block, with mean 0 and
// standard deviation 1 over the population, independent of each other since blocks are. For a
// treated arm a,
//
//   f_a   = sqrt(1 - instrument_share) g_confounder,a + sqrt(instrument_share) g_instrument,a
//   e_a   = floor + (1 - arms floor) softmax_a(0, kappa f_1 + c_1, kappa f_2 + c_2, ..)
//   mu_0  = outcome_mean + outcome_sd (alignment g + sqrt(1 - alignment^2) g_outcome)
//   mu_a  = mu_0 + effect_mean + effect_sd (effect_alignment g
//                                           + sqrt(1 - effect_alignment^2) g_effect,a)
//
// with g = g_confounder,1 when there are two arms, else the standardised sum of the
// g_confounder,a. So with two arms
//
//   corr(f_1, mu_0) = alignment sqrt(1 - instrument_share)
//
// and alignment 0 means that nothing confounds the control outcomes (confounders are instruments
// then), whatever kappa. The intercepts c are solved so that the population's share of every
// treated arm is treated_share / (arms - 1). kappa 0 is a randomised experiment. The floor is a
// squeeze, not a cut, so that e stays a strictly monotone function of the scores.
//
//   continuous  Y = mu_T + noise_sd h N(0, 1), log h proportional to a linear score of all blocks
//   that
//               act on the outcome, its standard deviation heteroskedasticity, mean of h^2 1
//   binary      P(Y(a) = 1) = expit(mu_a): means, standard deviations and effects are on that scale
//
// Covariates come from N(0, 1) variables, one each: as they are; cut into 0 and 1, with a random
// share of ones from 0.2 to 0.8; or cut into `levels` equally likely categories with a score each
// in random order (indicator columns name=1, name=2, ..). In every block the last ones are
// categorical, those before binary, by their shares rounded. The surfaces see standardised values
// and scores.
//
// hidden_share of the confounders (rounded; in a random order, so that more hidden ones contain
// fewer) are left out of the covariates. They act all the same: Truth is then that given the hidden
// ones too.
//
// `shift` moves the N(0, 1) variables of a sample by that much, each in a direction, up or down,
// that belongs to the generator: test units of another population with the same surfaces.
//
// Random numbers: the generator's own (surfaces, kinds of columns, directions, order of hiding)
// come from the stream of Create; those of X, T and Y from one stream each. So surfaces stay while
// a sample is drawn again (bias and variance of an estimator), and X, the uniforms behind T and the
// noise behind Y stay while a knob such as kappa moves. Population means (intercepts, scales) are
// those of 16384 reference units of the generator's own, so they hold to about 1 %.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const HonestGenerator generator,
//                              HonestGenerator::Create({.kappa = 2}, root.Split("surfaces")));
//   PERENNIAL_ASSIGN_OR_RETURN(const Observations train,
//                              generator.Sample(1000, HonestStreams(root.Split("train"))));
//   PERENNIAL_ASSIGN_OR_RETURN(const Observations far,
//                              generator.Sample(1000, HonestStreams(root.Split("test")), 1.0));
#ifndef PERENNIAL_CAUSAL_DATA_HONEST_GENERATOR_H_
#define PERENNIAL_CAUSAL_DATA_HONEST_GENERATOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "causal/data/observations.h"
#include "common/random/stream.h"

namespace perennial::causal {

struct HonestConfig {
  // Covariates by block, 0 to 10000 each.
  int32_t instruments = 2;
  int32_t confounders = 5;
  int32_t outcome_only = 5;
  int32_t effect_only = 3;
  int32_t noise = 10;
  // Of every block, at least 0, together at most 1; the rest is normal.
  double binary_share = 0.2;
  double categorical_share = 0;
  int32_t levels = 4;       // Of a categorical covariate, 2 to 100.
  double hidden_share = 0;  // Of the confounders, 0 to 1.

  int32_t arms = 2;               // 2 to 10.
  double treated_share = 0.5;     // All treated arms together; more than floor in every arm.
  double kappa = 1;               // Strength of the selection, 0 to 50.
  double instrument_share = 0.2;  // Of the variance of f, 0 to 1; 0 without instruments, 1 without
                                  // confounders.
  double overlap_floor = 0.01;    // No propensity is below, 0 to less than 1 / arms.

  double nonlinearity = 0.5;  // Of all scores but that of h, 0 to 1; see random_surface.h.
  double alignment = 0.7;     // -1 to 1; 0 without confounders, 1 or -1 without outcome_only.
  double outcome_mean = 0;
  double outcome_sd = 1;
  double effect_mean = 1;
  double effect_sd = 0.5;
  double effect_alignment = 0;  // -1 to 1; with effect_sd not 0: 0 without confounders, 1 or -1
                                // without effect_only.
  bool binary_outcome = false;
  double noise_sd = 1;            // Continuous outcomes only.
  double heteroskedasticity = 0;  // 0 to 2; continuous outcomes only.
};

struct HonestStreams {
  random::Stream covariates, treatment, outcome;

  explicit HonestStreams(const random::Stream& stream)
      : covariates(stream.Split("covariates")),
        treatment(stream.Split("treatment")),
        outcome(stream.Split("outcome")) {}
  HonestStreams(const random::Stream& x, const random::Stream& t, const random::Stream& y)
      : covariates(x), treatment(t), outcome(y) {}
};

// Immutable; copies are cheap.
class HonestGenerator {
 public:
  // InvalidArgument names the knob that is out of range or at odds with the blocks.
  static absl::StatusOr<HonestGenerator> Create(const HonestConfig& config,
                                                const random::Stream& stream);

  // n units, 2 to 1e7; shift -10 to 10. Equal arguments give equal bits; fewer units are the first
  // ones of more. InvalidArgument if an arm is left without units, or if without a floor a
  // propensity is 0 or 1 in double.
  absl::StatusOr<Observations> Sample(int64_t n, const HonestStreams& streams,
                                      double shift = 0) const;

  const HonestConfig& config() const;
  // c of every treated arm: [arms - 1].
  const std::vector<double>& intercepts() const;
  // The covariates that samples lack, by name.
  const std::vector<std::string>& hidden() const;

 private:
  struct Design;
  explicit HonestGenerator(std::shared_ptr<const Design> design) : design_(std::move(design)) {}

  std::shared_ptr<const Design> design_;
};

// One sample of a generator of its own: surfaces from stream "surfaces", the sample's streams below
// "sample".
absl::StatusOr<Observations> HonestSample(const HonestConfig& config, int64_t n,
                                          const random::Stream& stream);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_HONEST_GENERATOR_H_
