#include "common/base/file_io.h"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FileIo : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/file_io_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  std::string Path(absl::string_view name) const { return JoinPath(folder_, name); }
  std::string folder_;
};

TEST_F(FileIo, ReadsBackEveryByte) {
  std::string bytes;
  for (int i = 0; i < 200000; ++i) bytes.push_back(static_cast<char>(i * 31));
  ASSERT_TRUE(WriteFileAtomically(Path("a"), bytes).ok());
  EXPECT_EQ(ReadFile(Path("a")).value(), bytes);
}

TEST_F(FileIo, AtomicWriteReplacesAndLeavesNothingElse) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "old").ok());
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "new").ok());
  EXPECT_EQ(ReadFile(Path("a")).value(), "new");
  EXPECT_THAT(ListFolder(folder_).value(), ElementsAre("a"));
}

TEST_F(FileIo, FailedWriteKeepsOldContentsAndRemovesTemporary) {
  ASSERT_TRUE(MakeFolders(Path("target/inner")).ok());  // a rename over a full folder fails
  const absl::Status status = WriteFileAtomically(Path("target"), "x");
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("target"));
  EXPECT_THAT(ListFolder(folder_).value(), ElementsAre("target"));
}

TEST_F(FileIo, ConcurrentWritersLeaveOneWholeFile) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(
            WriteFileAtomically(Path("a"), std::string(5000, static_cast<char>('a' + t))).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string got = ReadFile(Path("a")).value();
  ASSERT_EQ(got.size(), 5000u);
  EXPECT_EQ(got, std::string(5000, got[0]));
  EXPECT_THAT(ListFolder(folder_).value(), ElementsAre("a"));
}

TEST_F(FileIo, MissingFileIsNotFoundWithPathAndReason) {
  const absl::Status status = ReadFile(Path("none")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(Path("none")));
  EXPECT_THAT(std::string(status.message()), HasSubstr("No such file or directory"));
}

TEST_F(FileIo, FolderIsRefusedAsFile) {
  EXPECT_EQ(ReadFile(folder_).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(FileIo, LargerFileThanAllowedIsRefused) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "12345").ok());
  EXPECT_EQ(ReadFile(Path("a"), 4).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReadFile(Path("a"), 5).value(), "12345");
}

TEST_F(FileIo, UnboundedDeviceIsRefusedAtTheLimit) {
  EXPECT_EQ(ReadFile("/dev/zero", 1000).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(ErrnoError, FullDiskIsResourceExhaustedAndForbiddenIsPermissionDenied) {
  EXPECT_EQ(ErrnoError(ENOSPC, "cannot write", "x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoError(EACCES, "cannot write", "x").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ErrnoError(EACCES, "cannot write", "x").message(), "cannot write x: Permission denied");
}

TEST_F(FileIo, MakesNestedFoldersAndAcceptsExistingOnes) {
  ASSERT_TRUE(MakeFolders(Path("a/b//c/")).ok());
  EXPECT_TRUE(FolderExists(Path("a/b/c")));
  EXPECT_TRUE(MakeFolders(Path("a/b/c")).ok());
  EXPECT_TRUE(MakeFolders("/").ok());
}

TEST_F(FileIo, FileInTheWayOfAFolderIsNamed) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "").ok());
  const absl::Status status = MakeFolders(Path("a/b"));
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(Path("a") + ": Not a directory"));
}

TEST_F(FileIo, ListsSortedNames) {
  for (const char* name : {"b", "a", ".c"}) ASSERT_TRUE(WriteFileAtomically(Path(name), "").ok());
  EXPECT_THAT(ListFolder(folder_).value(), ElementsAre(".c", "a", "b"));
  EXPECT_EQ(ListFolder(Path("none")).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(FileIo, RemovingNothingIsFine) {
  ASSERT_TRUE(WriteFileAtomically(Path("a"), "").ok());
  EXPECT_TRUE(RemoveFile(Path("a")).ok());
  EXPECT_TRUE(RemoveFile(Path("a")).ok());
  EXPECT_FALSE(FileExists(Path("a")));
}

TEST(JoinPath, AbsoluteNamesStandAlone) {
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("a/", "b"), "a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
  EXPECT_EQ(JoinPath("a", "/b"), "/b");
}

TEST(FolderOf, IsWhatTheLastNameStandsIn) {
  EXPECT_EQ(FolderOf("a/b/c"), "a/b");
  EXPECT_EQ(FolderOf("b"), ".");
  EXPECT_EQ(FolderOf("/b"), "/");
  EXPECT_EQ(FolderOf(FolderOf("a/b/c")), "a");
}

}  // namespace
}  // namespace perennial::base
