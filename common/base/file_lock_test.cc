#include "common/base/file_lock.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::base {
namespace {

using ::testing::HasSubstr;

std::string Path(const std::string& name) { return JoinPath(std::getenv("TEST_TMPDIR"), name); }

TEST(FileLockTest, OneAtATimeHoldsItAndTheOtherLearnsWho) {
  const std::string path = Path("lock");
  {
    const auto first = FileLock::Take(path);
    ASSERT_TRUE(first.ok()) << first.status();
    const auto second = FileLock::Take(path);
    EXPECT_EQ(second.status().code(), absl::StatusCode::kAborted);
    EXPECT_EQ(second.status().message(), absl::StrCat("in use by process ", getpid()));
  }
  EXPECT_TRUE(FileLock::Take(path).ok());
}

TEST(FileLockTest, ItEndsWithTheProcessThatHeldIt) {
  const std::string path = Path("of_a_child");
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = FileLock::Take(path);
    _exit(lock.ok() ? 0 : 1);  // Nothing is destroyed.
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(ReadFile(path).value(), absl::StrCat(child, "\n"));
  EXPECT_TRUE(FileLock::Take(path).ok());
  EXPECT_EQ(ReadFile(path).value(), absl::StrCat(getpid(), "\n"));
}

TEST(FileLockTest, AFolderThatIsNotThereIsNamed) {
  const auto lock = FileLock::Take(Path("nowhere/lock"));
  EXPECT_EQ(lock.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(lock.status().message()), HasSubstr("nowhere/lock"));
}

}  // namespace
}  // namespace perennial::base
