#include "causal/balance/wasserstein.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "common/kernels/aligned.h"
#include "common/random/stream.h"
#include "common/testing/gradient_check.h"
#include "common/testing/mutation.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::DoubleEq;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsNan;

constexpr WassersteinKind kKinds[] = {WassersteinKind::kW1, WassersteinKind::kW2Squared};

template <typename T>
struct Answer {
  double value = 0;
  std::vector<T> x, y;  // The gradients.
};

template <typename T>
Answer<T> Evaluate(WassersteinKind kind, const std::vector<T>& x, const std::vector<T>& y,
                   const std::vector<T>& a = {}, const std::vector<T>& b = {}) {
  Answer<T> answer = {0, std::vector<T>(x.size()), std::vector<T>(y.size())};
  Wasserstein1d<T> distance(kind, std::ssize(x), std::ssize(y));
  answer.value = distance.Evaluate(AsColumn<const T>(x), AsColumn<const T>(y), 1,
                                   AsColumn<T>(answer.x), AsColumn<T>(answer.y), a, b);
  return answer;
}

std::vector<double> Normals(random::Stream& stream, int64_t count, double mean, double spread) {
  std::vector<double> values(count);
  for (double& value : values) value = mean + spread * stream.Normal();
  return values;
}

std::vector<double> Weights(random::Stream& stream, int64_t count) {
  std::vector<double> values(count);
  for (double& value : values) value = stream.Uniform(0.1, 3);
  return values;
}

double Cost(WassersteinKind kind, double difference) {
  return kind == WassersteinKind::kW1 ? std::abs(difference) : difference * difference;
}

struct Row {
  std::vector<double> x, y, a, b;
  double w1, w2_squared;
};

TEST(Wasserstein1d, AgreesWithPot) {
  const Row rows[] = {
#define PERENNIAL_WASSERSTEIN_ORACLE
#include "causal/balance/wasserstein_oracle.inc"
#undef PERENNIAL_WASSERSTEIN_ORACLE
  };
  for (const Row& row : rows) {
    EXPECT_NEAR(Evaluate(WassersteinKind::kW1, row.x, row.y, row.a, row.b).value, row.w1,
                1e-13 * (1 + row.w1));
    EXPECT_NEAR(Evaluate(WassersteinKind::kW2Squared, row.x, row.y, row.a, row.b).value,
                row.w2_squared, 1e-13 * (1 + row.w2_squared));
  }
}

// Of all ways to pair the rows, whichever order the implementation thinks best.
TEST(Wasserstein1d, IsTheLeastCostOfAllPairings) {
  random::Stream stream(1);
  for (const WassersteinKind kind : kKinds) {
    for (int trial = 0; trial < 5; ++trial) {
      const std::vector<double> x = Normals(stream, 6, 0, 1), y = Normals(stream, 6, 0.5, 2);
      std::vector<int> order(6);
      std::iota(order.begin(), order.end(), 0);
      double least = HUGE_VAL;
      do {
        double cost = 0;
        for (int i = 0; i < 6; ++i) cost += Cost(kind, x[i] - y[order[i]]) / 6;
        least = std::min(least, cost);
      } while (std::next_permutation(order.begin(), order.end()));
      EXPECT_NEAR(Evaluate(kind, x, y).value, least, 1e-14 * (1 + least));
    }
  }
}

TEST(Wasserstein1d, OfEqualSizesPairsTheSorted) {
  random::Stream stream(2);
  for (const WassersteinKind kind : kKinds) {
    std::vector<double> x = Normals(stream, 80, 0, 1), y = Normals(stream, 80, 0.5, 2);
    const double value = Evaluate(kind, x, y).value;
    std::sort(x.begin(), x.end());
    std::sort(y.begin(), y.end());
    double expected = 0;
    for (int i = 0; i < 80; ++i) expected += Cost(kind, x[i] - y[i]) / 80;
    EXPECT_NEAR(value, expected, 1e-14 * (1 + expected));
  }
}

// Of all magnitudes and both signs, with zeros of both, and many equal: what a sort by digits could
// get wrong. The oracle sorts by comparisons.
template <typename T>
void ExpectLargeSamplesAreSorted() {
  random::Stream stream(6);
  std::vector<T> x, y;
  for (int i = 0; i < 3000; ++i) {
    for (std::vector<T>* values : {&x, &y}) {
      const double size = std::pow(10.0, stream.Uniform(-30, 5));
      const double value = stream.Uniform() < 0.5 ? -size : size;
      values->push_back(static_cast<T>(i % 7 == 0   ? -0.0
                                       : i % 7 == 1 ? 0.0
                                       : i % 7 == 2 ? std::round(10 * stream.Normal())
                                                    : value));
    }
  }
  const Answer<T> answer = Evaluate<T>(WassersteinKind::kW1, x, y);
  std::vector<T> sorted_x = x, sorted_y = y;
  std::ranges::sort(sorted_x);
  std::ranges::sort(sorted_y);
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += std::abs(double{sorted_x[i]} - double{sorted_y[i]});
  EXPECT_NEAR(answer.value, sum / std::ssize(x), 1e-10 * answer.value);
  // Each row of a value has the pull of that value: the sum of a row's neighbours in the order.
  for (size_t i = 0; i < x.size(); ++i) {
    const auto [first, last] = std::ranges::equal_range(sorted_x, x[i]);
    double pull = 0;
    for (auto at = first; at != last; ++at) {
      const T other = sorted_y[at - sorted_x.begin()];
      pull += *at > other ? 1 : *at < other ? -1 : 0;
    }
    ASSERT_NEAR(answer.x[i], pull / (last - first) / std::ssize(x), 1e-9) << i;
  }
}

TEST(Wasserstein1d, OfLargeSamplesPairsTheSorted) {
  ExpectLargeSamplesAreSorted<float>();
  ExpectLargeSamplesAreSorted<double>();
}

TEST(Wasserstein1d, OfUnequalSizesIsThatOfCopiesInEqualNumber) {
  random::Stream stream(3);
  for (const WassersteinKind kind : kKinds) {
    for (const auto& [n, m] : {std::pair(1, 7), {3, 2}, {6, 4}, {20, 80}, {15, 35}}) {
      std::vector<double> x = Normals(stream, n, 0, 1), y = Normals(stream, m, 0.5, 2);
      const double value = Evaluate(kind, x, y).value;
      std::sort(x.begin(), x.end());
      std::sort(y.begin(), y.end());
      const int copies = std::lcm(n, m);
      double expected = 0;
      for (int i = 0; i < copies; ++i) {
        expected += Cost(kind, x[i / (copies / n)] - y[i / (copies / m)]) / copies;
      }
      EXPECT_NEAR(value, expected, 1e-13 * (1 + expected));
    }
  }
}

TEST(Wasserstein1d, OfAShiftedSampleIsTheShift) {
  random::Stream stream(4);
  // Multiples of 1/8, so that the differences are exact.
  std::vector<double> x(37), y;
  for (double& value : x) value = std::round(8 * stream.Normal()) / 8;
  for (const double shift : {-2.5, 0.0, 0.125, 3.0}) {
    y = x;
    for (double& value : y) value += shift;
    stream.Shuffle(std::span<double>(y));
    EXPECT_EQ(Evaluate(WassersteinKind::kW1, x, y).value, std::abs(shift));
    EXPECT_EQ(Evaluate(WassersteinKind::kW2Squared, x, y).value, shift * shift);
    // With weights it takes rounding for the masses of a value to be equal on both sides.
    std::vector<double> shifted = x;
    for (double& value : shifted) value += shift;
    const std::vector<double> weights = Weights(stream, 37);
    EXPECT_NEAR(Evaluate(WassersteinKind::kW1, x, shifted, weights, weights).value, std::abs(shift),
                1e-14);
  }
}

TEST(Wasserstein1d, WholeWeightsAreRepeatedRows) {
  random::Stream stream(5);
  for (const WassersteinKind kind : kKinds) {
    const std::vector<double> x = Normals(stream, 9, 0, 1), y = Normals(stream, 5, 0.5, 2);
    std::vector<double> weights, repeated;
    std::vector<int> source;
    for (int i = 0; i < 9; ++i) {
      weights.push_back((i + 3) % 4);
      for (int k = 0; k < weights.back(); ++k) {
        repeated.push_back(x[i]);
        source.push_back(i);
      }
    }
    const Answer<double> weighted = Evaluate(kind, x, y, weights);
    const Answer<double> expected = Evaluate(kind, repeated, y);
    EXPECT_NEAR(weighted.value, expected.value, 1e-14 * (1 + expected.value));
    std::vector<double> summed(9);
    for (size_t i = 0; i < source.size(); ++i) summed[source[i]] += expected.x[i];
    for (int i = 0; i < 9; ++i) EXPECT_NEAR(weighted.x[i], summed[i], 1e-13);
    for (int j = 0; j < 5; ++j) EXPECT_NEAR(weighted.y[j], expected.y[j], 1e-13);
  }
}

TEST(Wasserstein1d, GradientIsTheDerivative) {
  random::Stream stream(6);
  for (const WassersteinKind kind : kKinds) {
    for (const auto& [n, m] : {std::pair(1, 1), {5, 5}, {4, 9}, {20, 7}}) {
      for (const bool weighted : {false, true}) {
        std::vector<double> point = Normals(stream, n + m, 0, 1);
        const std::vector<double> a = weighted ? Weights(stream, n) : std::vector<double>();
        const std::vector<double> b = weighted ? Weights(stream, m) : std::vector<double>();
        const auto value = [&, size = n](std::span<const double> at) {
          return Evaluate<double>(kind, {at.begin(), at.begin() + size},
                                  {at.begin() + size, at.end()}, a, b);
        };
        Answer<double> answer = value(point);
        answer.x.insert(answer.x.end(), answer.y.begin(), answer.y.end());
        EXPECT_LT(testing::GradientError(
                      [&](std::span<const double> at) { return value(at).value; }, point, answer.x,
                      /*step=*/1e-6),
                  1e-8);
      }
    }
  }
}

TEST(Wasserstein1d, EqualValuesShareTheirGradient) {
  // The masses of the two zeros are moved to -2 and 4: together the derivative is that of both.
  const std::vector<double> x = {0, 5, 0}, y = {4, -2, 7};
  const Answer<double> squared = Evaluate(WassersteinKind::kW2Squared, x, y);
  EXPECT_THAT(squared.x, ElementsAre(DoubleEq(-2.0 / 3), DoubleEq(-4.0 / 3), DoubleEq(-2.0 / 3)));
  EXPECT_THAT(squared.y, ElementsAre(DoubleEq(8.0 / 3), DoubleEq(-4.0 / 3), DoubleEq(4.0 / 3)));
  const Answer<double> absolute = Evaluate(WassersteinKind::kW1, x, y);
  EXPECT_THAT(absolute.x, ElementsAre(0, DoubleEq(-1.0 / 3), 0));

  // A tie of any weights, moved as one.
  random::Stream stream(7);
  for (const WassersteinKind kind : kKinds) {
    std::vector<double> many = Normals(stream, 12, 0, 1);
    const std::vector<double> other = Normals(stream, 7, 0, 1), a = Weights(stream, 12);
    for (const int i : {2, 3, 8}) many[i] = 0.1;
    const auto moved = [&](double by) {
      std::vector<double> at = many;
      for (const int i : {2, 3, 8}) at[i] += by;
      return Evaluate(kind, at, other, a).value;
    };
    const Answer<double> answer = Evaluate(kind, many, other, a);
    EXPECT_NEAR(answer.x[2] + answer.x[3] + answer.x[8], (moved(1e-6) - moved(-1e-6)) / 2e-6, 1e-8);
    EXPECT_NEAR(answer.x[2] / a[2], answer.x[3] / a[3], 1e-14);
    EXPECT_NEAR(answer.x[2] / a[2], answer.x[8] / a[8], 1e-14);
  }
}

TEST(Wasserstein1d, OfEqualSamplesIsZeroWithoutGradient) {
  random::Stream stream(8);
  for (const WassersteinKind kind : kKinds) {
    const std::vector<double> x = Normals(stream, 23, 0, 1);
    std::vector<double> y = x;
    stream.Shuffle(std::span<double>(y));
    const Answer<double> answer = Evaluate(kind, x, y);
    EXPECT_EQ(answer.value, 0);
    EXPECT_THAT(answer.x, Each(0.0));
    EXPECT_THAT(answer.y, Each(0.0));
  }
}

TEST(Wasserstein1d, OrderOfRowsChangesNoBit) {
  random::Stream stream(9);
  for (const WassersteinKind kind : kKinds) {
    for (const bool weighted : {false, true}) {
      std::vector<double> x = Normals(stream, 30, 0, 1), y = Normals(stream, 17, 0.5, 2);
      // Ties within a sample, of different weights, and between the samples.
      for (int i = 0; i < 30; i += 3) x[i] = std::round(x[i]);
      for (int i = 0; i < 17; i += 2) y[i] = std::round(y[i]);
      const std::vector<double> a = weighted ? Weights(stream, 30) : std::vector<double>();
      const Answer<double> answer = Evaluate(kind, x, y, a);
      std::vector<int32_t> order(30);
      std::iota(order.begin(), order.end(), 0);
      for (int trial = 0; trial < 10; ++trial) {
        stream.Shuffle(std::span<int32_t>(order));
        std::vector<double> x2, a2;
        for (const int32_t i : order) {
          x2.push_back(x[i]);
          if (weighted) a2.push_back(a[i]);
        }
        const Answer<double> again = Evaluate(kind, x2, y, a2);
        EXPECT_EQ(again.value, answer.value);
        EXPECT_EQ(again.y, answer.y);
        for (int i = 0; i < 30; ++i) EXPECT_EQ(again.x[i], answer.x[order[i]]);
      }
    }
  }
}

TEST(Wasserstein1d, OfFloatsIsThatOfTheSameDoubles) {
  random::Stream stream(10);
  for (const WassersteinKind kind : kKinds) {
    std::vector<float> x, y;
    for (const double value : Normals(stream, 20, 100, 1)) x.push_back(static_cast<float>(value));
    for (const double value : Normals(stream, 80, 101, 2)) y.push_back(static_cast<float>(value));
    const Answer<float> single = Evaluate(kind, x, y);
    const Answer<double> twice = Evaluate<double>(kind, {x.begin(), x.end()}, {y.begin(), y.end()});
    EXPECT_EQ(single.value, twice.value);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(single.x[i], static_cast<float>(twice.x[i]));
    for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(single.y[i], static_cast<float>(twice.y[i]));
  }
}

TEST(Wasserstein1d, GradientsAreScaledAndAddedWhereWanted) {
  // Columns of matrices with more of them.
  std::vector<double> x = {1, -9, 3, -9}, y = {2, 6, -9, -9, -9, -9};
  std::vector<double> gradient = {10, 20, 30, 40};
  Wasserstein1d<double> distance(WassersteinKind::kW2Squared, 5, 5);
  const kernels::MatrixView<const double> column = {x.data(), 2, 1, 2}, other = {y.data(), 2, 1, 1};
  const double value = distance.Evaluate(column, other, 3, {gradient.data(), 2, 1, 2}, {});
  EXPECT_EQ(value, 5);
  EXPECT_THAT(gradient, ElementsAre(10 - 3, 20, 30 - 9, 40));
  EXPECT_EQ(distance.Evaluate(column, other, 3, {}, {gradient.data() + 1, 2, 1, 2}), 5);
  EXPECT_THAT(gradient, ElementsAre(7, 20 + 3, 21, 40 + 9));
}

TEST(Wasserstein1d, OfAnEmptySampleIsZero) {
  const std::vector<double> some = {1, 2}, zeros = {0, 0};
  for (const WassersteinKind kind : kKinds) {
    EXPECT_EQ(Evaluate(kind, some, {}).value, 0);
    EXPECT_THAT(Evaluate(kind, some, {}).x, Each(0.0));
    EXPECT_EQ(Evaluate<double>(kind, {}, {}).value, 0);
    const Answer<double> weightless = Evaluate(kind, some, {5.0}, zeros);
    EXPECT_EQ(weightless.value, 0);
    EXPECT_THAT(weightless.x, Each(0.0));
    EXPECT_THAT(weightless.y, Each(0.0));
  }
}

TEST(Wasserstein1d, WhatIsNotFiniteMakesItNan) {
  for (const WassersteinKind kind : kKinds) {
    for (const double bad : {-HUGE_VAL, HUGE_VAL, std::nan("")}) {
      const Answer<double> answer = Evaluate<double>(kind, {1, 2, 3}, {1, bad});
      EXPECT_THAT(answer.value, IsNan());
      EXPECT_THAT(answer.x, Each(IsNan()));
      EXPECT_THAT(answer.y, Each(IsNan()));
    }
    EXPECT_THAT(Evaluate<double>(kind, {1, 2}, {3}, {1, NAN}).value, IsNan());
    EXPECT_THAT(Evaluate<double>(kind, {1, 2}, {3}, {1, HUGE_VAL}).value, IsNan());
    constexpr double kMost = std::numeric_limits<double>::max();
    EXPECT_THAT(Evaluate<double>(kind, {1, 2}, {3}, {kMost, kMost}).value, IsNan());
  }
}

TEST(Wasserstein1d, MemoryIsTakenOnce) {
  random::Stream stream(11);
  const std::vector<double> x = Normals(stream, 80, 0, 1), y = Normals(stream, 20, 0, 1);
  std::vector<double> gradient_x(80), gradient_y(20);
  Wasserstein1d<double> distance(WassersteinKind::kW1, 80, 20);
  EXPECT_EQ(testing::PeakAllocation([&] {
              distance.Evaluate(AsColumn<const double>(x), AsColumn<const double>(y), 1,
                                AsColumn<double>(gradient_x), AsColumn<double>(gradient_y));
            }),
            0);
  const int64_t bytes =
      testing::PeakAllocation([] { Wasserstein1d<double>(WassersteinKind::kW1, 800, 200); });
  EXPECT_GE(bytes, Wasserstein1d<double>::Bytes(800, 200));
  EXPECT_LE(bytes, Wasserstein1d<double>::Bytes(800, 200) + 64);
}

TEST(Wasserstein1dDeathTest, NegativeWeightsAreRefused) {
  EXPECT_DEATH(Evaluate<double>(WassersteinKind::kW1, {1, 2}, {3}, {1, -1}),
               "the weight of row 1 is -1");
}

}  // namespace
}  // namespace perennial::causal
