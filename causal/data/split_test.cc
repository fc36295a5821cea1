#include "causal/data/split.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

// 60 units in control, 40 treated; a unit's outcome is its number.
Observations Hundred() {
  Observations observations = {.covariate_names = {"x"}};
  for (int i = 0; i < 100; ++i) {
    observations.covariates.push_back(-i);
    observations.treatment.push_back(i % 5 < 3 ? 0 : 1);
    observations.outcome.push_back(i);
  }
  return observations;
}

TEST(SplitTest, EachUnitIsOnOneSideAndEachArmHasItsShare) {
  const auto split = SplitUnits(Hundred(), 0.1, random::Stream(1));
  ASSERT_TRUE(split.ok()) << split.status().message();
  EXPECT_EQ(std::ranges::count(split->out.treatment, 0), 6);
  EXPECT_EQ(std::ranges::count(split->out.treatment, 1), 4);
  std::vector<double> all = split->in.outcome;
  all.insert(all.end(), split->out.outcome.begin(), split->out.outcome.end());
  EXPECT_TRUE(std::ranges::is_sorted(split->in.outcome));
  std::ranges::sort(all);
  std::vector<double> expected(100);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all, expected);
}

TEST(SplitTest, FollowsTheStream) {
  const auto outcomes = [](uint64_t seed) {
    return SplitUnits(Hundred(), 0.1, random::Stream(seed))->out.outcome;
  };
  EXPECT_EQ(outcomes(1), outcomes(1));
  EXPECT_NE(outcomes(1), outcomes(2));
}

TEST(SplitTest, NoShareLeavesAllIn) {
  const auto split = SplitUnits(Hundred(), 0, random::Stream(1));
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(split->in.size(), 100);
  EXPECT_EQ(split->out.size(), 0);
}

TEST(SplitTest, AnArmThatWouldBeEmptyIsSaid) {
  Observations observations = Hundred();
  for (int32_t& arm : observations.treatment) arm = 0;
  EXPECT_THAT(SplitUnits(observations, 0.1, random::Stream(1)).status().message(),
              HasSubstr("arm 1 has 0 units"));
}

}  // namespace
}  // namespace perennial::causal
