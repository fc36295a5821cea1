#include "tools/claims/claims.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/file_io.h"
#include "common/experiment/walk/walk.h"
#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace perennial::claims {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// Walks of 30 steps; left and right differ by chance alone.
constexpr char kClaims[] = R"(line: "walk"
paper: "0000.00000"
experiments {
  name: "strolls"
  config: "common/experiment/walk/configs/short.textproto"
  quick_seeds: "5..7"
  full_seeds: "5..9"
}
claims {
  name: "more_than_twenty"
  text: "A walk has more than twenty steps."
  protocol: "Steps are counted."
  experiment: "strolls"
  family: "steps"
  contrast {
    group: "line" metric: "steps" method: "left"
    constant: 20 direction: HIGHER smallest_effect: 1
  }
  controls {
    name: "more_than_thirty"
    text: "A walk has more than thirty steps."
    holds: false
    contrast {
      group: "line" metric: "steps" method: "left"
      constant: 30 direction: HIGHER smallest_effect: 1
    }
  }
  controls {
    name: "fewer_than_thirty"
    text: "A walk has fewer than thirty steps."
    holds: true
    contrast {
      group: "line" metric: "steps" method: "left"
      constant: 30 direction: LOWER smallest_effect: 1
    }
  }
}
claims {
  name: "fewer_than_twenty"
  text: "A walk has fewer than twenty steps."
  experiment: "strolls"
  family: "steps"
  contrast {
    group: "line" metric: "steps" method: "left"
    constant: 20 direction: LOWER smallest_effect: 1
  }
}
claims {
  name: "steps_differ"
  text: "Left and right take another number of steps."
  experiment: "strolls"
  contrast {
    group: "line" metric: "steps" method: "left"
    baseline: "right" direction: DIFFERENT smallest_effect: 1
  }
}
claims {
  name: "left_is_ahead"
  text: "Left ends ahead of right."
  paper: "ours"
  experiment: "strolls"
  contrast {
    group: "line" metric: "position" method: "left"
    baseline: "right" direction: HIGHER smallest_effect: 0.1
  }
}
claims { name: "run" text: "Runs are faster." not_testable_here: "Nobody runs." }
)";

class ClaimsProgramTest : public ::testing::Test {
 protected:
  ClaimsProgramTest() {
    const ::testing::TestInfo* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = base::JoinPath(std::getenv("TEST_TMPDIR"), info->name());
    std::filesystem::remove_all(folder_);
    WriteClaims(kClaims);
  }
  ~ClaimsProgramTest() override { experiment::Hooks().on_step = nullptr; }

  void WriteClaims(const std::string& text) {
    EXPECT_TRUE(base::MakeFolders(folder_).ok());
    EXPECT_TRUE(base::WriteFileAtomically(base::JoinPath(folder_, "walk.textproto"), text).ok());
  }

  absl::Status RunWith(std::vector<std::string> arguments, std::string* output = nullptr) {
    arguments.insert(arguments.begin(), {"--claims", "walk.textproto"});
    const std::vector<KnownLine> lines = {{std::make_shared<experiment::WalkLine>(), ""}};
    std::ostringstream out;
    std::ostringstream log;
    const absl::Status status = claims::Run(arguments, lines,
                                            {.out = out,
                                             .log = log,
                                             .working_folder = folder_,
                                             .stop = &stop_,
                                             .checkpoint_seconds = 0});
    if (output != nullptr) *output = out.str();
    log_ = log.str();
    return status;
  }
  std::string ErrorOf(const std::vector<std::string>& arguments) {
    return std::string(RunWith(arguments).message());
  }

  std::string Read(const std::string& name) {
    return base::ReadFile(base::JoinPath(folder_, name)).value_or("");
  }
  // The claim of a finished run.
  nlohmann::json Claim(const std::string& name, const std::string& out = "runs/claims") {
    const auto all = nlohmann::json::parse(Read(out + "/claims.json"), nullptr, false);
    EXPECT_FALSE(all.is_discarded());
    if (all.is_discarded()) return {};
    for (const auto& claim : all["claims"]) {
      if (claim["name"] == name) return claim;
    }
    ADD_FAILURE() << "no claim " << name;
    return {};
  }
  std::vector<std::string> RunFolders(const std::string& runs = "runs/claims") {
    return base::ListFolder(base::JoinPath(folder_, runs + "/walk"))
        .value_or(std::vector<std::string>());
  }

  std::string folder_;
  std::string log_;
  std::atomic<bool> stop_ = false;
};

// What walk.h says of a walk, added up here.
double Position(uint64_t seed, const std::string& walker) {
  random::Stream stream = random::Stream(seed).Split(walker);
  double position = 0;
  for (int i = 0; i < 30; ++i) position += stream.Normal();
  return position;
}

TEST_F(ClaimsProgramTest, VerdictsAreThoseOfWalksAddedUpByHand) {
  std::string output;
  const absl::Status status = RunWith({"--threads", "1"}, &output);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(Claim("more_than_twenty")["verdict"], "seen");
  EXPECT_EQ(Claim("more_than_twenty")["effect"], 10);
  EXPECT_EQ(Claim("fewer_than_twenty")["verdict"], "contradicted");
  EXPECT_EQ(Claim("steps_differ")["verdict"], "equivalent");
  EXPECT_EQ(Claim("run")["verdict"], "not_testable_here");
  EXPECT_EQ(Claim("run")["reason"], "Nobody runs.");
  const nlohmann::json ahead = Claim("left_is_ahead");
  EXPECT_EQ(ahead["verdict"], "inconclusive");
  EXPECT_EQ(ahead["paper"], "ours");
  EXPECT_EQ(ahead["replicates"], nlohmann::json({"5", "6", "7"}));
  double mean = 0;
  for (int i = 0; i < 3; ++i) {
    const uint64_t seed = 5 + i;
    EXPECT_EQ(ahead["values"][i], Position(seed, "left"));
    EXPECT_EQ(ahead["against"][i], Position(seed, "right"));
    mean += (Position(seed, "left") - Position(seed, "right")) / 3;
  }
  EXPECT_NEAR(ahead["effect"].get<double>(), mean, 1e-12);
  EXPECT_LT(ahead["ci95"][0].get<double>(), mean);
  EXPECT_GT(ahead["minimum_detectable"].get<double>(), 1);
  EXPECT_THAT(output, AllOf(HasSubstr("more_than_twenty"), HasSubstr("contradicted"),
                            HasSubstr("runs/claims/CLAIMS.md")));
}

TEST_F(ClaimsProgramTest, UpTo32ReplicatesAreListedOneByOne) {
  for (const auto& [seeds, listed] : {std::pair("0..31", true), {"0..32", false}}) {
    WriteClaims(absl::StrReplaceAll(kClaims, {{"5..7", seeds}, {"5..9", seeds}}));
    ASSERT_TRUE(RunWith({"--out", seeds}).ok());
    const std::string page = Read(absl::StrCat(seeds, "/CLAIMS.md"));
    EXPECT_THAT(page, HasSubstr("### `left_is_ahead`"));
    EXPECT_EQ(absl::StrContains(page, "<summary>Every seed</summary>"), listed) << seeds;
    EXPECT_EQ(absl::StrContains(page, "31: "), listed);
    EXPECT_EQ(Claim("left_is_ahead", seeds)["values"].size(), listed ? 32u : 33u);
  }
}

TEST_F(ClaimsProgramTest, VariancesAreComparedOverAllReplicates) {
  WriteClaims(absl::StrReplaceAll(kClaims,
                                  {{"direction: HIGHER smallest_effect: 0.1",
                                    "direction: HIGHER smallest_effect: 0.1 quantity: VARIANCE"}}));
  ASSERT_TRUE(RunWith({}).ok());
  const auto variance = [](const std::string& walker) {
    double mean = 0, squares = 0;
    for (uint64_t seed = 5; seed <= 7; ++seed) mean += Position(seed, walker) / 3;
    for (uint64_t seed = 5; seed <= 7; ++seed) {
      squares += (Position(seed, walker) - mean) * (Position(seed, walker) - mean);
    }
    return squares / 2;
  };
  const nlohmann::json ahead = Claim("left_is_ahead");
  EXPECT_NEAR(ahead["effect"].get<double>(), variance("left") - variance("right"), 1e-9);
  EXPECT_EQ(ahead["quantity"], "variance");
  EXPECT_EQ(ahead["values"][0], Position(5, "left"));
  EXPECT_THAT(Read("runs/claims/CLAIMS.md"),
              AllOf(HasSubstr("variance of `position` of `left` (`line`) is higher than"),
                    HasSubstr("| effect, metre² |")));
}

TEST_F(ClaimsProgramTest, ControlsSayWhetherTheyAreAsExpected) {
  ASSERT_TRUE(RunWith({}).ok());
  const nlohmann::json controls = Claim("more_than_twenty")["controls"];
  ASSERT_EQ(controls.size(), 2);
  EXPECT_EQ(controls[0]["verdict"], "equivalent");
  EXPECT_EQ(controls[0]["as_expected"], true);
  EXPECT_EQ(controls[1]["verdict"], "equivalent");
  EXPECT_EQ(controls[1]["as_expected"], false);
  EXPECT_THAT(Read("runs/claims/CLAIMS.md"),
              AllOf(HasSubstr("1 of 2 as expected"), HasSubstr("**not as expected**")));
}

TEST_F(ClaimsProgramTest, ThePageTellsProtocolEffectReplicatesAndCommand) {
  ASSERT_TRUE(RunWith({"--markdown", "docs/CLAIMS.md"}).ok());
  EXPECT_EQ(Read("runs/claims/CLAIMS.md"), "");
  EXPECT_THAT(
      Read("docs/CLAIMS.md"),
      AllOf(
          HasSubstr(
              "5 claims: 1 seen, 1 contradicted, 1 equivalent, 1 inconclusive, 1 not testable "
              "here. Controls as expected: 1 of 2.\n"),
          HasSubstr(
              "Written by `tools/bazel run //tools/claims -- --quick --claims walk.textproto`."),
          HasSubstr("| `more_than_twenty`: A walk has more than twenty steps. | walk | **seen** |"),
          HasSubstr("### `left_is_ahead`: inconclusive\n"), HasSubstr("Source: ours."),
          HasSubstr("Protocol: `steps` of `left` (`line`) is higher than 20, experiment `strolls`, "
                    "family `steps`. Steps are counted."),
          HasSubstr("5: 30; 6: 30; 7: 30\n"), HasSubstr("Not testable here: Nobody runs."),
          HasSubstr("tools/bazel run //walk:experiment -- --config "
                    "common/experiment/walk/configs/short.textproto --seeds 5..7\n")));
}

TEST_F(ClaimsProgramTest, EqualRunsHaveEqualBytesForAnyThreads) {
  ASSERT_TRUE(RunWith({"--threads", "1", "--out", "one", "--runs", "a"}).ok());
  ASSERT_TRUE(RunWith({"--threads", "3", "--out", "two", "--runs", "b"}).ok());
  // And from what is finished.
  ASSERT_TRUE(RunWith({"--out", "three", "--runs", "a"}).ok());
  for (const std::string file : {"/claims.json", "/CLAIMS.md"}) {
    EXPECT_NE(Read("one" + file), "");
    EXPECT_EQ(Read("one" + file), Read("two" + file));
    EXPECT_EQ(Read("one" + file), Read("three" + file));
  }
}

TEST_F(ClaimsProgramTest, WhatIsFinishedIsNotRunAgain) {
  std::atomic<int> steps = 0;
  experiment::Hooks().on_step = [&](int64_t) { ++steps; };
  ASSERT_TRUE(RunWith({}).ok());
  EXPECT_EQ(steps, 2 * 3 * 30);
  ASSERT_TRUE(RunWith({}).ok());
  EXPECT_EQ(steps, 2 * 3 * 30);
  ASSERT_TRUE(RunWith({"--full"}).ok());
  EXPECT_EQ(steps, 2 * 5 * 30);
  EXPECT_THAT(RunFolders(), SizeIs(1));
}

TEST_F(ClaimsProgramTest, QuickIsTheSameAfterFull) {
  ASSERT_TRUE(RunWith({"--quick", "--out", "before"}).ok());
  ASSERT_TRUE(RunWith({"--full", "--out", "full"}).ok());
  ASSERT_TRUE(RunWith({"--quick", "--out", "after"}).ok());
  EXPECT_EQ(Read("before/claims.json"), Read("after/claims.json"));
  EXPECT_EQ(Claim("left_is_ahead", "full")["n"], 5);
  EXPECT_EQ(Claim("left_is_ahead", "after")["n"], 3);
}

TEST_F(ClaimsProgramTest, AnInterruptedRunGoesOnToTheSameBytes) {
  ASSERT_TRUE(RunWith({"--out", "whole", "--runs", "whole"}).ok());
  std::atomic<int> steps = 0;
  experiment::Hooks().on_step = [&](int64_t) {
    if (++steps == 70) stop_ = true;
  };
  EXPECT_TRUE(absl::IsCancelled(RunWith({"--threads", "1"})));
  EXPECT_LT(steps, 2 * 3 * 30);
  EXPECT_EQ(Read("runs/claims/claims.json"), "");
  stop_ = false;
  EXPECT_THAT(ErrorOf({}), HasSubstr("--resume"));
  ASSERT_TRUE(RunWith({"--resume"}).ok());
  EXPECT_EQ(steps, 2 * 3 * 30);
  for (const std::string file : {"/claims.json", "/CLAIMS.md"}) {
    EXPECT_EQ(Read("runs/claims" + file), Read("whole" + file));
  }
}

TEST_F(ClaimsProgramTest, ExperimentsOfEqualConfigurationAreOneRun) {
  const std::string second = absl::StrReplaceAll(
      kClaims, {{"claims {\n  name: \"fewer",
                 "experiments {\n  name: \"others\"\n  config: "
                 "\"common/experiment/walk/configs/short.textproto\"\n  quick_seeds: \"7..8\"\n  "
                 "full_seeds: \"7..9\"\n}\nclaims {\n  name: \"fewer"},
                {"right\" direction: HIGHER", "right\" direction: LOWER"}});
  WriteClaims(absl::StrReplaceAll(
      second, {{"paper: \"ours\"\n  experiment: \"strolls\"", "experiment: \"others\""}}));
  const absl::Status status = RunWith({});
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_THAT(RunFolders(), SizeIs(1));
  EXPECT_EQ(Claim("left_is_ahead")["replicates"], nlohmann::json({"7", "8"}));
  EXPECT_EQ(Claim("more_than_twenty")["replicates"], nlohmann::json({"5", "6", "7"}));
}

TEST_F(ClaimsProgramTest, AUnitThatFailsLeavesItsClaimsInconclusive) {
  WriteClaims(absl::StrReplaceAll(
      kClaims, {{"quick_seeds: \"5..7\"", "set: \"fails_at=5\" quick_seeds: \"0..2\""},
                {"full_seeds: \"5..9\"", "full_seeds: \"0..2\""},
                {"method: \"left\"\n    baseline: \"right\" direction: D",
                 "method: \"right\"\n    constant: 30 direction: D"}}));
  const absl::Status status = RunWith({});
  ASSERT_TRUE(status.ok()) << status.message();
  const nlohmann::json failed = Claim("more_than_twenty");
  EXPECT_EQ(failed["verdict"], "inconclusive");
  EXPECT_THAT(failed["missing"].get<std::string>(),
              AllOf(HasSubstr("left.line.seed.1"), HasSubstr("fell in step 6")));
  EXPECT_THAT(failed["replicates"], SizeIs(2));
  EXPECT_FALSE(failed.contains("effect"));
  EXPECT_EQ(Claim("left_is_ahead")["verdict"], "inconclusive");
  // Right did not fall.
  EXPECT_EQ(Claim("steps_differ")["verdict"], "equivalent");
  EXPECT_THAT(Read("runs/claims/CLAIMS.md"), HasSubstr("No test: left.line.seed.1 failed"));
}

TEST_F(ClaimsProgramTest, AnUnknownGroupIsToldBeforeAnythingIsRun) {
  WriteClaims(absl::StrReplaceAll(
      kClaims, {{"group: \"line\" metric: \"pos", "group: \"lane\" metric: \"pos"}}));
  EXPECT_THAT(ErrorOf({}), AllOf(HasSubstr("claim left_is_ahead"), HasSubstr("\"lane\""),
                                 HasSubstr("did you mean \"line\"")));
  EXPECT_THAT(RunFolders(), SizeIs(0));
}

TEST_F(ClaimsProgramTest, UnknownMethodsAndMetricsAreNamed) {
  WriteClaims(absl::StrReplaceAll(kClaims, {{"metric: \"position\"", "metric: \"positon\""}}));
  EXPECT_THAT(ErrorOf({}), AllOf(HasSubstr("claim left_is_ahead"), HasSubstr("of method left"),
                                 HasSubstr("did you mean \"position\"")));
  WriteClaims(absl::StrReplaceAll(
      kClaims, {{"baseline: \"right\" direction: H", "baseline: \"rihgt\" direction: H"}}));
  EXPECT_THAT(ErrorOf({}), AllOf(HasSubstr("claim left_is_ahead"), HasSubstr("in group line"),
                                 HasSubstr("did you mean \"right\"")));
}

TEST_F(ClaimsProgramTest, ReplicatesThatAreNoSeedsAreRefused) {
  // Realisations, two a seed: those of seeds 5 to 7 are 10 to 15.
  WriteClaims(absl::StrReplaceAll(
      kClaims, {{"quick_seeds: \"5..7\"", "set: \"over=realisation\" quick_seeds: \"5..7\""}}));
  EXPECT_THAT(ErrorOf({}), HasSubstr("its replicates are not seeds"));
}

TEST_F(ClaimsProgramTest, ADryRunTellsWhatWouldBeRun) {
  std::string output;
  ASSERT_TRUE(RunWith({"--dry_run", "--full"}, &output).ok());
  EXPECT_THAT(output, AllOf(HasSubstr("walk: strolls (short), seeds 5..9"), HasSubstr("new")));
  EXPECT_THAT(RunFolders(), SizeIs(0));
  EXPECT_EQ(Read("runs/claims/claims.json"), "");
}

TEST_F(ClaimsProgramTest, MistakesOnTheCommandLineAreNamed) {
  EXPECT_THAT(ErrorOf({"--quick", "--full"}), HasSubstr("choose one"));
  EXPECT_THAT(ErrorOf({"--threads", "0"}), HasSubstr("--threads 0"));
  EXPECT_THAT(ErrorOf({"--line", "wlak"}), HasSubstr("did you mean \"walk\""));
  EXPECT_THAT(ErrorOf({"--marksdown", "x"}), HasSubstr("--markdown"));
  EXPECT_THAT(ErrorOf({"--out", ""}), HasSubstr("--out"));
  EXPECT_THAT(ErrorOf({"--line", "walk", "--line", "wlak"}),
              HasSubstr("--line stands twice, with walk and wlak"));
  std::filesystem::remove(base::JoinPath(folder_, "walk.textproto"));
  EXPECT_THAT(ErrorOf({}), HasSubstr("walk.textproto"));
  std::string help;
  ASSERT_TRUE(RunWith({"--help"}, &help).ok());
  EXPECT_THAT(help, AllOf(HasSubstr("--resume"), HasSubstr("--full")));
}

}  // namespace
}  // namespace perennial::claims
