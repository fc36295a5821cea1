// The standard normal distribution: distribution function, its logarithm, and quantile.
//
// The distribution function is erfc of the C library, so that the lower tail keeps its digits down
// to x = -37 (use NormalCdf(-x) for the upper tail); its logarithm goes on below that by the
// asymptotic series (Abramowitz & Stegun 26.2.12). The quantile is Wichura's AS 241 (PPND16,
// Applied Statistics 37, 1988) with one step of Halley's method.
// Relative error against mpmath: of the function 1e-15 (1 + x^2 / 4), the rounding of its argument;
// of its logarithm and of the quantile, for probabilities down to 1e-300, 1e-14.
// A NaN, or a probability outside (0, 1), is a programmer error.
//
//   double z = stats::NormalQuantile(0.975);  // 1.959963984540054
#ifndef PERENNIAL_COMMON_STATS_NORMAL_H_
#define PERENNIAL_COMMON_STATS_NORMAL_H_

namespace perennial::stats {

// P(Z <= x).
double NormalCdf(double x);

// log P(Z <= x), finite for every finite x whose square is finite.
double NormalLogCdf(double x);

// The x with P(Z <= x) = probability, 0 < probability < 1.
double NormalQuantile(double probability);

}  // namespace perennial::stats

#endif  // PERENNIAL_COMMON_STATS_NORMAL_H_
