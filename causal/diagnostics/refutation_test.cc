#include "causal/diagnostics/refutation.h"

#include <cmath>
#include <string>
#include <vector>

#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

struct Recorded {
  std::vector<double> runs;
  double value;
  double p_of_mean;
  double low_of_mean;
  double high_of_mean;
};
const Recorded kRecorded[] = {
#include "causal/diagnostics/refutation_oracle.inc"
};

TEST(RefutationTest, AgreesWithSciPy) {
  for (const Recorded& recorded : kRecorded) {
    const auto mean = TestOfMean(recorded.runs, recorded.value);
    ASSERT_TRUE(mean.ok()) << mean.status();
    EXPECT_NEAR(mean->p_value, recorded.p_of_mean, 1e-10);
    EXPECT_NEAR(mean->low, recorded.low_of_mean, 1e-10);
    EXPECT_NEAR(mean->high, recorded.high_of_mean, 1e-10);
  }
}

TEST(RefutationTest, IntervalsHoldTheValuesThatAreNotRejected) {
  const std::vector<double> runs = {1.2, 0.7, 1.9, 1.1, 0.4};
  const auto mean = TestOfMean(runs, 0, 0.9);
  EXPECT_NEAR(TestOfMean(runs, mean->low)->p_value, 0.1, 1e-9);
  EXPECT_NEAR(TestOfMean(runs, mean->high)->p_value, 0.1, 1e-9);
}

TEST(RefutationTest, RejectsTheTruthAsOftenAsItSays) {
  int of_mean = 0;
  for (int r = 0; r < 4000; ++r) {
    random::Stream stream = random::Stream(2).Split(r);
    std::vector<double> runs(6);
    for (double& run : runs) run = 3 + 2 * stream.Normal();
    of_mean += TestOfMean(runs, 3)->p_value < 0.05 ? 1 : 0;
  }
  EXPECT_NEAR(of_mean / 4000.0, 0.05, 4 * 0.00345);
}

TEST(RefutationTest, RunsThatAreAllEqualLeaveNoDoubt) {
  const std::vector<double> runs(4, 0.1);
  EXPECT_EQ(TestOfMean(runs, 0.1)->p_value, 1);
  EXPECT_EQ(TestOfMean(runs, 0)->p_value, 0);
  EXPECT_EQ(TestOfMean(runs, 0)->mean, 0.1);
}

TEST(RefutationTest, NamesBadInput) {
  const std::vector<double> runs = {1, 2, NAN};
  EXPECT_THAT(std::string(TestOfMean(runs, 0).status().message()), HasSubstr("is nan"));
  EXPECT_THAT(std::string(TestOfMean(std::vector<double>{1}, 0).status().message()),
              HasSubstr("at least 2 runs"));
  EXPECT_FALSE(TestOfMean(std::vector<double>{1, 2}, INFINITY).ok());
  EXPECT_FALSE(TestOfMean(std::vector<double>{1, 2}, 0, 1.5).ok());
}

}  // namespace
}  // namespace perennial::causal
