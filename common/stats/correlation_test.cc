#include "common/stats/correlation.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::stats {
namespace {

using ::testing::HasSubstr;

// Where scipy has none.
constexpr double kUndefined = HUGE_VAL;

struct PairRow {
  std::vector<double> x, y;
  double pearson, pearson_p, low, high, spearman, spearman_p, kendall, kendall_p;
};
struct PartialRow {
  std::vector<double> x, y;
  std::vector<std::vector<double>> covariates;
  double pearson, pearson_p, spearman, spearman_p, low, high;
};

std::vector<double> Normals(int n, random::Stream stream) {
  std::vector<double> values(n);
  for (double& value : values) value = stream.Normal();
  return values;
}

// Beside 1 the p value of r follows the last bit of r in scipy.
double Tolerance(double p, double r) { return 1e-9 * p + (1 - std::abs(r) < 1e-9 ? 1e-12 : 0); }

void ExpectInterval(const std::optional<Interval>& interval, double low, double high) {
  ASSERT_EQ(interval.has_value(), low != kUndefined);
  if (!interval.has_value()) return;
  EXPECT_NEAR(interval->low, low, 1e-11);
  EXPECT_NEAR(interval->high, high, 1e-11);
}

TEST(Correlation, AgreesWithScipy) {
  const PairRow rows[] = {
#define PERENNIAL_PAIR_ORACLE
#include "common/stats/correlation_oracle.inc"
#undef PERENNIAL_PAIR_ORACLE
  };
  for (const PairRow& row : rows) {
    SCOPED_TRACE(testing::Message() << row.x.size() << " pairs, r = " << row.pearson);
    const Correlation pearson = PearsonCorrelation(row.x, row.y, 0.9).value();
    EXPECT_NEAR(*pearson.coefficient, row.pearson, 1e-13);
    EXPECT_NEAR(*pearson.p, row.pearson_p, Tolerance(row.pearson_p, row.pearson));
    EXPECT_EQ(*pearson.degrees_of_freedom, static_cast<int64_t>(row.x.size()) - 2);
    ExpectInterval(pearson.interval, row.low, row.high);
    const Correlation spearman = SpearmanCorrelation(row.x, row.y).value();
    EXPECT_NEAR(*spearman.coefficient, row.spearman, 1e-13);
    EXPECT_NEAR(*spearman.p, row.spearman_p, Tolerance(row.spearman_p, row.spearman));
    EXPECT_FALSE(spearman.interval.has_value());
    const Correlation kendall = KendallTauB(row.x, row.y).value();
    EXPECT_NEAR(*kendall.coefficient, row.kendall, 1e-14);
    EXPECT_NEAR(*kendall.p, row.kendall_p, 1e-11 * row.kendall_p);
  }
}

TEST(PartialCorrelation, AgreesWithTheInverseCorrelationMatrix) {
  const PartialRow rows[] = {
#define PERENNIAL_PARTIAL_ORACLE
#include "common/stats/correlation_oracle.inc"
#undef PERENNIAL_PARTIAL_ORACLE
  };
  for (const PartialRow& row : rows) {
    SCOPED_TRACE(testing::Message()
                 << row.x.size() << " rows, " << row.covariates.size() << " covariates");
    const Correlation pearson = PartialCorrelation(row.x, row.y, row.covariates).value();
    EXPECT_NEAR(*pearson.coefficient, row.pearson, 1e-11);
    EXPECT_NEAR(*pearson.p, row.pearson_p, 1e-9 * row.pearson_p);
    EXPECT_EQ(*pearson.degrees_of_freedom,
              static_cast<int64_t>(row.x.size() - row.covariates.size()) - 2);
    ExpectInterval(pearson.interval, row.low, row.high);
    const Correlation spearman =
        PartialCorrelation(row.x, row.y, row.covariates, PartialKind::kSpearman).value();
    EXPECT_NEAR(*spearman.coefficient, row.spearman, 1e-11);
    EXPECT_NEAR(*spearman.p, row.spearman_p, 1e-9 * row.spearman_p);
    EXPECT_FALSE(spearman.interval.has_value());
  }
}

TEST(KendallTauB, AgreesWithCountingAllPairs) {
  random::Stream stream(1);
  for (int n = 3; n < 60; ++n) {
    std::vector<double> x(n), y(n);
    for (double& value : x) value = static_cast<double>(stream.Below(9));
    for (double& value : y) value = static_cast<double>(stream.Below(n % 2 == 0 ? 1000 : 5));
    int64_t excess = 0;
    int64_t untied_x = 0;
    int64_t untied_y = 0;
    for (int i = 0; i < n; ++i) {
      for (int j = i + 1; j < n; ++j) {
        const int by_x = (x[i] > x[j]) - (x[i] < x[j]);
        const int by_y = (y[i] > y[j]) - (y[i] < y[j]);
        excess += by_x * by_y;
        untied_x += by_x != 0;
        untied_y += by_y != 0;
      }
    }
    if (untied_x == 0 || untied_y == 0) continue;
    EXPECT_NEAR(*KendallTauB(x, y)->coefficient,
                static_cast<double>(excess) /
                    std::sqrt(static_cast<double>(untied_x) * static_cast<double>(untied_y)),
                1e-15);
  }
}

TEST(KendallTauB, ExactPIsTheShareOfOrders) {
  const std::vector<double> x = {1, 2, 3, 4, 5, 6};
  std::vector<double> y = {2, 1, 3, 6, 4, 5};
  const Correlation observed = *KendallTauB(x, y);
  EXPECT_TRUE(observed.exact);
  std::sort(y.begin(), y.end());
  int as_far = 0;
  do {
    as_far += std::abs(*KendallTauB(x, y)->coefficient) >= *observed.coefficient - 1e-12;
  } while (std::next_permutation(y.begin(), y.end()));
  EXPECT_NEAR(*observed.p, as_far / 720.0, 1e-14);
}

TEST(KendallTauB, IsQuickWithManyValues) {
  const std::vector<double> x = Normals(200000, random::Stream(1));
  std::vector<double> y = Normals(200000, random::Stream(2));
  for (size_t i = 0; i < y.size(); ++i) y[i] += x[i];
  // Of a normal pair with correlation 1 / sqrt(2): 2 / pi asin(r).
  EXPECT_NEAR(*KendallTauB(x, y)->coefficient, 0.5, 0.005);
}

TEST(Correlation, IsSymmetricOddAndFreeOfScaleAndOrder) {
  const std::vector<double> x = Normals(25, random::Stream(3));
  std::vector<double> y = Normals(25, random::Stream(4));
  for (size_t i = 0; i < y.size(); ++i) y[i] += 0.5 * x[i];
  std::vector<double> changed, negated;
  for (const double value : y) {
    changed.push_back(8 * value - 3);
    negated.push_back(-value);
  }
  std::vector<size_t> order(25);
  std::iota(order.begin(), order.end(), 0);
  random::Stream(5).Shuffle(std::span<size_t>(order));
  std::vector<double> shuffled_x, shuffled_y;
  for (const size_t i : order) {
    shuffled_x.push_back(x[i]);
    shuffled_y.push_back(y[i]);
  }
  const auto pearson = [](const auto& a, const auto& b) { return *PearsonCorrelation(a, b); };
  const auto spearman = [](const auto& a, const auto& b) { return *SpearmanCorrelation(a, b); };
  const auto kendall = [](const auto& a, const auto& b) { return *KendallTauB(a, b); };
  const auto check = [&](const auto& correlate) {
    const Correlation base = correlate(x, y);
    EXPECT_NEAR(*correlate(y, x).coefficient, *base.coefficient, 1e-15);
    EXPECT_NEAR(*correlate(x, changed).coefficient, *base.coefficient, 1e-15);
    EXPECT_NEAR(*correlate(x, negated).coefficient, -*base.coefficient, 1e-15);
    EXPECT_NEAR(*correlate(x, negated).p, *base.p, 1e-13);
    EXPECT_NEAR(*correlate(shuffled_x, shuffled_y).coefficient, *base.coefficient, 1e-15);
  };
  check(pearson);
  check(spearman);
  check(kendall);
}

TEST(PearsonCorrelation, StaysAccurateFarFromZeroAndAtAnyScale) {
  const std::vector<double> x = {1, 2, 3, 4, 5};
  const std::vector<double> y = {1, 3, 2, 5, 4};
  for (const double scale : {1e-200, 1.0, 1e200}) {
    std::vector<double> scaled;
    for (const double value : y) scaled.push_back(scale * value);
    EXPECT_NEAR(*PearsonCorrelation(x, scaled)->coefficient, 0.8, 1e-15);
  }
  std::vector<double> far;
  for (const double value : x) far.push_back(value + 1e14);
  EXPECT_NEAR(*PearsonCorrelation(far, y)->coefficient, 0.8, 1e-14);
}

TEST(PearsonCorrelation, ALineHasCoefficientOneAndNoChance) {
  const std::vector<double> x = {0.1, 0.7, 0.2, 0.9, 0.4, 0.3};
  std::vector<double> y;
  for (const double value : x) y.push_back(-3 * value + 1);
  const Correlation line = *PearsonCorrelation(x, y);
  EXPECT_NEAR(*line.coefficient, -1, 1e-15);
  EXPECT_LT(*line.p, 1e-50);
  EXPECT_NEAR(line.interval->low, -1, 1e-14);
  EXPECT_NEAR(line.interval->high, -1, 1e-14);
}

TEST(Correlation, WhatIsUndefinedIsAbsent) {
  const std::vector<double> two = {1, 2};
  const std::vector<double> constant = {0.1, 0.1, 0.1};
  const std::vector<double> three = {1, 2, 4};
  EXPECT_NEAR(*PearsonCorrelation(two, two)->coefficient, 1, 1e-15);
  EXPECT_FALSE(PearsonCorrelation(two, two)->p.has_value());
  EXPECT_FALSE(PearsonCorrelation(three, three)->interval.has_value());
  for (const Correlation& c :
       {*PearsonCorrelation(constant, three), *SpearmanCorrelation(three, constant),
        *KendallTauB(constant, three), *PartialCorrelation(constant, three, {})}) {
    EXPECT_EQ(c.n, 3);
    EXPECT_FALSE(c.coefficient || c.p || c.interval);
  }
}

TEST(PartialCorrelation, RemovesACommonCause) {
  const std::vector<double> cause = Normals(400, random::Stream(6));
  std::vector<double> x = Normals(400, random::Stream(7));
  std::vector<double> y = Normals(400, random::Stream(8));
  for (size_t i = 0; i < cause.size(); ++i) {
    x[i] += 3 * cause[i];
    y[i] -= 3 * cause[i];
  }
  EXPECT_LT(*PearsonCorrelation(x, y)->coefficient, -0.85);
  const std::vector<std::vector<double>> covariates = {cause};
  EXPECT_NEAR(*PartialCorrelation(x, y, covariates)->coefficient, 0, 0.12);
  // Nothing is left of what is a function of the covariates.
  std::vector<double> function;
  for (const double value : cause) function.push_back(2 * value + 7);
  EXPECT_FALSE(PartialCorrelation(function, y, covariates)->coefficient.has_value());
}

TEST(PartialCorrelation, DoesNotDependOnOrderOrScaleOfCovariates) {
  const std::vector<double> x = Normals(20, random::Stream(1));
  const std::vector<double> y = Normals(20, random::Stream(2));
  const std::vector<double> u = Normals(20, random::Stream(3));
  std::vector<double> v = Normals(20, random::Stream(4));
  for (size_t i = 0; i < v.size(); ++i) v[i] = u[i] + 1e-3 * v[i];
  std::vector<double> scaled;
  for (const double value : u) scaled.push_back(1e6 * value + 1e3);
  const double forth = *PartialCorrelation(x, y, std::vector<std::vector<double>>{u, v})->p;
  const double back = *PartialCorrelation(x, y, std::vector<std::vector<double>>{v, scaled})->p;
  EXPECT_NEAR(forth, back, 1e-10);
}

TEST(Correlation, BadInputIsRefused) {
  const std::vector<double> one = {1};
  const std::vector<double> two = {1, 2};
  const std::vector<double> bad = {1, NAN};
  const std::vector<double> five = {1, 2, 4, 8, 16};
  const std::vector<double> other = {2, 1, 5, 3, 2};
  const auto message = [](const absl::StatusOr<Correlation>& result) {
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(result.status().message());
  };
  const auto partial = [&](const std::vector<std::vector<double>>& covariates) {
    return message(PartialCorrelation(five, other, covariates));
  };
  EXPECT_THAT(message(PearsonCorrelation(one, one)), HasSubstr("at least 2"));
  EXPECT_THAT(message(SpearmanCorrelation(one, two)), HasSubstr("pairs need"));
  EXPECT_THAT(message(KendallTauB(two, bad)), HasSubstr("second sample: value 1 of 2 is nan"));
  EXPECT_THAT(message(PearsonCorrelation(two, two, 0)), HasSubstr("level"));
  EXPECT_THAT(partial({other, {1, 2}}), HasSubstr("covariate 1 has 2 values and x has 5"));
  EXPECT_THAT(partial({{1, 2, NAN, 4, 5}}), HasSubstr("covariate 0: value 2 of 5 is nan"));
  EXPECT_THAT(partial({{3, 3, 3, 3, 3}}), HasSubstr("covariate 0 is constant"));
  EXPECT_THAT(partial({{3, 1, 4, 1, 5}, {6, 2, 8, 2, 10}}),
              HasSubstr("covariate 1 is a linear function of the covariates before it"));
  EXPECT_THAT(partial(std::vector<std::vector<double>>(4, other)),
              HasSubstr("at most 3 covariates"));
}

}  // namespace
}  // namespace perennial::stats
