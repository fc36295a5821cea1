#include "causal/data/simulation.h"

#include <cmath>

#include "causal/data/logit.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CheckSize, RefusesWhatNoMemoryHolds) {
  EXPECT_TRUE(CheckSize(100000, 10000).ok());
  EXPECT_THAT(CheckSize(100001, 10000).message(), HasSubstr("100001 units with 10000 covariates"));
}

TEST(Sigmoid, HasItsValuesAndKeepsTheDigitsOfBothTails) {
  EXPECT_EQ(Sigmoid(0), 0.5);
  EXPECT_DOUBLE_EQ(Sigmoid(std::log(3)), 0.75);
  EXPECT_DOUBLE_EQ(Sigmoid(-std::log(3)), 0.25);
  EXPECT_DOUBLE_EQ(Sigmoid(-40), std::exp(-40));
  EXPECT_EQ(Sigmoid(800), 1);
  EXPECT_EQ(Sigmoid(-800), 0);
}

TEST(NumberedNames, CountFromOne) {
  EXPECT_THAT(NumberedNames("x", 3), ElementsAre("x_1", "x_2", "x_3"));
}

TEST(DrawArms, SharesAreThePropensities) {
  const int n = 40000;
  const std::vector<std::vector<double>> propensity = {
      std::vector<double>(n, 0.5), std::vector<double>(n, 0.2), std::vector<double>(n, 0.3)};
  double count[3] = {};
  for (const int32_t arm : DrawArms(propensity, random::Stream(1))) ++count[arm];
  for (int a = 0; a < 3; ++a) {
    const double e = propensity[a][0];
    EXPECT_NEAR(count[a] / n, e, 4 * std::sqrt(e * (1 - e) / n)) << a;
  }
}

TEST(DrawArms, AUnitWhosePropensityGrowsNeverLeavesTheTreatment) {
  const int n = 2000;
  std::vector<int32_t> before(n, 0);
  for (const double e : {0.1, 0.3, 0.7, 0.95}) {
    const std::vector<int32_t> arms =
        DrawArms({std::vector<double>(n, 1 - e), std::vector<double>(n, e)}, random::Stream(2));
    int moved = 0;
    for (int i = 0; i < n; ++i) {
      EXPECT_GE(arms[i], before[i]);
      moved += arms[i] - before[i];
    }
    EXPECT_GT(moved, 0);
    before = arms;
  }
}

TEST(Validated, SaysThatItIsTheSampleThatIsWrong) {
  const auto refused = Validated(
      {.covariate_names = {"x"}, .covariates = {1, 2}, .treatment = {1, 1}, .outcome = {0, 0}});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.status().message(), HasSubstr("the simulated sample: arm 0 has no units"));
}

}  // namespace
}  // namespace perennial::causal
