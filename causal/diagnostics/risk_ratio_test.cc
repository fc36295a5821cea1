#include "causal/diagnostics/risk_ratio.h"

#include <cmath>
#include <string>
#include <vector>

#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

struct Data {
  std::vector<int32_t> treatment;
  std::vector<double> outcome;
  Predictions predictions;
  std::vector<int32_t> cluster = {};
  Sample sample() const {
    return {.treatment = treatment, .outcome = outcome, .binary_outcome = true, .cluster = cluster};
  }
};

// A table of two by two; what is known of units is their arm alone.
Data Table(int treated_events, int treated, int control_events, int control) {
  Data data;
  const double n = treated + control;
  data.predictions.outcome.resize(2);
  data.predictions.propensity.resize(2);
  for (int i = 0; i < treated + control; ++i) {
    const bool is_treated = i < treated;
    data.treatment.push_back(is_treated ? 1 : 0);
    data.outcome.push_back((is_treated ? i < treated_events : i - treated < control_events) ? 1
                                                                                            : 0);
    data.predictions.outcome[0].push_back(control_events / static_cast<double>(control));
    data.predictions.outcome[1].push_back(treated_events / static_cast<double>(treated));
    data.predictions.propensity[0].push_back(control / n);
    data.predictions.propensity[1].push_back(treated / n);
  }
  return data;
}

TEST(RiskRatio, WithoutCovariatesHasTheIntervalOfKatz) {
  const Data data = Table(30, 100, 20, 150);
  const auto ratio = RiskRatioOf(data.sample(), data.predictions, 1);
  ASSERT_TRUE(ratio.ok()) << ratio.status();
  ASSERT_TRUE(ratio->has_value());
  const double value = (30.0 / 100) / (20.0 / 150);
  EXPECT_NEAR((*ratio)->value, value, 1e-12);
  EXPECT_NEAR((*ratio)->risk, 0.3, 1e-12);
  EXPECT_NEAR((*ratio)->control_risk, 20.0 / 150, 1e-12);
  const double variance = (1 / 30.0 - 1 / 100.0 + 1 / 20.0 - 1 / 150.0) * 250 / 249;
  EXPECT_NEAR((*ratio)->log_standard_error, std::sqrt(variance), 1e-12);
  EXPECT_NEAR((*ratio)->low, value * std::exp(-1.959963984540054 * std::sqrt(variance)), 1e-10);
  EXPECT_NEAR((*ratio)->high, value * std::exp(1.959963984540054 * std::sqrt(variance)), 1e-10);
}

TEST(RiskRatio, OfTheOtherArmAsControlIsTheInverse) {
  const Data data = Table(30, 100, 20, 150);
  Data swapped = data;
  for (int32_t& t : swapped.treatment) t = 1 - t;
  std::swap(swapped.predictions.outcome[0], swapped.predictions.outcome[1]);
  std::swap(swapped.predictions.propensity[0], swapped.predictions.propensity[1]);
  const auto a = *RiskRatioOf(data.sample(), data.predictions, 1);
  const auto b = *RiskRatioOf(swapped.sample(), swapped.predictions, 1);
  EXPECT_NEAR(a->value, 1 / b->value, 1e-12);
  EXPECT_NEAR(a->low, 1 / b->high, 1e-12);
}

// Confounded by one covariate of two values, which nuisances know.
Data Confounded(int n, random::Stream stream, double& truth) {
  Data data;
  data.predictions.outcome.resize(2);
  data.predictions.propensity.resize(2);
  truth = ((0.3 + 0.7) / 2) / ((0.1 + 0.5) / 2);
  for (int i = 0; i < n; ++i) {
    const bool sick = stream.Uniform() < 0.5;
    const double e = sick ? 0.8 : 0.2;
    const bool treated = stream.Uniform() < e;
    const double risk[2] = {sick ? 0.5 : 0.1, sick ? 0.7 : 0.3};
    data.treatment.push_back(treated ? 1 : 0);
    data.outcome.push_back(stream.Uniform() < risk[treated ? 1 : 0] ? 1 : 0);
    for (const int arm : {0, 1}) data.predictions.outcome[arm].push_back(risk[arm]);
    data.predictions.propensity[0].push_back(1 - e);
    data.predictions.propensity[1].push_back(e);
  }
  return data;
}

TEST(RiskRatio, IntervalsCoverTheTruthUnderConfounding) {
  int covered = 0;
  double naive = 0;
  for (int r = 0; r < 1000; ++r) {
    double truth;
    const Data data = Confounded(300, random::Stream(4).Split(r), truth);
    const auto ratio = *RiskRatioOf(data.sample(), data.predictions, 1);
    ASSERT_TRUE(ratio.has_value());
    covered += ratio->low <= truth && truth <= ratio->high ? 1 : 0;
    double events[2] = {0, 0};
    double units[2] = {0, 0};
    for (size_t i = 0; i < data.outcome.size(); ++i) {
      events[data.treatment[i]] += data.outcome[i];
      ++units[data.treatment[i]];
    }
    naive += events[1] / units[1] / (events[0] / units[0]) / 1000;
  }
  EXPECT_NEAR(covered / 1000.0, 0.95, 4 * 0.0069);
  EXPECT_GT(naive, 2.5);  // 5/3 is right.
}

TEST(RiskRatio, HasTheErrorOfTheInfinitesimalJackknife) {
  double truth;
  const Data data = Confounded(80, random::Stream(5), truth);
  const auto log_ratio = [&](size_t heavier, double more) {
    double sums[2] = {0, 0};
    for (size_t i = 0; i < 80; ++i) {
      for (const int arm : {0, 1}) {
        double term = data.predictions.outcome[arm][i];
        if (data.treatment[i] == arm) {
          term += (data.outcome[i] - term) / data.predictions.propensity[arm][i];
        }
        sums[arm] += term * (i == heavier ? 1 + more : 1);
      }
    }
    return std::log(sums[1] / sums[0]);
  };
  double squares = 0;
  for (size_t i = 0; i < 80; ++i) {
    const double slope = (log_ratio(i, 1e-5) - log_ratio(i, -1e-5)) / 2e-5;
    squares += slope * slope;
  }
  const auto ratio = *RiskRatioOf(data.sample(), data.predictions, 1);
  EXPECT_NEAR(std::log(ratio->value), log_ratio(0, 0), 1e-12);
  EXPECT_NEAR(ratio->log_standard_error, std::sqrt(squares * 80 / 79), 1e-8);
}

TEST(RiskRatio, CopiesInClustersTellNothingNew) {
  const Data once = Table(12, 40, 9, 50);
  Data twice = once;
  for (const int copy : {0, 1}) {
    for (int32_t i = 0; i < 90; ++i) {
      twice.cluster.push_back(i);
      if (copy == 0) continue;
      twice.treatment.push_back(once.treatment[i]);
      twice.outcome.push_back(once.outcome[i]);
      for (const int arm : {0, 1}) {
        twice.predictions.outcome[arm].push_back(once.predictions.outcome[arm][i]);
        twice.predictions.propensity[arm].push_back(once.predictions.propensity[arm][i]);
      }
    }
  }
  const auto a = *RiskRatioOf(once.sample(), once.predictions, 1);
  const auto b = *RiskRatioOf(twice.sample(), twice.predictions, 1);
  EXPECT_NEAR(a->log_standard_error, b->log_standard_error, 1e-12);
}

TEST(RiskRatio, IsAbsentWithoutEvents) {
  const Data data = Table(5, 40, 0, 50);
  const auto ratio = RiskRatioOf(data.sample(), data.predictions, 1);
  ASSERT_TRUE(ratio.ok()) << ratio.status();
  EXPECT_FALSE(ratio->has_value());
}

TEST(RiskRatio, NamesBadInput) {
  Data data = Table(5, 40, 6, 50);
  Sample numbers = data.sample();
  numbers.binary_outcome = false;
  EXPECT_THAT(std::string(RiskRatioOf(numbers, data.predictions, 1).status().message()),
              HasSubstr("0 or 1"));
  data.predictions.propensity[1][0] = 0;
  EXPECT_FALSE(RiskRatioOf(data.sample(), data.predictions, 1).ok());
}

}  // namespace
}  // namespace perennial::causal
