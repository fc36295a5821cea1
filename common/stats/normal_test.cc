#include "common/stats/normal.h"

#include <cmath>

#include "gtest/gtest.h"

namespace perennial::stats {
namespace {

struct Row {
  double x, expected;
};
constexpr Row kCdf[] = {
#define PERENNIAL_CDF_ORACLE
#include "common/stats/normal_oracle.inc"
#undef PERENNIAL_CDF_ORACLE
};
constexpr Row kLogCdf[] = {
#define PERENNIAL_LOG_CDF_ORACLE
#include "common/stats/normal_oracle.inc"
#undef PERENNIAL_LOG_CDF_ORACLE
};
constexpr Row kQuantile[] = {
#define PERENNIAL_QUANTILE_ORACLE
#include "common/stats/normal_oracle.inc"
#undef PERENNIAL_QUANTILE_ORACLE
};

// The argument of erfc is rounded, which alone moves a tail at x by x * x * 1e-16.
TEST(NormalCdf, AgreesWithMpmath) {
  for (const Row& row : kCdf) {
    EXPECT_NEAR(NormalCdf(row.x), row.expected, (1e-15 + row.x * row.x * 2.3e-16) * row.expected)
        << "x = " << row.x;
  }
}

TEST(NormalLogCdf, AgreesWithMpmathBelowTheSmallestDoubleToo) {
  for (const Row& row : kLogCdf) {
    EXPECT_NEAR(NormalLogCdf(row.x), row.expected, 1e-14 * std::abs(row.expected))
        << "x = " << row.x;
  }
}

TEST(NormalQuantile, AgreesWithMpmath) {
  for (const Row& row : kQuantile) {
    EXPECT_NEAR(NormalQuantile(row.x), row.expected, 1e-14 * std::abs(row.expected))
        << "p = " << row.x;
  }
}

TEST(NormalQuantile, IsOddAndUndoneByTheDistributionFunction) {
  EXPECT_EQ(NormalQuantile(0.5), 0);
  EXPECT_EQ(NormalQuantile(0.25), -NormalQuantile(0.75));
  for (double p = 1e-12; p < 1; p = p < 0.001 ? p * 7 : p + 0.0171) {
    EXPECT_NEAR(NormalCdf(NormalQuantile(p)), p, 1e-14 * p) << p;
  }
}

TEST(NormalCdf, EndsAreZeroAndOne) {
  EXPECT_EQ(NormalCdf(INFINITY), 1);
  EXPECT_EQ(NormalCdf(-INFINITY), 0);
  EXPECT_EQ(NormalLogCdf(INFINITY), 0);
}

TEST(NormalDeathTest, ArgumentsOutsideTheDomainStopTheProgram) {
  EXPECT_DEATH(NormalQuantile(0), "probability = 0");
  EXPECT_DEATH(NormalQuantile(1), "probability = 1");
  EXPECT_DEATH(NormalCdf(NAN), "isnan");
}

}  // namespace
}  // namespace perennial::stats
