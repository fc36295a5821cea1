#include "common/experiment/harness.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/experiment/configuration.h"
#include "common/experiment/walk/walk.h"
#include "common/experiment/walk/walk.pb.h"
#include "common/random/stream.h"
#include "common/record/event_file.h"
#include "common/record/safetensors.h"
#include "common/record/summary.h"
#include "common/testing/program_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::experiment {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Walks that are measured after each step, by work which they give away and which takes longer than
// the step: when a checkpoint falls due it is under way. What was not waited for is missing from a
// state.
struct SideWalkHooks {
  std::function<void(int64_t step)> on_step;
  std::atomic<int> waited = 0;                // Times that Settle met work under way.
  std::atomic<bool> saved_unsettled = false;  // A state was asked for then, or after an error.
  std::function<double(uint64_t)> flops;      // Of a seed's unit; else one a step.
};

class SideWalk final : public population::Unit {
 public:
  SideWalk(const WalkConfig& config, uint64_t seed, SideWalkHooks& hooks)
      : key_{"side", "line", "seed", absl::StrCat(seed)},
        config_(config),
        hooks_(hooks),
        stream_(seed) {
    plan_.steps = config.steps();
    plan_.training_flops = hooks.flops ? hooks.flops(seed) : static_cast<double>(plan_.steps);
  }

  const population::UnitKey& key() const override { return key_; }
  const population::UnitPlan& plan() const override { return plan_; }
  int64_t steps_done() const override { return done_; }
  double progress() const override {
    return static_cast<double>(done_) / static_cast<double>(plan_.steps);
  }
  void UseSpareThreads(population::SpareThreads* spare) override { spare_ = spare; }

  absl::Status Advance(int64_t steps) override {
    for (int64_t i = 0; i < steps && !finished(); ++i) {
      PERENNIAL_RETURN_IF_ERROR(Collect());
      // Time for the other thread to be free again.
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      position_ += stream_.Normal();
      ++done_;
      Measure();
      if (finished()) PERENNIAL_RETURN_IF_ERROR(Collect());
      if (hooks_.on_step) hooks_.on_step(done_);
    }
    return absl::OkStatus();
  }

  absl::Status Settle() override {
    if (measured_.valid() &&
        measured_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      ++hooks_.waited;
    }
    return Collect();
  }

  std::vector<population::Event> TakeEvents() override { return std::exchange(events_, {}); }

  absl::StatusOr<std::string> Save() const override {
    if (measured_.valid() || !error_.ok()) hooks_.saved_unsettled = true;
    record::SafetensorsWriter writer;
    const double sums[] = {position_, measured_sum_};
    const int64_t done[] = {done_};
    PERENNIAL_RETURN_IF_ERROR(writer.Add<double>("sums", {2}, sums));
    PERENNIAL_RETURN_IF_ERROR(writer.Add<int64_t>("done", {1}, done));
    return writer.Finish();
  }

  absl::Status Load(absl::string_view state) override {
    PERENNIAL_ASSIGN_OR_RETURN(const auto file, record::SafetensorsFile::Parse(std::string(state)));
    PERENNIAL_ASSIGN_OR_RETURN(const auto sums, file.Read<double>("sums"));
    PERENNIAL_ASSIGN_OR_RETURN(const auto done, file.Read<int64_t>("done"));
    position_ = sums[0];
    measured_sum_ = sums[1];
    done_ = done[0];
    for (int64_t i = 0; i < done_; ++i) stream_.Normal();
    return absl::OkStatus();
  }

  population::UnitResults Results() const override {
    return {.measurements = {{"position", "metre", position_}, {"sum", "metre", measured_sum_}}};
  }

 private:
  void Measure() {
    const bool fails = done_ == config_.fails_at();
    const auto task = std::make_shared<std::packaged_task<absl::StatusOr<double>()>>(
        [position = position_, fails]() -> absl::StatusOr<double> {
          std::this_thread::sleep_for(std::chrono::milliseconds(8));
          if (fails) return absl::FailedPreconditionError("not to be measured");
          return position;
        });
    measured_ = task->get_future();
    const auto work = [task] { (*task)(); };
    if (spare_ == nullptr || !spare_->TryRun(work)) work();
  }

  absl::Status Collect() {
    if (!error_.ok() || !measured_.valid()) return error_;
    const absl::StatusOr<double> position = measured_.get();
    error_ = position.status();
    if (!position.ok()) return error_;
    measured_sum_ += *position;
    events_.push_back({.step = done_, .values = {{"measured", *position}}});
    return absl::OkStatus();
  }

  population::UnitKey key_;
  population::UnitPlan plan_;
  WalkConfig config_;
  SideWalkHooks& hooks_;
  random::Stream stream_;
  population::SpareThreads* spare_ = nullptr;
  std::future<absl::StatusOr<double>> measured_;
  absl::Status error_;
  int64_t done_ = 0;
  double position_ = 0;
  double measured_sum_ = 0;
  std::vector<population::Event> events_;
};

class SideWalkLine final : public Line {
 public:
  explicit SideWalkLine(SideWalkHooks& hooks) : hooks_(hooks) {}
  std::string name() const override { return "side_walk"; }
  std::string title() const override { return "Walks with company"; }
  std::string config_folder() const override { return WalkLine().config_folder(); }
  std::string default_config() const override { return "short"; }
  std::unique_ptr<google::protobuf::Message> NewConfig() const override {
    return std::make_unique<WalkConfig>();
  }
  absl::StatusOr<std::unique_ptr<Experiment>> Prepare(
      const google::protobuf::Message& message, const std::string& /*data_folder*/) const override {
    return std::make_unique<SideWalkExperiment>(
        *google::protobuf::DynamicCastToGenerated<WalkConfig>(&message), hooks_);
  }
  std::vector<Headline> headlines() const override { return {{"position", "position"}}; }

 private:
  class SideWalkExperiment final : public Experiment {
   public:
    SideWalkExperiment(const WalkConfig& config, SideWalkHooks& hooks)
        : config_(config), hooks_(hooks) {}
    std::string data_digest() const override { return "none"; }
    absl::StatusOr<std::vector<std::unique_ptr<population::Unit>>> Units(uint64_t seed) override {
      std::vector<std::unique_ptr<population::Unit>> units;
      units.push_back(std::make_unique<SideWalk>(config_, seed, hooks_));
      return units;
    }

   private:
    const WalkConfig config_;
    SideWalkHooks& hooks_;
  };

  SideWalkHooks& hooks_;
};

class HarnessTest : public testing::FolderTest {
 protected:
  void TearDown() override { Hooks().on_step = nullptr; }

  // Every walk fails in this step, which none does by itself.
  void FailAt(int64_t step) {
    Hooks().on_step = [step](int64_t done) {
      if (done == step) throw std::runtime_error("pushed");
    };
  }

  absl::Status RunWith(const std::vector<std::string>& arguments, const Line& line = WalkLine()) {
    std::ostringstream out, log;
    const absl::Status status = experiment::Run(line, arguments,
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
  Hooks().released = 0;
  ASSERT_TRUE(RunWith({"--seeds", "0..1", "--out", "run"}).ok());
  EXPECT_EQ(Hooks().released, 4);
  ASSERT_TRUE(RunWith({"--seeds", "0..2", "--out", "run"}).ok());
  EXPECT_EQ(Hooks().released, 4 + 6);
}

TEST_F(HarnessTest, WhatDoesNotFitIntoMemoryIsRefusedAndLeavesNoFolder) {
  EXPECT_THAT(ErrorOf({"--out", "huge", "--set", "memory_gigabytes=1e6"}),
              AllOf(HasSubstr("1e+06 GB"), HasSubstr("are free")));
  EXPECT_FALSE(base::FolderExists(folder_ + "/huge"));
}

TEST_F(HarnessTest, AnInterruptedRunGoesOnToTheSameBytes) {
  const std::vector<std::string> arguments = {"--config", "long", "--out", "cut"};
  ASSERT_TRUE(RunWith({"--config", "long", "--out", "whole"}).ok());
  for (const int64_t at : {1, 57, 399}) {
    std::filesystem::remove_all(folder_ + "/cut");
    Hooks().on_step = [&](int64_t step) {
      if (step == at) stop_ = true;
    };
    EXPECT_EQ(RunWith(arguments).code(), absl::StatusCode::kCancelled);
    stop_ = false;
    EXPECT_FALSE(base::FileExists(folder_ + "/cut/summary.json"));
    EXPECT_THAT(ErrorOf(arguments), HasSubstr("--resume"));
    // What was done is not done again.
    std::atomic<int64_t> steps = 0;
    Hooks().on_step = [&](int64_t) { ++steps; };
    ASSERT_TRUE(RunWith({"--config", "long", "--out", "cut", "--resume"}).ok());
    Hooks().on_step = nullptr;
    EXPECT_LE(steps, 6 * 400 - at);
    EXPECT_EQ(Contents("cut/summary.json"), Contents("whole/summary.json"));
  }
}

TEST_F(HarnessTest, SaysWhatIsKeptOfTheEarlierRunAndCountsOnFromThere) {
  const std::vector<std::string> arguments = {"--config",  "long", "--out",   "run",
                                              "--threads", "1",    "--resume"};
  // Two units of 400 steps, and some steps of a third.
  int64_t steps = 0;
  Hooks().on_step = [&](int64_t) {
    if (++steps >= 820) stop_ = true;
  };
  EXPECT_EQ(RunWith(arguments).code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(out_, Not(HasSubstr("kept from")));
  EXPECT_EQ(log_.find("--resume: there is nothing in run to go on with; a new run begins\n"), 0u);
  ASSERT_GT(steps, 800);
  ASSERT_LT(steps, 1200);
  stop_ = false;
  // Stopped at once: it counts what was done before.
  EXPECT_EQ(RunWith(arguments).code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(out_, HasSubstr(" -> run\nkept from the earlier run: 2 of 6 units, and parts of 1 "
                              "more\n"));
  const auto done = static_cast<double>(steps);
  EXPECT_EQ(log_.find(absl::StrFormat("%3.0f %%  %.1f/6 units", done / 24, done / 400)), 0u)
      << log_;
  stop_ = false;
  Hooks().on_step = nullptr;
  ASSERT_TRUE(RunWith(arguments).ok());
  ASSERT_TRUE(RunWith({"--config", "long", "--out", "run", "--seeds", "0..3"}).ok());
  EXPECT_THAT(out_, HasSubstr("\nkept from the earlier run: 6 of 8 units\n"));
}

TEST_F(HarnessTest, AResumedStreamHoldsEveryMeasurementOnce) {
  checkpoint_seconds_ = 0;  // A checkpoint after every chunk.
  FailAt(205);
  EXPECT_THAT(ErrorOf({"--config", "long", "--out", "run", "--threads", "1"}), HasSubstr("pushed"));
  Hooks().on_step = nullptr;
  ASSERT_TRUE(RunWith({"--config", "long", "--out", "run", "--resume"}).ok());
  std::multiset<std::string> lines;
  std::istringstream stream(Contents("run/metrics.jsonl"));
  for (std::string line; std::getline(stream, line);) lines.insert(line);
  EXPECT_EQ(lines.size(), 2u * 3 * 40);
  for (const std::string& line : lines) EXPECT_EQ(lines.count(line), 1u) << line;
  // TensorBoard sees the same.
  for (const char* unit : {"left.line.seed.0", "right.line.seed.2"}) {
    const auto events = record::ReadEventFile(record::EventFilePath(folder_ + "/run", unit));
    ASSERT_TRUE(events.ok()) << events.status();
    ASSERT_EQ(events->events.size(), 40u);
    for (int i = 0; i < 40; ++i) EXPECT_EQ(events->events[i].step, 10 * (i + 1));
  }
}

TEST_F(HarnessTest, ADamagedCheckpointIsReplacedByTheOneBefore) {
  checkpoint_seconds_ = 0;
  ASSERT_TRUE(RunWith({"--config", "long", "--out", "whole"}).ok());
  const auto flip = [](std::string& bytes) { bytes[bytes.size() / 2] ^= 1; };
  const auto truncate = [](std::string& bytes) { bytes.resize(bytes.size() / 2); };
  const auto empty = [](std::string& bytes) { bytes.clear(); };
  for (const auto& damage : std::vector<std::function<void(std::string&)>>{flip, truncate, empty}) {
    std::filesystem::remove_all(folder_ + "/run");
    FailAt(300);
    ASSERT_FALSE(
        RunWith({"--config", "long", "--out", "run", "--threads", "1", "--seeds", "0"}).ok());
    Hooks().on_step = nullptr;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/run/checkpoints")) {
      files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    ASSERT_GE(files.size(), 2u);
    std::string bytes = *base::ReadFile(files.back().string());
    damage(bytes);
    std::ofstream(files.back(), std::ios::binary) << bytes;
    ASSERT_TRUE(RunWith({"--config", "long", "--out", "run", "--resume", "--seeds", "0..2"}).ok());
    EXPECT_THAT(log_, AllOf(HasSubstr("warning: "), HasSubstr(files.back().filename().string())));
    EXPECT_EQ(Contents("run/summary.json"), Contents("whole/summary.json"));
  }
}

TEST_F(HarnessTest, WhereEveryCheckpointIsDamagedTheRunSaysSoAndTouchesNothing) {
  checkpoint_seconds_ = 0;
  FailAt(300);
  ASSERT_FALSE(
      RunWith({"--config", "long", "--out", "run", "--threads", "1", "--seeds", "0"}).ok());
  Hooks().on_step = nullptr;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/run/checkpoints")) {
    std::ofstream(entry.path(), std::ios::binary | std::ios::app) << "x";
  }
  const std::string metrics = Contents("run/metrics.jsonl");
  EXPECT_THAT(ErrorOf({"--config", "long", "--out", "run", "--resume"}),
              AllOf(HasSubstr("checkpoints"), HasSubstr(".safetensors")));
  EXPECT_EQ(Contents("run/metrics.jsonl"), metrics);
}

TEST_F(HarnessTest, AnotherConfigurationDoesNotEnterAFolder) {
  ASSERT_TRUE(RunWith({"--out", "run"}).ok());
  EXPECT_THAT(ErrorOf({"--out", "run", "--set", "steps=31"}),
              AllOf(HasSubstr("--out run holds a run of another configuration"),
                    HasSubstr("steps: 30"), HasSubstr("steps: 31")));
}

TEST_F(HarnessTest, TheSameConfigurationUnderAnotherNameIsSaidToBeThat) {
  ASSERT_TRUE(RunWith({"--out", "run"}).ok());
  std::ofstream(folder_ + "/other.textproto") << "steps: 30\n";
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

TEST_F(HarnessTest, AUnitThatFailsIsNamedAndLeavesTheOthersAlone) {
  checkpoint_seconds_ = 0;
  const std::vector<std::string> arguments = {"--set", "fails_at=25", "--out", "run"};
  EXPECT_EQ(ErrorOf(arguments), "1 unit failed: left.line.seed.1: fell in step 26");
  EXPECT_THAT(log_, HasSubstr("failed: left.line.seed.1: fell in step 26\n"));
  EXPECT_THAT(out_, HasSubstr("2 of 3"));
  const auto summary = record::ParseSummary(Contents("run/summary.json"));
  ASSERT_TRUE(summary.ok()) << summary.status();
  ASSERT_EQ(summary->failed.size(), 1u);
  EXPECT_EQ(summary->failed[0].unit, "left.line.seed.1");
  EXPECT_EQ(summary->failed[0].message, "fell in step 26");
  EXPECT_EQ(summary->results[0].values.size(), 2u);  // left
  EXPECT_EQ(summary->results[2].values.size(), 3u);  // right
  EXPECT_THAT(Contents("run/report.html"), HasSubstr("fell in step 26"));
  EXPECT_THAT(Contents("run/run.json"), HasSubstr("\"failed\":{\"left.line.seed.1\""));
  // Its last checkpoint and what was measured stay.
  EXPECT_TRUE(std::ranges::any_of(
      std::filesystem::directory_iterator(folder_ + "/run/checkpoints"), [](const auto& entry) {
        return absl::StartsWith(entry.path().filename().string(), "left.line.seed.1-");
      }));
  EXPECT_THAT(Contents("run/metrics.jsonl"),
              HasSubstr("\"unit\":\"left.line.seed.1\",\"step\":20"));

  // Shown again, tried again, and with another seed: the same failure, the same bytes.
  const std::string before = Contents("run/summary.json");
  EXPECT_THAT(ErrorOf(arguments), HasSubstr("1 unit failed"));
  EXPECT_THAT(out_, HasSubstr("This run is finished"));
  std::vector<std::string> again = arguments;
  again.push_back("--resume");
  EXPECT_THAT(ErrorOf(again), HasSubstr("1 unit failed"));
  EXPECT_THAT(out_, Not(HasSubstr("This run is finished")));
  EXPECT_EQ(Contents("run/summary.json"), before);
  again = arguments;
  again.insert(again.end(), {"--seeds", "3"});
  EXPECT_THAT(ErrorOf(again), HasSubstr("1 unit failed"));
  EXPECT_THAT(out_, HasSubstr("3 of 4"));
}

TEST_F(HarnessTest, TheStateOfAUnitThatFailedIsNotKeptWhenTheRunIsStopped) {
  Hooks().released = 0;
  Hooks().on_step = [&](int64_t) {
    // One has ended, one has failed, a third is under way.
    if (Hooks().released == 2) stop_ = true;
  };
  EXPECT_EQ(
      RunWith({"--set", "steps=400", "--set", "fails_at=300", "--threads", "1", "--out", "run"})
          .code(),
      absl::StatusCode::kCancelled);
  std::set<std::string> units;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/run/checkpoints")) {
    const std::string name = entry.path().filename().string();
    units.insert(name.substr(0, name.find('-')));
  }
  EXPECT_THAT(units, AllOf(::testing::Contains("left.line.seed.0"),
                           Not(::testing::Contains("left.line.seed.1"))));
}

TEST_F(HarnessTest, WhatLedToAFailureIsInTheStream) {
  EXPECT_THAT(ErrorOf({"--set", "steps=400", "--set", "fails_at=395", "--out", "run"}),
              HasSubstr("fell in step 396"));
  EXPECT_THAT(Contents("run/metrics.jsonl"),
              HasSubstr("\"unit\":\"left.line.seed.1\",\"step\":390"));
}

TEST_F(HarnessTest, WhileARunIsExtendedItIsNotFinished) {
  ASSERT_TRUE(RunWith({"--out", "run", "--seeds", "0"}).ok());
  std::atomic<bool> seen = false;
  Hooks().on_step = [&](int64_t) {
    seen = seen || base::FileExists(folder_ + "/run/summary.json");
  };
  ASSERT_TRUE(RunWith({"--out", "run", "--seeds", "1"}).ok());
  EXPECT_FALSE(seen);
}

TEST_F(HarnessTest, AnExtensionThatCannotBeginLeavesTheFinishedRunAsItIs) {
  const std::vector<std::string> run = {"--set", "memory_gigabytes=1", "--out", "run"};
  ASSERT_TRUE(RunWith(run).ok());
  const std::string summary = Contents("run/summary.json");
  const std::string run_json = Contents("run/run.json");
  const std::string metrics = Contents("run/metrics.jsonl");
  std::vector<std::string> more = run;
  more.insert(more.end(), {"--seeds", "3..2000", "--threads", "4000"});
  EXPECT_THAT(ErrorOf(more), HasSubstr("are free"));
  for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/run/checkpoints")) {
    std::ofstream(entry.path(), std::ios::app) << "x";
  }
  more = run;
  more.insert(more.end(), {"--seeds", "3"});
  EXPECT_THAT(ErrorOf(more), HasSubstr("checksum"));
  EXPECT_EQ(Contents("run/summary.json"), summary);
  EXPECT_EQ(Contents("run/run.json"), run_json);
  EXPECT_EQ(Contents("run/metrics.jsonl"), metrics);
}

TEST_F(HarnessTest, ALostRunJsonLosesNoRealisations) {
  const std::vector<std::string> run = {"--set", "over=realisation", "--out", "run"};
  ASSERT_TRUE(RunWith(run).ok());
  const std::string summary = Contents("run/summary.json");
  const std::string metrics = Contents("run/metrics.jsonl");
  std::filesystem::remove(folder_ + "/run/run.json");
  EXPECT_THAT(ErrorOf(run), HasSubstr("name them with --seeds"));
  EXPECT_EQ(Contents("run/summary.json"), summary);
  // Fewer seeds than there were: the others' measurements stay for when they come back.
  std::vector<std::string> some = run;
  some.insert(some.end(), {"--seeds", "0"});
  ASSERT_TRUE(RunWith(some).ok());
  EXPECT_EQ(Contents("run/metrics.jsonl"), metrics);
  some.back() = "0..2";
  ASSERT_TRUE(RunWith(some).ok());
  EXPECT_EQ(Contents("run/summary.json"), summary);
}

TEST_F(HarnessTest, NamesOfUnitsAreCheckedBeforeAnythingRuns) {
  EXPECT_THAT(ErrorOf({"--set", "walkers=[A,b]", "--out", "run"}),
              AllOf(HasSubstr("\"A\""), HasSubstr("lower_snake_case")));
  EXPECT_THAT(ErrorOf({"--set", "walkers=[\"a b\"]", "--out", "run"}), HasSubstr("\"a b\""));
  EXPECT_FALSE(base::FolderExists(folder_ + "/run"));
}

TEST_F(HarnessTest, AResultThatIsNotFiniteIsAFailure) {
  // Twice the largest double, sooner or later.
  EXPECT_THAT(ErrorOf({"--set", "scale=1e308", "--set", "steps=400", "--out", "run"}),
              AllOf(HasSubstr("units failed"), HasSubstr("position is ")));
}

TEST_F(HarnessTest, AFailureThatPassesIsMendedByResuming) {
  ASSERT_TRUE(RunWith({"--config", "long", "--out", "whole"}).ok());
  std::atomic<bool> thrown = false;
  Hooks().on_step = [&](int64_t step) {
    if (step == 205 && !thrown.exchange(true)) throw std::bad_alloc();
  };
  EXPECT_THAT(ErrorOf({"--config", "long", "--out", "run"}),
              AllOf(HasSubstr("1 unit failed"), HasSubstr("out of memory in step 206")));
  Hooks().on_step = nullptr;
  ASSERT_TRUE(RunWith({"--config", "long", "--out", "run", "--resume"}).ok());
  EXPECT_EQ(Contents("run/summary.json"), Contents("whole/summary.json"));
}

TEST_F(HarnessTest, WhereEveryUnitFailsTheRunStaysUnfinished) {
  FailAt(7);
  EXPECT_THAT(ErrorOf({"--out", "run"}), AllOf(HasSubstr("6 units failed"), HasSubstr("pushed")));
  Hooks().on_step = nullptr;
  EXPECT_FALSE(base::FileExists(folder_ + "/run/summary.json"));
  EXPECT_THAT(ErrorOf({"--out", "run"}), HasSubstr("--resume"));
  EXPECT_TRUE(RunWith({"--out", "run", "--resume"}).ok());
}

TEST_F(HarnessTest, ReplicatesNeedNotBeSeeds) {
  const std::vector<std::string> arguments = {"--set", "over=realisation", "--out", "run"};
  ASSERT_TRUE(RunWith(arguments).ok());
  const auto summary = record::ParseSummary(Contents("run/summary.json"));
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->results[0].over, "realisation");
  EXPECT_EQ(summary->results[0].values.size(), 6u);
  ASSERT_TRUE(RunWith(arguments).ok());
  EXPECT_THAT(out_, HasSubstr("This run is finished"));
  std::vector<std::string> more = arguments;
  more.insert(more.end(), {"--seeds", "3"});
  ASSERT_TRUE(RunWith(more).ok());
  EXPECT_EQ(record::ParseSummary(Contents("run/summary.json"))->results[0].values.size(), 8u);
}

TEST_F(HarnessTest, ALineAddsPlotsWhoseNumbersStandBesideTheReport) {
  ASSERT_TRUE(RunWith({"--out", "run"}).ok());
  EXPECT_THAT(Contents("run/report.html"), HasSubstr("Where walks of this scale end"));
  EXPECT_THAT(Contents("run/plots/where_walks_of_this_scale_end.csv"), HasSubstr("left"));
}

TEST_F(HarnessTest, AReportThatWasRemovedIsMadeAgain) {
  ASSERT_TRUE(RunWith({"--out", "run"}).ok());
  const std::string summary = Contents("run/summary.json");
  std::filesystem::remove(folder_ + "/run/report.html");
  ASSERT_TRUE(RunWith({"--out", "run"}).ok());
  EXPECT_THAT(Contents("run/report.html"), HasSubstr("Random walks"));
  EXPECT_EQ(Contents("run/summary.json"), summary);
}

TEST_F(HarnessTest, ALostStreamIsSaid) {
  ASSERT_TRUE(RunWith({"--out", "run", "--seeds", "0"}).ok());
  std::filesystem::remove(folder_ + "/run/metrics.jsonl");
  ASSERT_TRUE(RunWith({"--out", "run", "--seeds", "1"}).ok());
  EXPECT_THAT(log_, HasSubstr("warning: the metrics.jsonl of run is gone"));
}

TEST_F(HarnessTest, ARunsOwnConfigurationIsTheSameOne) {
  ASSERT_TRUE(RunWith({"--config", "long", "--out", "run", "--set", "scale=3"}).ok());
  ASSERT_TRUE(RunWith({"--config", "run/config.textproto", "--out", "run"}).ok());
  EXPECT_THAT(out_, HasSubstr("This run is finished"));
  ASSERT_TRUE(RunWith({"--config", "run/config.textproto", "--out", "again"}).ok());
  EXPECT_EQ(Contents("again/summary.json"), Contents("run/summary.json"));
}

TEST_F(HarnessTest, AStopWhilePlanningLeavesNothing) {
  stop_ = true;
  EXPECT_EQ(RunWith({"--out", "run"}).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(RunWith({"--dry_run"}).code(), absl::StatusCode::kCancelled);
  EXPECT_FALSE(base::FolderExists(folder_ + "/run"));
}

TEST_F(HarnessTest, AllThatIsOutOfRangeStandsInOneLineWithItsPlace) {
  std::ofstream(folder_ + "/bad.textproto") << "# Bad.\nsteps: 0\n  scale: -1 over: 'seed'\n";
  EXPECT_EQ(ErrorOf({"--config", "bad.textproto"}),
            "bad.textproto:2:1: steps = 0: must be >= 1 and <= 1e+09; "
            "bad.textproto:3:3: scale = -1: must be >= 0 and <= 1e+308");
  EXPECT_EQ(ErrorOf({"--config", "bad.textproto", "--set", "steps=-5", "--set", "scale=1"}),
            "--set steps=-5: steps = -5: must be >= 1 and <= 1e+09");
}

TEST_F(HarnessTest, CostsAddUpOverSittings) {
  ASSERT_TRUE(RunWith({"--out", "run", "--seeds", "0"}).ok());
  EXPECT_THAT(Contents("run/run.json"), HasSubstr("\"sittings\":1"));
  ASSERT_TRUE(RunWith({"--out", "run", "--seeds", "1"}).ok());
  EXPECT_THAT(Contents("run/run.json"), HasSubstr("\"sittings\":2"));
}

TEST_F(HarnessTest, ARunDoesNotGoOnOnAnotherDevice) {
  ASSERT_TRUE(RunWith({"--out", "run", "--seeds", "0"}).ok());
  std::string run_json = Contents("run/run.json");
  const std::string cpu = "\"device\":\"cpu\"";
  run_json.replace(run_json.find(cpu), cpu.size(), "\"device\":\"cuda\"");
  std::ofstream(folder_ + "/run/run.json") << run_json;
  EXPECT_THAT(ErrorOf({"--out", "run", "--seeds", "1"}),
              HasSubstr("began with --device cuda and does not go on with cpu"));
}

TEST_F(HarnessTest, MistakesAreOneClearLine) {
  EXPECT_THAT(ErrorOf({"--config", "shrt"}), HasSubstr("did you mean \"short\"?"));
  EXPECT_THAT(ErrorOf({"--set", "stps=3"}), AllOf(HasSubstr("--set"), HasSubstr("\"steps\"")));
  EXPECT_THAT(ErrorOf({"--set", "steps=0"}), HasSubstr("steps"));
  EXPECT_THAT(ErrorOf({"--device", "cuda"}), HasSubstr("--device cuda"));
  std::ofstream(folder_ + "/bad.textproto") << "steps: 3\nscle: 4\n";
  EXPECT_THAT(ErrorOf({"--config", "bad.textproto"}),
              AllOf(HasSubstr("bad.textproto:2:"), HasSubstr("scle"), HasSubstr("scale")));
  std::ofstream(folder_ + "/file") << "in the way";
  EXPECT_THAT(ErrorOf({"--out", "file"}), HasSubstr("file"));
  EXPECT_THAT(ErrorOf({"--out", "file/run"}), HasSubstr("file"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/runs"));
}

TEST_F(HarnessTest, ListingAndHelpKeepToEightyColumns) {
  for (const char* flag : {"--list", "--help"}) {
    ASSERT_TRUE(RunWith({flag}).ok());
    size_t longest = 0;
    for (const absl::string_view line : absl::StrSplit(out_, '\n')) {
      EXPECT_LE(line.size(), 80u) << line;
      longest = std::max(longest, line.size());
    }
    EXPECT_GT(longest, 70u);
    // No word is lost or parted.
    EXPECT_THAT(out_, HasSubstr("  long            A longer walk. Its comment goes on"));
    EXPECT_THAT(absl::StrReplaceAll(out_, {{"\n                 ", ""}}),
                HasSubstr("for more than a line, as all comments of ready configurations may."));
  }
}

TEST_F(HarnessTest, ListHelpAndDryRunWriteNothing) {
  ASSERT_TRUE(RunWith({"--list"}).ok());
  EXPECT_THAT(out_, AllOf(HasSubstr("short"), HasSubstr("A short walk. (default)"),
                          HasSubstr("A longer walk.")));
  ASSERT_TRUE(RunWith({"--help"}).ok());
  EXPECT_THAT(out_, AllOf(HasSubstr("--dry_run"), HasSubstr("walkers")));
  ASSERT_TRUE(RunWith({"--dry_run", "--seeds", "0..4"}).ok());
  EXPECT_THAT(out_, AllOf(HasSubstr("10 units"), HasSubstr("150")));
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

// A run that is copied at some moment is what a kill at that moment leaves behind.
TEST_F(HarnessTest, ACheckpointThatFallsDueDuringSideWorkAgreesWithTheStream) {
  SideWalkHooks hooks;
  const SideWalkLine line(hooks);
  const auto run = [&](const std::string& out, const std::string& threads,
                       std::vector<std::string> more = {}) {
    more.insert(more.end(),
                {"--seeds", "0", "--set", "steps=16", "--out", out, "--threads", threads});
    return RunWith(more, line);
  };
  const std::set<int64_t> moments = {2, 7, 16};
  const auto killed = [](int64_t moment) { return absl::StrCat("killed", moment); };
  hooks.on_step = [&](int64_t step) {
    if (!moments.contains(step)) return;
    std::filesystem::copy(folder_ + "/whole", absl::StrCat(folder_, "/", killed(step)),
                          std::filesystem::copy_options::recursive);
  };
  checkpoint_seconds_ = 0;
  ASSERT_TRUE(run("whole", "2").ok());
  EXPECT_GE(hooks.waited, 1) << "no checkpoint fell due during side work";
  // Without another thread there is none.
  hooks.on_step = nullptr;
  ASSERT_TRUE(run("alone", "1").ok());
  const std::string summary = Contents("alone/summary.json");
  const std::string metrics = Contents("alone/metrics.jsonl");
  EXPECT_EQ(std::ranges::count(metrics, '\n'), 16);
  // Likewise a run that is stopped between two checkpoints.
  checkpoint_seconds_ = 1000;
  hooks.on_step = [&](int64_t step) {
    if (step >= 5) stop_ = true;
  };
  EXPECT_EQ(run("stopped", "2").code(), absl::StatusCode::kCancelled);
  stop_ = false;
  hooks.on_step = nullptr;

  std::vector<std::string> cut = {"stopped"};
  for (const int64_t moment : moments) cut.push_back(killed(moment));
  for (const std::string& out : cut) {
    ASSERT_TRUE(run(out, "2", {"--resume"}).ok()) << out;
  }
  cut.push_back("whole");
  for (const std::string& out : cut) {
    EXPECT_EQ(Contents(out + "/summary.json"), summary) << out;
    EXPECT_EQ(Contents(out + "/metrics.jsonl"), metrics) << out;
    const auto events = record::ReadEventFile(
        record::EventFilePath(absl::StrCat(folder_, "/", out), "side.line.seed.0"));
    ASSERT_TRUE(events.ok()) << events.status();
    EXPECT_EQ(events->events.size(), 16u) << out;
  }
  EXPECT_FALSE(hooks.saved_unsettled);
}

TEST_F(HarnessTest, AfterSideWorkThatFailedNoStateIsSavedAndTheUnitTellsIt) {
  checkpoint_seconds_ = 0;
  SideWalkHooks hooks;
  const SideWalkLine line(hooks);
  // A checkpoint falls due after the first step, and after some later one.
  const std::vector<std::pair<int, const char*>> cases = {{1, "1"}, {1, "2"}, {5, "2"}};
  for (const auto& [fails_at, threads] : cases) {
    SCOPED_TRACE(absl::StrCat("step ", fails_at, ", threads ", threads));
    const absl::Status status =
        RunWith({"--seeds", "0..1", "--set", absl::StrCat("fails_at=", fails_at), "--out", "run",
                 "--threads", threads},
                line);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("2 units failed: side.line.seed.0: not to be measured"));
    EXPECT_FALSE(hooks.saved_unsettled);
    // What was measured before is kept, and no more.
    const std::string metrics = Contents("run/metrics.jsonl");
    EXPECT_EQ(std::ranges::count(metrics, '\n'), 2 * (fails_at - 1));
    EXPECT_THAT(metrics, Not(HasSubstr(absl::StrCat("\"step\":", fails_at))));
    EXPECT_FALSE(base::FileExists(folder_ + "/run/summary.json"));
    std::filesystem::remove_all(folder_ + "/run");
  }
}

TEST_F(HarnessTest, UnitsThatCountNoOperationsCountInTheProgress) {
  SideWalkHooks hooks;
  const SideWalkLine line(hooks);
  int64_t steps = 0;
  // Stopped after the first step of the unit that comes last; then it says how far it is.
  const auto log_of = [&](const std::string& seeds, int64_t last_step) {
    steps = 0;
    stop_ = false;
    hooks.on_step = [&steps, last_step, this](int64_t) {
      if (++steps > last_step) stop_ = true;
    };
    EXPECT_EQ(
        RunWith({"--seeds", seeds, "--set", "steps=4", "--threads", "1", "--out", seeds}, line)
            .code(),
        absl::StatusCode::kCancelled);
    return log_;
  };
  // Three whole units and a quarter of one that weighs a quarter.
  hooks.flops = [](uint64_t seed) { return seed == 0 ? 0.0 : 1e6; };
  EXPECT_THAT(log_of("0..3", 12), HasSubstr(" 94 %  3.2/4 units"));
  // Where no unit tells any, each weighs the same.
  hooks.flops = [](uint64_t) { return 0.0; };
  EXPECT_THAT(log_of("0..2", 8), HasSubstr(" 75 %  2.2/3 units"));
}

TEST_F(HarnessTest, ReadyConfigurationsAreChecked) {
  EXPECT_TRUE(CheckReadyConfigs(WalkLine()).ok());
}

}  // namespace
}  // namespace perennial::experiment
