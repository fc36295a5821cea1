#include "common/stats/student_t.h"

#include <cmath>

#include "gtest/gtest.h"

namespace perennial::stats {
namespace {

struct Row3 {
  double x, degrees_of_freedom, expected;
};
struct Row4 {
  double a, b, x, expected;
};

constexpr Row3 kCdf[] = {
#define PERENNIAL_CDF_ORACLE
#include "common/stats/student_t_oracle.inc"
#undef PERENNIAL_CDF_ORACLE
};
constexpr Row3 kQuantile[] = {
#define PERENNIAL_QUANTILE_ORACLE
#include "common/stats/student_t_oracle.inc"
#undef PERENNIAL_QUANTILE_ORACLE
};
constexpr Row4 kBeta[] = {
#define PERENNIAL_BETA_ORACLE
#include "common/stats/student_t_oracle.inc"
#undef PERENNIAL_BETA_ORACLE
};

// Relative errors; log-gamma of a large argument costs digits.
double Tolerance(double degrees_of_freedom) { return degrees_of_freedom > 1e6 ? 1e-7 : 1e-11; }

TEST(StudentTCdf, AgreesWithScipy) {
  for (const Row3& row : kCdf) {
    EXPECT_NEAR(StudentTCdf(row.x, row.degrees_of_freedom), row.expected,
                Tolerance(row.degrees_of_freedom) * row.expected)
        << "t = " << row.x << ", degrees of freedom = " << row.degrees_of_freedom;
  }
}

TEST(StudentTQuantile, AgreesWithScipy) {
  for (const Row3& row : kQuantile) {
    EXPECT_NEAR(StudentTQuantile(row.x, row.degrees_of_freedom), row.expected,
                Tolerance(row.degrees_of_freedom) * std::abs(row.expected))
        << "p = " << row.x << ", degrees of freedom = " << row.degrees_of_freedom;
  }
}

TEST(RegularizedIncompleteBeta, AgreesWithScipy) {
  for (const Row4& row : kBeta) {
    EXPECT_NEAR(RegularizedIncompleteBeta(row.a, row.b, row.x), row.expected,
                1e-11 * row.expected + 1e-300)
        << "a = " << row.a << ", b = " << row.b << ", x = " << row.x;
  }
}

TEST(StudentTCdf, OneDegreeOfFreedomIsCauchy) {
  for (const double t : {-30.0, -1.0, 0.0, 0.3, 2.0, 1e6}) {
    EXPECT_NEAR(StudentTCdf(t, 1), 0.5 + std::atan(t) / M_PI, 1e-14);
  }
}

TEST(StudentTCdf, EndsAreZeroAndOne) {
  EXPECT_EQ(StudentTCdf(INFINITY, 3), 1);
  EXPECT_EQ(StudentTCdf(-INFINITY, 3), 0);
}

TEST(StudentTQuantile, IsOddAroundOneHalf) {
  EXPECT_EQ(StudentTQuantile(0.5, 3), 0);
  EXPECT_EQ(StudentTQuantile(0.25, 3), -StudentTQuantile(0.75, 3));
}

TEST(StudentTDeathTest, ArgumentsOutsideTheDomainStopTheProgram) {
  EXPECT_DEATH(StudentTQuantile(1, 3), "probability = 1");
  EXPECT_DEATH(StudentTQuantile(0.5, 0), "degrees_of_freedom");
  EXPECT_DEATH(RegularizedIncompleteBeta(1, 1, 2), "x = 2");
}

}  // namespace
}  // namespace perennial::stats
