#include "causal/data/dirichlet.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

// E[G^k] of Gamma(a, 1) is a (a + 1) .. (a + k - 1), its variance by that of order 2 k.
TEST(LogGammaVariate, MomentsAreThoseOfTheGammaDistribution) {
  random::Stream stream(1);
  const int n = 100000;
  for (const double shape : {0.3, 0.9, 1.0, 2.5, 30.0}) {
    double sum[3] = {};
    for (int i = 0; i < n; ++i) {
      const double value = std::exp(LogGammaVariate(shape, stream));
      sum[0] += value;
      sum[1] += value * value;
      sum[2] += value * value * value;
    }
    const auto moment = [&](int order) {
      double product = 1;
      for (int k = 0; k < order; ++k) product *= shape + k;
      return product;
    };
    for (int k = 1; k <= 3; ++k) {
      const double variance = moment(2 * k) - moment(k) * moment(k);
      EXPECT_NEAR(sum[k - 1] / n, moment(k), 4 * std::sqrt(variance / n))
          << "shape " << shape << ", order " << k;
    }
  }
}

// E[log G] of a tiny shape a is digamma(a) = -1 / a + digamma(1 + a), about -1 / a - 0.577.
TEST(LogGammaVariate, IsFiniteWhereTheVariateIsNot) {
  random::Stream stream(2);
  double sum = 0;
  const int n = 20000;
  for (int i = 0; i < n; ++i) {
    const double value = LogGammaVariate(1e-3, stream);
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
  }
  // Its variance is the trigamma function, about 1 / a^2.
  EXPECT_NEAR(sum / n, -1000 - 0.5756, 4 * 1000 / std::sqrt(n));
}

TEST(DrawDirichlet, SharesAreThoseOfTheSymmetricDistribution) {
  random::Stream stream(3);
  const int n = 20000;
  const int k = 5;
  for (const double concentration : {0.1, 1.0, 8.0}) {
    std::vector<double> shares(k);
    std::vector<double> sum(k);
    double squares = 0;
    double fourth = 0;
    for (int i = 0; i < n; ++i) {
      DrawDirichlet(concentration, stream, shares);
      double total = 0;
      double square = 0;
      for (int j = 0; j < k; ++j) {
        ASSERT_GE(shares[j], 0);
        total += shares[j];
        sum[j] += shares[j];
        square += shares[j] * shares[j];
      }
      ASSERT_NEAR(total, 1, 1e-14);
      squares += square;
      fourth += square * square;
    }
    const double a0 = k * concentration;
    const double variance = (1.0 / k) * (1 - 1.0 / k) / (a0 + 1);
    for (int j = 0; j < k; ++j) {
      EXPECT_NEAR(sum[j] / n, 1.0 / k, 4.5 * std::sqrt(variance / n)) << concentration;
    }
    // E[sum of squares] = (a + 1) / (k a + 1).
    const double mean = squares / n;
    EXPECT_NEAR(mean, (concentration + 1) / (a0 + 1),
                4.5 * std::sqrt((fourth / n - mean * mean) / n))
        << concentration;
  }
}

TEST(DrawDirichlet, StaysOnTheSimplexWithATinyConcentration) {
  random::Stream stream(4);
  std::vector<double> shares(10);
  for (int i = 0; i < 1000; ++i) {
    DrawDirichlet(1e-3, stream, shares);
    double total = 0;
    for (const double share : shares) total += share;
    ASSERT_NEAR(total, 1, 1e-14);
  }
}

}  // namespace
}  // namespace perennial::causal
