// The program as a user runs it: killed, given bad data, made to diverge.
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/record/summary.h"
#include "common/testing/faults.h"
#include "common/testing/idx.h"
#include "common/testing/process.h"
#include "common/testing/program_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

using ::perennial::testing::KillAndResume;
using ::perennial::testing::KilledRun;
using ::perennial::testing::ProcessResult;
using ::perennial::testing::RunProcess;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// Square images.
data::LabeledImages Made(int32_t count, int32_t side) {
  data::LabeledImages images;
  images.height = images.width = side;
  for (int32_t i = 0; i < count * side * side; ++i) {
    images.pixels.push_back(static_cast<uint8_t>(i * 37));
  }
  for (int32_t i = 0; i < count; ++i) images.labels.push_back(i % 10);
  return images;
}

std::string IdxImages(int32_t count, int32_t side) { return testing::IdxImages(Made(count, side)); }
std::string IdxLabels(int32_t count) { return testing::IdxLabels(Made(count, 1)); }

class ContinualFaultsTest : public testing::ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    binary_ = Binary("continual/experiment");
    options_.environment.emplace_back("PERENNIAL_CHECKPOINT_SECONDS", "0.05");
    WriteData("train-images-idx3-ubyte", IdxImages(60, 4));
    WriteData("train-labels-idx1-ubyte", IdxLabels(60));
    WriteData("t10k-images-idx3-ubyte", IdxImages(20, 4));
    WriteData("t10k-labels-idx1-ubyte", IdxLabels(20));
  }

  void WriteData(const std::string& name, const std::string& bytes) const {
    Write("data/" + name, bytes);
  }
  ProcessResult RunOnData() const {
    return RunProcess(
        {binary_, "--config", "smoke", "--data", "data", "--out", "run", "--seeds", "0", "--set",
         "stream.images.train_per_task=60", "--set", "stream.images.test_per_task=20", "--set",
         "methods=[{naive {}}, {er { memory { per_task: 2 } }}]"},
        options_);
  }

  std::string binary_;
};

TEST_F(ContinualFaultsTest, KilledAtTwentyMomentsARunEndsWithTheSameBytes) {
  const auto run = [&](const std::string& out) {
    return std::vector<std::string>{binary_, "--config",           "smoke",     "--out", out,
                                    "--set", "training.epochs=12", "--threads", "2"};
  };
  const KilledRun killed =
      KillAndResume(run("killed"), {.kills = 20, .latest_seconds = 1.6, .process = options_});
  ASSERT_EQ(killed.last.exit_code, 0) << killed.last.log;
  // A fast machine may be done before the last of them.
  EXPECT_GE(killed.kills, 5);
  const ProcessResult whole = RunProcess(run("whole"), options_);
  ASSERT_EQ(whole.exit_code, 0) << whole.log;
  EXPECT_FALSE(Contents("whole/summary.json").empty());
  EXPECT_EQ(Contents("killed/summary.json"), Contents("whole/summary.json"));
}

TEST_F(ContinualFaultsTest, ALossThatIsNotANumberNamesItsUnitAndSparesTheOthers) {
  // Steps a thousand times too large in a deep network: its layers multiply what each has gained.
  std::string hidden = "64";
  for (int i = 1; i < 12; ++i) hidden += ",64";
  options_.environment.back().second = "0";
  const ProcessResult result = RunProcess(
      {binary_, "--config", "smoke", "--seeds", "4", "--out", "run", "--set",
       absl::StrCat("network.hidden=[", hidden, "]"), "--set", "methods[3].er.replay_weight=1000"},
      options_);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.log,
              ::testing::ContainsRegex("\nerror: 1 unit failed: er.rotated.seed.4: the loss is "
                                       "[-a-z]+ in task [0-9]+, phase [a-z_]+, step [0-9]+; choose "
                                       "a learning rate below 0.05\n$"));
  EXPECT_THAT(result.out, AllOf(HasSubstr("naive"), HasSubstr("mc_sgd")));
  const auto summary = record::ParseSummary(Contents("run/summary.json"));
  ASSERT_TRUE(summary.ok()) << summary.status();
  ASSERT_EQ(summary->failed.size(), 1u);
  EXPECT_EQ(summary->failed[0].unit, "er.rotated.seed.4");
  bool kept = false;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/run/checkpoints")) {
    kept = kept || entry.path().filename().string().rfind("er.rotated.seed.4-", 0) == 0;
  }
  EXPECT_TRUE(kept) << "the last checkpoint before the failure";
}

TEST_F(ContinualFaultsTest, SoundDataRuns) {
  const ProcessResult result = RunOnData();
  EXPECT_EQ(result.exit_code, 0) << result.log;
}

TEST_F(ContinualFaultsTest, BadDataIsOneLineThatNamesTheFile) {
  struct Case {
    std::string what;
    std::function<void()> spoil;
    std::vector<std::string> needles;
  };
  const std::string images = IdxImages(60, 4);
  const std::string labels = IdxLabels(60);
  const std::vector<Case> cases = {
      {"missing",
       [&] { std::filesystem::remove(folder_ + "/data/t10k-labels-idx1-ubyte"); },
       {"--data", "t10k-labels-idx1-ubyte"}},
      {"truncated",
       [&] { WriteData("train-images-idx3-ubyte", images.substr(0, 500)); },
       {"train-images-idx3-ubyte", "truncated"}},
      {"truncated in its header",
       [&] { WriteData("train-images-idx3-ubyte", images.substr(0, 9)); },
       {"train-images-idx3-ubyte", "truncated"}},
      {"trailing bytes",
       [&] { WriteData("train-labels-idx1-ubyte", labels + "x"); },
       {"train-labels-idx1-ubyte", "61"}},
      {"wrong magic",
       [&] { WriteData("train-images-idx3-ubyte", "JFIF" + images.substr(4)); },
       {"train-images-idx3-ubyte", "IDX"}},
      {"damaged gzip",
       [&] {
         std::filesystem::remove(folder_ + "/data/train-labels-idx1-ubyte");
         WriteData("train-labels-idx1-ubyte.gz", "\x1f\x8b\x08 and no more");
       },
       {"train-labels-idx1-ubyte.gz"}},
      {"labels as images",
       [&] { WriteData("train-images-idx3-ubyte", labels); },
       {"train-images-idx3-ubyte", "3 (count, height, width)"}},
      {"fewer labels",
       [&] { WriteData("train-labels-idx1-ubyte", IdxLabels(59)); },
       {"59 labels for the 60 images"}},
      {"a label beyond the classes",
       [&] {
         WriteData("train-labels-idx1-ubyte", labels.substr(0, 30) + "\x0a" + labels.substr(31));
       },
       {"train-labels-idx1-ubyte", "label 10 of example 22", "classes, 10"}},
      {"no images",
       [&] {
         WriteData("train-images-idx3-ubyte", IdxImages(0, 4));
         WriteData("train-labels-idx1-ubyte", IdxLabels(0));
       },
       {"train-images-idx3-ubyte", "no pixels"}},
      {"an empty file",
       [&] { WriteData("train-images-idx3-ubyte", ""); },
       {"train-images-idx3-ubyte"}},
      {"another shape",
       [&] { WriteData("t10k-images-idx3-ubyte", IdxImages(20, 5)); },
       {"4x4", "5x5"}},
  };
  for (const Case& bad : cases) {
    SetUp();
    bad.spoil();
    const ProcessResult result = RunOnData();
    EXPECT_EQ(result.exit_code, 1) << bad.what;
    EXPECT_THAT(result.log, MatchesRegex("error: [^\n]+\n")) << bad.what;
    for (const std::string& needle : bad.needles) {
      EXPECT_THAT(result.log, HasSubstr(needle)) << bad.what;
    }
    EXPECT_FALSE(Exists("run")) << bad.what;
  }
}

TEST_F(ContinualFaultsTest, OtherDataDoesNotEnterAFolder) {
  ASSERT_EQ(RunOnData().exit_code, 0);
  std::string images = IdxImages(60, 4);
  images.back() ^= 1;
  WriteData("train-images-idx3-ubyte", images);
  const ProcessResult result = RunOnData();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.log, MatchesRegex("error: [^\n]*run[^\n]*the data differs[^\n]*\n"));
}

}  // namespace
}  // namespace perennial::continual
