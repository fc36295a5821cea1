#include "common/experiment/harness.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/config/options.pb.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"
#include "common/record/summary.h"
#include "gmock/gmock.h"
#include "google/protobuf/message.h"
#include "gtest/gtest.h"

namespace perennial::experiment {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A random walk of `min` steps, "max" scales it; the configuration borrows config::Range.
class Walk final : public population::Unit {
 public:
  Walk(const config::Range& config, std::string method, uint64_t seed)
      : key_{std::move(method), "line", "seed", std::to_string(seed)},
        scale_(config.max()),
        seed_(seed),
        stream_(random::Stream(seed).Split(key_.method)) {
    plan_.steps = static_cast<int64_t>(config.min());
    plan_.training_flops = static_cast<double>(plan_.steps);
    plan_.memory_bytes = memory_bytes();
  }

  const population::UnitKey& key() const override { return key_; }
  const population::UnitPlan& plan() const override { return plan_; }
  int64_t steps_done() const override { return done_; }
  double progress() const override { return static_cast<double>(done_) / plan_.steps; }

  absl::Status Advance(int64_t steps) override {
    for (int64_t i = 0; i < steps && !finished(); ++i) {
      if (fail_at() == done_) return absl::FailedPreconditionError("the loss is nan");
      position_ += scale_ * stream_.Normal();
      ++done_;
      if (done_ % 10 == 0) events_.push_back({.step = done_, .values = {{"position", position_}}});
      if (on_step() != nullptr) on_step()(done_);
    }
    return absl::OkStatus();
  }

  std::vector<population::Event> TakeEvents() override { return std::exchange(events_, {}); }

  absl::StatusOr<std::string> Save() const override {
    record::SafetensorsWriter writer;
    const double position[] = {position_};
    const int64_t done[] = {done_};
    EXPECT_TRUE(writer.Add<double>("position", {1}, position).ok());
    EXPECT_TRUE(writer.Add<int64_t>("done", {1}, done).ok());
    return writer.Finish();
  }

  absl::Status Load(absl::string_view state) override {
    PERENNIAL_ASSIGN_OR_RETURN(const auto file, record::SafetensorsFile::Parse(std::string(state)));
    PERENNIAL_ASSIGN_OR_RETURN(const auto position, file.Read<double>("position"));
    PERENNIAL_ASSIGN_OR_RETURN(const auto done, file.Read<int64_t>("done"));
    if (position.size() != 1 || done.size() != 1 || done[0] < 0 || done[0] > plan_.steps) {
      return absl::DataLossError("not the state of a walk");
    }
    position_ = position[0];
    done_ = done[0];
    stream_ = random::Stream(seed_).Split(key_.method);
    for (int64_t i = 0; i < done_; ++i) stream_.Normal();
    return absl::OkStatus();
  }

  population::UnitResults Results() const override {
    return {.measurements = {{"position", "metre", position_}, {"steps", "count", 1.0 * done_}},
            .curves = {{"Path", "step", "position", {0, 1}, {0, position_}}},
            .matrices = {{"Grid", "row", "column", {{position_, std::nullopt}}}}};
  }

  void Release() override {
    EXPECT_TRUE(finished());
    ++released();
  }

  static std::atomic<int>& released() {
    static std::atomic<int> count = 0;
    return count;
  }

  static double& memory_bytes() {
    static double bytes = 0;
    return bytes;
  }

  // Test doubles of what can happen within a step.
  static std::atomic<int64_t>& fail_at() {
    static std::atomic<int64_t> at = -1;
    return at;
  }
  static std::function<void(int64_t)>& on_step() {
    static std::function<void(int64_t)> hook;
    return hook;
  }

 private:
  population::UnitKey key_;
  population::UnitPlan plan_;
  double scale_;
  uint64_t seed_;
  random::Stream stream_;
  int64_t done_ = 0;
  double position_ = 0;
  std::vector<population::Event> events_;
};

class WalkExperiment final : public Experiment {
 public:
  explicit WalkExperiment(const config::Range& config) : config_(config) {}
  std::string data_digest() const override { return "none"; }
  absl::StatusOr<std::vector<std::unique_ptr<population::Unit>>> Units(uint64_t seed) override {
    std::vector<std::unique_ptr<population::Unit>> units;
    units.push_back(std::make_unique<Walk>(config_, "left", seed));
    units.push_back(std::make_unique<Walk>(config_, "right", seed));
    return units;
  }

 private:
  config::Range config_;
};

class WalkLine final : public Line {
 public:
  std::string name() const override { return "walk"; }
  std::string title() const override { return "Random walks"; }
  std::string config_folder() const override { return "perennial/common/experiment/testdata"; }
  std::string default_config() const override { return "short"; }
  std::unique_ptr<google::protobuf::Message> NewConfig() const override {
    return std::make_unique<config::Range>();
  }
  absl::Status FinishConfig(google::protobuf::Message& message) const override {
    auto& config = *google::protobuf::DynamicCastToGenerated<config::Range>(&message);
    if (config.min() < 1) return absl::InvalidArgumentError("min = 0: must be at least 1");
    if (!config.has_max() || config.max() == 0) config.set_max(1);
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<Experiment>> Prepare(const google::protobuf::Message& message,
                                                      const std::string&) const override {
    return std::make_unique<WalkExperiment>(
        *google::protobuf::DynamicCastToGenerated<config::Range>(&message));
  }
  std::vector<Headline> headlines() const override { return {{"position", "position"}}; }
};

class HarnessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(std::getenv("TEST_TMPDIR"), "/",
                           ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    ASSERT_TRUE(base::MakeFolders(folder_).ok());
  }
  void TearDown() override {
    Walk::fail_at() = -1;
    Walk::on_step() = nullptr;
  }

  absl::Status RunWith(const std::vector<std::string>& arguments) {
    std::ostringstream out, log;
    const absl::Status status = experiment::Run(WalkLine(), arguments,
                                                {.out = out,
                                                 .log = log,
                                                 .working_folder = folder_,
                                                 .stop = &stop_,
                                                 .checkpoint_seconds = checkpoint_seconds_});
    out_ = out.str();
    log_ = log.str();
    return status;
  }
  std::string ErrorOf(const std::vector<std::string>& arguments) {
    return std::string(RunWith(arguments).message());
  }
  std::string Contents(const std::string& name) {
    return base::ReadFile(absl::StrCat(folder_, "/", name)).value_or("");
  }

  std::string folder_;
  std::string out_;
  std::string log_;
  std::atomic<bool> stop_ = false;
  double checkpoint_seconds_ = 1000;
};

TEST_F(HarnessTest, ARunLeavesAllItsFiles) {
  ASSERT_TRUE(RunWith({"--out", "run"}).ok());
  for (const char* name : {"config.textproto", "run.json", "metrics.jsonl", "summary.json",
                           "report.html", "tables.csv"}) {
    EXPECT_FALSE(Contents(absl::StrCat("run/", name)).empty()) << name;
  }
  EXPECT_THAT(out_, AllOf(HasSubstr("left"), HasSubstr("summary  run/summary.json"),
                          HasSubstr("report   run/report.html")));
  const auto summary = record::ParseSummary(Contents("run/summary.json"));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->line, "walk");
  EXPECT_EQ(summary->config, "short");
  ASSERT_EQ(summary->results.size(), 4u);
  EXPECT_EQ(summary->results[0].values.size(), 3u);
  // The walk itself, added up here.
  random::Stream stream = random::Stream(1).Split("left");
  double position = 0;
  for (int i = 0; i < 30; ++i) position += stream.Normal();
  EXPECT_EQ(summary->results[0].values.find("1")->second, position);
}

TEST_F(HarnessTest, TheDefaultFolderNamesConfigurationAndFingerprint) {
  ASSERT_TRUE(RunWith({}).ok());
  int runs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/runs/walk")) {
    EXPECT_THAT(entry.path().filename().string(), ::testing::MatchesRegex("short-[0-9a-f]+"));
    ++runs;
  }
  EXPECT_EQ(runs, 1);
}

TEST_F(HarnessTest, ThreadsAndGroupingOfSeedsDoNotChangeTheSummary) {
  ASSERT_TRUE(RunWith({"--out", "a", "--threads", "1", "--seeds", "0..3"}).ok());
  ASSERT_TRUE(RunWith({"--out", "b", "--threads", "4", "--seeds", "0..3"}).ok());
  ASSERT_TRUE(RunWith({"--out", "c", "--seeds", "3"}).ok());
  ASSERT_TRUE(RunWith({"--out", "c", "--seeds", "0..2"}).ok());
  EXPECT_EQ(Contents("a/summary.json"), Contents("b/summary.json"));
  EXPECT_EQ(Contents("a/summary.json"), Contents("c/summary.json"));
}

TEST_F(HarnessTest, AFinishedRunIsShownAgainAndNotRepeated) {
  ASSERT_TRUE(RunWith({"--out", "run"}).ok());
  const std::string before = Contents("run/run.json");
  ASSERT_TRUE(RunWith({"--out", "run"}).ok());
  EXPECT_THAT(out_, AllOf(HasSubstr("finished"), HasSubstr("left")));
  EXPECT_EQ(Contents("run/run.json"), before);
}

TEST_F(HarnessTest, UnitsThatHaveEndedAreReleasedWhetherTheyRanOrWereLoaded) {
  Walk::released() = 0;
  ASSERT_TRUE(RunWith({"--seeds", "0..1", "--out", "run"}).ok());
  EXPECT_EQ(Walk::released(), 4);
  ASSERT_TRUE(RunWith({"--seeds", "0..2", "--out", "run"}).ok());
  EXPECT_EQ(Walk::released(), 4 + 6);
}

TEST_F(HarnessTest, WhatDoesNotFitIntoMemoryIsRefusedAndLeavesNoFolder) {
  Walk::memory_bytes() = 1e15;
  EXPECT_THAT(ErrorOf({"--out", "huge"}), AllOf(HasSubstr("1e+06 GB"), HasSubstr("are free")));
  EXPECT_FALSE(base::FileExists(folder_ + "/huge"));
  Walk::memory_bytes() = 0;
  EXPECT_TRUE(RunWith({"--out", "huge"}).ok());
}

TEST_F(HarnessTest, AnInterruptedRunGoesOnToTheSameBytes) {
  const std::vector<std::string> arguments = {"--config", "long", "--out", "cut"};
  ASSERT_TRUE(RunWith({"--config", "long", "--out", "whole"}).ok());
  for (const int64_t at : {1, 57, 399}) {
    std::filesystem::remove_all(folder_ + "/cut");
    Walk::on_step() = [&](int64_t step) {
      if (step == at) stop_ = true;
    };
    EXPECT_EQ(RunWith(arguments).code(), absl::StatusCode::kCancelled);
    Walk::on_step() = nullptr;
    stop_ = false;
    EXPECT_FALSE(base::FileExists(folder_ + "/cut/summary.json"));
    EXPECT_THAT(ErrorOf(arguments), HasSubstr("--resume"));
    ASSERT_TRUE(RunWith({"--config", "long", "--out", "cut", "--resume"}).ok());
    EXPECT_EQ(Contents("cut/summary.json"), Contents("whole/summary.json"));
  }
}

TEST_F(HarnessTest, AResumedStreamHoldsEveryMeasurementOnce) {
  checkpoint_seconds_ = 0;  // A checkpoint after every chunk.
  Walk::fail_at() = 205;
  EXPECT_THAT(ErrorOf({"--config", "long", "--out", "run", "--threads", "1"}),
              HasSubstr("the loss is nan"));
  Walk::fail_at() = -1;
  ASSERT_TRUE(RunWith({"--config", "long", "--out", "run", "--resume"}).ok());
  std::multiset<std::string> lines;
  std::istringstream stream(Contents("run/metrics.jsonl"));
  for (std::string line; std::getline(stream, line);) lines.insert(line);
  EXPECT_EQ(lines.size(), 2u * 3 * 40);
  for (const std::string& line : lines) EXPECT_EQ(lines.count(line), 1u) << line;
}

TEST_F(HarnessTest, ACorruptCheckpointIsReplacedByTheOneBefore) {
  checkpoint_seconds_ = 0;
  ASSERT_TRUE(RunWith({"--config", "long", "--out", "whole"}).ok());
  Walk::fail_at() = 300;
  ASSERT_FALSE(
      RunWith({"--config", "long", "--out", "run", "--threads", "1", "--seeds", "0"}).ok());
  Walk::fail_at() = -1;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/run/checkpoints")) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  ASSERT_GE(files.size(), 2u);
  std::string bytes = *base::ReadFile(files.back().string());
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(files.back(), std::ios::binary) << bytes;
  ASSERT_TRUE(RunWith({"--config", "long", "--out", "run", "--resume", "--seeds", "0..2"}).ok());
  EXPECT_THAT(log_, HasSubstr("warning: "));
  EXPECT_EQ(Contents("run/summary.json"), Contents("whole/summary.json"));
}

TEST_F(HarnessTest, AnotherConfigurationDoesNotEnterAFolder) {
  ASSERT_TRUE(RunWith({"--out", "run"}).ok());
  EXPECT_THAT(ErrorOf({"--out", "run", "--set", "min=31"}),
              AllOf(HasSubstr("--out run holds a run of another configuration"),
                    HasSubstr("min: 30"), HasSubstr("min: 31")));
}

TEST_F(HarnessTest, TheSameConfigurationUnderAnotherNameIsSaidToBeThat) {
  ASSERT_TRUE(RunWith({"--out", "run"}).ok());
  std::ofstream(folder_ + "/other.textproto") << "min: 30\n";
  EXPECT_THAT(ErrorOf({"--out", "run", "--config", "other.textproto"}),
              HasSubstr("the same under another name"));
}

TEST_F(HarnessTest, ALostRunJsonLosesNoSeeds) {
  ASSERT_TRUE(RunWith({"--out", "run", "--seeds", "0..4"}).ok());
  const std::string summary = Contents("run/summary.json");
  std::filesystem::remove(folder_ + "/run/run.json");
  ASSERT_TRUE(RunWith({"--out", "run"}).ok());
  EXPECT_EQ(Contents("run/summary.json"), summary);
  std::filesystem::remove(folder_ + "/run/summary.json");
  EXPECT_THAT(ErrorOf({"--out", "run", "--resume"}), HasSubstr("name them with --seeds"));
  ASSERT_TRUE(RunWith({"--out", "run", "--resume", "--seeds", "0..4"}).ok());
  EXPECT_EQ(Contents("run/summary.json"), summary);
}

TEST_F(HarnessTest, GoingOnWithAnotherBuildIsSaid) {
  ASSERT_TRUE(RunWith({"--out", "run", "--seeds", "0"}).ok());
  std::string run_json = Contents("run/run.json");
  const size_t at = run_json.find("\"blas\":\"") + 8;
  run_json.insert(at, "another ");
  std::ofstream(folder_ + "/run/run.json") << run_json;
  ASSERT_TRUE(RunWith({"--out", "run", "--seeds", "1"}).ok());
  EXPECT_THAT(log_, HasSubstr("this run began with blas \"another "));
}

TEST_F(HarnessTest, WhatWasDoneBeforeAFailureIsKept) {
  ASSERT_TRUE(RunWith({"--config", "long", "--out", "whole"}).ok());
  Walk::fail_at() = 205;
  // On one thread the first unit fails, long before its first checkpoint is due.
  ASSERT_FALSE(RunWith({"--config", "long", "--out", "run", "--threads", "1"}).ok());
  Walk::fail_at() = -1;
  EXPECT_TRUE(base::FileExists(folder_ + "/run/checkpoints/left.line.seed.0-00000001.ckpt"));
  ASSERT_TRUE(RunWith({"--config", "long", "--out", "run", "--threads", "1", "--resume"}).ok());
  EXPECT_EQ(Contents("run/summary.json"), Contents("whole/summary.json"));
}

TEST_F(HarnessTest, MistakesAreOneClearLine) {
  EXPECT_THAT(ErrorOf({"--config", "shrt"}), HasSubstr("did you mean \"short\"?"));
  EXPECT_THAT(ErrorOf({"--set", "mim=3"}), AllOf(HasSubstr("--set"), HasSubstr("\"min\"")));
  EXPECT_THAT(ErrorOf({"--set", "min=0"}), HasSubstr("must be at least 1"));
  EXPECT_THAT(ErrorOf({"--device", "cuda"}), HasSubstr("--device cuda"));
  std::ofstream(folder_ + "/bad.textproto") << "min: 3\nmaxx: 4\n";
  EXPECT_THAT(ErrorOf({"--config", "bad.textproto"}),
              AllOf(HasSubstr("bad.textproto:2:"), HasSubstr("maxx")));
  std::ofstream(folder_ + "/file") << "in the way";
  EXPECT_FALSE(ErrorOf({"--out", "file"}).empty());
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/runs"));
}

TEST_F(HarnessTest, ListHelpAndDryRunWriteNothing) {
  ASSERT_TRUE(RunWith({"--list"}).ok());
  EXPECT_THAT(out_, AllOf(HasSubstr("short"), HasSubstr("A short walk. (default)"),
                          HasSubstr("A longer walk.")));
  ASSERT_TRUE(RunWith({"--help"}).ok());
  EXPECT_THAT(out_, AllOf(HasSubstr("--dry_run"), HasSubstr("exclusive_min")));
  ASSERT_TRUE(RunWith({"--dry_run", "--seeds", "0..4"}).ok());
  EXPECT_THAT(out_, AllOf(HasSubstr("10 units"), HasSubstr("150")));
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(HarnessTest, ReadyConfigurationsAreChecked) {
  EXPECT_TRUE(CheckReadyConfigs(WalkLine()).ok());
}

}  // namespace
}  // namespace perennial::experiment
