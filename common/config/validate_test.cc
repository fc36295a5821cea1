#include "common/config/validate.h"

#include <cmath>
#include <limits>
#include <string>

#include "common/config/resolve.h"
#include "common/config/test_config.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TestConfig Sound() {
  TestConfig config;
  config.add_widths(100);
  TestLearner* learner = config.add_learners();
  learner->set_name("er");
  learner->mutable_replay();
  FillDefaults(&config);
  return config;
}

TEST(Validate, SoundConfigIsOk) {
  EXPECT_THAT(ListViolations(Sound()), IsEmpty());
  EXPECT_TRUE(Validate(Sound()).ok());
}

TEST(Validate, RangeEndsCountAsTheirOptionsSay) {
  TestConfig config = Sound();
  config.mutable_optimizer()->set_learning_rate(10);
  config.mutable_optimizer()->set_momentum(0);
  EXPECT_THAT(ListViolations(config), IsEmpty());
  config.mutable_optimizer()->set_learning_rate(0);
  config.mutable_optimizer()->set_momentum(1);
  EXPECT_THAT(ListViolations(config),
              ElementsAre("optimizer.learning_rate = 0: must be > 0 and <= 10",
                          "optimizer.momentum = 1: must be >= 0 and < 1"));
}

TEST(Validate, EveryViolationIsListedWithItsPath) {
  TestConfig config = Sound();
  config.set_line("casual");
  config.set_tasks(0);
  config.add_widths(0);
  config.mutable_learners(0)->mutable_replay()->set_buffer(-1);
  (*config.mutable_weights())["b"] = -1;
  (*config.mutable_weights())["a"] = -2;
  EXPECT_THAT(
      ListViolations(config),
      ElementsAre("line = \"casual\": unknown value \"casual\"; did you mean \"causal\"? "
                  "Allowed: continual, causal",
                  "learners[0].replay.buffer = -1: must be >= 1",
                  "widths[1] = 0: must be >= 1 and <= 4096", "tasks = 0: must be >= 1",
                  "weights[\"a\"] = -2: must be >= 0", "weights[\"b\"] = -1: must be >= 0"));
  EXPECT_EQ(Validate(config).code(), absl::StatusCode::kInvalidArgument);
}

TEST(Validate, NumbersMustBeFinite) {
  TestConfig config = Sound();
  config.mutable_optimizer()->set_learning_rate(std::nan(""));
  config.mutable_optimizer()->set_momentum(std::numeric_limits<float>::infinity());
  EXPECT_THAT(ListViolations(config),
              ElementsAre("optimizer.learning_rate = nan: must be a finite number",
                          "optimizer.momentum = inf: must be a finite number"));
}

TEST(Validate, RequiredFieldsAndChoicesMustBeGiven) {
  TestConfig config = Sound();
  config.add_learners();
  EXPECT_THAT(ListViolations(config),
              ElementsAre("learners[1].name: must be given (a string)",
                          "learners[1].method: one of these must be given: replay, connectivity, "
                          "plain"));
}

TEST(Validate, SizesOfListsAreChecked) {
  TestConfig config = Sound();
  config.clear_widths();
  EXPECT_THAT(ListViolations(config),
              ElementsAre("widths: has 0 elements; their number must be >= 1 and <= 3"));
}

TEST(Validate, DistinctElementsAndNamesMustDiffer) {
  TestConfig config = Sound();
  config.add_tags("a");
  config.add_tags("b");
  config.add_tags("a");
  *config.add_learners() = config.learners(0);
  EXPECT_THAT(ListViolations(config),
              ElementsAre("learners[1].name = \"er\": must differ from that of learners[0]",
                          "tags[2] = \"a\": must differ from that of tags[0]"));
}

TEST(Validate, AbsentFieldsAreNotChecked) {
  TestConfig config;
  config.add_widths(1);
  EXPECT_THAT(ListViolations(config), IsEmpty());
}

TEST(ValidateDeathTest, AMistakeInCodeStopsTheProgram) {
  CheckValid(Sound());
  TestConfig config = Sound();
  config.mutable_optimizer()->set_momentum(1);
  EXPECT_DEATH(CheckValid(config), "TestConfig: optimizer.momentum = 1");
}

}  // namespace
}  // namespace perennial::config
