#include "common/testing/program_fixture.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::testing {
namespace {

using ::testing::ElementsAre;

using FixtureTest = ProgramTest;

TEST_F(FixtureTest, EachTestBeginsInAnEmptyFolderOfItsOwn) {
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  EXPECT_EQ(std::filesystem::path(folder_).parent_path(),
            std::filesystem::path(std::getenv("TEST_TMPDIR")));
  Write("left", "behind");
  SetUp();
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(FixtureTest, FilesAreReadAsTheyWereWritten) {
  EXPECT_FALSE(Exists("a/b"));
  EXPECT_EQ(Contents("a/b"), "");
  Write("a/b", "two\none\ntwo");
  EXPECT_TRUE(Exists("a/b"));
  EXPECT_EQ(Contents("a/b"), "two\none\ntwo");
  EXPECT_THAT(Lines("a/b"), ElementsAre("one", "two", "two"));
}

TEST_F(FixtureTest, ProgramsStartInTheFolder) {
  const ProcessResult result =
      RunProcess({"/bin/sh", "-c", "pwd; echo $BUILD_WORKING_DIRECTORY"}, options_);
  EXPECT_EQ(result.out, folder_ + "\n" + folder_ + "\n");
}

TEST_F(FixtureTest, WaitsForFilesAndNotLongerThanTheProgramRuns) {
  Process writer(
      {"/bin/sh", "-c", "sleep 0.1; mkdir out; : >out/1; sleep 0.1; : >out/2; sleep 100"},
      options_);
  AwaitEntries(writer, "out", 2);
  EXPECT_TRUE(Exists("out/2"));
  const auto start = std::chrono::steady_clock::now();
  Process idle({"/bin/sh", "-c", "sleep 0.1"}, options_);
  AwaitEntries(idle, "never", 1);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  EXPECT_TRUE(idle.EndsWithin(0));
}

}  // namespace
}  // namespace perennial::testing
