// //causal:experiment as a user runs it: killed, and given files that are cut off.
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "common/testing/faults.h"
#include "common/testing/process.h"
#include "common/testing/program_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::perennial::testing::KillAndResume;
using ::perennial::testing::KilledRun;
using ::perennial::testing::Process;
using ::perennial::testing::ProcessResult;
using ::perennial::testing::RunProcess;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class CausalFaultsTest : public testing::ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    binary_ = Binary("causal/experiment");
    options_.environment.emplace_back("PERENNIAL_CHECKPOINT_SECONDS", "0");
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

  std::string binary_;
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
    AwaitEntries(process, "killed/checkpoints", 1);
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
    Write("cut.textproto",
          absl::StrCat("data { ", kind, " { ", ihdp ? "test: '' train" : "file", ": '", file,
                       "' } }\nmethods { null_effect {} }\nmethods { naive_difference {} }\n"));
    for (const size_t size : {size_t{0}, size_t{3}, bytes.size() / 3, bytes.size() / 2,
                              bytes.size() - 30, bytes.size() - 1}) {
      Write(file, bytes.substr(0, size));
      const ProcessResult result = RunProcess(
          {binary_, "--config", "cut.textproto", "--data", ".", "--out", "run"}, options_);
      EXPECT_EQ(result.exit_code, 1) << file << " " << size;
      EXPECT_THAT(result.log, MatchesRegex("error: [^\n]+\n"));
      EXPECT_THAT(result.log, HasSubstr(file));
      EXPECT_FALSE(Exists("run"));
      EXPECT_EQ(Contents(file).size(), size);
    }
    // Whole, it is read.
    Write(file, bytes);
    const ProcessResult whole = RunProcess(
        {binary_, "--config", "cut.textproto", "--data", ".", "--seeds", "0", "--out", kind},
        options_);
    EXPECT_EQ(whole.exit_code, 0) << whole.log;
  }
}

}  // namespace
}  // namespace perennial::causal
