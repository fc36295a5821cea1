#include "common/record/checkpoint.h"

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::record {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/checkpoint_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern + "/checkpoints";
  }
  std::string Path(int generation) const {
    const std::string prefix = absl::StrCat("er-0000000", generation, "-");
    for (const std::string& name : Files()) {
      if (name.rfind(prefix, 0) == 0) return base::JoinPath(folder_, name);
    }
    return "";
  }
  void Write(absl::string_view bytes) {
    const absl::Status status = Checkpoints(folder_).Write("er", bytes);
    ASSERT_TRUE(status.ok()) << status;
  }
  std::vector<std::string> Files() const { return base::ListFolder(folder_).value(); }
  std::string folder_;
};

TEST_F(CheckpointTest, NoneIsNoError) {
  const auto none = Checkpoints(folder_).ReadLatest("er");
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
}

TEST_F(CheckpointTest, NewestIsReadAndTwoAreKept) {
  for (const char* bytes : {"one", "two", "three", "four"}) Write(bytes);
  const auto checkpoint = Checkpoints(folder_).ReadLatest("er").value();
  ASSERT_TRUE(checkpoint.has_value());
  EXPECT_EQ(checkpoint->bytes, "four");
  EXPECT_EQ(checkpoint->generation, 4);
  EXPECT_EQ(checkpoint->warning, "");
  EXPECT_THAT(Files(), ElementsAre(StartsWith("er-00000003-"), StartsWith("er-00000004-")));
}

TEST_F(CheckpointTest, TheFileHoldsTheBytesAndItsNameTheirSha256) {
  Write("abc");
  // SHA-256 of "abc" (FIPS 180-4, example 1).
  EXPECT_THAT(Files(), ElementsAre("er-00000001-ba7816bf8f01cfea414140de5dae2223.safetensors"));
  EXPECT_EQ(base::ReadFile(Path(1)).value(), "abc");
}

TEST_F(CheckpointTest, AnyBytesAndNoBytesReadBack) {
  Write("");
  EXPECT_EQ(Checkpoints(folder_).ReadLatest("er").value()->bytes, "");
  const std::string bytes("\0PK\x03\x04....\xff\n", 11);
  Write(bytes);
  EXPECT_EQ(Checkpoints(folder_).ReadLatest("er").value()->bytes, bytes);
}

TEST_F(CheckpointTest, EveryFlippedBitAndEveryTruncationIsFoundAndThePreviousUsed) {
  Write("previous");
  Write("the newest state");
  const std::string sound = base::ReadFile(Path(2)).value();
  std::vector<std::string> spoilt;
  for (size_t i = 0; i < sound.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = sound;
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
      spoilt.push_back(bytes);
    }
    spoilt.push_back(sound.substr(0, i));
  }
  spoilt.push_back(sound + "x");
  for (const std::string& bytes : spoilt) {
    ASSERT_TRUE(base::WriteFileAtomically(Path(2), bytes).ok());
    const auto checkpoint = Checkpoints(folder_).ReadLatest("er").value();
    ASSERT_TRUE(checkpoint.has_value());
    ASSERT_EQ(checkpoint->bytes, "previous");
    ASSERT_THAT(checkpoint->warning, HasSubstr("er-00000002-"));
  }
}

TEST_F(CheckpointTest, CorruptFileIsNoneOfTheTwoKept) {
  Write("one");
  Write("two");
  ASSERT_TRUE(base::WriteFileAtomically(Path(2), "spoilt").ok());
  Write("three");
  EXPECT_THAT(Files(), ElementsAre(StartsWith("er-00000001-"), StartsWith("er-00000003-")));
}

TEST_F(CheckpointTest, AllCorruptIsAnErrorThatNamesThem) {
  Write("one");
  Write("two");
  ASSERT_TRUE(base::WriteFileAtomically(Path(1), "spoilt").ok());
  ASSERT_TRUE(base::WriteFileAtomically(Path(2), "spoilt").ok());
  const absl::Status status = Checkpoints(folder_).ReadLatest("er").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("er-00000001-"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("er-00000002-"));
}

TEST_F(CheckpointTest, NamesThatBeginAlikeAreApart) {
  ASSERT_TRUE(Checkpoints(folder_).Write("er", "a").ok());
  ASSERT_TRUE(Checkpoints(folder_).Write("er-1", "b").ok());
  EXPECT_EQ(Checkpoints(folder_).ReadLatest("er").value()->bytes, "a");
  EXPECT_EQ(Checkpoints(folder_).ReadLatest("er-1").value()->bytes, "b");
}

TEST_F(CheckpointTest, TemporaryFileOfAKilledWriterIsIgnored) {
  Write("one");
  ASSERT_TRUE(
      base::WriteFileAtomically(folder_ + "/.er-00000002-ab.safetensors.perennial-tmp.1.0", "half")
          .ok());
  EXPECT_EQ(Checkpoints(folder_).ReadLatest("er").value()->bytes, "one");
}

// The folder is listed once: to look at thousands of files for each of thousands of units takes
// longer than the units do.
TEST_F(CheckpointTest, WhatItWritesItKnowsWithoutLookingAgain) {
  Write("one");
  Checkpoints checkpoints(folder_);
  EXPECT_EQ(checkpoints.ReadLatest("er").value()->generation, 1);
  ASSERT_TRUE(
      base::WriteFileAtomically(folder_ + "/er-00000007-ab.safetensors", "of another").ok());
  for (const char* bytes : {"two", "three", "four"}) {
    ASSERT_TRUE(checkpoints.Write("er", bytes).ok());
    EXPECT_EQ(checkpoints.ReadLatest("er").value()->bytes, bytes);
  }
  EXPECT_THAT(Files(), ElementsAre(StartsWith("er-00000003-"), StartsWith("er-00000004-"),
                                   StartsWith("er-00000007-")));
  ASSERT_TRUE(checkpoints.Write("ewc", "another name").ok());
  EXPECT_EQ(checkpoints.ReadLatest("ewc").value()->generation, 1);
}

TEST_F(CheckpointTest, AFolderThatAppearsLaterIsSeen) {
  Checkpoints checkpoints(folder_);
  EXPECT_FALSE(checkpoints.ReadLatest("er").value().has_value());
  Write("one");
  EXPECT_EQ(checkpoints.ReadLatest("er").value()->bytes, "one");
}

TEST_F(CheckpointTest, NamesOfManyThreadsDoNotDisturbEachOther) {
  std::vector<std::thread> threads;
  Checkpoints checkpoints(folder_);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&checkpoints, t] {
      for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(checkpoints.Write(absl::StrCat("unit", t), absl::StrCat(t, i)).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int t = 0; t < 4; ++t) {
    EXPECT_EQ(Checkpoints(folder_).ReadLatest(absl::StrCat("unit", t)).value()->bytes,
              absl::StrCat(t, 4));
  }
}

TEST(CheckpointDeathTest, NameThatIsAPathStopsTheProgram) {
  EXPECT_DEATH((void)Checkpoints("folder").Write("../er", ""), "checkpoint's name");
}

}  // namespace
}  // namespace perennial::record
