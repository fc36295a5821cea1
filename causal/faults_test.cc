// //causal:experiment as a user runs it: killed, and given files that are cut off.
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "common/testing/faults.h"
#include "common/testing/process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::perennial::testing::KillAndResume;
using ::perennial::testing::KilledRun;
using ::perennial::testing::Process;
using ::perennial::testing::ProcessOptions;
using ::perennial::testing::ProcessResult;
using ::perennial::testing::RunProcess;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class CausalFaultsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(std::getenv("TEST_TMPDIR"), "/",
                           ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    const auto binary = base::FindRunfile("perennial/causal/experiment");
    ASSERT_TRUE(binary.ok()) << binary.status();
    binary_ = *binary;
    options_ = {.working_folder = folder_,
                .environment = {{"BUILD_WORKING_DIRECTORY", folder_},
                                {"PERENNIAL_CHECKPOINT_SECONDS", "0"}}};
  }

  std::string Contents(const std::string& name) const {
    return base::ReadFile(absl::StrCat(folder_, "/", name)).value_or("");
  }
  std::multiset<std::string> Lines(const std::string& name) const {
    std::multiset<std::string> lines;
    std::istringstream stream(Contents(name));
    for (std::string line; std::getline(stream, line);) lines.insert(line);
    return lines;
  }
  std::vector<std::string> Smoke(const std::string& out) const {
    return {binary_,
            "--config",
            "smoke",
            "--out",
            out,
            "--seeds",
            "0..1",
            "--set",
            "net.steps=1500",
            "--set",
            "net.evaluate_every=100",
            "--threads",
            "2"};
  }

  std::string folder_;
  std::string binary_;
  ProcessOptions options_;
};

TEST_F(CausalFaultsTest, KilledAtManyMomentsARunEndsWithTheSameBytes) {
  const KilledRun killed =
      KillAndResume(Smoke("killed"), {.kills = 12, .latest_seconds = 1.5, .process = options_});
  ASSERT_EQ(killed.last.exit_code, 0) << killed.last.log;
  // A fast machine may be done before the last of them.
  EXPECT_GE(killed.kills, 3);
  const ProcessResult whole = RunProcess(Smoke("whole"), options_);
  ASSERT_EQ(whole.exit_code, 0) << whole.log;
  EXPECT_FALSE(Contents("whole/summary.json").empty());
  EXPECT_EQ(Contents("killed/summary.json"), Contents("whole/summary.json"));
  EXPECT_EQ(Contents("killed/tables.csv"), Contents("whole/tables.csv"));
  EXPECT_EQ(Lines("killed/metrics.jsonl"), Lines("whole/metrics.jsonl"));
}

TEST_F(CausalFaultsTest, KilledAfterItsFirstCheckpointsItGoesOnFromThem) {
  {
    Process process(Smoke("killed"), options_);
    const std::string checkpoints = folder_ + "/killed/checkpoints";
    for (int i = 0; i < 3000 && !(std::filesystem::is_directory(checkpoints) &&
                                  !std::filesystem::is_empty(checkpoints));
         ++i) {
      process.EndsWithin(0.01);
    }
    process.Signal(SIGKILL);
    EXPECT_EQ(process.Wait().signal, SIGKILL);
  }
  const ProcessResult refused = RunProcess(Smoke("killed"), options_);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.log, HasSubstr("add --resume to go on"));
  std::vector<std::string> again = Smoke("killed");
  again.push_back("--resume");
  ASSERT_EQ(RunProcess(again, options_).exit_code, 0);
  ASSERT_EQ(RunProcess(Smoke("whole"), options_).exit_code, 0);
  EXPECT_EQ(Contents("killed/summary.json"), Contents("whole/summary.json"));
}

TEST_F(CausalFaultsTest, FilesThatAreCutOffAreOneLineAndNothingIsLost) {
  for (const auto& [kind, file] : {std::pair("ihdp_file", "ihdp.npz"), {"jobs_file", "jobs.npz"}}) {
    const auto path = base::FindRunfile(absl::StrCat("perennial/causal/data/testdata/", file));
    ASSERT_TRUE(path.ok()) << path.status();
    const std::string bytes = *base::ReadFile(*path);
    const bool ihdp = kind == std::string("ihdp_file");
    std::ofstream(folder_ + "/cut.textproto")
        << "data { " << kind << " { " << (ihdp ? "test: '' train" : "file") << ": '" << file
        << "' } }\nmethods { null_effect {} }\nmethods { naive_difference {} }\n";
    for (const size_t size : {size_t{0}, size_t{3}, bytes.size() / 3, bytes.size() / 2,
                              bytes.size() - 30, bytes.size() - 1}) {
      std::ofstream(absl::StrCat(folder_, "/", file), std::ios::binary) << bytes.substr(0, size);
      const ProcessResult result = RunProcess(
          {binary_, "--config", "cut.textproto", "--data", ".", "--out", "run"}, options_);
      EXPECT_EQ(result.exit_code, 1) << file << " " << size;
      EXPECT_THAT(result.log, MatchesRegex("error: [^\n]+\n"));
      EXPECT_THAT(result.log, HasSubstr(file));
      EXPECT_FALSE(std::filesystem::exists(folder_ + "/run"));
      EXPECT_EQ(Contents(file).size(), size);
    }
    // Whole, it is read.
    std::ofstream(absl::StrCat(folder_, "/", file), std::ios::binary) << bytes;
    const ProcessResult whole = RunProcess(
        {binary_, "--config", "cut.textproto", "--data", ".", "--seeds", "0", "--out", kind},
        options_);
    EXPECT_EQ(whole.exit_code, 0) << whole.log;
  }
}

}  // namespace
}  // namespace perennial::causal
