// //causal:estimate killed, interrupted and misled: after --resume the bytes are those of a run
// that nothing happened to.
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/random/stream.h"
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
using ::perennial::testing::ProcessOptions;
using ::perennial::testing::ProcessResult;
using ::perennial::testing::RunProcess;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

const char* const kFiles[] = {"estimate.json", "effects.csv", "report.html", "model.safetensors",
                              "summary.txt"};

std::string Csv(int64_t rows, int covariates, uint64_t seed = 1) {
  random::Stream stream = random::Stream(seed).Split("csv");
  std::string csv = "t,y";
  for (int j = 0; j < covariates; ++j) absl::StrAppend(&csv, ",x", j);
  csv += "\n";
  for (int64_t i = 0; i < rows; ++i) {
    std::string cells;
    double first = 0;
    for (int j = 0; j < covariates; ++j) {
      const double x = stream.Normal();
      if (j == 0) first = x;
      absl::StrAppend(&cells, ",", x);
    }
    const int t = stream.Uniform() < 1 / (1 + std::exp(-first)) ? 1 : 0;
    absl::StrAppend(&csv, t, ",", first + t + stream.Normal(), cells, "\n");
  }
  return csv;
}

class EstimateFaultsTest : public testing::ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    binary_ = Binary("causal/estimation/estimate");
    options_.working_folder = std::string("/");  // Paths are the user's, not the program's.
  }

  // A flag of `more` stands in the place of the usual one.
  std::vector<std::string> Command(const std::string& out,
                                   const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command = {binary_, "--refute", "--out", out};
    for (const auto& [flag, value] :
         std::vector<std::pair<std::string, std::string>>{{"--data", "my.csv"},
                                                          {"--treatment", "t"},
                                                          {"--outcome", "y"},
                                                          {"--model", "linear"},
                                                          {"--bootstrap", "60"},
                                                          {"--threads", "2"}}) {
      if (std::ranges::find(more, flag) == more.end()) command.insert(command.end(), {flag, value});
    }
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  ProcessResult Run(const std::string& out, const std::vector<std::string>& more = {}) const {
    return RunProcess(Command(out, more), options_);
  }
  // Started, and left alone until some parts are kept.
  void AwaitParts(Process& process, const std::string& out, int64_t count) const {
    AwaitEntries(process, out + "/parts", count);
  }
  void ExpectEqualFolders(const std::string& a, const std::string& b) const {
    for (const char* file : kFiles) {
      EXPECT_FALSE(Contents(absl::StrCat(a, "/", file)).empty()) << file;
      // Too long to be shown.
      EXPECT_TRUE(Contents(absl::StrCat(a, "/", file)) == Contents(absl::StrCat(b, "/", file)))
          << file;
    }
  }

  std::string binary_;
};

TEST_F(EstimateFaultsTest, KilledAtManyMomentsItEndsWithTheSameBytes) {
  Write("my.csv", Csv(3000, 8));
  const KilledRun killed = KillAndResume(
      Command("killed"), {.kills = 15, .latest_seconds = 1.2, .seed = 3, .process = options_});
  ASSERT_EQ(killed.last.exit_code, 0) << killed.last.log;
  // A fast machine may be done before the last of them.
  EXPECT_GE(killed.kills, 3);
  ASSERT_EQ(Run("whole").exit_code, 0);
  ExpectEqualFolders("killed", "whole");
  // Nothing half-written or half-done lies about.
  EXPECT_FALSE(Exists("killed/parts"));
  for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/killed")) {
    EXPECT_FALSE(base::IsTemporaryName(entry.path().filename().string())) << entry.path();
  }
}

TEST_F(EstimateFaultsTest, InterruptedItSaysHowToGoOnAndDoesSo) {
  Write("my.csv", Csv(3000, 8));
  ASSERT_EQ(Run("whole").exit_code, 0);
  for (const int signal_number : {SIGINT, SIGTERM}) {
    const std::string out = absl::StrCat("cut", signal_number);
    Process process(Command(out), options_);
    AwaitParts(process, out, 10);
    process.Signal(signal_number);
    const ProcessResult result = process.Wait();
    ASSERT_EQ(result.exit_code, 130) << result.log;
    EXPECT_THAT(result.log, HasSubstr(absl::StrCat("interrupted; what has ended is kept in ", out,
                                                   ", add --resume to go on\n")));
    EXPECT_FALSE(Exists(out + "/estimate.json"));
    // Not by mistake.
    const ProcessResult refused = Run(out);
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_THAT(refused.log, HasSubstr("holds an unfinished estimate; add --resume"));
    // What was kept is not done again; what was damaged is.
    const std::string parts = absl::StrCat(folder_, "/", out, "/parts/");
    const std::string fold = parts + "fold.estimate.part.0";
    ASSERT_TRUE(std::filesystem::exists(fold));
    std::string bytes = *base::ReadFile(fold);
    bytes.back() ^= 1;
    Write(out + "/parts/fold.estimate.part.0", bytes);
    const ProcessResult again = Run(out, {"--resume"});
    ASSERT_EQ(again.exit_code, 0) << again.log;
    ExpectEqualFolders(out, "whole");
    EXPECT_FALSE(Exists(out + "/parts"));
  }
}

TEST_F(EstimateFaultsTest, AFinishedFolderSaysSoAndShowsItsResults) {
  Write("my.csv", Csv(300, 3));
  const ProcessResult first = Run("run");
  ASSERT_EQ(first.exit_code, 0) << first.log;
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{}, {"--resume"}, {"--threads", "1"}}) {
    const ProcessResult again = Run("run", more);
    EXPECT_EQ(again.exit_code, 0) << again.log;
    EXPECT_EQ(again.out, "This estimate is finished; these are its results.\n\n" + first.out);
    EXPECT_THAT(again.log, ::testing::Not(HasSubstr("cross-fitting")));
  }
}

TEST_F(EstimateFaultsTest, FoldersOfOtherSettingsOrDataAreRefused) {
  Write("my.csv", Csv(300, 3));
  {
    Process process(Command("run"), options_);
    AwaitParts(process, "run", 3);
    process.Signal(SIGKILL);
  }
  for (const auto& [more, what] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--seed", "4"}, "seed is 0 there and 4 now"},
           {{"--bootstrap", "40"}, "bootstrap is 60 there and 40 now"},
           {{"--model", "boosting"}, "model is linear there and boosting now"},
           {{"--ignore", "x1"}, "choice or encoding of columns is another"}}) {
    std::vector<std::string> arguments = more;
    arguments.push_back("--resume");
    const ProcessResult result = Run("run", arguments);
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.log, AllOf(HasSubstr("error: --out run holds another estimate: " + what),
                                  HasSubstr("; choose another folder\n")));
  }
  std::string other = Csv(300, 3);
  other[other.find("\n0,") + 1] = '1';
  Write("my.csv", other);
  const ProcessResult result = Run("run", {"--resume"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.log, HasSubstr("data is another"));
}

TEST_F(EstimateFaultsTest, OfTwoProcessesInOneFolderTheSecondIsRefused) {
  Write("my.csv", Csv(3000, 8));
  Process first(Command("run"), options_);
  AwaitParts(first, "run", 3);
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{}, {"--resume"}}) {
    const ProcessResult second = Run("run", more);
    EXPECT_EQ(second.exit_code, 1);
    EXPECT_THAT(second.log, HasSubstr(absl::StrCat("is in use by process ", first.id())));
  }
  const ProcessResult result = first.Wait();
  EXPECT_EQ(result.exit_code, 0) << result.log;
}

TEST_F(EstimateFaultsTest, AFullDiskIsOneLineAndLosesNothing) {
  Write("my.csv", Csv(400, 3));
  ASSERT_EQ(Run("whole").exit_code, 0);
  const std::string disk = folder_ + "/disk";
  std::filesystem::create_directories(disk);
  constexpr int64_t kDisk = 24 << 20;
  std::string command = absl::StrCat("'", binary_, "' --out disk/run");
  for (const char* word : {"--data", "my.csv", "--treatment", "t", "--outcome", "y", "--model",
                           "linear", "--bootstrap", "60", "--refute"}) {
    absl::StrAppend(&command, " ", word);
  }
  // Nothing at all, some parts, all parts but not the report.
  for (const int64_t room : {0, 200 << 10, 1 << 20}) {
    ProcessOptions options = options_;
    options.working_folder = folder_;
    options.before_start = testing::WithSmallFileSystem(disk, kDisk);
    // The file system goes with the shell, so the shell does it all.
    const ProcessResult result = RunProcess(
        {"/bin/sh", "-c",
         absl::StrCat(
             "head -c ", kDisk - room, " /dev/zero >disk/filler 2>/dev/null\n", command,
             " >/dev/null 2>first; echo $? >code\nrm disk/filler\n", command,
             " --resume >/dev/null 2>second || exit\nrm -rf again; cp -r disk/run again\n")},
        options);
    if (result.exit_code == testing::kNotStarted) {
      GTEST_SKIP() << "this machine lets no test mount a file system";
    }
    EXPECT_EQ(result.exit_code, 0) << Contents("second");
    EXPECT_EQ(Contents("code"), "1\n") << room;
    const std::string log = Contents("first");
    const size_t error = log.find("error: ");
    ASSERT_NE(error, std::string::npos) << log;
    EXPECT_THAT(log.substr(error), MatchesRegex("error: [^\n]*disk/run[^\n]*No space left on "
                                                "device[^\n]*\n"));
    ExpectEqualFolders("again", "whole");
  }
}

// The bound that --help states, on one thread: what grows with the table.
TEST_F(EstimateFaultsTest, MemoryStaysWithinTheBoundOfTheHelp) {
  const auto peak = [&](int64_t rows, int covariates) {
    Write("my.csv", Csv(rows, covariates));
    const ProcessResult result =
        RunProcess({binary_, "--data", "my.csv", "--treatment", "t", "--outcome", "y", "--model",
                    "linear", "--threads", "1", "--out", absl::StrCat("rows", rows)},
                   options_);
    EXPECT_EQ(result.exit_code, 0) << result.log;
    rusage usage = {};
    getrusage(RUSAGE_CHILDREN, &usage);
    return 1024.0 * static_cast<double>(usage.ru_maxrss);
  };
  constexpr int64_t kRows = 40000;
  constexpr int kCovariates = 50;
  const double before = peak(200, kCovariates);
  EXPECT_LT(before, 300e6);
  const double grown = peak(kRows, kCovariates) - before;
  EXPECT_LT(grown, 8.0 * kRows * kCovariates * 3 + 500.0 * kRows);
  // Room for a part beside the data was needed.
  EXPECT_GT(grown, 8.0 * kRows * kCovariates);
}

}  // namespace
}  // namespace perennial::causal
