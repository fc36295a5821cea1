#include "common/stats/proportion.h"

#include <cmath>
#include <cstdint>

#include "common/stats/normal.h"
#include "gtest/gtest.h"

namespace perennial::stats {
namespace {

struct Row {
  int64_t count, units;
  double level, low, high;
};
constexpr Row kWilson[] = {
#define PERENNIAL_WILSON_ORACLE
#include "common/stats/proportion_oracle.inc"
#undef PERENNIAL_WILSON_ORACLE
};

TEST(WilsonInterval, AgreesWithScipy) {
  for (const Row& row : kWilson) {
    const ProportionInterval interval = WilsonInterval(row.count, row.units, row.level);
    EXPECT_NEAR(interval.low, row.low, 1e-14) << row.count << " of " << row.units;
    EXPECT_NEAR(interval.high, row.high, 1e-14) << row.count << " of " << row.units;
  }
}

// At either end the score is the normal quantile.
TEST(WilsonInterval, EndsAreWhereTheScoreTestRefuses) {
  const double z = NormalQuantile(0.95);
  for (const int64_t count : {1, 5, 19}) {
    const ProportionInterval interval = WilsonInterval(count, 20, 0.9);
    for (const double p : {interval.low, interval.high}) {
      EXPECT_NEAR(std::abs(count / 20.0 - p) / std::sqrt(p * (1 - p) / 20), z, 1e-12);
    }
  }
}

TEST(WilsonInterval, OfNoneAndAllEndsAtZeroAndOne) {
  EXPECT_EQ(WilsonInterval(0, 30).low, 0);
  EXPECT_EQ(WilsonInterval(30, 30).high, 1);
  EXPECT_GT(WilsonInterval(0, 30).high, 0.1);
  EXPECT_EQ(WilsonInterval(0, 30).high, 1 - WilsonInterval(30, 30).low);
}

}  // namespace
}  // namespace perennial::stats
