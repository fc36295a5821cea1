// The noncentral t distribution: (Z + delta) / sqrt(V / f), Z standard normal, V chi-square with f
// degrees of freedom. What the power of a t test is made of.
//
// P(T <= t) is the integral of Phi(t s - delta) over the density of s = sqrt(V / f), by the
// trapezoidal rule in log s, whose error falls exponentially with the step: the step is halved
// until the sum stands still. Every term is positive, so small tails keep their digits; for the
// upper tail use P(T > t; f, delta) = P(T <= -t; f, -delta). Relative error below 1e-11 against
// mpmath for f from 0.5 to 1e6, |delta| up to 100 and tails down to 1e-100. A degree of freedom
// that is not positive and finite, or a NaN, is a programmer error.
//
//   double power = stats::NoncentralTCdf(-2.26, 9, -1.5);  // P(T > 2.26) at delta = 1.5
#ifndef PERENNIAL_COMMON_STATS_NONCENTRAL_T_H_
#define PERENNIAL_COMMON_STATS_NONCENTRAL_T_H_

namespace perennial::stats {

double NoncentralTCdf(double t, double degrees_of_freedom, double delta);

}  // namespace perennial::stats

#endif  // PERENNIAL_COMMON_STATS_NONCENTRAL_T_H_
