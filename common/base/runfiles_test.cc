#include "common/base/runfiles.h"

#include <cstdlib>
#include <string>

#include "common/base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::base {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr char kFile[] = "perennial/common/base/testdata/runfile.txt";

TEST(Runfiles, FindsADataFileOfTheTarget) {
  const absl::StatusOr<std::string> path = FindRunfile(kFile);
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(ReadFile(*path).value(), "a runfile\n");
}

TEST(Runfiles, NeedsNoEnvironment) {
  const std::string runfiles = std::getenv("RUNFILES_DIR") ? std::getenv("RUNFILES_DIR") : "";
  const std::string source = std::getenv("TEST_SRCDIR") ? std::getenv("TEST_SRCDIR") : "";
  unsetenv("RUNFILES_DIR");
  unsetenv("TEST_SRCDIR");
  const absl::StatusOr<std::string> path = FindRunfile(kFile);
  setenv("RUNFILES_DIR", runfiles.c_str(), 1);
  setenv("TEST_SRCDIR", source.c_str(), 1);
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(ReadFile(*path).value(), "a runfile\n");
}

TEST(Runfiles, ListsAFolder) {
  EXPECT_THAT(ListRunfiles("perennial/common/base/testdata").value(), Contains("runfile.txt"));
}

TEST(Runfiles, MissNamesThePathAndWhereItLooked) {
  const absl::Status status = FindRunfile("perennial/no/such.file").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("perennial/no/such.file"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(".runfiles"));
}

TEST(Runfiles, AbsolutePathIsRefused) {
  EXPECT_EQ(FindRunfile("/etc/passwd").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace perennial::base
