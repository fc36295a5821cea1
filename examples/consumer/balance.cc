// How far apart treated and control units are: Wasserstein's distance of their outcomes, and the
// squared maximum mean discrepancy of their covariates, with its gradient.

#include <cstdio>
#include <vector>

#include "causal/balance/discrepancy.h"
#include "causal/balance/wasserstein.h"

namespace causal = perennial::causal;

int main() {
  const std::vector<double> treated = {2.1, 3.4, 2.9};
  const std::vector<double> control = {1.0, 1.9, 2.2, 0.7};
  causal::Wasserstein1d<double> w1(causal::WassersteinKind::kW1, 3, 4);
  std::printf("W1   %.4f\n",
              w1.Evaluate(causal::AsColumn<const double>(treated),
                          causal::AsColumn<const double>(control), /*scale=*/0, {}, {}));

  // Two covariates of each unit, row by row.
  const std::vector<double> x = {1.0, 0.2, 1.4, -0.3, 0.8, 0.5};
  const std::vector<double> y = {0.1, 0.0, -0.4, 0.3, 0.2, -0.6, 0.5, 0.1};
  std::vector<double> gradient(x.size());
  causal::Discrepancy<double> mmd({.kind = causal::DiscrepancyKind::kRbf, .bandwidth = 1}, 3, 4, 2);
  const double squared = mmd.Evaluate({x.data(), 3, 2, 2}, {y.data(), 4, 2, 2}, /*scale=*/1,
                                      {gradient.data(), 3, 2, 2}, {});
  std::printf("MMD2 %.4f, gradient at the first treated unit (%+.4f, %+.4f)\n", squared,
              gradient[0], gradient[1]);
  return 0;
}
