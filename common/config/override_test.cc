#include "common/config/override.h"

#include <string>

#include "common/config/test_config.pb.h"
#include "common/config/textproto.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace perennial::config {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Override : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(ParseTextproto("learners { name: \"a\" replay { buffer: 5 } }\n"
                               "learners { name: \"b\" plain: true }\n"
                               "widths: [1, 2]",
                               "a.textproto", &config_)
                    .ok());
  }
  void Set(absl::string_view text) {
    const absl::Status status = ApplyOverride(text, &config_);
    EXPECT_TRUE(status.ok()) << status;
  }
  // The error's text; the config must not change.
  std::string ErrorOf(absl::string_view text) {
    const TestConfig before = config_;
    const absl::Status status = ApplyOverride(text, &config_);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_TRUE(MessageDifferencer::Equals(before, config_));
    EXPECT_THAT(std::string(status.message()), StartsWith("--set "));
    return std::string(status.message());
  }
  TestConfig config_;
};

TEST_F(Override, SetsScalarsOfEveryKind) {
  Set("tasks=7");
  Set("limit=18446744073709551615");
  Set("count = 4");
  Set("offset=-3");
  Set("shuffle=false");
  Set("line=causal");
  Set("optimizer.learning_rate=1e-3");
  Set("optimizer.momentum=0.5");
  Set("optimizer.schedule=STEPWISE");
  EXPECT_EQ(config_.tasks(), 7);
  EXPECT_EQ(config_.limit(), 18446744073709551615u);
  EXPECT_EQ(config_.count(), 4u);
  EXPECT_EQ(config_.offset(), -3);
  EXPECT_FALSE(config_.shuffle());
  EXPECT_EQ(config_.line(), "causal");
  EXPECT_EQ(config_.optimizer().learning_rate(), 1e-3);
  EXPECT_EQ(config_.optimizer().momentum(), 0.5f);
  EXPECT_EQ(config_.optimizer().schedule(), STEPWISE);
}

TEST_F(Override, StringsMayBeQuotedAndHoldEqualsSigns) {
  Set("line=a=b");
  EXPECT_EQ(config_.line(), "a=b");
  Set("line=\" x\\n\"");
  EXPECT_EQ(config_.line(), " x\n");
  Set("line=");
  EXPECT_EQ(config_.line(), "");
}

TEST_F(Override, ReachesIntoElementsOfLists) {
  Set("learners[0].replay.buffer=9");
  Set("widths[1]=40");
  EXPECT_EQ(config_.learners(0).replay().buffer(), 9);
  EXPECT_EQ(config_.learners(1).name(), "b");
  EXPECT_THAT(config_.widths(), ElementsAre(1, 40));
}

TEST_F(Override, IndexAtTheEndAppends) {
  Set("widths[2]=3");
  Set("learners[2].name=c");
  EXPECT_THAT(config_.widths(), ElementsAre(1, 2, 3));
  ASSERT_EQ(config_.learners_size(), 3);
  EXPECT_EQ(config_.learners(2).name(), "c");
}

TEST_F(Override, ReplacesWholeLists) {
  Set("widths=[7, 8,9]");
  EXPECT_THAT(config_.widths(), ElementsAre(7, 8, 9));
  Set("widths=[]");
  EXPECT_EQ(config_.widths_size(), 0);
  Set("tags=[a, \"b,c\", \"\"]");
  EXPECT_THAT(config_.tags(), ElementsAre("a", "b,c", ""));
  Set("schedules=[COSINE, CONSTANT]");
  EXPECT_THAT(config_.schedules(), ElementsAre(COSINE, CONSTANT));
  Set("learners=[{name: \"x\" replay { buffer: 1 }}, {name: \"y\" plain: true}]");
  ASSERT_EQ(config_.learners_size(), 2);
  EXPECT_EQ(config_.learners(1).name(), "y");
}

TEST_F(Override, ReplacesWholeMessages) {
  Set("optimizer.momentum=0.5");
  Set("optimizer={learning_rate: 0.2}");
  EXPECT_EQ(config_.optimizer().learning_rate(), 0.2);
  EXPECT_FALSE(config_.optimizer().has_momentum());
  Set("learners[1]={name: \"z\" connectivity {}}");
  EXPECT_EQ(config_.learners(1).name(), "z");
  EXPECT_EQ(config_.learners_size(), 2);
}

TEST_F(Override, WalkingIntoAOneofMemberSelectsIt) {
  Set("learners[2].connectivity.points=9");
  EXPECT_TRUE(config_.learners(2).has_connectivity());
}

TEST_F(Override, UnknownFieldNamesNearestAndAllowed) {
  EXPECT_EQ(ErrorOf("optimizer.learning_rat=1"),
            "--set optimizer.learning_rat=1: optimizer: unknown field \"learning_rat\"; did you "
            "mean \"learning_rate\"? Allowed: learning_rate, momentum, schedule");
  EXPECT_THAT(ErrorOf("tsaks=1"), HasSubstr("did you mean \"tasks\"?"));
}

TEST_F(Override, WrongValuesSayWhatIsWanted) {
  EXPECT_THAT(ErrorOf("tasks=2.5"), EndsWith("tasks: \"2.5\" is not an int32"));
  EXPECT_THAT(ErrorOf("tasks=3000000000"), EndsWith("is not an int32"));
  EXPECT_THAT(ErrorOf("limit=-1"), EndsWith("limit: \"-1\" is not a uint64"));
  EXPECT_THAT(ErrorOf("shuffle=maybe"), EndsWith("is not true or false"));
  EXPECT_THAT(ErrorOf("optimizer.learning_rate=fast"), EndsWith("is not a number"));
  EXPECT_THAT(ErrorOf("optimizer.schedule=COSIN"), HasSubstr("did you mean \"COSINE\"?"));
  EXPECT_THAT(ErrorOf("line=\"open"), HasSubstr("closed quotes"));
  EXPECT_THAT(ErrorOf("optimizer=0.1"), HasSubstr("is not a message; write {...}"));
  EXPECT_THAT(ErrorOf("optimizer={learning_rat: 1}"),
              HasSubstr("optimizer:1:1: unknown field \"learning_rat\""));
}

TEST_F(Override, WrongIndicesSayWhatIsAllowed) {
  EXPECT_THAT(
      ErrorOf("widths[4]=1"),
      EndsWith("widths[4]: the list has 2 elements; allowed are 0 to 2, of which 2 appends"));
  EXPECT_THAT(ErrorOf("learners.name=a"), HasSubstr("as learners[0].name"));
  EXPECT_THAT(ErrorOf("tasks[0]=1"), HasSubstr("is a single int32, not a list"));
  EXPECT_THAT(ErrorOf("widths=5"), HasSubstr("write [a, b]"));
  EXPECT_THAT(ErrorOf("widths=[1,,2]"), HasSubstr("empty element"));
  EXPECT_THAT(ErrorOf("widths=[1"), HasSubstr("is not a list"));
  EXPECT_THAT(ErrorOf("tags=[\"a]"), HasSubstr("quotes"));
}

TEST_F(Override, AnElementIsFoundByItsNameOrByWhatIsChosen) {
  Set("learners[2]={ connectivity { points: 7 } }");
  Set("learners[a].replay.buffer=6");
  Set("learners[connectivity].connectivity.points=8");
  Set("learners[b]={name: \"c\" plain: false}");
  ASSERT_EQ(config_.learners_size(), 3);
  EXPECT_EQ(config_.learners(0).name(), "a");
  EXPECT_EQ(config_.learners(0).replay().buffer(), 6);
  EXPECT_EQ(config_.learners(1).name(), "c");
  EXPECT_FALSE(config_.learners(1).plain());
  EXPECT_EQ(config_.learners(2).connectivity().points(), 8);
  // A name of its own hides what is chosen.
  EXPECT_THAT(ErrorOf("learners[replay].replay.buffer=7"), HasSubstr("unknown element"));
}

TEST_F(Override, NamesOfNoElementOrOfTwoAreRefused) {
  Set("learners[0].name=first");
  EXPECT_EQ(ErrorOf("learners[fist].replay.buffer=1"),
            "--set learners[fist].replay.buffer=1: learners: unknown element \"fist\"; did you "
            "mean \"first\"? Allowed: first, b");
  Set("learners[2]={name: \"b\" plain: true}");
  EXPECT_THAT(ErrorOf("learners[b].plain=false"),
              EndsWith("learners: elements 1 and 2 are called \"b\"; write the number of one, as "
                       "learners[1]"));
  EXPECT_THAT(ErrorOf("widths[x]=1"), EndsWith("widths: has no element with a name such as \"x\"; "
                                               "write a number, as widths[0]"));
  EXPECT_THAT(ErrorOf("tags[x]=1"), HasSubstr("has no element with a name"));
  EXPECT_THAT(ErrorOf("tasks[x]=1"), HasSubstr("not a list; leave out [x]"));
  EXPECT_THAT(ErrorOf("learners[first].replay.bufer=1"),
              HasSubstr("learners[first].replay: unknown field \"bufer\""));
}

TEST_F(Override, WrongPathsAreRefused) {
  EXPECT_THAT(ErrorOf("tasks"), HasSubstr("write path=value"));
  EXPECT_THAT(ErrorOf("=1"), HasSubstr("not a path"));
  EXPECT_THAT(ErrorOf("a..b=1"), HasSubstr("not a path"));
  EXPECT_THAT(ErrorOf("widths[]=1"), HasSubstr("not a path"));
  EXPECT_THAT(ErrorOf("widths[1x]=1"), HasSubstr("not a path"));
  EXPECT_THAT(ErrorOf("widths[99999999999]=1"), HasSubstr("not a path"));
  EXPECT_THAT(ErrorOf("widths[0=1"), HasSubstr("not a path"));
  EXPECT_THAT(ErrorOf("widths[-1]=1"), HasSubstr("not a path"));
  EXPECT_THAT(ErrorOf("tasks.more=1"), HasSubstr("tasks: a field of type int32 has no field"));
}

TEST(ApplyOverride, AFieldOfAnotherChoiceDoesNotReplaceWhatIsChosen) {
  TestConfig config;
  config.add_learners()->mutable_replay()->set_buffer(10);
  EXPECT_EQ(
      ApplyOverride("learners[0].connectivity.points=3", &config).message(),
      "--set learners[0].connectivity.points=3: learners[0] is \"replay\", which "
      "learners[0].connectivity would replace; write learners[0].connectivity={...} for that");
  EXPECT_EQ(config.learners(0).replay().buffer(), 10);
  EXPECT_TRUE(ApplyOverride("learners[0].replay.buffer=11", &config).ok());
  EXPECT_TRUE(ApplyOverride("learners[0].connectivity={points: 3}", &config).ok());
  EXPECT_EQ(config.learners(0).connectivity().points(), 3);
}

}  // namespace
}  // namespace perennial::config
