#include "common/stats/noncentral_t.h"

#include <cmath>

#include "common/stats/normal.h"
#include "common/stats/student_t.h"
#include "gtest/gtest.h"

namespace perennial::stats {
namespace {

struct Row {
  double t, degrees_of_freedom, delta, expected;
};
constexpr Row kCdf[] = {
#define PERENNIAL_CDF_ORACLE
#include "common/stats/noncentral_t_oracle.inc"
#undef PERENNIAL_CDF_ORACLE
};
constexpr Row kScipyCdf[] = {
#define PERENNIAL_SCIPY_CDF_ORACLE
#include "common/stats/noncentral_t_oracle.inc"
#undef PERENNIAL_SCIPY_CDF_ORACLE
};

TEST(NoncentralTCdf, AgreesWithTheSeriesAtManyDigits) {
  for (const Row& row : kCdf) {
    EXPECT_NEAR(NoncentralTCdf(row.t, row.degrees_of_freedom, row.delta), row.expected,
                1e-11 * row.expected)
        << "t = " << row.t << ", degrees of freedom = " << row.degrees_of_freedom
        << ", delta = " << row.delta;
  }
}

TEST(NoncentralTCdf, AgreesWithScipy) {
  for (const Row& row : kScipyCdf) {
    EXPECT_NEAR(NoncentralTCdf(row.t, row.degrees_of_freedom, row.delta), row.expected,
                1e-10 * row.expected)
        << "t = " << row.t << ", degrees of freedom = " << row.degrees_of_freedom
        << ", delta = " << row.delta;
  }
}

TEST(NoncentralTCdf, IsStudentsWithoutAnOffset) {
  for (const double f : {0.5, 1.0, 7.0, 1e4}) {
    for (const double t : {-30.0, -2.0, 0.1, 1.0, 4.0}) {
      const double expected = StudentTCdf(t, f);
      EXPECT_NEAR(NoncentralTCdf(t, f, 0), expected, 1e-11 * expected) << t << " " << f;
    }
  }
}

TEST(NoncentralTCdf, IsNormalWithManyDegreesOfFreedom) {
  for (const double t : {-1.5, 0.5, 3.0}) {
    EXPECT_NEAR(NoncentralTCdf(t, 1e12, 1), NormalCdf(t - 1), 1e-11);
  }
}

TEST(NoncentralTCdf, TailsAddUpToOne) {
  for (const double delta : {-4.0, 0.3, 12.0}) {
    for (const double t : {-3.0, -0.5, 0.0, 2.0, 11.0}) {
      EXPECT_NEAR(NoncentralTCdf(t, 6, delta) + NoncentralTCdf(-t, 6, -delta), 1, 1e-13);
    }
  }
}

TEST(NoncentralTCdf, EndsAreZeroAndOneHoweverFar) {
  EXPECT_EQ(NoncentralTCdf(INFINITY, 3, 1), 1);
  EXPECT_EQ(NoncentralTCdf(-INFINITY, 3, 1), 0);
  EXPECT_EQ(NoncentralTCdf(10, 19, 1e15), 0);
  EXPECT_EQ(NoncentralTCdf(10, 19, -1e15), 1);
  EXPECT_EQ(NoncentralTCdf(-1e-3, 19, 1e90), 0);
}

TEST(NoncentralTDeathTest, ArgumentsOutsideTheDomainStopTheProgram) {
  EXPECT_DEATH(NoncentralTCdf(1, 0, 0), "degrees of freedom = 0");
  EXPECT_DEATH(NoncentralTCdf(1, 3, INFINITY), "delta = inf");
}

}  // namespace
}  // namespace perennial::stats
