#include "common/stats/normal.h"

#include <cmath>
#include <numbers>

#include "common/base/logging.h"

namespace perennial::stats {
namespace {

constexpr double kHalfLogTwoPi = 0.91893853320467274178;

// PPND16 of AS 241: the coefficients of numerator and denominator in its three ranges.
template <int kDegree>
double Ratio(const double (&numerator)[kDegree], const double (&denominator)[kDegree], double x) {
  double top = 0;
  double bottom = 0;
  for (int i = kDegree - 1; i >= 0; --i) {
    top = top * x + numerator[i];
    bottom = bottom * x + denominator[i];
  }
  return top / bottom;
}

constexpr double kCentralTop[] = {3.3871328727963666080e0,  1.3314166789178437745e+2,
                                  1.9715909503065514427e+3, 1.3731693765509461125e+4,
                                  4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                  3.3430575583588128105e+4, 2.5090809287301226727e+3};
constexpr double kCentralBottom[] = {1.0,
                                     4.2313330701600911252e+1,
                                     6.8718700749205790830e+2,
                                     5.3941960214247511077e+3,
                                     2.1213794301586595867e+4,
                                     3.9307895800092710610e+4,
                                     2.8729085735721942674e+4,
                                     5.2264952788528545610e+3};
constexpr double kMiddleTop[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                 5.76949722146069140550e0,  3.64784832476320460504e0,
                                 1.27045825245236838258e0,  2.41780725177450611770e-1,
                                 2.27238449892691845833e-2, 7.74545014278341407640e-4};
constexpr double kMiddleBottom[] = {1.0,
                                    2.05319162663775882187e0,
                                    1.67638483018380384940e0,
                                    6.89767334985100004550e-1,
                                    1.48103976427480074590e-1,
                                    1.51986665636164571966e-2,
                                    5.47593808499534494600e-4,
                                    1.05075007164441684324e-9};
constexpr double kFarTop[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                              1.78482653991729133580e0,  2.96560571828504891230e-1,
                              2.65321895265761230930e-2, 1.24266094738807843860e-3,
                              2.71155556874348757815e-5, 2.01033439929228813265e-7};
constexpr double kFarBottom[] = {1.0,
                                 5.99832206555887937690e-1,
                                 1.36929880922735805310e-1,
                                 1.48753612908506148525e-2,
                                 7.86869131145613259100e-4,
                                 1.84631831751005468180e-5,
                                 1.42151175831644588870e-7,
                                 2.04426310338993978564e-15};

// The quantile of a probability of at most one half.
double LowerQuantile(double probability) {
  const double centred = probability - 0.5;
  double x;
  if (std::abs(centred) <= 0.425) {
    x = centred * Ratio(kCentralTop, kCentralBottom, 0.180625 - centred * centred);
  } else {
    const double root = std::sqrt(-std::log(probability));
    x = -(root <= 5 ? Ratio(kMiddleTop, kMiddleBottom, root - 1.6)
                    : Ratio(kFarTop, kFarBottom, root - 5));
  }
  // Halley's method on log P, which is smooth where P itself underflows; it mends the last digits.
  const double log_cdf = NormalLogCdf(x);
  const double error = log_cdf - std::log(probability);
  const double hazard = std::exp(-x * x / 2 - kHalfLogTwoPi - log_cdf);
  return x - error / (hazard + error * (x + hazard) / 2);
}

}  // namespace

double NormalCdf(double x) {
  CHECK(!std::isnan(x));
  return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}

double NormalLogCdf(double x) {
  CHECK(!std::isnan(x));
  if (x > 0) return std::log1p(-NormalCdf(-x));
  if (x > -36) return std::log(NormalCdf(x));
  // phi(x) / -x (1 - 1 / x^2 + 3 / x^4 - 15 / x^6 ...), whose terms fall by 1 / 100 and more here.
  const double inverse = 1 / (x * x);
  double sum = 0;
  for (int k = 8; k >= 1; --k) sum = -(2 * k - 1) * inverse * (1 + sum);
  return -x * x / 2 - kHalfLogTwoPi - std::log(-x) + std::log1p(sum);
}

double NormalQuantile(double probability) {
  CHECK(probability > 0 && probability < 1) << "probability = " << probability;
  if (probability == 0.5) return 0;
  // 1 - probability is exact from one half up.
  return probability < 0.5 ? LowerQuantile(probability) : -LowerQuantile(1 - probability);
}

}  // namespace perennial::stats
