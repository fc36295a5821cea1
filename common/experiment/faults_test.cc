// The walks as a program that is killed, interrupted, starved and misled. What must hold: one clear
// line, the right exit code, and after --resume the bytes of a run that nothing happened to.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "common/record/event_file.h"
#include "common/testing/faults.h"
#include "common/testing/process.h"
#include "common/testing/program_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::experiment {
namespace {

using ::perennial::testing::KillAndResume;
using ::perennial::testing::KilledRun;
using ::perennial::testing::kNotStarted;
using ::perennial::testing::Process;
using ::perennial::testing::ProcessOptions;
using ::perennial::testing::ProcessResult;
using ::perennial::testing::RunProcess;
using ::perennial::testing::WithReadOnlyFileSystem;
using ::perennial::testing::WithSmallFileSystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class FaultsTest : public testing::ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    binary_ = Binary("common/experiment/walk/walk_main");
    options_.environment.emplace_back("PERENNIAL_CHECKPOINT_SECONDS", "0");
  }

  // 2 walkers x 3 seeds, 400 steps: on 2 threads about 1.2 s for each millisecond of a step.
  std::vector<std::string> Slow(const std::string& out, const std::string& milliseconds) const {
    return {binary_,
            "--config",
            "long",
            "--out",
            out,
            "--set",
            absl::StrCat("step_milliseconds=", milliseconds),
            "--threads",
            "2"};
  }
  // Without the time that a step takes, which is part of the configuration: the results.
  static std::string Results(const std::string& summary) {
    return summary.substr(std::min(summary.find("\"results\""), summary.size()));
  }

  std::string binary_;
};

TEST_F(FaultsTest, KilledAtTwentyMomentsARunEndsWithTheSameBytes) {
  const std::vector<std::string> whole = Slow("whole", "8");
  Process undisturbed(whole, options_);
  const KilledRun killed = KillAndResume(
      Slow("killed", "8"), {.kills = 20, .latest_seconds = 1, .seed = 5, .process = options_});
  EXPECT_EQ(killed.kills, 20);
  ASSERT_EQ(killed.last.exit_code, 0) << killed.last.log;
  const ProcessResult result = undisturbed.Wait();
  ASSERT_EQ(result.exit_code, 0) << result.log;
  EXPECT_FALSE(Contents("whole/summary.json").empty());
  EXPECT_EQ(Contents("killed/summary.json"), Contents("whole/summary.json"));
  EXPECT_EQ(Contents("killed/tables.csv"), Contents("whole/tables.csv"));
  // Each measurement once.
  EXPECT_EQ(Lines("killed/metrics.jsonl"), Lines("whole/metrics.jsonl"));
  EXPECT_EQ(Lines("killed/metrics.jsonl").size(), 6u * 40);
  for (const char* walker : {"left", "right"}) {
    for (int seed = 0; seed < 3; ++seed) {
      const std::string unit = absl::StrCat(walker, ".line.seed.", seed);
      const auto events = record::ReadEventFile(record::EventFilePath(folder_ + "/killed", unit));
      const auto expected = record::ReadEventFile(record::EventFilePath(folder_ + "/whole", unit));
      ASSERT_TRUE(events.ok() && expected.ok());
      ASSERT_EQ(events->events.size(), expected->events.size()) << unit;
      for (size_t i = 0; i < events->events.size(); ++i) {
        EXPECT_EQ(events->events[i].step, expected->events[i].step);
        EXPECT_EQ(events->events[i].values, expected->events[i].values);
      }
    }
  }
  // Nothing half-written lies about.
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ + "/killed")) {
    if (base::IsTemporaryName(entry.path().filename().string())) {
      left.push_back(entry.path().string());
    }
  }
  EXPECT_THAT(left, ::testing::IsEmpty());
}

TEST_F(FaultsTest, InterruptedByEitherSignalItSaysHowToGoOnAndDoesSo) {
  ASSERT_EQ(RunProcess(Slow("whole", "2"), options_).exit_code, 0);
  // With the usual checkpoints: what is kept is kept because of the signal.
  options_.environment.back().second = "1000";
  for (const int signal_number : {SIGINT, SIGTERM}) {
    const std::string out = absl::StrCat("cut", signal_number);
    Process process(Slow(out, "2"), options_);
    for (int i = 0; i < 3000 && Contents(out + "/metrics.jsonl").empty(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    process.Signal(signal_number);
    const ProcessResult result = process.Wait();
    EXPECT_EQ(result.exit_code, 130) << result.log;
    EXPECT_THAT(result.log, HasSubstr(absl::StrCat("interrupted; everything is kept in ", out,
                                                   ", add --resume to go on\n")));
    EXPECT_THAT(Contents(out + "/run.json"), HasSubstr("\"state\":\"interrupted\""));
    std::vector<std::string> again = Slow(out, "2");
    again.push_back("--resume");
    ASSERT_EQ(RunProcess(again, options_).exit_code, 0);
    EXPECT_EQ(Contents(out + "/summary.json"), Contents("whole/summary.json"));
    EXPECT_EQ(Lines(out + "/metrics.jsonl"), Lines("whole/metrics.jsonl"));
  }
}

TEST_F(FaultsTest, AFullDiskLosesNothing) {
  ASSERT_EQ(RunProcess(Slow("whole", "0"), options_).exit_code, 0);
  const std::string disk = folder_ + "/disk";
  std::filesystem::create_directories(disk);
  constexpr int64_t kDisk = 24 << 20;
  // From nothing to all but the report.
  for (const int64_t room : {0, 8 << 10, 40 << 10, 100 << 10, 1 << 20}) {
    ProcessOptions options = options_;
    options.before_start = WithSmallFileSystem(disk, kDisk);
    // The file system goes with the shell, so the shell does it all.
    const ProcessResult result = RunProcess(
        {"/bin/sh", "-c",
         absl::StrCat("head -c ", kDisk - room, " /dev/zero >disk/filler 2>/dev/null\n",
                      "\"$0\" --config long --out disk/run >/dev/null 2>first; echo $? >code\n",
                      "rm disk/filler\n",
                      "\"$0\" --config long --out disk/run --resume >/dev/null 2>second || exit\n",
                      "cp disk/run/summary.json disk/run/metrics.jsonl .\n"),
         binary_},
        options);
    if (result.exit_code == kNotStarted) {
      GTEST_SKIP() << "this machine lets no test mount a file system";
    }
    EXPECT_EQ(result.exit_code, 0) << Contents("second");
    EXPECT_EQ(Contents("code"), "1\n") << room;
    std::vector<std::string> errors;
    for (const std::string& line : Lines("first")) {
      if (line.find("error: ") != std::string::npos) errors.push_back(line);
    }
    ASSERT_EQ(errors.size(), 1u) << Contents("first");
    EXPECT_THAT(errors[0], AllOf(HasSubstr("No space left on device"), HasSubstr("disk/run")));
    // The times of a step differ between "whole" and this, and so do the fingerprints.
    EXPECT_EQ(Results(Contents("summary.json")), Results(Contents("whole/summary.json"))) << room;
    EXPECT_EQ(Lines("metrics.jsonl"), Lines("whole/metrics.jsonl"));
  }
}

TEST_F(FaultsTest, WhereNothingCanBeWrittenItSaysSo) {
  const std::string disk = folder_ + "/disk";
  std::filesystem::create_directories(disk);
  options_.before_start = WithReadOnlyFileSystem(disk);
  const ProcessResult result = RunProcess({binary_, "--out", "disk/run"}, options_);
  if (result.exit_code == kNotStarted) {
    GTEST_SKIP() << "this machine lets no test mount a file system";
  }
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.log, MatchesRegex("error: [^\n]*disk/run[^\n]*Read-only file system\n"));
}

TEST_F(FaultsTest, OfTwoProcessesInOneFolderTheSecondIsRefused) {
  Process first(Slow("run", "8"), options_);
  AwaitEntries(first, "run/checkpoints", 1);
  std::vector<std::string> again = Slow("run", "8");
  for (int i = 0; i < 2; ++i) {
    const ProcessResult second = RunProcess(again, options_);
    EXPECT_EQ(second.exit_code, 1);
    EXPECT_THAT(second.log, HasSubstr(absl::StrCat("is in use by process ", first.id())));
    again.push_back("--resume");
  }
  const ProcessResult result = first.Wait();
  EXPECT_EQ(result.exit_code, 0) << result.log;
}

TEST_F(FaultsTest, OfManyThatStartAtOnceOneRunsAndTheOthersSayWhy) {
  ASSERT_EQ(RunProcess(Slow("whole", "1"), options_).exit_code, 0);
  std::vector<std::unique_ptr<Process>> processes;
  for (int i = 0; i < 5; ++i) {
    processes.push_back(std::make_unique<Process>(Slow("run", "1"), options_));
  }
  int done = 0;
  for (const auto& process : processes) {
    const ProcessResult result = process->Wait();
    if (result.exit_code == 0) {
      // One that came late may show what another has finished.
      ++done;
    } else {
      EXPECT_EQ(result.exit_code, 1);
      EXPECT_THAT(result.log, MatchesRegex("error: [^\n]*(in use|unfinished|changed)[^\n]*\n"));
    }
  }
  EXPECT_GE(done, 1);
  EXPECT_EQ(Contents("run/summary.json"), Contents("whole/summary.json"));
  EXPECT_EQ(Lines("run/metrics.jsonl"), Lines("whole/metrics.jsonl"));
}

TEST_F(FaultsTest, OfManyThatExtendAFinishedRunNoneLosesAnothersSeeds) {
  const auto run = [this](const std::string& seeds) {
    return std::vector<std::string>{binary_, "--out", "run", "--seeds", seeds};
  };
  ASSERT_EQ(RunProcess(run("0"), options_).exit_code, 0);
  std::vector<std::unique_ptr<Process>> processes;
  for (int seed = 1; seed <= 6; ++seed) {
    processes.push_back(std::make_unique<Process>(run(absl::StrCat(seed)), options_));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  // Looked at when all are done: while one extends the run there is no summary.
  std::vector<std::string> seeds = {"0"};
  for (int seed = 1; seed <= 6; ++seed) {
    const ProcessResult result = processes[seed - 1]->Wait();
    if (result.exit_code == 0) {
      seeds.push_back(absl::StrCat(seed));
    } else {
      EXPECT_THAT(result.log, MatchesRegex("error: [^\n]*(in use|unfinished|changed)[^\n]*\n"));
    }
  }
  const std::string summary = Contents("run/summary.json");
  for (const std::string& seed : seeds) {
    EXPECT_THAT(summary, HasSubstr(absl::StrCat("\"", seed, "\":")));
  }
}

TEST_F(FaultsTest, AClockThatJumpsChangesNoNumberAndNoDuration) {
  ASSERT_EQ(RunProcess(Slow("whole", "1"), options_).exit_code, 0);
  const auto clock = base::FindRunfile("perennial/common/testing/libjumping_clock.so");
  ASSERT_TRUE(clock.ok()) << clock.status();
  options_.environment.emplace_back("LD_PRELOAD", *clock);
  const char* asan = std::getenv("ASAN_OPTIONS");
  options_.environment.emplace_back(
      "ASAN_OPTIONS", absl::StrCat(asan == nullptr ? "" : asan, ":verify_asan_link_order=0"));
  // The clock does jump.
  const ProcessResult years = RunProcess(
      {"/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8; do date +%m-%d-%H; done | sort -u | wc -l"},
      options_);
  EXPECT_NE(years.out, "1\n") << years.log;
  const auto start = std::chrono::steady_clock::now();
  const ProcessResult result = RunProcess(Slow("jumps", "1"), options_);
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ASSERT_EQ(result.exit_code, 0) << result.log;
  EXPECT_EQ(Contents("jumps/summary.json"), Contents("whole/summary.json"));
  const std::string info = Contents("jumps/run.json");
  const std::string key = "\"wall_seconds\":";
  const size_t at = info.find(key);
  ASSERT_NE(at, std::string::npos);
  const double wall = std::atof(info.c_str() + at + key.size());
  EXPECT_GT(wall, 0.5);
  EXPECT_LE(wall, elapsed);
}

TEST_F(FaultsTest, MistakesAreOneLineAndExitCodeOne) {
  Write("in_the_way", "a file");
  Write("photographs/cat.jpg", "a cat");
  Write("typing.textproto", "steps: 30\nscale: 'wide'\n");
  const std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> mistakes = {
      {{"--sed", "0..4"}, {"--sed", "--seeds"}},
      {{"steps=3"}, {"steps=3", "--help"}},
      {{"--seeds", "5..2"}, {"5..2", "2..5"}},
      {{"--seeds", "five"}, {"five", "0..4"}},
      {{"--seeds", "0..99999999999"}, {"more than"}},
      {{"--threads", "0"}, {"--threads 0", "1 .. "}},
      {{"--device", "tpu"}, {"tpu", "cuda"}},
      {{"--device", "cuda"}, {"--device cuda", "leave the flag out"}},
      {{"--config", "lang"}, {"lang", "long"}},
      {{"--config", "typing.textproto"}, {"typing.textproto:2:", "scale"}},
      {{"--set", "scale"}, {"--set scale", "="}},
      {{"--set", "skale=1"}, {"skale", "scale"}},
      {{"--set", "steps=many"}, {"steps", "many"}},
      {{"--set", "steps=0"}, {"steps", "0", "1"}},
      {{"--set", "scale=nan"}, {"scale", "nan"}},
      {{"--set", "walkers[7]=x"}, {"walkers[7]"}},
      {{"--set", "walkers=[a,a]"}, {"walkers", "a"}},
      {{"--set", "over=seeds"}, {"seeds", "seed", "realisation"}},
      {{"--set", "memory_gigabytes=1e7"}, {"1e+07 GB", "free"}},
      {{"--out", "in_the_way"}, {"in_the_way"}},
      {{"--out", "in_the_way/run"}, {"in_the_way"}},
      {{"--out", "photographs"}, {"cat.jpg", "another --out"}},
      {{"--out", "/proc/nowhere/run"}, {"/proc/nowhere"}},
  };
  for (const auto& [arguments, needles] : mistakes) {
    std::vector<std::string> command = {binary_};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const ProcessResult result = RunProcess(command, options_);
    EXPECT_EQ(result.exit_code, 1) << arguments[0] << " " << result.log;
    EXPECT_THAT(result.log, MatchesRegex("error: [^\n]+\n"));
    for (const std::string& needle : needles) EXPECT_THAT(result.log, HasSubstr(needle));
  }
  EXPECT_FALSE(Exists("runs"));
}

TEST_F(FaultsTest, ResumingWithAnotherConfigurationIsRefused) {
  ASSERT_EQ(RunProcess({binary_, "--out", "run"}, options_).exit_code, 0);
  const ProcessResult result =
      RunProcess({binary_, "--out", "run", "--set", "scale=2", "--resume"}, options_);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.log, MatchesRegex("error: [^\n]*another configuration[^\n]*scale: 1[^\n]*"
                                       "scale: 2[^\n]*\n"));
}

TEST_F(FaultsTest, ResumingNothingStarts) {
  EXPECT_EQ(RunProcess({binary_, "--out", "run", "--resume"}, options_).exit_code, 0);
  EXPECT_FALSE(Contents("run/summary.json").empty());
}

}  // namespace
}  // namespace perennial::experiment
