#include "common/stats/noncentral_t.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/base/logging.h"
#include "common/stats/normal.h"

namespace perennial::stats {
namespace {

constexpr double kHalfLogTwoPi = 0.91893853320467274178;
// exp(-kReach) is below the rounding of a sum.
constexpr double kReach = 45;

// The density of u = log s up to a factor, s = sqrt(V / f); its greatest value is 1, at u = 0.
double LogDensity(double u, double f) { return f * (u - std::expm1(2 * u) / 2); }

// The integrals below are of functions that are log-concave in s, hence have one peak in u.
struct Integral {
  double log_scale;
  double sum;  // the integral is exp(log_scale) * sum
};

template <typename LogFunction>
double Edge(LogFunction log_function, double peak, double direction) {
  const double floor = log_function(peak) - kReach;
  double step = 1e-9;
  while (log_function(peak + direction * step) > floor) step *= 2;
  double inside = step / 2;
  double outside = step;
  for (int i = 0; i < 8; ++i) {
    const double middle = (inside + outside) / 2;
    (log_function(peak + direction * middle) > floor ? inside : outside) = middle;
  }
  return peak + direction * outside;
}

template <typename LogFunction>
Integral Integrate(LogFunction log_function, double peak) {
  const double scale = log_function(peak);
  const double left = Edge(log_function, peak, -1);
  const double right = Edge(log_function, peak, 1);
  const auto function = [&](double u) { return std::exp(log_function(u) - scale); };
  constexpr int kFirstIntervals = 64;
  int intervals = kFirstIntervals;
  double step = (right - left) / intervals;
  double sum = 0;
  // The ends are nothing.
  for (int i = 1; i < intervals; ++i) sum += function(left + i * step);
  double previous = sum * step;
  // Twice in a row, since once may be chance; the bound is far beyond what a narrow peak needs.
  for (int agreed = 0; agreed < 2 && intervals < (1 << 22); intervals *= 2) {
    for (int i = 0; i < intervals; ++i) sum += function(left + (i + 0.5) * step);
    step /= 2;
    const double refined = sum * step;
    agreed = std::abs(refined - previous) <= 1e-13 * refined ? agreed + 1 : 0;
    previous = refined;
  }
  return {scale, previous};
}

}  // namespace

double NoncentralTCdf(double t, double degrees_of_freedom, double delta) {
  const double f = degrees_of_freedom;
  CHECK(f > 0 && std::isfinite(f)) << "degrees of freedom = " << f;
  CHECK(!std::isnan(t) && std::isfinite(delta)) << "t = " << t << ", delta = " << delta;
  if (std::isinf(t)) return t > 0 ? 1 : 0;
  if (t == 0) return NormalCdf(-delta);

  const auto log_integrand = [&](double u) {
    return LogDensity(u, f) + NormalLogCdf(t * std::exp(u) - delta);
  };
  // The derivative of it by u, which falls through zero once.
  const auto slope = [&](double u) {
    const double x = t * std::exp(u) - delta;
    const double hazard = std::exp(-x * x / 2 - kHalfLogTwoPi - NormalLogCdf(x));
    return -f * std::expm1(2 * u) + t * std::exp(u) * hazard;
  };
  double low = 0;
  double high = 0;
  if (t > 0) {
    for (double step = 1e-3; slope(high) > 0; step *= 2) high += step;
  } else {
    for (double step = 1e-3; slope(low) < 0; step *= 2) low -= step;
  }
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (slope(middle) > 0 ? low : high) = middle;
  }
  const double peak = (low + high) / 2;
  // Smaller than every double, and than what the logarithms resolve.
  if (!(log_integrand(peak) > -1000)) return 0;

  const Integral above = Integrate(log_integrand, peak);
  const Integral whole = Integrate([&](double u) { return LogDensity(u, f); }, 0);
  return std::min(1.0, std::exp(above.log_scale - whole.log_scale) * (above.sum / whole.sum));
}

}  // namespace perennial::stats
