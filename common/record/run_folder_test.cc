#include "common/record/run_folder.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "common/base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::record {
namespace {

using ::testing::HasSubstr;

class RunFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/run_folder_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    path_ = pattern + "/runs/a";
  }
  std::string root_;
  std::string path_;
};

TEST_F(RunFolderTest, StateFollowsTheFiles) {
  EXPECT_EQ(InspectRunFolder(path_).value(), RunState::kNew);
  auto run = RunFolder::Create(path_).value();
  EXPECT_EQ(run->State().value(), RunState::kNew);
  ASSERT_TRUE(run->WriteConfig("tasks: 2\n").ok());
  EXPECT_EQ(run->State().value(), RunState::kUnfinished);
  ASSERT_TRUE(run->WriteRunInfo("{}").ok());
  ASSERT_TRUE(run->WriteSummary("{}").ok());
  EXPECT_EQ(run->State().value(), RunState::kFinished);
  ASSERT_TRUE(run->Reopen().ok());
  EXPECT_EQ(run->State().value(), RunState::kUnfinished);
  EXPECT_EQ(run->Read(kConfigFile).value(), "tasks: 2\n");
}

TEST_F(RunFolderTest, ARunKilledBeforeItsConfigStoodStartsAnew) {
  {
    auto run = RunFolder::Create(path_).value();
    ASSERT_TRUE(run->WriteRunInfo("{}").ok());
    ASSERT_TRUE(run->metrics().Append(base::JsonObject().Add("step", 1)).ok());
  }
  EXPECT_EQ(InspectRunFolder(path_).value(), RunState::kNew);
  EXPECT_TRUE(RunFolder::Create(path_).ok());
}

TEST_F(RunFolderTest, CreateRefusesARunThatStandsThere) {
  ASSERT_TRUE(RunFolder::Create(path_).value()->WriteConfig("").ok());
  const absl::Status unfinished = RunFolder::Create(path_).status();
  EXPECT_EQ(unfinished.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(unfinished.message()), HasSubstr("--resume"));
  ASSERT_TRUE(RunFolder::Open(path_).value()->WriteSummary("{}").ok());
  const absl::Status finished = RunFolder::Create(path_).status();
  EXPECT_EQ(finished.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(finished.message()), HasSubstr("a finished run"));
}

TEST_F(RunFolderTest, OpenNeedsARun) {
  EXPECT_EQ(RunFolder::Open(path_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(base::FolderExists(path_));
}

TEST_F(RunFolderTest, FolderOfOtherThingsIsRefusedAndUntouched) {
  ASSERT_TRUE(base::WriteFileAtomically(root_ + "/thesis.tex", "x").ok());
  const absl::Status status = RunFolder::Create(root_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("thesis.tex"));
  EXPECT_EQ(base::ListFolder(root_).value().size(), 1u);
  EXPECT_EQ(RunFolder::Create(root_ + "/thesis.tex").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(RunFolderTest, RunKilledBeforeItsConfigStartsAnew) {
  { auto run = RunFolder::Create(path_).value(); }
  ASSERT_TRUE(base::WriteFileAtomically(path_ + "/" + kMetricsFile, "{\"old\":1}\n").ok());
  auto run = RunFolder::Create(path_);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ((*run)->Read(kMetricsFile).value(), "");
}

TEST_F(RunFolderTest, SecondOwnerIsRefusedUntilTheFirstEnds) {
  auto run = RunFolder::Create(path_).value();
  ASSERT_TRUE(run->WriteConfig("").ok());
  const absl::Status status = RunFolder::Open(path_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("in use by process " + std::to_string(getpid())));
  run.reset();
  EXPECT_TRUE(RunFolder::Open(path_).ok());
}

TEST_F(RunFolderTest, LockOfAKilledProcessIsFree) {
  ASSERT_TRUE(RunFolder::Create(path_).value()->WriteConfig("").ok());
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto run = RunFolder::Open(path_);
    const char sign = run.ok() ? 'y' : 'n';
    if (write(ready[1], &sign, 1) != 1) _exit(1);
    pause();
  }
  char sign = 0;
  ASSERT_EQ(read(ready[0], &sign, 1), 1);
  ASSERT_EQ(sign, 'y');
  EXPECT_EQ(RunFolder::Open(path_).status().code(), absl::StatusCode::kFailedPrecondition);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(RunFolder::Open(path_).ok());
}

TEST_F(RunFolderTest, OpenRemovesLeftoversAndKeepsTheRest) {
  ASSERT_TRUE(RunFolder::Create(path_).value()->WriteConfig("").ok());
  const std::string leftover = path_ + "/.summary.json.perennial-tmp.1.0";
  ASSERT_TRUE(base::WriteFileAtomically(leftover, "half").ok());
  ASSERT_TRUE(base::WriteFileAtomically(path_ + "/notes.txt", "mine").ok());
  ASSERT_TRUE(RunFolder::Open(path_).ok());
  EXPECT_FALSE(base::FileExists(leftover));
  EXPECT_TRUE(base::FileExists(path_ + "/notes.txt"));
}

TEST_F(RunFolderTest, UnwritableFolderIsNamed) {
  const absl::Status status = RunFolder::Create("/proc/perennial").status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("/proc/perennial"));
}

}  // namespace
}  // namespace perennial::record
