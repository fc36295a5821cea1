#include "common/record/event_file.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/crc32c.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::record {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// As in tools/oracles/tensorboard.py.
const std::vector<ScalarEvent>& Events() {
  static const auto& events = *new std::vector<ScalarEvent>{
      {1700000000.25, 0, {{"loss", 2.302585092994046}}},
      {1700000001.5, 10, {{"loss", 0.1}, {"average_accuracy", 1.0 / 3}}},
      {1699999999.0, 200, {{"loss", -0.0}, {"average_accuracy", 1e-40}}},
      {1700000003.0, 5000000000, {{"loss", std::numeric_limits<double>::infinity()}}}};
  return events;
}

std::string TestData(const std::string& name) {
  return base::FindRunfile(absl::StrCat("perennial/common/record/testdata/", name)).value();
}

void ExpectTheseEvents(const EventFileContents& contents, size_t count) {
  EXPECT_EQ(contents.file_version, "brain.Event:2");
  ASSERT_EQ(contents.events.size(), count);
  for (size_t i = 0; i < count; ++i) {
    const ScalarEvent& got = contents.events[i];
    EXPECT_EQ(got.wall_time, Events()[i].wall_time);
    EXPECT_EQ(got.step, Events()[i].step);
    ASSERT_EQ(got.values.size(), Events()[i].values.size());
    for (size_t v = 0; v < got.values.size(); ++v) {
      EXPECT_EQ(got.values[v].first, Events()[i].values[v].first);
      EXPECT_EQ(got.values[v].second, static_cast<float>(Events()[i].values[v].second));
    }
  }
}

class EventFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/events_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = EventFilePath(pattern, "er.rotated.seed.0");
  }
  void Append(absl::Span<const ScalarEvent> events) {
    const absl::Status status = EventFile(path_).Append(events);
    ASSERT_TRUE(status.ok()) << status;
  }
  void Cut(int64_t last_step) {
    const absl::Status status = EventFile(path_).Cut(last_step);
    ASSERT_TRUE(status.ok()) << status;
  }
  void Write(absl::string_view bytes) {
    ASSERT_TRUE(base::MakeFolders(path_.substr(0, path_.rfind('/'))).ok());
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  std::string Bytes() const { return base::ReadFile(path_).value(); }
  EventFileContents Contents() const { return ReadEventFile(path_).value(); }
  std::string path_;
};

TEST_F(EventFileTest, WritesTheBytesThatTensorBoardReads) {
  EventFile file(path_);
  ASSERT_TRUE(file.Append(absl::MakeSpan(Events()).subspan(0, 1)).ok());
  ASSERT_TRUE(file.Append(absl::MakeSpan(Events()).subspan(1)).ok());
  EXPECT_TRUE(file.Sync().ok());
  EXPECT_EQ(Bytes(), base::ReadFile(TestData("ours.tfevents")).value());
}

TEST_F(EventFileTest, ReadsWhatTensorBoardWrote) {
  for (const char* name : {"tensorboard.tfevents", "ours.tfevents"}) {
    const auto contents = ReadEventFile(TestData(name));
    ASSERT_TRUE(contents.ok()) << contents.status();
    ExpectTheseEvents(*contents, 4);
    EXPECT_FALSE(contents->truncated);
  }
}

TEST_F(EventFileTest, NoEventsMakeNoFileAndNoFileIsNoError) {
  Append({});
  EXPECT_FALSE(base::FileExists(path_));
  Cut(10);
  EXPECT_TRUE(EventFile(path_).Sync().ok());
  EXPECT_FALSE(base::FileExists(path_));
  EXPECT_TRUE(absl::IsNotFound(ReadEventFile(path_).status()));
}

TEST_F(EventFileTest, CutKeepsWhatCameUpToTheStepByteForByte) {
  Append(Events());
  const std::string whole = Bytes();
  Cut(5000000000);
  EXPECT_EQ(Bytes(), whole);
  Cut(200);
  ExpectTheseEvents(Contents(), 3);
  Append(absl::MakeSpan(Events()).subspan(3));
  EXPECT_EQ(Bytes(), whole);
  Cut(-1);
  ExpectTheseEvents(Contents(), 0);
  Append(Events());
  EXPECT_EQ(Bytes(), whole);
}

// What a killed process, or a full disk, leaves of a write.
TEST_F(EventFileTest, AFileCutAnywhereGoesOnWithoutATrace) {
  Append(Events());
  const std::string whole = Bytes();
  for (size_t size = 0; size <= whole.size(); ++size) {
    Write(whole.substr(0, size));
    const auto contents = ReadEventFile(path_);
    ASSERT_TRUE(contents.ok()) << contents.status();
    const size_t left = contents->events.size();
    Append(absl::MakeSpan(Events()).subspan(left));
    // In the end of the last record there is nothing left to append.
    if (left < 4) {
      EXPECT_EQ(Bytes(), whole) << size;
    }

    Write(whole.substr(0, size));
    Cut(10);
    EXPECT_FALSE(Contents().truncated) << size;
    EXPECT_EQ(Contents().events.size(), std::min<size_t>(left, 2)) << size;
  }
}

TEST_F(EventFileTest, CutRemovesWhatAKilledCutLeft) {
  Append(Events());
  const std::string folder = path_.substr(0, path_.rfind('/'));
  std::ofstream(folder + "/.events.out.tfevents.0.perennial.perennial-tmp.1.2") << "half";
  Cut(10);
  EXPECT_EQ(base::ListFolder(folder).value().size(), 1u);
}

TEST_F(EventFileTest, TheSameObjectNoticesThatTheFileChanged) {
  EventFile file(path_);
  ASSERT_TRUE(file.Append(absl::MakeSpan(Events()).subspan(0, 2)).ok());
  const std::string two = Bytes();
  Write(two + "half a record");
  ASSERT_TRUE(file.Append(absl::MakeSpan(Events()).subspan(2)).ok());
  ExpectTheseEvents(Contents(), 4);
}

TEST_F(EventFileTest, ADamagedRecordIsNamedAndCutAway) {
  Append(Events());
  const std::string whole = Bytes();
  std::string damaged = whole;
  damaged[whole.find("loss")] ^= 1;  // In the first event.
  Write(damaged);
  const auto contents = ReadEventFile(path_);
  EXPECT_TRUE(absl::IsDataLoss(contents.status()));
  EXPECT_THAT(std::string(contents.status().message()),
              testing::AllOf(StartsWith(path_), HasSubstr("byte 40"), HasSubstr("checksum")));
  Cut(5000000000);
  EXPECT_THAT(Contents().events, testing::SizeIs(3));
}

TEST_F(EventFileTest, WithoutItsVersionAFileIsBegunAnew) {
  Append(Events());
  std::string damaged = Bytes();
  damaged[20] ^= 1;
  Write(damaged);
  Cut(200);
  EXPECT_EQ(Bytes(), "");
  Append(Events());
  ExpectTheseEvents(Contents(), 4);
}

std::string Header(uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(length >> (8 * i)));
  const uint32_t crc = base::MaskCrc32c(base::Crc32c(bytes));
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(crc >> (8 * i)));
  return bytes;
}

TEST_F(EventFileTest, HostileLengthsAreRefusedBeforeAnythingIsAllocated) {
  Append(Events());
  const std::string whole = Bytes();
  for (const uint64_t length :
       {~uint64_t{0}, ~uint64_t{0} - 15, uint64_t{1} << 63, uint64_t{1} << 31}) {
    Write(whole + Header(length) + std::string(100, 'x'));
    EXPECT_TRUE(absl::IsDataLoss(ReadEventFile(path_).status())) << length;
    Cut(5000000000);
    EXPECT_EQ(Bytes(), whole);
  }
  // Within measure, but more than there is: a record that was not finished.
  Write(whole + Header(101) + std::string(100, 'x'));
  EXPECT_TRUE(Contents().truncated);
}

TEST_F(EventFileTest, WhatCannotBeWrittenIsAnErrorThatNamesTheFile) {
  ASSERT_TRUE(base::MakeFolders(path_).ok());  // A folder in the file's place.
  for (const absl::Status& status : {EventFile(path_).Append(Events()), EventFile(path_).Cut(0)}) {
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
  }
}

TEST_F(EventFileTest, AThousandFilesNeedNoThousandHandles) {
  std::vector<EventFile> files;
  const std::string folder = path_.substr(0, path_.rfind("/tensorboard"));
  for (int i = 0; i < 1100; ++i) files.emplace_back(EventFilePath(folder, absl::StrCat("unit", i)));
  for (EventFile& file : files) ASSERT_TRUE(file.Append(Events()).ok());
  EXPECT_LT(base::ListFolder("/proc/self/fd").value().size(), 20u);
}

// Any bytes: an error or contents, never a crash; and what Append left can be read.
TEST_F(EventFileTest, MutatedFilesAreReadCutAndGoneOnWith) {
  Append(Events());
  const std::string whole = Bytes();
  random::Stream stream(7);
  for (int i = 0; i < 500; ++i) {
    std::string bytes = whole;
    const int changes = 1 + static_cast<int>(stream.Uniform(0, 4));
    for (int c = 0; c < changes; ++c) {
      const size_t at = static_cast<size_t>(stream.Uniform(0, static_cast<double>(bytes.size())));
      bytes[at] = static_cast<char>(static_cast<uint8_t>(stream.Uniform(0, 256)));
    }
    if (stream.Uniform() < 0.3) bytes.resize(bytes.size() / 2);
    Write(bytes);
    (void)ReadEventFile(path_);
    Cut(200);
    const auto contents = ReadEventFile(path_);
    ASSERT_TRUE(contents.ok()) << contents.status();
    EXPECT_FALSE(contents->truncated);
    for (const ScalarEvent& event : contents->events) EXPECT_LE(event.step, 200);
    Append(absl::MakeSpan(Events()).subspan(3));
    EXPECT_EQ(Contents().events.size(), contents->events.size() + 1);
  }
}

}  // namespace
}  // namespace perennial::record
