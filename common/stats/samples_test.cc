#include "common/stats/samples.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::stats {
namespace {

using ::testing::HasSubstr;

std::string Message(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(CheckSample, NamesWhatIsWrong) {
  EXPECT_TRUE(CheckSample(std::vector<double>{1, 2}, 2).ok());
  EXPECT_EQ(Message(CheckSample({}, 1)), "there are no values");
  EXPECT_EQ(Message(CheckSample(std::vector<double>{1}, 2)),
            "the number of values is 1, and at least 2 are needed");
  EXPECT_EQ(Message(CheckSample(std::vector<double>{1, NAN, INFINITY}, 2, "x")),
            "x: value 1 of 3 is nan, not a finite number");
  EXPECT_THAT(Message(CheckSample(std::vector<double>{-INFINITY}, 1)),
              HasSubstr("value 0 of 1 is -inf"));
}

TEST(CheckPairs, NamesTheSample) {
  const std::vector<double> one = {1};
  const std::vector<double> two = {1, 2};
  const std::vector<double> bad = {1, INFINITY};
  EXPECT_TRUE(CheckPairs(two, two, 2).ok());
  EXPECT_THAT(Message(CheckPairs(one, two, 1)),
              HasSubstr("the first sample has 1 values and the second 2"));
  EXPECT_THAT(Message(CheckPairs(two, bad, 1)), HasSubstr("second sample: value 1 of 2 is inf"));
  EXPECT_THAT(Message(CheckPairs(one, one, 2)), HasSubstr("at least 2 are needed"));
}

TEST(CheckLevel, LiesInsideZeroAndOne) {
  EXPECT_TRUE(CheckLevel(0.5).ok());
  for (const double level : {0.0, 1.0, 95.0, -0.1, static_cast<double>(NAN)}) {
    EXPECT_THAT(Message(CheckLevel(level)), HasSubstr("between 0 and 1"));
  }
}

}  // namespace
}  // namespace perennial::stats
