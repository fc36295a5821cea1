#include "common/optim/schedule.h"

#include <limits>
#include <string>
#include <vector>

#include "common/testing/eager_optim.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::optim {
namespace {

using ::testing::HasSubstr;

TEST(ScheduleTest, TheDefaultIsConstant) {
  for (const int64_t step : {0, 1, 1000000}) EXPECT_EQ(Factor(Schedule(), step), 1);
}

TEST(ScheduleTest, StepIsLibTorchsStepLr) {
  const Schedule schedule = {.kind = ScheduleKind::kStep, .gamma = 0.3, .period = 7};
  const std::vector<double> rates = testing::EagerStepRates(0.1, 7, 0.3, 40);
  for (int step = 0; step < 40; ++step) {
    EXPECT_NEAR(0.1 * Factor(schedule, step), rates[step], 1e-15) << step;
  }
}

TEST(ScheduleTest, ExponentialMultipliesByGammaEachStep) {
  const Schedule schedule = {.kind = ScheduleKind::kExponential, .gamma = 0.9};
  double expected = 1;
  for (int step = 0; step < 50; ++step, expected *= 0.9) {
    EXPECT_NEAR(Factor(schedule, step), expected, 1e-14);
  }
}

TEST(ScheduleTest, CosineFallsFromOneOverItsHalfToTheFloor) {
  const Schedule schedule = {.kind = ScheduleKind::kCosine, .total_steps = 100, .floor = 0.2};
  EXPECT_DOUBLE_EQ(Factor(schedule, 0), 1);
  EXPECT_DOUBLE_EQ(Factor(schedule, 50), 0.6);
  // cos(pi / 3) = 1 / 2 is at a third, which 100 steps do not hit; 300 do.
  Schedule longer = schedule;
  longer.total_steps = 300;
  EXPECT_DOUBLE_EQ(Factor(longer, 100), 0.2 + 0.8 * 0.75);
  EXPECT_EQ(Factor(schedule, 100), 0.2);
  EXPECT_EQ(Factor(schedule, 1000), 0.2);
  for (int step = 1; step <= 100; ++step) {
    EXPECT_LT(Factor(schedule, step), Factor(schedule, step - 1));
  }
}

TEST(ScheduleTest, WarmUpIsLinearAndTheScheduleBeginsAfterIt) {
  for (const Schedule& plain :
       {Schedule(), Schedule{.kind = ScheduleKind::kStep, .gamma = 0.5, .period = 3},
        Schedule{.kind = ScheduleKind::kExponential, .gamma = 0.8}}) {
    Schedule warmed = plain;
    warmed.warmup_steps = 4;
    for (int step = 0; step < 4; ++step) EXPECT_EQ(Factor(warmed, step), 0.25 * (step + 1));
    for (int step = 0; step < 20; ++step) {
      EXPECT_EQ(Factor(warmed, 4 + step), Factor(plain, step));
    }
  }
  // The cosine's total counts the warm-up.
  const Schedule cosine = {.kind = ScheduleKind::kCosine, .total_steps = 30, .warmup_steps = 10};
  EXPECT_EQ(Factor(cosine, 0), 0.1);
  EXPECT_EQ(Factor(cosine, 9), 1);
  EXPECT_DOUBLE_EQ(Factor(cosine, 20), 0.5);
  EXPECT_EQ(Factor(cosine, 30), 0);
}

TEST(ScheduleTest, ValidateNamesTheFieldItsValueAndItsRange) {
  const auto message = [](const Schedule& schedule) {
    return std::string(Validate(schedule).message());
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(Validate(Schedule()).ok());
  EXPECT_EQ(message({.kind = ScheduleKind::kStep, .gamma = 1.5}),
            "schedule.gamma is 1.5; it must be in (0, 1]");
  EXPECT_THAT(message({.kind = ScheduleKind::kExponential, .gamma = nan}), HasSubstr("gamma"));
  EXPECT_THAT(message({.kind = ScheduleKind::kStep, .gamma = 0.5, .period = 0}),
              HasSubstr("period is 0"));
  EXPECT_THAT(message({.warmup_steps = -1}), HasSubstr("warmup_steps is -1"));
  EXPECT_THAT(message({.kind = ScheduleKind::kCosine}), HasSubstr("total_steps is 0"));
  EXPECT_THAT(message({.kind = ScheduleKind::kCosine, .total_steps = 5, .warmup_steps = 5}),
              HasSubstr("total_steps is 5; it must be more than warmup_steps"));
  EXPECT_THAT(message({.kind = ScheduleKind::kCosine, .total_steps = 5, .floor = -0.1}),
              HasSubstr("floor"));
  // Fields of other kinds are not looked at.
  EXPECT_TRUE(Validate(Schedule{.gamma = -1, .period = 0, .floor = 7}).ok());
}

}  // namespace
}  // namespace perennial::optim
