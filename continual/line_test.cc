#include "continual/line.h"

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/experiment/configuration.h"
#include "common/experiment/harness.h"
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
  EXPECT_THAT(ErrorOf({"--set", "stream.rotated.train_per_task=70000"}),
              HasSubstr("the data set has 60000 images"));
  EXPECT_THAT(ErrorOf({"--data", "nowhere"}), HasSubstr("nowhere"));
}

// Real data, all methods: the same bytes on one thread and on two, with seeds run together or
// apart.
TEST(ContinualLineTest, TheSummaryDependsOnNeitherThreadsNorGrouping) {
  std::string output;
  ASSERT_TRUE(
      RunWith({"--config", "smoke", "--seeds", "0..1", "--threads", "1", "--out", "one"}, &output)
          .ok());
  EXPECT_THAT(output, AllOf(HasSubstr("naive"), HasSubstr("mc_sgd"), HasSubstr("report.html")));
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
