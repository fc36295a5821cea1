#include "causal/data/dirichlet.h"

#include <algorithm>
#include <cmath>

#include "common/base/logging.h"

namespace perennial::causal {

double LogGammaVariate(double shape, random::Stream& stream) {
  CHECK(shape > 0) << "shape = " << shape;
  if (shape < 1) {
    // In (0, 1], so that the logarithm is finite.
    const double u = 1 - stream.Uniform();
    return LogGammaVariate(shape + 1, stream) + std::log(u) / shape;
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = stream.Normal();
    const double base = 1 + c * x;
    const double u = 1 - stream.Uniform();
    if (base <= 0) continue;
    const double log_v = 3 * std::log(base);
    if (std::log(u) < x * x / 2 + d - d * base * base * base + d * log_v) {
      return std::log(d) + log_v;
    }
  }
}

void DrawDirichlet(double concentration, random::Stream& stream, std::span<double> shares) {
  CHECK(!shares.empty());
  for (double& share : shares) share = LogGammaVariate(concentration, stream);
  const double largest = *std::ranges::max_element(shares);
  double sum = 0;
  for (double& share : shares) sum += share = std::exp(share - largest);
  for (double& share : shares) share /= sum;
}

}  // namespace perennial::causal
