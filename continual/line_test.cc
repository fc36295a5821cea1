#include "continual/line.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/experiment/configuration.h"
#include "common/experiment/harness.h"
#include "common/record/summary.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Folder() { return std::getenv("TEST_TMPDIR"); }

absl::Status RunWith(const std::vector<std::string>& arguments, std::string* output = nullptr) {
  std::ostringstream out, log;
  const absl::Status status = experiment::Run(ContinualLine(), arguments,
                                              {.out = out, .log = log, .working_folder = Folder()});
  if (output != nullptr) *output = out.str();
  return status;
}

std::string ErrorOf(const std::vector<std::string>& arguments) {
  return std::string(RunWith(arguments).message());
}

std::string Summary(const std::string& run) {
  return base::ReadFile(absl::StrCat(Folder(), "/", run, "/summary.json")).value_or("");
}

TEST(ContinualLineTest, EveryReadyConfigurationParsesAndValidates) {
  const absl::Status status = experiment::CheckReadyConfigs(ContinualLine());
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(ContinualLineTest, MistakesOfAUserAreNamed) {
  EXPECT_THAT(ErrorOf({"--set", "training.learning_rat=1"}),
              AllOf(HasSubstr("learning_rat"), HasSubstr("\"learning_rate\"")));
  EXPECT_THAT(ErrorOf({"--set", "training.momentum=1"}), HasSubstr("training.momentum"));
  EXPECT_THAT(ErrorOf({"--set", "methods[1]={naive {}}"}),
              HasSubstr("methods[1].name = \"naive\": stands twice"));
  EXPECT_THAT(ErrorOf({"--set", "methods[1].name=Joint!"}), HasSubstr("lower_snake_case"));
  EXPECT_THAT(ErrorOf({"--data", "nowhere"}), HasSubstr("nowhere"));
}

TEST(ContinualLineTest, MistakesInAStreamAreNamed) {
  EXPECT_THAT(ErrorOf({"--set", "stream.images.train_per_task=70000"}),
              HasSubstr("stream.images.train_per_task = 70000: there are 60000 training images"));
  EXPECT_THAT(ErrorOf({"--set", "stream.images.test_per_task=10001"}),
              HasSubstr("stream.images.test_per_task = 10001: there are 10000 test images"));
  EXPECT_THAT(ErrorOf({"--set", "stream.images.held_out=60000"}),
              HasSubstr("stream.images.held_out = 60000: there are 59999"));
  EXPECT_THAT(ErrorOf({"--set", "stream.images.held_out=2000"}),
              HasSubstr("stream.images.test_per_task = 2500: there are 2000 images held out"));
  EXPECT_THAT(ErrorOf({"--set", "stream.rotated.degrees=[0, 90]"}),
              HasSubstr("stream.rotated.degrees: 2 angles for 20 tasks"));
  EXPECT_THAT(ErrorOf({"--set", "stream.rotated.degrees=[0, 90]", "--set",
                       "stream.rotated.random_range_degrees=90"}),
              HasSubstr("not both"));
}

TEST(ContinualLineTest, MistakesInMethodsAreNamed) {
  EXPECT_THAT(ErrorOf({"--set", "methods=[]"}), HasSubstr("methods: must name at least one"));
  EXPECT_THAT(ErrorOf({"--set", "methods=[{naive {}}, {stable {}}]"}),
              AllOf(HasSubstr("methods[1] is stable"), HasSubstr("training.learning_rate_decay")));
  EXPECT_THAT(ErrorOf({"--set", "methods=[{stable {} training { momentum: 0.5 }}]"}),
              HasSubstr("methods[0] is stable"));
  EXPECT_THAT(ErrorOf({"--set", "methods[0].training.momentum=1"}),
              HasSubstr("methods[0].training.momentum"));
  EXPECT_THAT(ErrorOf({"--set", "methods=[{er { memory { policy: RINGS } }}]"}), HasSubstr("RING"));
  EXPECT_THAT(ErrorOf({"--set", "methods=[{ewc { decay: 1.5 }}]"}), HasSubstr("ewc.decay"));
}

TEST(ContinualLineTest, MistakesInSearchesAreNamed) {
  const auto error = [](const std::string& name, const std::string& field) {
    return ErrorOf({"--set", "methods=[{er {}}]", "--set",
                    absl::StrCat("searches=[{name: \"", name, "\" fields: [{", field, "}]}]")});
  };
  const std::string weight = "path: \"er.replay_weight\" uniform { min: 1 max: 2 }";
  EXPECT_THAT(error("err", weight),
              AllOf(HasSubstr("searches"), HasSubstr("\"err\""), HasSubstr("\"er\"")));
  EXPECT_THAT(error("er", "path: \"er.replay_wight\" uniform { min: 1 max: 2 }"),
              AllOf(HasSubstr("searches \"er\""), HasSubstr("\"replay_weight\"")));
  EXPECT_THAT(error("er", "path: \"er.replay_weight\" uniform { min: 2 max: 1 }"),
              HasSubstr("min < max"));
}

// Method by method, the values of a metric of seed 0.
std::map<std::string, double> Values(const std::string& run, const std::string& metric) {
  std::map<std::string, double> values;
  const auto summary = record::ParseSummary(Summary(run));
  EXPECT_TRUE(summary.ok()) << summary.status();
  for (const record::SummaryResult& result : summary->results) {
    if (result.metric == metric) values[result.method] = result.values.at("0");
  }
  return values;
}

absl::Status RunSmoke(const std::string& out, std::vector<std::string> settings) {
  std::vector<std::string> arguments = {"--config", "smoke", "--seeds", "0", "--out", out};
  for (std::string& setting : settings) {
    arguments.push_back("--set");
    arguments.push_back(std::move(setting));
  }
  return RunWith(arguments);
}

TEST(ContinualLineTest, ASearchMakesTrialsOfItsMethodAndLeavesTheOthersAlone) {
  const std::string methods = "methods=[{naive {}}, {er {}}]";
  ASSERT_TRUE(RunSmoke("plain", {methods}).ok());
  const absl::Status status = RunSmoke(
      "search", {methods,
                 "searches=[{name: \"er\" trials: 3 fields: [{path: \"training.learning_rate\" "
                 "log_uniform { min: 0.001 max: 0.1 }}]}]"});
  ASSERT_TRUE(status.ok()) << status;
  const auto plain = Values("plain", "average_accuracy");
  const auto search = Values("search", "average_accuracy");
  ASSERT_EQ(search.size(), 4u);
  EXPECT_EQ(search.at("naive"), plain.at("naive"));
  EXPECT_EQ(search.at("er_t00"), plain.at("er")) << "the method as it stands";
  EXPECT_NE(search.at("er_t01"), plain.at("er"));
  EXPECT_NE(search.at("er_t02"), search.at("er_t01"));
}

TEST(ContinualLineTest, AMethodsOwnTrainingTestsOnceAndPermutedTasksReachTheUnits) {
  const absl::Status status =
      RunSmoke("own", {"methods=[{naive {}}, {name: \"twice\" naive {} training { epochs: 2 }}]",
                       "test_after_each_task=false",
                       "stream={ permuted { tasks: 2 } images { train_per_task: 640 } }"});
  ASSERT_TRUE(status.ok()) << status;
  const auto passes = Values("own", "gradient_passes");
  EXPECT_EQ(passes.at("naive"), 2 * 10);
  EXPECT_EQ(passes.at("twice"), 2 * 20);
  EXPECT_EQ(Values("own", "average_accuracy").size(), 2u);
  EXPECT_TRUE(Values("own", "forgetting").empty());
  EXPECT_TRUE(Values("own", "learning_accuracy").empty());
  EXPECT_THAT(Summary("own"), HasSubstr("\"group\":\"permuted\""));
}

// Real data, all methods: the same bytes on one thread and on two, with seeds run together or
// apart.
TEST(ContinualLineTest, TheSummaryDependsOnNeitherThreadsNorGrouping) {
  std::string output;
  ASSERT_TRUE(
      RunWith({"--config", "smoke", "--seeds", "0..1", "--threads", "1", "--out", "one"}, &output)
          .ok());
  for (const char* method : {"naive", "stable", "joint", "er", "agem", "ewc", "mc_sgd"}) {
    EXPECT_THAT(output, HasSubstr(method));
  }
  EXPECT_THAT(output, HasSubstr("report.html"));
  ASSERT_TRUE(
      RunWith({"--config", "smoke", "--seeds", "0..1", "--threads", "2", "--out", "two"}).ok());
  ASSERT_TRUE(RunWith({"--config", "smoke", "--seeds", "1", "--out", "apart"}).ok());
  ASSERT_TRUE(RunWith({"--config", "smoke", "--seeds", "0", "--out", "apart"}).ok());
  EXPECT_FALSE(Summary("one").empty());
  EXPECT_EQ(Summary("one"), Summary("two"));
  EXPECT_EQ(Summary("one"), Summary("apart"));
}

}  // namespace
}  // namespace perennial::continual
