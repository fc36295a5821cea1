#include "causal/diagnostics/covariate_balance.h"

#include <cmath>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/random/stream.h"
#include "common/stats/kolmogorov_smirnov.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

struct BalanceRow {
  std::vector<double> x;
  std::vector<int32_t> treatment;
  std::vector<double> weights;
  double treated_mean, control_mean, standardized_difference, variance_ratio, kolmogorov_smirnov;
};

kernels::MatrixView<const double> Column(const std::vector<double>& x) {
  return {x.data(), static_cast<int64_t>(x.size()), 1, 1};
}

TEST(CovariateBalance, AgreesWithNumpyAndScipy) {
  const BalanceRow rows[] = {
#define PERENNIAL_BALANCE_ORACLE
#include "causal/diagnostics/diagnostics_oracle.inc"
#undef PERENNIAL_BALANCE_ORACLE
  };
  for (const BalanceRow& row : rows) {
    const auto balance = CovariateBalance(Column(row.x), row.treatment, 1, row.weights);
    ASSERT_TRUE(balance.ok()) << balance.status();
    const Balance& b = balance->front();
    EXPECT_NEAR(b.treated_mean, row.treated_mean, 1e-13);
    EXPECT_NEAR(b.control_mean, row.control_mean, 1e-13);
    EXPECT_NEAR(*b.standardized_difference, row.standardized_difference, 1e-13);
    EXPECT_NEAR(*b.variance_ratio, row.variance_ratio, 1e-13);
    EXPECT_NEAR(b.kolmogorov_smirnov, row.kolmogorov_smirnov, 1e-13);
  }
}

TEST(CovariateBalance, AreThoseOfAnExampleByHand) {
  // Treated 2, 4; control 0, 2, 4 with weights 0, 1, 3; the unit of arm 2 has no part in it.
  const std::vector<double> x = {2, 4, 0, 2, 4, 99};
  const std::vector<int32_t> treatment = {1, 1, 0, 0, 0, 2};
  const std::vector<double> weights = {1, 1, 0, 1, 3, 7};
  const auto balance = CovariateBalance(Column(x), treatment, 1, weights);
  const Balance& b = balance->front();
  EXPECT_DOUBLE_EQ(b.treated_mean, 3);
  EXPECT_DOUBLE_EQ(b.control_mean, 3.5);
  EXPECT_DOUBLE_EQ(*b.standardized_difference, -0.5 / std::sqrt((2.0 + 4.0) / 2));
  // 2 against (2.25 + 3 * 0.25) / (4 - 10 / 4).
  EXPECT_DOUBLE_EQ(*b.variance_ratio, 2 / (3 / 1.5));
  EXPECT_DOUBLE_EQ(b.kolmogorov_smirnov, 0.25);
}

TEST(CovariateBalance, OfEqualWeightsIsThatOfNone) {
  random::Stream stream(1);
  std::vector<double> x(60);
  std::vector<int32_t> treatment;
  std::vector<double> treated;
  std::vector<double> control;
  for (double& value : x) {
    value = static_cast<double>(stream.Below(10));
    treatment.push_back(static_cast<int32_t>(stream.Below(2)));
    (treatment.back() == 1 ? treated : control).push_back(value);
  }
  const auto plain = CovariateBalance(Column(x), treatment, 1, {});
  const auto weighted = CovariateBalance(Column(x), treatment, 1, std::vector<double>(60, 0.25));
  EXPECT_NEAR(*plain->front().standardized_difference, *weighted->front().standardized_difference,
              1e-14);
  EXPECT_NEAR(*plain->front().variance_ratio, *weighted->front().variance_ratio, 1e-14);
  EXPECT_NEAR(plain->front().kolmogorov_smirnov,
              *stats::KolmogorovSmirnovStatistic(treated, control), 1e-15);
}

TEST(CovariateBalance, TrueWeightsBalanceWhatIsConfounded) {
  random::Stream stream(2);
  std::vector<double> x;
  std::vector<int32_t> treatment;
  std::vector<double> weights;
  for (int i = 0; i < 5000; ++i) {
    x.push_back(stream.Normal());
    const double e = 1 / (1 + std::exp(-x.back()));
    treatment.push_back(stream.Uniform() < e ? 1 : 0);
    weights.push_back(treatment.back() == 1 ? 1 / e : 1 / (1 - e));
  }
  const Balance before = CovariateBalance(Column(x), treatment, 1, {})->front();
  const Balance after = CovariateBalance(Column(x), treatment, 1, weights)->front();
  EXPECT_GT(*before.standardized_difference, 0.7);
  EXPECT_LT(std::abs(*after.standardized_difference), 0.1);
  EXPECT_LT(after.kolmogorov_smirnov, before.kolmogorov_smirnov / 4);
}

TEST(CovariateBalance, ConstantColumnsHaveNoRatioAndADifferenceOnlyIfEqual) {
  const std::vector<double> x = {0.1, 1, 0.1, 1, 0.1, 2};  // [3, 2]
  const std::vector<int32_t> treatment = {0, 0, 1};
  const std::vector<double> more = {0.1, 1, 0.1, 1, 0.1, 2, 0.1, 2};
  const auto balance = CovariateBalance({more.data(), 4, 2, 2}, std::vector<int32_t>{0, 0, 1, 1}, 1,
                                        std::vector<double>{0.3, 1, 0.7, 2});
  EXPECT_EQ(*(*balance)[0].standardized_difference, 0);
  EXPECT_EQ((*balance)[0].kolmogorov_smirnov, 0);
  EXPECT_FALSE((*balance)[0].variance_ratio.has_value());
  EXPECT_FALSE((*balance)[1].standardized_difference.has_value());
  EXPECT_EQ((*balance)[1].kolmogorov_smirnov, 1);
  // A single unit has no variance.
  const auto single = CovariateBalance({x.data(), 3, 2, 2}, treatment, 1, {});
  EXPECT_FALSE((*single)[1].standardized_difference.has_value());
}

TEST(CovariateBalance, NamesBadInput) {
  const auto message = [](std::vector<double> x, std::vector<int32_t> treatment,
                          std::vector<double> weights) {
    return std::string(CovariateBalance(Column(x), treatment, 1, weights).status().message());
  };
  EXPECT_THAT(message({1, 2}, {0}, {}), HasSubstr("covariates of 2 units, 1 treatments"));
  EXPECT_THAT(message({1, NAN}, {0, 1}, {}), HasSubstr("covariate 1 of unit 2 is nan"));
  EXPECT_THAT(message({1, 2}, {0, 1}, {1, -1}), HasSubstr("the weight of unit 2 is -1"));
  EXPECT_THAT(message({1, 2}, {0, 0}, {}), HasSubstr("arm 1 has 0 units"));
  EXPECT_THAT(message({1, 2}, {0, 1}, {0, 1}), HasSubstr("arm 0 has 1 units of weight 0"));
}

TEST(CovariateBalance, FeaturesAreThoseOfTheirColumns) {
  constexpr int64_t kUnits = 40;
  constexpr int64_t kWidth = 19;  // No multiple of what is looked at at a time.
  random::Stream stream(4);
  std::vector<float> features;
  std::vector<int32_t> treatment;
  std::vector<double> weights;
  for (int64_t i = 0; i < kUnits; ++i) {
    treatment.push_back(static_cast<int32_t>(i % 3));
    weights.push_back(1 + stream.Uniform());
    for (int64_t j = 0; j < kWidth; ++j) {
      features.push_back(static_cast<float>(stream.Normal() + treatment[i] * 0.1 * j));
    }
  }
  for (const std::vector<double>& w : {std::vector<double>(), weights}) {
    const auto balances = RepresentationBalance(features, treatment, 2, w);
    ASSERT_TRUE(balances.ok()) << balances.status();
    ASSERT_EQ(std::ssize(*balances), kWidth);
    for (int64_t j = 0; j < kWidth; ++j) {
      std::vector<double> column;
      for (int64_t i = 0; i < kUnits; ++i) column.push_back(features[i * kWidth + j]);
      const auto alone = CovariateBalance(Column(column), treatment, 2, w);
      ASSERT_TRUE(alone.ok());
      const Balance& b = (*balances)[j];
      EXPECT_EQ(b.treated_mean, alone->front().treated_mean);
      EXPECT_EQ(b.standardized_difference, alone->front().standardized_difference);
      EXPECT_EQ(b.variance_ratio, alone->front().variance_ratio);
      EXPECT_EQ(b.kolmogorov_smirnov, alone->front().kolmogorov_smirnov);
    }
  }
  EXPECT_TRUE(RepresentationBalance({}, treatment, 1, {})->empty());
  // Errors name the feature by its place among all.
  for (const int64_t j : {0, 7, 8, 17, 18}) {
    std::vector<float> bad = features;
    bad[2 * kWidth + j] = NAN;
    EXPECT_EQ(RepresentationBalance(bad, treatment, 2, {}).status().message(),
              "feature " + std::to_string(j + 1) + " of unit 3 is nan, not a finite number");
  }
  features.pop_back();
  EXPECT_THAT(std::string(RepresentationBalance(features, treatment, 1, {}).status().message()),
              HasSubstr("759 features of 40 units"));
}

TEST(CovariateBalance, WithoutADifferenceMeansThatDifferAreUnbalancedAndEqualOnesBalanced) {
  // Columns: constant and equal, constant and apart, varying.
  const std::vector<double> x = {7, 1, 0, 7, 1, 5, 7, 2, 2, 7, 2, 5};  // [4, 3]
  const auto of = CovariateBalance({x.data(), 4, 3, 3}, std::vector<int32_t>{0, 0, 1, 1}, 1, {});
  ASSERT_TRUE(of.ok()) << of.status();
  EXPECT_EQ(DifferenceOf((*of)[0]), 0);
  EXPECT_EQ(DifferenceOf((*of)[1]), HUGE_VAL);
  // Means 2.5 and 3.5, variances 12.5 and 4.5.
  EXPECT_DOUBLE_EQ(DifferenceOf((*of)[2]), 1 / std::sqrt(8.5));
  const BalanceSummary summary = SummaryOf(*of);
  EXPECT_EQ(summary.unbalanced, 2);
  EXPECT_EQ(summary.worst, 1);
  EXPECT_DOUBLE_EQ(summary.greatest_difference, 1 / std::sqrt(8.5));
  // A single unit tells no scale either.
  const auto single =
      CovariateBalance({x.data(), 4, 3, 3}, std::vector<int32_t>{0, 1, 2, 2}, 1, {});
  ASSERT_TRUE(single.ok()) << single.status();
  EXPECT_EQ(DifferenceOf((*single)[0]), 0);
  EXPECT_EQ(DifferenceOf((*single)[2]), HUGE_VAL);
  EXPECT_EQ(SummaryOf(*single).unbalanced, 1);
}

TEST(CovariateBalance, ASummaryIsOfTheDifferencesThatThereAre) {
  const std::vector<Balance> balances = {
      {.standardized_difference = 0.1},
      {.standardized_difference = -0.5},
      {.treated_mean = 1, .control_mean = 2, .standardized_difference = std::nullopt},
      {.treated_mean = 2, .control_mean = 2, .standardized_difference = std::nullopt},
      {.standardized_difference = 0.3}};
  const BalanceSummary summary = SummaryOf(balances);
  EXPECT_DOUBLE_EQ(summary.mean_difference, 0.3);
  EXPECT_EQ(summary.greatest_difference, 0.5);
  EXPECT_EQ(summary.unbalanced, 3);
  EXPECT_EQ(summary.worst, 2);
  EXPECT_EQ(SummaryOf(std::span(balances).first(2)).worst, 1);
  EXPECT_EQ(SummaryOf({}).mean_difference, 0);
  EXPECT_EQ(SummaryOf({}).worst, -1);
}

}  // namespace
}  // namespace perennial::causal
