#include "common/config/textproto.h"

#include <cstdlib>
#include <string>

#include "common/base/file_io.h"
#include "common/config/test_config.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string ErrorOf(absl::string_view text) {
  TestConfig config;
  const absl::Status status = ParseTextproto(text, "a.textproto", &config);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
  return std::string(status.message());
}

TEST(ParseTextproto, ReadsEveryKindOfField) {
  TestConfig config;
  config.set_tasks(3);  // must be cleared
  const absl::Status status = ParseTextproto(R"(
    # a comment
    line: "causal"
    optimizer { learning_rate: 1e-3 schedule: STEPWISE }
    learners { name: "er" replay { buffer: 10 } }
    learners { name: "mc_sgd" connectivity <points: 7> }
    widths: [100, 200]
    shuffle: false
  )",
                                             "a.textproto", &config);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(config.line(), "causal");
  EXPECT_EQ(config.optimizer().learning_rate(), 1e-3);
  EXPECT_EQ(config.optimizer().schedule(), STEPWISE);
  EXPECT_EQ(config.learners(1).connectivity().points(), 7);
  EXPECT_EQ(config.widths_size(), 2);
  EXPECT_FALSE(config.shuffle());
  EXPECT_FALSE(config.has_tasks());
}

TEST(ParseTextproto, AValueOfTheWrongKindNamesItsField) {
  EXPECT_THAT(ErrorOf("optimizer { learning_rate: 'fast' }"),
              StartsWith("a.textproto:1:28: optimizer.learning_rate: Expected double"));
  EXPECT_THAT(ErrorOf("widths: [3,\n4, x]"), StartsWith("a.textproto:2:4: widths: Expected"));
  EXPECT_THAT(ErrorOf("learners { name: 'a' } learners { name: 3 }"),
              StartsWith("a.textproto:1:41: learners[1].name: Expected string"));
}

TEST(ParseTextproto, UnknownFieldNamesPlacePathNearestAndAllowed) {
  EXPECT_EQ(ErrorOf("line: \"causal\"\noptimizer {\n  learning_rat: 0.1\n}\n"),
            "a.textproto:3:3: optimizer: unknown field \"learning_rat\"; did you mean "
            "\"learning_rate\"? Allowed: learning_rate, momentum, schedule");
}

TEST(ParseTextproto, UnknownFieldAtTheTopHasNoPath) {
  EXPECT_THAT(ErrorOf("\n\n  shufle: true"),
              StartsWith("a.textproto:3:3: unknown field \"shufle\"; did you mean \"shuffle\"?"));
}

TEST(ParseTextproto, PathCountsElementsOfRepeatedMessages) {
  EXPECT_THAT(ErrorOf("learners { name: \"a\" plain: true }\n"
                      "learners { name: \"b\"\n replay { buffr: 3 } }"),
              StartsWith("a.textproto:3:11: learners[1].replay: unknown field \"buffr\"; did you "
                         "mean \"buffer\"?"));
  EXPECT_THAT(ErrorOf("learners: [{ name: \"a\" }, { name: \"b\" }, { nam: \"c\" }]"),
              StartsWith("a.textproto:1:44: learners[2]: unknown field \"nam\""));
}

TEST(ParseTextproto, PathLeavesMessagesThatAreClosed) {
  EXPECT_THAT(ErrorOf("optimizer { schedule: COSINE } wdths: 3"),
              StartsWith("a.textproto:1:32: unknown field \"wdths\"; did you mean \"widths\"?"));
}

TEST(ParseTextproto, UnknownEnumValueNamesTheField) {
  EXPECT_EQ(ErrorOf("optimizer { schedule: COSIN }"),
            "a.textproto:1:23: optimizer: schedule: unknown value \"COSIN\"; did you mean "
            "\"COSINE\"? Allowed: CONSTANT, COSINE, STEPWISE");
}

TEST(ParseTextproto, SecondValueOfASingleFieldIsRefused) {
  EXPECT_EQ(ErrorOf("tasks: 1\ntasks: 2"),
            "a.textproto:2:1: the field \"tasks\" is given twice; it holds one value, keep one of "
            "them");
}

TEST(ParseTextproto, GarbageIsRefusedWithItsPlace) {
  EXPECT_THAT(ErrorOf("tasks: 1 }"), StartsWith("a.textproto:1:10: "));
  EXPECT_THAT(ErrorOf("tasks: \"one\""), StartsWith("a.textproto:1:8: "));
  EXPECT_THAT(ErrorOf("tasks: 99999999999"), StartsWith("a.textproto:1:8: "));
  EXPECT_THAT(ErrorOf("tasks 3"), StartsWith("a.textproto:1:7: "));
  EXPECT_THAT(ErrorOf("line: \"open\ntasks: 1"), StartsWith("a.textproto:1:"));
  EXPECT_THAT(ErrorOf("optimizer {"), StartsWith("a.textproto:1:12: optimizer: the text ends"));
  EXPECT_THAT(ErrorOf("tasks:"), StartsWith("a.textproto:1:7: tasks: the text ends"));
}

TEST(ParseTextproto, DeepNestingIsAnErrorNotACrash) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += i == 0 ? "tree {" : "child {";
  ErrorOf(text);
}

TEST(LoadTextproto, ReadsAFileAndNamesAMissingOne) {
  const std::string path = ::testing::TempDir() + "/load.textproto";
  ASSERT_TRUE(base::WriteFileAtomically(path, "tasks: 4").ok());
  EXPECT_EQ(LoadTextproto<TestConfig>(path)->tasks(), 4);
  const absl::Status status = LoadTextproto<TestConfig>(path + ".none").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("load.textproto.none"));
}

TEST(FieldPlaces, NameFileLineAndColumnOfEachFieldOrWhatHoldsIt) {
  TestConfig config;
  FieldPlaces places;
  ASSERT_TRUE(ParseTextproto("optimizer {\n  momentum: 2 }\nlearners { name: 'a' }\n"
                             "learners {\n replay { buffer: 3 } }\nwidths: [1,\n 7]",
                             "a.textproto", &config, &places)
                  .ok());
  EXPECT_EQ(places.at("optimizer"), "a.textproto:1:1");
  EXPECT_EQ(places.at("optimizer.momentum"), "a.textproto:2:3");
  EXPECT_EQ(places.at("learners[1].replay.buffer"), "a.textproto:5:11");
  EXPECT_EQ(PlaceOf("optimizer.momentum = 2: must be < 1", places), "a.textproto:2:3");
  EXPECT_EQ(PlaceOf("optimizer.learning_rate: must be given", places), "a.textproto:1:1");
  EXPECT_EQ(PlaceOf("learners[1].name = \"x = y: z\": stands twice", places), "a.textproto:4:1");
  EXPECT_EQ(PlaceOf("tasks: must be given", places), "");
}

}  // namespace
}  // namespace perennial::config
