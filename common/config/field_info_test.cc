#include "common/config/field_info.h"

#include "common/config/test_config.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::config {
namespace {

using ::testing::ElementsAre;

TEST(FieldInfo, NamesStandInTheOrderOfDeclaration) {
  EXPECT_THAT(FieldNames(*TestOptimizer::descriptor()),
              ElementsAre("learning_rate", "momentum", "schedule"));
  EXPECT_THAT(ValueNames(*TestSchedule_descriptor()),
              ElementsAre("CONSTANT", "COSINE", "STEPWISE"));
}

TEST(FieldInfo, TypesAreSpelledAsInTheProto) {
  const google::protobuf::Descriptor& config = *TestConfig::descriptor();
  EXPECT_EQ(TypeName(*config.FindFieldByName("line")), "string");
  EXPECT_EQ(TypeName(*config.FindFieldByName("optimizer")), "TestOptimizer");
  EXPECT_EQ(TypeName(*config.FindFieldByName("widths")), "repeated int32");
  EXPECT_EQ(TypeName(*config.FindFieldByName("schedules")), "repeated TestSchedule");
}

TEST(RangeText, SaysWhichEndsCount) {
  Range limits;
  EXPECT_EQ(RangeText(limits), "any number");
  limits.set_max(0.5);
  EXPECT_EQ(RangeText(limits), "<= 0.5");
  limits.set_min(-1);
  limits.set_exclusive_max(true);
  EXPECT_EQ(RangeText(limits), ">= -1 and < 0.5");
}

}  // namespace
}  // namespace perennial::config
