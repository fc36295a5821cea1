// Simulations on the Infant Health and Development Program: real covariates, an imbalance of the
// arms that Hill made, and simulated outcomes, so that every effect is known.
//
// Source: Hill, "Bayesian Nonparametric Modeling for Causal Inference" (JCGS 20, 2011), and the R
// package npci, whose public files of 100 and 1000 realisations are the usual benchmark. Of 985
// children those who were treated and whose mother is not white are dropped; 747 remain, 139
// treated. Six covariates (bw, b.head, preterm, birth.o, nnhealth, momage) are standardised over
// the 747, with n - 1; the other 19 are binary.
//
// Names are a trap: "setting A" of npci, and so of the public files, is Hill's surface B, and
// Hill's A is not in npci. With X = (1, the 25 covariates), sd of the noise 1:
//
//   kHillA  mu0 = X beta, mu1 = mu0 + 4; beta in {0, 1, 2, 3, 4} with probabilities {.5, .2, .15,
//           .1, .05}, the intercept too
//   kHillB  npci's A. mu0 = exp((X + W) beta), mu1 = X beta - omega; W is 0 for the intercept, else
//           0.5; beta in {0, .1, .2, .3, .4} with {.6, .1, .1, .1, .1}, the intercept's uniform on
//           {-1, -.75, ..., 1} (EconML draws it like the others)
//   kNpciB  mu_a = [X, Q] beta_a, mu1 less omega. Q: squares of what is not binary and products of
//           all pairs, without those that are linear combinations of what stands before them (29 of
//           306). X's coefficients in {0, 1, 2} with {.6, .3, .1}, Q's in {0, .5, 1} with {.8, .15,
//           .05}, each arm its own
//   kNpciC  outcomes as kNpciB, and the arms are drawn anew: logit e = Z gamma - median - 1.35, Z
//           four of the covariates and two of the squares and products of these, gamma uniform on
//           (-.5, .5). Only here the propensity is known
//
// omega makes the mean effect of the treated, or of the controls, exactly 4.
//
// The surfaces take `first` (first-born) coded 1 and 2, as npci and EconML do; the covariates that
// come out have it coded 0 and 1 unless first_from_one. R's generator is not imitated: these are
// other draws from the same distribution than the public files (see public_layouts.h for those).
//
//   PERENNIAL_ASSIGN_OR_RETURN(const Ihdp ihdp, LoadIhdp());
//   const Observations third = IhdpRealisation(ihdp, {.surface = IhdpSurface::kHillB},
//                                              random::Stream(seed).Split("ihdp").Split(3));
#ifndef PERENNIAL_CAUSAL_DATA_IHDP_H_
#define PERENNIAL_CAUSAL_DATA_IHDP_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "causal/data/observations.h"
#include "common/random/stream.h"

namespace perennial::causal {

struct Ihdp {
  std::vector<std::string> names;  // [p], p = 25
  std::vector<double> covariates;  // [n, p], row by row; n = 747; `first` coded 0 and 1.
  std::vector<int32_t> treatment;  // [n]
  std::vector<int32_t> first;      // Columns to which the surfaces add 1: that of `first`.
  // Factors of the columns of Q, in its order.
  std::vector<std::pair<int32_t, int32_t>> products;

  int64_t size() const { return static_cast<int64_t>(treatment.size()); }
  int64_t features() const { return static_cast<int64_t>(names.size()); }
};

enum class IhdpSurface { kHillA, kHillB, kNpciB, kNpciC };
enum class IhdpAnchor { kTreated, kControls };  // Whose mean effect is 4; npci: overlap or not.

struct IhdpConfig {
  IhdpSurface surface = IhdpSurface::kHillB;
  IhdpAnchor anchor = IhdpAnchor::kTreated;  // Without effect on kHillA.
  bool first_from_one = false;               // In the covariates that come out.
};

// Of the intercept and the covariates, in kNpciB and kNpciC then of Q. Hill's surfaces have one
// vector, `control`.
struct IhdpCoefficients {
  std::vector<double> control;
  std::vector<double> treated;
};

// `path` empty: the file that came with the build (EconML's, MIT). Errors: NotFound and
// InvalidArgument, naming the file and the column.
absl::StatusOr<Ihdp> LoadIhdp(const std::string& path = "");

IhdpCoefficients DrawIhdpCoefficients(const Ihdp& ihdp, IhdpSurface surface, random::Stream stream);

// [2][n], mu0 and mu1, before omega is taken off.
std::vector<std::vector<double>> IhdpMeanOutcomes(const Ihdp& ihdp, IhdpSurface surface,
                                                  const IhdpCoefficients& coefficients);

// One realisation, with the truth. Equal (config, stream) give equal bits.
Observations IhdpRealisation(const Ihdp& ihdp, const IhdpConfig& config,
                             const random::Stream& stream);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_IHDP_H_
