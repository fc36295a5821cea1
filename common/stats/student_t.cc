#include "common/stats/student_t.h"

#include <cmath>
#include <limits>

#include "common/base/logging.h"

namespace perennial::stats {
namespace {

// The continued fraction of the incomplete beta function by Lentz's method; converges fast for
// x < (a + 1) / (a + b + 2).
double BetaFraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
  const auto away_from_zero = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1;
  double d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
  double fraction = d;
  // About sqrt(max(a, b)) terms are needed; the bound is far beyond that.
  for (int m = 1; m < 1000000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away_from_zero(1 + even * d);
    c = away_from_zero(1 + even / c);
    fraction *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away_from_zero(1 + odd * d);
    c = away_from_zero(1 + odd / c);
    fraction *= d * c;
    if (std::abs(d * c - 1) <= kEpsilon) break;
  }
  return fraction;
}

// The logarithm of the gamma function of a positive number; std::lgamma writes a global variable.
double LogGamma(double x) {
  int sign;
  return lgamma_r(x, &sign);
}

// I_x(a, b) with y = 1 - x given apart, since 1 - x loses digits where x is near 1.
double IncompleteBeta(double a, double b, double x, double y) {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  const double front =
      std::exp(LogGamma(a + b) - LogGamma(a) - LogGamma(b) + a * std::log(x) + b * std::log(y));
  // Each side has the fraction that converges faster: I_x(a, b) = 1 - I_y(b, a).
  if (x > (a + 1) / (a + b + 2)) return 1 - front * BetaFraction(b, a, y) / b;
  return front * BetaFraction(a, b, x) / a;
}

// P(T > t), t >= 0: small tails keep their digits.
double UpperTail(double t, double degrees_of_freedom) {
  const double square = t * t;
  const double sum = degrees_of_freedom + square;
  if (std::isinf(sum)) return 0;
  return 0.5 * IncompleteBeta(degrees_of_freedom / 2, 0.5, degrees_of_freedom / sum, square / sum);
}

}  // namespace

double RegularizedIncompleteBeta(double a, double b, double x) {
  CHECK(a > 0 && b > 0) << "a = " << a << ", b = " << b;
  CHECK(x >= 0 && x <= 1) << "x = " << x;
  return IncompleteBeta(a, b, x, 1 - x);
}

double StudentTCdf(double t, double degrees_of_freedom) {
  CHECK_GT(degrees_of_freedom, 0);
  CHECK(!std::isnan(t));
  return t < 0 ? UpperTail(-t, degrees_of_freedom) : 1 - UpperTail(t, degrees_of_freedom);
}

double StudentTQuantile(double probability, double degrees_of_freedom) {
  CHECK_GT(degrees_of_freedom, 0);
  CHECK(probability > 0 && probability < 1) << "probability = " << probability;
  if (probability == 0.5) return 0;
  const double tail = probability < 0.5 ? probability : 1 - probability;
  double low = 0;
  double high = 1;
  while (UpperTail(high, degrees_of_freedom) > tail) {
    low = high;
    high *= 2;
  }
  // Until the interval holds no double between its ends.
  while (true) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    (UpperTail(middle, degrees_of_freedom) > tail ? low : high) = middle;
  }
  return probability < 0.5 ? -low : low;
}

}  // namespace perennial::stats
