// Fixtures of tests that write files or start programs: each test has an empty folder of its own.
//
//   class WalkTest : public testing::ProgramTest {};
//
//   TEST_F(WalkTest, Runs) {
//     Write("short.textproto", "steps: 3");
//     const ProcessResult result =
//         Start("common/experiment/walk/walk_main", {"--config", "short.textproto"});
//     EXPECT_EQ(result.exit_code, 0) << result.log;
//   }
#ifndef PERENNIAL_COMMON_TESTING_PROGRAM_FIXTURE_H_
#define PERENNIAL_COMMON_TESTING_PROGRAM_FIXTURE_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "common/testing/process.h"
#include "gtest/gtest.h"

namespace perennial::testing {

// Names of files are relative to the test's folder.
class FolderTest : public ::testing::Test {
 protected:
  void SetUp() override;

  // Folders on the way are made.
  void Write(const std::string& name, const std::string& bytes) const;
  // Empty if there is no such file.
  std::string Contents(const std::string& name) const;
  // Of a file, whatever their order.
  std::multiset<std::string> Lines(const std::string& name) const;
  bool Exists(const std::string& name) const;

  std::string folder_;
};

// The folder is where programs start and where `bazel run` would say that the user typed.
class ProgramTest : public FolderTest {
 protected:
  void SetUp() override;

  // The program of a target that the test has in its `data`: "causal/experiment".
  static std::string Binary(const std::string& target);
  // Runs it to its end.
  ProcessResult Start(const std::string& target, std::vector<std::string> arguments) const;
  // Until a folder holds so many entries; not longer than the process runs, nor than a minute.
  void AwaitEntries(Process& process, const std::string& folder, int64_t count) const;

  ProcessOptions options_;
};

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_PROGRAM_FIXTURE_H_
