#include "causal/estimators/baseline_effects.h"

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "causal/estimators/baselines.h"
#include "causal/models/model.h"
#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

struct OracleRow {
  int arms;
  int64_t p;
  std::vector<double> x;
  std::vector<int32_t> t;
  std::vector<double> y;
  std::vector<int32_t> cluster;
  std::vector<double> numbers;
};

Observations Of(const OracleRow& row) {
  Observations o = {.covariates = row.x,
                    .treatment = row.t,
                    .outcome = row.y,
                    .arms = row.arms,
                    .cluster = row.cluster};
  for (int64_t j = 0; j < row.p; ++j) o.covariate_names.push_back(std::string(1, 'a' + j));
  return o;
}

TEST(BaselineEffects, AgreeWithStatsmodelsAndWholeMatrices) {
  const OracleRow rows[] = {
#include "causal/estimators/baseline_effects_oracle.inc"
  };
  for (const OracleRow& row : rows) {
    const Observations o = Of(row);
    size_t next = 0;
    for (int arm = 1; arm < row.arms; ++arm) {
      for (const auto& [baseline, estimand] :
           {std::pair(Baseline::kNaive, Estimand::kAte), std::pair(Baseline::kOls1, Estimand::kAtt),
            std::pair(Baseline::kOls2, Estimand::kAte),
            std::pair(Baseline::kOls2, Estimand::kAtt)}) {
        const auto effects = BaselineEffects(o, baseline, 0.9);
        ASSERT_TRUE(effects.ok()) << effects.status();
        ASSERT_EQ(effects->Of(estimand).size(), static_cast<size_t>(row.arms - 1));
        const Estimate& estimate = effects->Of(estimand)[arm - 1];
        EXPECT_NEAR(estimate.value, row.numbers[next], 1e-9) << BaselineName(baseline) << arm;
        EXPECT_NEAR(estimate.standard_error, row.numbers[next + 1], 1e-9)
            << BaselineName(baseline) << arm;
        if (row.cluster.empty()) {
          EXPECT_NEAR(estimate.high - estimate.value, 1.6448536 * estimate.standard_error, 1e-6);
        } else {
          EXPECT_GT(estimate.high - estimate.value, 1.7 * estimate.standard_error);
        }
        EXPECT_NEAR(estimate.value - estimate.low, estimate.high - estimate.value, 1e-9);
        next += 2;
      }
    }
  }
}

// Effects differ by a, which decides the arm, too, and is drawn anew.
Observations Drawn(uint64_t seed, bool clusters) {
  random::Stream stream(seed);
  Observations o = {.covariate_names = {"a", "b"}};
  double common = 0;
  for (int i = 0; i < 200; ++i) {
    const double a = stream.Normal();
    const double b = stream.Normal();
    const int32_t t = stream.Uniform() < 1 / (1 + std::exp(-a)) ? 1 : 0;
    if (i % 4 == 0) common = clusters ? stream.Normal() : 0;
    o.covariates.insert(o.covariates.end(), {a, b});
    o.treatment.push_back(t);
    o.outcome.push_back(2 * a + b + t * (1 + a) + common + (0.3 + std::abs(b)) * stream.Normal());
    if (clusters) o.cluster.push_back(i / 4);
  }
  return o;
}

TEST(BaselineEffects, IntervalsOfOls2HoldTheEffectAsOftenAsTheySay) {
  constexpr int kSamples = 2000;
  // E[a | T = 1] = 2 E[a sigmoid(a)], by Stein's identity 2 E[sigmoid'(a)], by quadrature.
  double treated = 0;
  for (int k = -8000; k < 8000; ++k) {
    const double a = (k + 0.5) / 1000;
    const double e = 1 / (1 + std::exp(-a));
    treated += 2 * e * (1 - e) * std::exp(-a * a / 2) / std::sqrt(2 * M_PI) / 1000;
  }
  for (const bool clusters : {false, true}) {
    int ate = 0;
    int att = 0;
    int naive = 0;
    for (int seed = 0; seed < kSamples; ++seed) {
      const Observations o = Drawn(seed, clusters);
      const auto holds = [&](Baseline baseline, Estimand estimand, double truth) {
        const auto effects = BaselineEffects(o, baseline, 0.95);
        EXPECT_TRUE(effects.ok());
        const Estimate& estimate = effects->Of(estimand).at(0);
        return estimate.low <= truth && truth <= estimate.high ? 1 : 0;
      };
      ate += holds(Baseline::kOls2, Estimand::kAte, 1);
      att += holds(Baseline::kOls2, Estimand::kAtt, 1 + treated);
      naive += holds(Baseline::kNaive, Estimand::kAte, 1);
    }
    // Four standard errors, and what 100 units an arm are off by.
    const double tolerance = 4 * std::sqrt(0.95 * 0.05 / kSamples) + 0.01;
    EXPECT_NEAR(ate / 1.0 / kSamples, 0.95, tolerance) << clusters;
    EXPECT_NEAR(att / 1.0 / kSamples, 0.95, tolerance) << clusters;
    EXPECT_LT(naive, kSamples / 10) << "confounding is not seen";
  }
}

TEST(BaselineEffects, AreThoseOfTheModelsThatExperimentsCompare) {
  const Observations o = Drawn(3, false);
  for (const auto& [baseline, factory] :
       {std::pair(Baseline::kNaive, NaiveDifference()), std::pair(Baseline::kOls1, Ols1()),
        std::pair(Baseline::kOls2, Ols2())}) {
    const auto fit = factory({.observations = o, .stream = random::Stream(0)});
    ASSERT_TRUE(fit.ok() && (*fit)->Advance(1).ok());
    const auto predictions = (*fit)->Predict(o.x());
    double sum[2] = {};
    double treated = 0;
    for (int64_t i = 0; i < o.size(); ++i) {
      sum[0] += predictions->effect[0][i];
      sum[1] += o.treatment[i] * predictions->effect[0][i];
      treated += o.treatment[i];
    }
    EXPECT_NEAR(BaselineEffects(o, baseline, 0.95)->ate.at(0).value, sum[0] / 200, 1e-10);
    EXPECT_NEAR(BaselineEffects(o, baseline, 0.95)->att.at(0).value, sum[1] / treated, 1e-10);
  }
}

TEST(BaselineEffects, WithoutRowsToSpareThereIsNoError) {
  random::Stream stream(1);
  Observations o = {};
  for (int j = 0; j < 6; ++j) o.covariate_names.push_back(std::string(1, 'a' + j));
  for (int i = 0; i < 12; ++i) {
    for (int j = 0; j < 6; ++j) o.covariates.push_back(stream.Normal());
    o.treatment.push_back(i % 2);
    o.outcome.push_back(stream.Normal());
  }
  const Estimate one = BaselineEffects(o, Baseline::kOls1, 0.95)->ate.at(0);
  EXPECT_TRUE(std::isfinite(one.standard_error)) << "8 columns of 12 rows";
  const Estimate each = BaselineEffects(o, Baseline::kOls2, 0.95)->ate.at(0);
  EXPECT_TRUE(std::isfinite(each.value));
  EXPECT_TRUE(std::isnan(each.standard_error) && std::isnan(each.low)) << "7 columns of 6 rows";
}

TEST(BaselineEffects, NameBadInput) {
  Observations o = Drawn(1, true);
  EXPECT_FALSE(BaselineEffects(o, Baseline::kOls1, 1).ok());
  o.cluster.assign(o.size(), 0);
  EXPECT_THAT(BaselineEffects(o, Baseline::kOls2, 0.95).status().message(),
              HasSubstr("one cluster"));
  o.outcome[3] = NAN;
  EXPECT_FALSE(BaselineEffects(o, Baseline::kNaive, 0.95).ok());
}

}  // namespace
}  // namespace perennial::causal
