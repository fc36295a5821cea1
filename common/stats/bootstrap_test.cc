#include "common/stats/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/random/stream.h"
#include "common/stats/robust.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::stats {
namespace {

using ::testing::HasSubstr;

// Where scipy has none.
constexpr double kUndefined = HUGE_VAL;

// An end of an interval of 40,000 resamples lies between the two bounds.
struct Bounds {
  double outer_low, inner_low, inner_high, outer_high;
};
struct Row {
  std::vector<double> values;
  double (*statistic)(std::span<double> values);
  double level;
  Bounds percentile, bca;
  double standard_error;
};
struct StrataRow {
  std::vector<double> values;
  std::vector<int64_t> strata;
  Bounds percentile, bca;
  double standard_error;
};

void ExpectWithin(const std::optional<Interval>& interval, const Bounds& bounds) {
  ASSERT_EQ(interval.has_value(), bounds.outer_low != kUndefined);
  if (!interval.has_value()) return;
  // Of rounding where a distribution is discrete.
  constexpr double kRounding = 1e-12;
  EXPECT_GE(interval->low, bounds.outer_low - kRounding);
  EXPECT_LE(interval->low, bounds.inner_low + kRounding);
  EXPECT_GE(interval->high, bounds.inner_high - kRounding);
  EXPECT_LE(interval->high, bounds.outer_high + kRounding);
}

std::vector<double> Normals(int n, random::Stream stream) {
  std::vector<double> values(n);
  for (double& value : values) value = stream.Normal();
  return values;
}

// The statistics of all resamples, in order.
std::vector<double> Resampled(std::span<const double> values, const BootstrapOptions& options,
                              const random::Stream& stream) {
  std::vector<double> all;
  const auto record = [&](std::span<double> resample) {
    all.push_back(MeanOf(resample));
    return all.back();
  };
  EXPECT_TRUE(Bootstrap(values, record, options, stream).ok());
  // The first is that of the data, the last those of the jackknife.
  return std::vector<double>(all.begin() + 1, all.begin() + 1 + options.resamples);
}

void ExpectSame(const BootstrapResult& a, const BootstrapResult& b) {
  EXPECT_EQ(a.estimate, b.estimate);
  EXPECT_EQ(a.standard_error, b.standard_error);
  EXPECT_EQ(a.percentile.low, b.percentile.low);
  EXPECT_EQ(a.percentile.high, b.percentile.high);
  ASSERT_EQ(a.bca.has_value(), b.bca.has_value());
  if (!a.bca.has_value()) return;
  EXPECT_EQ(a.bca->low, b.bca->low);
  EXPECT_EQ(a.bca->high, b.bca->high);
}

TEST(Bootstrap, AgreesWithScipyWithinMonteCarloError) {
  const Row rows[] = {
#define PERENNIAL_INTERVAL_ORACLE
#include "common/stats/bootstrap_oracle.inc"
#undef PERENNIAL_INTERVAL_ORACLE
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(testing::Message() << row.values.size() << " values, level " << row.level);
    const BootstrapResult result =
        Bootstrap(row.values, row.statistic, {.resamples = 40000, .level = row.level},
                  random::Stream(1))
            .value();
    EXPECT_NEAR(*result.standard_error, row.standard_error, 0.02 * row.standard_error);
    ExpectWithin(result.percentile, row.percentile);
    ExpectWithin(result.bca, row.bca);
  }
}

TEST(StratifiedBootstrap, AgreesWithScipyWithinMonteCarloError) {
  const StrataRow rows[] = {
#define PERENNIAL_STRATA_ORACLE
#include "common/stats/bootstrap_oracle.inc"
#undef PERENNIAL_STRATA_ORACLE
  };
  for (const StrataRow& row : rows) {
    const BootstrapResult result =
        StratifiedBootstrap(row.values, row.strata, MeanOf, {.resamples = 40000}, random::Stream(2))
            .value();
    EXPECT_NEAR(*result.standard_error, row.standard_error, 0.02 * row.standard_error);
    ExpectWithin(result.percentile, row.percentile);
    ExpectWithin(result.bca, row.bca);
  }
}

TEST(BootstrapIndices, DrawsEveryResampleEquallyOften) {
  std::map<std::vector<int64_t>, int> seen;
  const auto count = [&](std::span<const int64_t> indices) {
    ++seen[{indices.begin(), indices.end()}];
    return 0.0;
  };
  constexpr int kResamples = 27000;
  ASSERT_TRUE(
      BootstrapIndices(3, count, {.resamples = kResamples, .bca = false}, random::Stream(5)).ok());
  --seen[{0, 1, 2}];  // the data themselves
  EXPECT_EQ(seen.size(), 27u);
  double chi_square = 0;
  for (const auto& [indices, times] : seen) chi_square += (times - 1000) * (times - 1000) / 1000.0;
  // 26 degrees of freedom: the 0.1 and 99.9 % points.
  EXPECT_GT(chi_square, 9.2);
  EXPECT_LT(chi_square, 54.1);
}

TEST(Bootstrap, PercentileEndsAreThoseOfAllResamples) {
  // Of the 256 resamples, all equally likely: few values of the mean, with much weight each.
  const std::vector<double> values = {0, 1, 10, 100};
  std::vector<double> means;
  for (int code = 0; code < 256; ++code) {
    means.push_back(
        (values[code & 3] + values[code >> 2 & 3] + values[code >> 4 & 3] + values[code >> 6]) / 4);
  }
  std::sort(means.begin(), means.end());
  const BootstrapResult result =
      *Bootstrap(values, MeanOf, {.resamples = 20000, .level = 0.8}, random::Stream(6));
  // The 10 and 90 % points lie inside an atom each, so Monte-Carlo error does not show.
  ASSERT_EQ(means[20], means[31]);
  ASSERT_EQ(means[225], means[236]);
  EXPECT_EQ(result.percentile.low, means[25]);
  EXPECT_EQ(result.percentile.high, means[230]);
}

TEST(Bootstrap, BcaFollowsEfronAndTibshirani) {
  std::vector<double> values = Normals(23, random::Stream(7));
  for (double& value : values) value = std::exp(value);
  const BootstrapOptions options = {.resamples = 3000, .level = 0.9};
  std::vector<double> resampled = Resampled(values, options, random::Stream(8));
  std::sort(resampled.begin(), resampled.end());
  const BootstrapResult result = *Bootstrap(values, MeanOf, options, random::Stream(8));

  // The jackknife of a mean in closed form.
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / 23;
  double squares = 0;
  double cubes = 0;
  for (const double value : values) {
    squares += std::pow(value - mean, 2);
    cubes += std::pow(value - mean, 3);
  }
  const double acceleration = cubes / (6 * std::pow(squares, 1.5));
  const auto phi = [](double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); };
  const double share =
      static_cast<double>(std::lower_bound(resampled.begin(), resampled.end(), mean) -
                          resampled.begin()) /
      3000;
  double bias = 0;  // phi(bias) = share, by Newton's method
  for (int i = 0; i < 50; ++i) {
    bias -= (phi(bias) - share) * std::sqrt(2 * M_PI) * std::exp(bias * bias / 2);
  }
  const auto end = [&](double z) {
    const double position = phi(bias + (bias + z) / (1 - acceleration * (bias + z))) * 2999;
    const int below = static_cast<int>(position);
    return resampled[below] + (position - below) * (resampled[below + 1] - resampled[below]);
  };
  EXPECT_GT(acceleration, 0.01);
  EXPECT_NEAR(result.bca->low, end(-1.6448536269514722), 1e-10);
  EXPECT_NEAR(result.bca->high, end(1.6448536269514722), 1e-10);
  EXPECT_DOUBLE_EQ(result.percentile.low,
                   resampled[149] + 0.95 * (resampled[150] - resampled[149]));
}

TEST(Bootstrap, EqualStreamsGiveEqualBitsAndMoreResamplesBeginWithFewer) {
  const std::vector<double> values = Normals(9, random::Stream(1));
  const random::Stream stream(3);
  const BootstrapResult once = *Bootstrap(values, MeanOf, {}, stream);
  ExpectSame(once, *Bootstrap(values, MeanOf, {}, stream));
  EXPECT_NE(once.percentile.low, Bootstrap(values, MeanOf, {}, random::Stream(4))->percentile.low);
  const std::vector<double> few = Resampled(values, {.resamples = 40}, stream);
  std::vector<double> many = Resampled(values, {.resamples = 100}, stream);
  many.resize(40);
  EXPECT_EQ(few, many);
}

TEST(Bootstrap, MovesAndScalesWithTheData) {
  // Of few digits, so that no sum is rounded and ties at the estimate stay ties.
  std::vector<double> values = Normals(17, random::Stream(11));
  for (double& value : values) value = std::round(value * 64) / 64;
  const random::Stream stream(12);
  for (const Statistic statistic :
       {Statistic(MeanOf), Statistic(MedianOf), Statistic(InterquartileMeanOf)}) {
    const BootstrapResult base = *Bootstrap(values, statistic, {.resamples = 2000}, stream);
    std::vector<double> scaled, moved, negated;
    for (const double value : values) {
      scaled.push_back(4 * value);
      moved.push_back(value + 5);
      negated.push_back(-value);
    }
    const BootstrapResult four = *Bootstrap(scaled, statistic, {.resamples = 2000}, stream);
    EXPECT_EQ(four.percentile.low, 4 * base.percentile.low);
    EXPECT_EQ(four.bca->high, 4 * base.bca->high);
    EXPECT_EQ(*four.standard_error, 4 * *base.standard_error);
    const BootstrapResult five = *Bootstrap(moved, statistic, {.resamples = 2000}, stream);
    EXPECT_NEAR(five.percentile.low, base.percentile.low + 5, 1e-12);
    EXPECT_NEAR(five.bca->high, base.bca->high + 5, 1e-12);
    const BootstrapResult minus = *Bootstrap(negated, statistic, {.resamples = 2000}, stream);
    EXPECT_NEAR(minus.percentile.low, -base.percentile.high, 1e-12);
    EXPECT_NEAR(minus.bca->low, -base.bca->high, 1e-12);
  }
}

TEST(Bootstrap, CoversTheTruthAsOftenAsItSays) {
  int percentile = 0;
  int bca = 0;
  int clustered = 0;
  int ignored = 0;
  constexpr int kTrials = 500;
  for (int trial = 0; trial < kTrials; ++trial) {
    random::Stream stream = random::Stream(13).Split(static_cast<uint64_t>(trial));
    std::vector<double> values(40);
    for (double& value : values) value = -std::log(1 - stream.Uniform());  // mean 1, skewed
    const BootstrapResult result =
        *Bootstrap(values, MeanOf, {.resamples = 1000, .level = 0.9}, stream.Split("resamples"));
    percentile += result.percentile.low < 1 && 1 < result.percentile.high;
    bca += result.bca->low < 1 && 1 < result.bca->high;

    // Twenty clusters of five that share most of their noise.
    std::vector<int64_t> clusters;
    values.clear();
    for (int cluster = 0; cluster < 20; ++cluster) {
      const double shared = stream.Normal();
      for (int i = 0; i < 5; ++i) {
        clusters.push_back(cluster);
        values.push_back(shared + 0.3 * stream.Normal());
      }
    }
    const BootstrapOptions options = {.resamples = 1000, .level = 0.9, .bca = false};
    const Interval whole =
        ClusteredBootstrap(values, clusters, MeanOf, options, stream.Split("clusters"))->percentile;
    clustered += whole.low < 0 && 0 < whole.high;
    const Interval single = Bootstrap(values, MeanOf, options, stream.Split("values"))->percentile;
    ignored += single.low < 0 && 0 < single.high;
  }
  // 500 trials have a standard error of 0.013; the intervals are a little short at these sizes.
  EXPECT_NEAR(percentile / double{kTrials}, 0.88, 0.04);
  EXPECT_NEAR(bca / double{kTrials}, 0.89, 0.04);
  EXPECT_NEAR(clustered / double{kTrials}, 0.88, 0.04);
  EXPECT_LT(ignored / double{kTrials}, 0.65);
}

TEST(ClusteredBootstrap, DrawsWholeClusters) {
  // Cluster k has k + 1 values, each 10^k: the digits of the sum count them.
  std::vector<double> values;
  std::vector<int64_t> clusters;
  for (int k = 0; k < 4; ++k) {
    for (int i = 0; i <= k; ++i) {
      values.push_back(std::pow(100, k));
      clusters.push_back(7 - 3 * k);
    }
  }
  bool varies = false;
  const auto check = [&](std::span<double> resample) {
    int64_t sum = 0;
    for (const double value : resample) sum += static_cast<int64_t>(value);
    int drawn = 0;
    for (int k = 0; k < 4; ++k, sum /= 100) {
      EXPECT_EQ(sum % 100 % (k + 1), 0);
      drawn += static_cast<int>(sum % 100) / (k + 1);
    }
    EXPECT_GE(drawn, 3);  // the jackknife's has one less
    varies |= resample.size() != values.size();
    return MeanOf(resample);
  };
  ASSERT_TRUE(
      ClusteredBootstrap(values, clusters, check, {.resamples = 500}, random::Stream(1)).ok());
  EXPECT_TRUE(varies);
}

TEST(StratifiedBootstrap, DrawsAsManyOfEachStratumAsItHolds) {
  const std::vector<double> values = {1, 200, 2, 100, 3, 4, 300};
  const std::vector<int64_t> strata = {5, -1, 5, -1, 5, 5, -1};
  const auto check = [&](std::span<double> resample) {
    EXPECT_EQ(resample.size(), 7u);
    for (size_t i = 0; i < resample.size(); ++i) EXPECT_EQ(resample[i] >= 100, i >= 4);
    return MeanOf(resample);
  };
  ASSERT_TRUE(StratifiedBootstrap(values, strata, check, {.resamples = 300, .bca = false},
                                  random::Stream(1))
                  .ok());
}

TEST(Bootstrap, OneStratumAndSingleClustersAreThePlainBootstrap) {
  const std::vector<double> values = Normals(13, random::Stream(2));
  const random::Stream stream(3);
  const BootstrapResult plain = *Bootstrap(values, MedianOf, {.resamples = 500}, stream);
  std::vector<int64_t> own(13);
  std::iota(own.begin(), own.end(), -4);
  const std::vector<int64_t> same(13, 2);
  ExpectSame(plain, *ClusteredBootstrap(values, own, MedianOf, {.resamples = 500}, stream));
  ExpectSame(plain, *StratifiedBootstrap(values, same, MedianOf, {.resamples = 500}, stream));
  const auto by_index = [&](std::span<const int64_t> indices) {
    std::vector<double> drawn;
    for (const int64_t index : indices) drawn.push_back(values[index]);
    return MedianOf(drawn);
  };
  ExpectSame(plain, *BootstrapIndices(13, by_index, {.resamples = 500}, stream));
}

TEST(Bootstrap, EqualValuesHaveAnIntervalOfNoWidthAndNoBca) {
  const BootstrapResult result =
      *Bootstrap(std::vector<double>(7, 0.1), MeanOf, {.resamples = 100}, random::Stream(1));
  EXPECT_EQ(result.percentile.low, result.estimate);
  EXPECT_EQ(result.percentile.high, result.estimate);
  EXPECT_EQ(*result.standard_error, 0);
  EXPECT_FALSE(result.bca.has_value());
}

TEST(Bootstrap, ResamplesWithoutAStatisticAreLeftOutAndCounted) {
  // The share of a sample's sum that its greatest value has; undefined where all are zero.
  const std::vector<double> values = {0, 0, 1};
  const auto share = [](std::span<double> resample) {
    const double sum = std::accumulate(resample.begin(), resample.end(), 0.0);
    return *std::max_element(resample.begin(), resample.end()) / sum;
  };
  const BootstrapResult result = *Bootstrap(values, share, {.resamples = 9000}, random::Stream(1));
  // 8 of 27 resamples hold zeros only.
  EXPECT_NEAR(static_cast<double>(result.undefined), 9000 * 8 / 27.0, 150);
  EXPECT_GE(result.percentile.low, 1 / 3.0);
  EXPECT_LE(result.percentile.high, 1);
  EXPECT_FALSE(result.bca.has_value());
}

TEST(Bootstrap, BadInputIsRefused) {
  const random::Stream stream(1);
  const std::vector<double> one = {1};
  const std::vector<double> two = {1, 2};
  const std::vector<double> bad = {1, NAN};
  const std::vector<int64_t> same = {4, 4};
  const std::vector<int64_t> own = {4, 5};
  const auto message = [](const absl::StatusOr<BootstrapResult>& result) {
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(result.status().message());
  };
  EXPECT_THAT(message(Bootstrap(one, MeanOf, {}, stream)), HasSubstr("at least 2"));
  EXPECT_THAT(message(Bootstrap(bad, MeanOf, {}, stream)), HasSubstr("value 1 of 2 is nan"));
  EXPECT_THAT(message(Bootstrap(two, MeanOf, {.level = 1}, stream)), HasSubstr("level"));
  for (const int64_t resamples : {int64_t{0}, INT64_MAX}) {
    EXPECT_THAT(message(Bootstrap(two, MeanOf, {.resamples = resamples}, stream)),
                HasSubstr("the number of resamples is"));
  }
  EXPECT_THAT(message(ClusteredBootstrap(two, same, MeanOf, {}, stream)), HasSubstr("one cluster"));
  EXPECT_THAT(message(ClusteredBootstrap(two, {}, MeanOf, {}, stream)), HasSubstr("0 clusters"));
  EXPECT_THAT(message(StratifiedBootstrap(two, own, MeanOf, {}, stream)),
              HasSubstr("every stratum has one value"));
  EXPECT_THAT(message(BootstrapIndices(
                  1, [](std::span<const int64_t>) { return 0.0; }, {}, stream)),
              HasSubstr("at least 2"));
  EXPECT_THAT(message(Bootstrap(
                  two, [](std::span<double>) { return std::nan(""); }, {}, stream)),
              HasSubstr("the statistic of the data is nan"));
}

}  // namespace
}  // namespace perennial::stats
