#include "causal/diagnostics/uplift.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

struct RateRow {
  std::vector<double> priority, scores;
  double autoc, qini, gain_of_half;
};

TEST(Rate, AgreesWithNumpy) {
  const RateRow rows[] = {
#define PERENNIAL_RATE_ORACLE
#include "causal/diagnostics/diagnostics_oracle.inc"
#undef PERENNIAL_RATE_ORACLE
  };
  for (const RateRow& row : rows) {
    const auto rate = RateOf(row.priority, row.scores, {}, {}, random::Stream(1));
    ASSERT_TRUE(rate.ok()) << rate.status();
    EXPECT_NEAR(rate->autoc.value, row.autoc, 1e-13);
    EXPECT_NEAR(rate->qini.value, row.qini, 1e-13);
    const auto curve = QiniCurve(row.priority, row.scores, 2);
    EXPECT_NEAR((*curve)[1].gain, row.gain_of_half, 1e-13);
  }
}

TEST(Rate, IsThatOfAnExampleByHand) {
  const std::vector<double> priority = {4, 1, 3, 2};
  const std::vector<double> scores = {5, -1, 3, 1};
  // TOC: 5 - 2, 4 - 2, 3 - 2, 0.
  const auto rate = RateOf(priority, scores, {}, {}, random::Stream(1));
  EXPECT_DOUBLE_EQ(rate->autoc.value, (3 + 2 + 1) / 4.0);
  EXPECT_DOUBLE_EQ(rate->qini.value, (3 * 0.25 + 2 * 0.5 + 1 * 0.75) / 4);
  // With all equal there is no order, and nothing to gain from one.
  const auto none = RateOf(std::vector<double>(4, 1), scores, {}, {}, random::Stream(1));
  EXPECT_NEAR(none->autoc.value, 0, 1e-15);
  EXPECT_NEAR(none->autoc.standard_error, 0, 1e-15);
}

TEST(Rate, OfTheOppositeOrderHasTheOppositeQini) {
  random::Stream stream(2);
  std::vector<double> priority(50);
  std::vector<double> opposite(50);
  std::vector<double> scores(50);
  for (int i = 0; i < 50; ++i) {
    priority[i] = static_cast<double>(stream.Below(20));
    opposite[i] = -priority[i];
    scores[i] = stream.Normal();
  }
  const auto a = RateOf(priority, scores, {}, {}, random::Stream(3));
  const auto b = RateOf(opposite, scores, {}, {}, random::Stream(3));
  EXPECT_NEAR(a->qini.value, -b->qini.value, 1e-13);
}

TEST(Rate, QiniIsTheAreaBetweenTheCurveAndItsChord) {
  random::Stream stream(4);
  std::vector<double> priority(40);
  std::vector<double> scores(40);
  for (int i = 0; i < 40; ++i) {
    priority[i] = static_cast<double>(stream.Below(15));
    scores[i] = priority[i] / 10 + stream.Normal();
  }
  const auto curve = QiniCurve(priority, scores, 40);
  ASSERT_EQ(curve->size(), 41u);
  EXPECT_EQ(curve->front().gain, 0);
  const double all = curve->back().gain;
  double area = 0;
  for (size_t k = 1; k <= 40; ++k) {
    EXPECT_DOUBLE_EQ((*curve)[k].share, static_cast<double>(k) / 40);
    area += ((*curve)[k].gain - (*curve)[k].share * all) / 40;
  }
  const auto rate = RateOf(priority, scores, {}, {}, random::Stream(5));
  EXPECT_NEAR(rate->qini.value, area, 1e-13);
}

// Scores of mean tau = priority - 1/2 with priorities uniform in [0, 1]: TOC(u) = (1 - u) / 2, so
// that AUTOC is 1/4 and Qini 1/12. Units of a cluster share both.
struct Data {
  std::vector<double> priority;
  std::vector<double> scores;
  std::vector<int32_t> cluster;
};
Data Simulated(int n, int cluster_size, random::Stream stream) {
  Data data;
  for (int i = 0; i < n; ++i) {
    if (i % cluster_size == 0) {
      data.priority.push_back(stream.Uniform());
      data.scores.push_back(data.priority.back() - 0.5 + stream.Normal());
    } else {
      data.priority.push_back(data.priority.back());
      data.scores.push_back(data.scores.back());
    }
    data.cluster.push_back(i / cluster_size);
  }
  return data;
}

double StandardDeviation(const std::vector<double>& values) {
  const double n = static_cast<double>(values.size());
  double mean = 0;
  for (const double value : values) mean += value / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / (n - 1));
}

TEST(Rate, IntervalsCoverTheTruthAndErrorsAreThoseOfNewSamples) {
  int autoc = 0;
  int qini = 0;
  std::vector<double> autocs;
  std::vector<double> qinis;
  double autoc_error = 0;
  double qini_error = 0;
  const int trials = 400;
  for (int r = 0; r < trials; ++r) {
    const random::Stream stream = random::Stream(6).Split(r);
    const Data data = Simulated(300, 1, stream.Split("data"));
    const auto rate = RateOf(data.priority, data.scores, {}, {}, stream.Split("rate"));
    autoc += rate->autoc.low <= 0.25 && 0.25 <= rate->autoc.high ? 1 : 0;
    qini += rate->qini.low <= 1 / 12.0 && 1 / 12.0 <= rate->qini.high ? 1 : 0;
    autocs.push_back(rate->autoc.value);
    qinis.push_back(rate->qini.value);
    autoc_error += rate->autoc.standard_error / trials;
    qini_error += rate->qini.standard_error / trials;
  }
  // Four standard deviations of a share of 400, and what 200 resamples and 300 units cost.
  EXPECT_NEAR(autoc / 400.0, 0.95, 0.055);
  EXPECT_NEAR(qini / 400.0, 0.95, 0.055);
  // A standard deviation of 400 values is known to 3.5 %.
  EXPECT_NEAR(StandardDeviation(autocs) / autoc_error, 1, 0.14);
  EXPECT_NEAR(StandardDeviation(qinis) / qini_error, 1, 0.14);
}

TEST(Rate, ClustersThatAreCopiesHaveTheErrorOfTheirNumber) {
  const Data single = Simulated(200, 1, random::Stream(7));
  const Data copies = Simulated(1000, 5, random::Stream(7));
  const RateOptions options = {.resamples = 1000};
  const auto a = RateOf(single.priority, single.scores, {}, options, random::Stream(8));
  const auto b = RateOf(copies.priority, copies.scores, copies.cluster, options, random::Stream(8));
  const auto untold = RateOf(copies.priority, copies.scores, {}, options, random::Stream(8));
  EXPECT_NEAR(b->qini.standard_error, a->qini.standard_error, 0.05 * a->qini.standard_error);
  EXPECT_LT(untold->qini.standard_error, 0.6 * a->qini.standard_error);
}

TEST(Rate, IsAFunctionOfTheStream) {
  const Data data = Simulated(60, 1, random::Stream(9));
  const auto error = [&](uint64_t seed) {
    return RateOf(data.priority, data.scores, {}, {}, random::Stream(seed))->autoc.standard_error;
  };
  EXPECT_EQ(error(1), error(1));
  EXPECT_NE(error(1), error(2));
}

TEST(GainCurve, IsTheQiniCurveAtWholeUnits) {
  const Data data = Simulated(60, 1, random::Stream(3));
  const auto curve = GainCurve(data.priority, data.scores, {}, 20);
  const auto qini = QiniCurve(data.priority, data.scores, 20);
  ASSERT_TRUE(curve.ok()) << curve.status();
  ASSERT_EQ(curve->size(), 21u);
  for (size_t k = 0; k <= 20; ++k) {
    EXPECT_NEAR((*curve)[k].share, (*qini)[k].share, 1e-12);
    EXPECT_NEAR((*curve)[k].gain.value, (*qini)[k].gain, 1e-12);
  }
}

TEST(GainCurve, HasTheIntervalOfThePolicyThatTreatsTheFirst) {
  const Data data = Simulated(80, 1, random::Stream(4));
  std::vector<double> sorted = data.priority;
  std::ranges::sort(sorted, std::greater<>());
  for (const bool clustered : {false, true}) {
    std::vector<int32_t> cluster;
    for (int32_t i = 0; clustered && i < 80; ++i) cluster.push_back(i / 4);
    const auto curve = GainCurve(data.priority, data.scores, cluster, 4, 0.9);
    for (const int quarter : {1, 2, 3}) {
      std::vector<double> effect = data.priority;
      for (double& tau : effect) tau -= sorted[20 * quarter];
      const auto policy = PolicyValueOf(effect, data.scores, cluster, 0, 0.9);
      const Estimate& gain = (*curve)[quarter].gain;
      EXPECT_NEAR(gain.value, policy->over_none.value, 1e-12);
      EXPECT_NEAR(gain.standard_error, policy->over_none.standard_error, 1e-12);
      EXPECT_NEAR(gain.low, policy->over_none.low, 1e-12);
      EXPECT_NEAR(gain.high, policy->over_none.high, 1e-12);
    }
    EXPECT_EQ(curve->front().gain.value, 0);
    EXPECT_EQ(curve->front().gain.standard_error, 0);
  }
}

TEST(GainCurve, OfEqualPrioritiesIsTheChord) {
  const std::vector<double> scores = {4, -2, 1, 3, 9};
  const auto curve = GainCurve(std::vector<double>(5, 1.5), scores, {}, 4);
  for (int k = 0; k <= 4; ++k) EXPECT_NEAR((*curve)[k].gain.value, 3 * k / 4.0, 1e-12);
  // Half of everybody: half of the deviation of the mean, sqrt(66 / (5 * 4)).
  EXPECT_NEAR((*curve)[2].gain.standard_error, std::sqrt(66 / 20.0) / 2, 1e-12);
}

TEST(PolicyValue, IsThatOfAnExampleByHand) {
  const std::vector<double> effect = {3, -1, 2, 0.5};
  const std::vector<double> scores = {4, -2, 1, 3};
  const auto value = PolicyValueOf(effect, scores, {}, /*cost=*/1);
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_DOUBLE_EQ(value->treated_share, 0.5);
  EXPECT_DOUBLE_EQ(value->over_none.value, (3 + 0) / 4.0);
  EXPECT_DOUBLE_EQ(value->over_all.value, (3 - 2) / 4.0);
  // Terms 3, 0, 0, 0: squares about 0.75 are 6.75, over n (n - 1) = 12.
  EXPECT_DOUBLE_EQ(value->over_none.standard_error, std::sqrt(6.75 / 12));
  EXPECT_NEAR(value->over_none.high, 0.75 + 1.959963984540054 * std::sqrt(6.75 / 12), 1e-13);
}

TEST(PolicyValue, OfTreatingAllOrNoneIsTheMeanScoreOrNothing) {
  const std::vector<double> scores = {4, -2, 1, 3};
  const auto all = PolicyValueOf(std::vector<double>(4, 1), scores, {});
  EXPECT_DOUBLE_EQ(all->over_none.value, 1.5);
  EXPECT_EQ(all->over_all.value, 0);
  EXPECT_EQ(all->over_all.standard_error, 0);
  // An effect of 0 is not worth treating.
  const auto none = PolicyValueOf(std::vector<double>(4, 0), scores, {});
  EXPECT_EQ(none->over_none.value, 0);
  EXPECT_DOUBLE_EQ(none->over_all.value, -1.5);
}

TEST(PolicyValue, IntervalsCoverTheTruth) {
  // Treats where priority > 1/2: E[(p - 1/2)^+] = 1/8.
  int covered = 0;
  for (int r = 0; r < 1000; ++r) {
    const Data data = Simulated(200, 1, random::Stream(10).Split(r));
    std::vector<double> effect = data.priority;
    for (double& tau : effect) tau -= 0.5;
    const auto value = PolicyValueOf(effect, data.scores, {});
    covered += value->over_none.low <= 0.125 && 0.125 <= value->over_none.high ? 1 : 0;
  }
  EXPECT_NEAR(covered / 1000.0, 0.95, 4 * 0.0069);
}

TEST(Uplift, NamesBadInput) {
  const std::vector<double> a = {1, 2, 3, 4};
  const std::vector<double> bad = {1, NAN, 3, 4};
  const std::vector<int32_t> cluster = {1, 1, 2, 3};
  const random::Stream stream(1);
  EXPECT_FALSE(RateOf(a, bad, {}, {}, stream).ok());
  EXPECT_FALSE(RateOf(a, a, {}, {.level = 2}, stream).ok());
  EXPECT_FALSE(QiniCurve(bad, a).ok());
  EXPECT_FALSE(PolicyValueOf(a, bad, {}).ok());
  EXPECT_FALSE(GainCurve(bad, a, {}, 10).ok());
  EXPECT_FALSE(PolicyValueOf(a, a, {}, INFINITY).ok());
  EXPECT_THAT(std::string(RateOf(a, a, cluster, {}, stream).status().message()),
              HasSubstr("there are 3 clusters; half-samples need at least 4"));
  EXPECT_THAT(std::string(RateOf(a, a, {}, {.resamples = 1}, stream).status().message()),
              HasSubstr("1 resamples"));
  EXPECT_THAT(std::string(PolicyValueOf(a, a, std::vector<int32_t>{1, 2}).status().message()),
              HasSubstr("2 clusters for 4 units"));
}

}  // namespace
}  // namespace perennial::causal
