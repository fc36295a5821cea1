#include "tools/claims/claims_file.h"

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/file_io.h"
#include "common/experiment/walk/walk.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::claims {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kGood[] = R"(line: "walk"
paper: "0000.00000"
experiments {
  name: "strolls"
  config: "common/experiment/walk/configs/short.textproto"
  set: "steps=10"
  quick_seeds: "5..7"
  full_seeds: "5..9"
}
claims {
  name: "left_is_ahead"
  text: "Left is ahead of right."
  experiment: "strolls"
  contrast {
    group: "line" metric: "position" method: "left"
    baseline: "right" direction: HIGHER smallest_effect: 0.5
  }
  controls {
    name: "steps"
    text: "They take as many steps."
    holds: true
    contrast {
      group: "line" metric: "steps" method: "left"
      baseline: "right" direction: SAME smallest_effect: 0.5
    }
  }
}
claims { name: "runs" text: "Runs are faster." not_testable_here: "Nobody runs." }
)";

absl::StatusOr<LineClaims> Load(const std::string& text) {
  const std::string path = base::JoinPath(std::getenv("TEST_TMPDIR"), "some.textproto");
  EXPECT_TRUE(base::WriteFileAtomically(path, text).ok());
  const std::vector<KnownLine> lines = {{std::make_shared<experiment::WalkLine>(), ""}};
  return LoadClaims(
      path, "some.textproto", lines,
      {.out = std::cout, .log = std::cerr, .working_folder = std::getenv("TEST_TMPDIR")});
}

// Of the good file with one text replaced by another.
std::string ErrorOf(const std::string& before, const std::string& after) {
  EXPECT_THAT(std::string(kGood), HasSubstr(before));
  const auto claims = Load(absl::StrReplaceAll(kGood, {{before, after}}));
  EXPECT_FALSE(claims.ok()) << after;
  return std::string(claims.status().message());
}

TEST(LoadClaimsTest, AGoodFileIsReadWithItsConfiguration) {
  const auto claims = Load(kGood);
  ASSERT_TRUE(claims.ok()) << claims.status().message();
  EXPECT_EQ(claims->line->name(), "walk");
  ASSERT_EQ(claims->experiments.size(), 1);
  const ClaimedExperiment& experiment = claims->experiments[0];
  EXPECT_EQ(experiment.config.name, "short");
  EXPECT_THAT(experiment.config.message->ShortDebugString(), HasSubstr("steps: 10"));
  EXPECT_THAT(experiment.seeds(Extent::kQuick), ElementsAre(5, 6, 7));
  EXPECT_THAT(experiment.seeds(Extent::kFull), ElementsAre(5, 6, 7, 8, 9));
  const Contrast contrast = ContrastOf(claims->config.claims(0).contrast());
  EXPECT_EQ(contrast.direction, Direction::kHigher);
  EXPECT_EQ(contrast.scale, Scale::kDifference);
  EXPECT_EQ(contrast.quantity, Quantity::kValue);
  EXPECT_EQ(contrast.smallest_effect, 0.5);
}

TEST(LoadClaimsTest, UnknownFieldsAndValuesHaveAPlace) {
  EXPECT_THAT(ErrorOf("text: \"Left", "txt: \"Left"),
              AllOf(HasSubstr("some.textproto:12:"), HasSubstr("txt"), HasSubstr("text")));
  EXPECT_THAT(ErrorOf("HIGHER", "HIGH"), AllOf(HasSubstr("some.textproto:16:"), HasSubstr("HIGH")));
}

TEST(LoadClaimsTest, MissingFieldsAreNamed) {
  EXPECT_THAT(ErrorOf("paper: \"0000.00000\"", ""), HasSubstr("paper: must be given"));
  EXPECT_THAT(ErrorOf("direction: HIGHER ", ""),
              HasSubstr("claims[0].contrast.direction: must be given"));
  EXPECT_THAT(ErrorOf("baseline: \"right\" direction: HIGHER", "direction: HIGHER"),
              HasSubstr("claims[0].contrast.against: one of these must be given: baseline, "
                        "constant"));
  EXPECT_THAT(ErrorOf("holds: true", ""), HasSubstr("claims[0].controls[0].holds"));
  EXPECT_THAT(ErrorOf("  experiment: \"strolls\"\n", ""),
              AllOf(HasSubstr("claims[0].experiment"), HasSubstr("strolls")));
  EXPECT_THAT(ErrorOf("not_testable_here: \"Nobody runs.\"", ""), HasSubstr("claims[1].how"));
  EXPECT_THAT(ErrorOf("not_testable_here: \"Nobody runs.\"", "not_testable_here: \"\""),
              HasSubstr("must say why"));
}

TEST(LoadClaimsTest, RangesAndNamesAreChecked) {
  EXPECT_THAT(
      ErrorOf("smallest_effect: 0.5\n  }\n  controls", "smallest_effect: 0\n  }\n  controls"),
      AllOf(HasSubstr("some.textproto:16:"),
            HasSubstr("claims[0].contrast.smallest_effect = 0: must be > 0")));
  EXPECT_THAT(ErrorOf("\"left_is_ahead\"", "\"Left is ahead\""), HasSubstr("lower_snake_case"));
  EXPECT_THAT(ErrorOf("\"runs\"", "\"left_is_ahead\""), HasSubstr("must differ from that of"));
  EXPECT_THAT(ErrorOf("line: \"walk\"", "line: \"walks\""),
              AllOf(HasSubstr("some.textproto:1:"), HasSubstr("did you mean \"walk\"")));
  EXPECT_THAT(ErrorOf("experiment: \"strolls\"\n", "experiment: \"stroll\"\n"),
              AllOf(HasSubstr("some.textproto:13:"), HasSubstr("did you mean \"strolls\"")));
  EXPECT_THAT(
      ErrorOf("baseline: \"right\" direction: HIGHER", "baseline: \"left\" direction: HIGHER"),
      HasSubstr("is the method itself"));
}

TEST(LoadClaimsTest, SeedsAreReplicatesAndQuickOnesAreAmongAll) {
  EXPECT_THAT(ErrorOf("5..7", "5-7"), HasSubstr("experiments[0].quick_seeds: \"5-7\""));
  EXPECT_THAT(ErrorOf("5..7", "5"), HasSubstr("a test needs two or more"));
  EXPECT_THAT(ErrorOf("5..9", "6..9"), HasSubstr("must hold the quick ones, 5..7"));
}

TEST(LoadClaimsTest, ConfigurationsAreChecked) {
  EXPECT_THAT(ErrorOf("short.textproto", "shorter.textproto"),
              HasSubstr("there is no common/experiment/walk/configs/shorter.textproto"));
  EXPECT_THAT(ErrorOf("steps=10", "steps=0"),
              AllOf(HasSubstr("experiments[0]"), HasSubstr("steps = 0")));
  EXPECT_THAT(ErrorOf("steps=10", "step=10"), HasSubstr("\"steps\""));
  EXPECT_THAT(Load(absl::StrCat(kGood,
                                "experiments { name: \"idle\" config: "
                                "\"common/experiment/walk/configs/long.textproto\" quick_seeds: "
                                "\"1..2\" full_seeds: \"1..2\" }"))
                  .status()
                  .message(),
              HasSubstr("experiments[1]: no claim uses \"idle\""));
}

TEST(LoadClaimsTest, ConstantsFitTheContrast) {
  const std::string before = "baseline: \"right\" direction: HIGHER smallest_effect: 0.5";
  EXPECT_THAT(
      ErrorOf(before, "constant: 0 direction: HIGHER smallest_effect: 0.5 scale: LOG_RATIO"),
      HasSubstr("LOG_RATIO needs a number above 0"));
  EXPECT_THAT(
      ErrorOf(before, "constant: 1 direction: HIGHER smallest_effect: 0.5 quantity: DEVIATION"),
      HasSubstr("DEVIATION needs a baseline"));
  EXPECT_THAT(
      ErrorOf(before, "constant: 1 direction: HIGHER smallest_effect: 0.5 quantity: VARIANCE"),
      HasSubstr("VARIANCE needs a baseline"));
  EXPECT_THAT(ErrorOf(before, absl::StrCat(before, " quantity: SQUARED_BIAS scale: LOG_RATIO")),
              AllOf(HasSubstr(".scale"), HasSubstr("only a DIFFERENCE")));
  EXPECT_THAT(std::string(Load(absl::StrReplaceAll(
                                   kGood, {{"5..7", "5..6"},
                                           {before, absl::StrCat(before, " quantity: VARIANCE")}}))
                              .status()
                              .message()),
              HasSubstr("VARIANCE, which needs three replicates; strolls has two"));
  EXPECT_TRUE(Load(absl::StrReplaceAll(
                       kGood, {{before, "constant: 0 direction: HIGHER smallest_effect: 0.5"}}))
                  .ok());
}

TEST(LoadClaimsTest, AllErrorsAreToldTogether) {
  EXPECT_THAT(ErrorOf("\"strolls\"", "\"Strolls\""),
              AllOf(HasSubstr("experiments[0].name"), Not(HasSubstr("\n"))));
  const std::string two = absl::StrReplaceAll(kGood, {{"5..7", "5"}, {"steps=10", "steps=0"}});
  EXPECT_THAT(std::string(Load(two).status().message()),
              AllOf(HasSubstr("two or more"), HasSubstr("steps = 0"), HasSubstr("; ")));
}

}  // namespace
}  // namespace perennial::claims
