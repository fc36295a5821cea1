// Observational data: covariates, the arm that each unit was in, and its outcome; with the truth,
// where units were simulated.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const Observations ihdp, ...);
//   const kernels::MatrixView<const double> x = ihdp.x();          // [n, p]
//   const double factual = ihdp.outcome[i];                        // Y_i = Y_i(T_i)
//   const double effect = ihdp.truth->mean_outcome[1][i] - ihdp.truth->mean_outcome[0][i];
#ifndef PERENNIAL_CAUSAL_DATA_OBSERVATIONS_H_
#define PERENNIAL_CAUSAL_DATA_OBSERVATIONS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/kernels/aligned.h"

namespace perennial::causal {

// What only a simulation knows.
struct Truth {
  std::vector<std::vector<double>> mean_outcome;     // [arms][n], E[Y(a) | X].
  std::vector<std::vector<double>> propensity = {};  // [arms][n], P(T = a | X); empty: unknown.
};

struct Observations {
  std::vector<std::string> covariate_names;  // [p]
  std::vector<double> covariates;            // [n, p], row by row; finite.
  std::vector<int32_t> treatment;            // [n], the arm, in [0, arms); 0 is control.
  std::vector<double> outcome;               // [n], finite; 0 or 1 if binary_outcome.
  int arms = 2;
  bool binary_outcome = false;
  // [n], units of equal number are not independent of each other; empty: all are.
  std::vector<int32_t> cluster = {};
  // [n], 1 for units whose arm was drawn by lot, 0 for others; empty: nothing is known of it.
  std::vector<uint8_t> randomised = {};
  std::optional<Truth> truth = {};

  int64_t size() const { return static_cast<int64_t>(treatment.size()); }
  int64_t features() const { return static_cast<int64_t>(covariate_names.size()); }
  kernels::MatrixView<const double> x() const {
    return {covariates.data(), size(), features(), features()};
  }
};

// InvalidArgument that names what does not fit: lengths, arms out of range or empty, numbers that
// are not finite, binary outcomes that are neither 0 nor 1, propensities that are not in (0, 1) or
// do not add up to 1.
absl::Status Validate(const Observations& observations);

// The rows, in their order; each in [0, size()).
Observations Select(const Observations& observations, std::span<const int32_t> rows);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_OBSERVATIONS_H_
