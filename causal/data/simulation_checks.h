// What every generator's sample must be, seen from outside.
#ifndef PERENNIAL_CAUSAL_DATA_SIMULATION_CHECKS_H_
#define PERENNIAL_CAUSAL_DATA_SIMULATION_CHECKS_H_

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "causal/data/observations.h"

namespace perennial::causal {

struct SampleMoments {
  double mean = 0;
  double sd = 0;              // With n - 1.
  double standard_error = 0;  // Of the mean.
};
SampleMoments MomentsOf(std::span<const double> values);

// EXPECTs that the mean of independent values is `expected` within 4.5 standard errors, estimated
// from the values.
void ExpectMean(std::span<const double> values, double expected);

// Column `c` of the covariates.
std::vector<double> CovariateOf(const Observations& sample, int64_t c);

// mean_outcome[1] - mean_outcome[0].
std::vector<double> EffectsOf(const Observations& sample);

// Mean outcome without treatment of arm 1 less that of control: the bias of the naive difference of
// means for the effect on the treated.
double NaiveBias(const Observations& sample);

// EXPECTs that the treatment is drawn from the propensities and the outcomes about the mean
// outcomes: for every arm a, [T = a] - e_a has mean 0, alone and times every covariate; Y - mu_T
// has mean 0, alone, times every covariate and times [T = a] - e_a. Each within 4.5 standard
// errors.
void ExpectTruthGenerates(const Observations& sample);

// EXPECTs equal bits in everything.
void ExpectEqualBits(const Observations& a, const Observations& b);

// The integral of f over the standard normal distribution (the trapezoidal rule, which converges
// faster than any power for smooth functions).
template <typename Function>
double NormalMean(const Function& f) {
  double sum = 0;
  double total = 0;
  for (int i = -4000; i <= 4000; ++i) {
    const double z = i * 0.0025;
    const double weight = std::exp(-z * z / 2);
    sum += weight * f(z);
    total += weight;
  }
  return sum / total;
}

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_SIMULATION_CHECKS_H_
