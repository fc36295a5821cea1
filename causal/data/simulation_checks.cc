#include "causal/data/simulation_checks.h"

#include "common/base/logging.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

constexpr double kStandardErrors = 4.5;

}  // namespace

SampleMoments MomentsOf(std::span<const double> values) {
  const double n = static_cast<double>(values.size());
  CHECK_GE(n, 2);
  double mean = 0;
  for (const double value : values) mean += value / n;
  double scatter = 0;
  for (const double value : values) scatter += (value - mean) * (value - mean);
  const double sd = std::sqrt(scatter / (n - 1));
  return {.mean = mean, .sd = sd, .standard_error = sd / std::sqrt(n)};
}

void ExpectMean(std::span<const double> values, double expected) {
  const SampleMoments moments = MomentsOf(values);
  EXPECT_NEAR(moments.mean, expected, kStandardErrors * moments.standard_error + 1e-12);
}

std::vector<double> CovariateOf(const Observations& sample, int64_t c) {
  std::vector<double> values;
  for (int64_t i = 0; i < sample.size(); ++i) values.push_back(sample.x()(i, c));
  return values;
}

std::vector<double> EffectsOf(const Observations& sample) {
  std::vector<double> effects;
  for (int64_t i = 0; i < sample.size(); ++i) {
    effects.push_back(sample.truth->mean_outcome[1][i] - sample.truth->mean_outcome[0][i]);
  }
  return effects;
}

double NaiveBias(const Observations& sample) {
  double sum[2] = {0, 0};
  double count[2] = {0, 0};
  for (int64_t i = 0; i < sample.size(); ++i) {
    const int32_t arm = sample.treatment[i];
    if (arm > 1) continue;
    sum[arm] += sample.truth->mean_outcome[0][i];
    ++count[arm];
  }
  return sum[1] / count[1] - sum[0] / count[0];
}

void ExpectTruthGenerates(const Observations& sample) {
  const int64_t n = sample.size();
  const Truth& truth = *sample.truth;
  std::vector<double> residual(n);
  for (int64_t i = 0; i < n; ++i) {
    residual[i] = sample.outcome[i] - truth.mean_outcome[sample.treatment[i]][i];
  }
  std::vector<double> products(n);
  const auto expect_uncorrelated = [&](const std::vector<double>& errors, const char* what) {
    SCOPED_TRACE(what);
    ExpectMean(errors, 0);
    for (int64_t c = 0; c < sample.features(); ++c) {
      SCOPED_TRACE(sample.covariate_names[c]);
      for (int64_t i = 0; i < n; ++i) products[i] = errors[i] * sample.x()(i, c);
      ExpectMean(products, 0);
    }
  };
  expect_uncorrelated(residual, "the outcome less its mean");
  for (int32_t a = 0; a < sample.arms; ++a) {
    std::vector<double> surprise(n);
    for (int64_t i = 0; i < n; ++i) {
      surprise[i] = (sample.treatment[i] == a) - truth.propensity[a][i];
    }
    expect_uncorrelated(surprise, "the treatment less its propensity");
    for (int64_t i = 0; i < n; ++i) products[i] = surprise[i] * residual[i];
    ExpectMean(products, 0);
  }
}

void ExpectEqualBits(const Observations& a, const Observations& b) {
  EXPECT_EQ(a.covariate_names, b.covariate_names);
  EXPECT_EQ(a.covariates, b.covariates);
  EXPECT_EQ(a.treatment, b.treatment);
  EXPECT_EQ(a.outcome, b.outcome);
  EXPECT_EQ(a.cluster, b.cluster);
  ASSERT_TRUE(a.truth.has_value() && b.truth.has_value());
  EXPECT_EQ(a.truth->mean_outcome, b.truth->mean_outcome);
  EXPECT_EQ(a.truth->propensity, b.truth->propensity);
}

}  // namespace perennial::causal
