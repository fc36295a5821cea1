#include "common/stats/robust.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::stats {
namespace {

using ::testing::HasSubstr;

struct Location {
  std::vector<double> values;
  double median, interquartile_mean, trimmed_mean;
};
struct QuantileRow {
  std::vector<double> values;
  double q, expected;
};

double Tolerance(double expected) { return 1e-14 * std::abs(expected) + 1e-15; }

TEST(Location, AgreesWithScipy) {
  const Location rows[] = {
#define PERENNIAL_LOCATION_ORACLE
#include "common/stats/robust_oracle.inc"
#undef PERENNIAL_LOCATION_ORACLE
  };
  for (const Location& row : rows) {
    EXPECT_NEAR(Median(row.values).value(), row.median, Tolerance(row.median));
    EXPECT_NEAR(InterquartileMean(row.values).value(), row.interquartile_mean,
                Tolerance(row.interquartile_mean));
    EXPECT_NEAR(TrimmedMean(row.values, 0.1).value(), row.trimmed_mean,
                Tolerance(row.trimmed_mean));
  }
}

TEST(Quantile, AgreesWithNumpyBitForBit) {
  const QuantileRow rows[] = {
#define PERENNIAL_QUANTILE_ORACLE
#include "common/stats/robust_oracle.inc"
#undef PERENNIAL_QUANTILE_ORACLE
  };
  for (const QuantileRow& row : rows) {
    EXPECT_EQ(Quantile(row.values, row.q).value(), row.expected)
        << row.values.size() << " values, q = " << row.q;
  }
}

TEST(InterquartileMean, DropsWholeValuesOnly) {
  // floor(n / 4) at each end: none of 3, one of 4 to 7, two of 8.
  EXPECT_DOUBLE_EQ(*InterquartileMean(std::vector<double>{0, 0, 90}), 30);
  EXPECT_DOUBLE_EQ(*InterquartileMean(std::vector<double>{9, 0, 90, 3}), 6);
  EXPECT_DOUBLE_EQ(*InterquartileMean(std::vector<double>{1, 2, 3, 4, 5, 6, 70}), 4);
  EXPECT_DOUBLE_EQ(*InterquartileMean(std::vector<double>{-8, -7, 3, 4, 5, 6, 70, 80}), 4.5);
}

TEST(Location, DoesNotDependOnTheOrder) {
  random::Stream stream(4);
  std::vector<double> values(41);
  for (double& value : values) value = stream.Normal();
  const double median = *Median(values);
  const double q = *Quantile(values, 0.31);
  const double mean = *InterquartileMean(values);
  for (int i = 0; i < 20; ++i) {
    stream.Shuffle(std::span<double>(values));
    EXPECT_EQ(*Median(values), median);
    EXPECT_EQ(*Quantile(values, 0.31), q);
    EXPECT_NEAR(*InterquartileMean(values), mean, 1e-15);
  }
}

TEST(Location, AgreesWithSortingForEverySize) {
  random::Stream stream(5);
  for (size_t n = 1; n < 40; ++n) {
    std::vector<double> values(n);
    for (double& value : values) value = static_cast<double>(stream.Below(12));
    std::vector<double> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    double sum = 0;
    for (size_t i = n / 4; i < n - n / 4; ++i) sum += sorted[i];
    EXPECT_DOUBLE_EQ(*InterquartileMean(values), sum / static_cast<double>(n - 2 * (n / 4)));
    EXPECT_DOUBLE_EQ(*Median(values), (sorted[(n - 1) / 2] + sorted[n / 2]) / 2);
  }
}

TEST(Location, BadInputIsRefused) {
  EXPECT_EQ(Median({}).status().code(), absl::StatusCode::kInvalidArgument);
  const std::vector<double> bad = {1, NAN};
  EXPECT_THAT(std::string(InterquartileMean(bad).status().message()),
              HasSubstr("value 1 of 2 is nan"));
  const std::vector<double> one = {1};
  EXPECT_THAT(std::string(Quantile(one, 1.5).status().message()), HasSubstr("q is 1.5"));
  EXPECT_THAT(std::string(Quantile(one, NAN).status().message()), HasSubstr("q is nan"));
  EXPECT_THAT(std::string(TrimmedMean(one, 0.5).status().message()), HasSubstr("[0, 0.5)"));
}

TEST(LocationDeathTest, NoValuesStopTheProgram) {
  EXPECT_DEATH(MeanOf({}), "empty");
  EXPECT_DEATH(MedianOf({}), "empty");
  EXPECT_DEATH(InterquartileMeanOf({}), "empty");
}

}  // namespace
}  // namespace perennial::stats
