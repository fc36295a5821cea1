#include "common/data/npz.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::data {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// A file of tools/oracles/npz.py.
std::string Bytes(absl::string_view name) {
  return base::ReadFile(
             base::FindRunfile(absl::StrCat("perennial/common/data/testdata/", name)).value())
      .value();
}

std::string ErrorOf(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

// The first error of opening the file and reading all arrays.
absl::Status StatusOf(const std::string& bytes) {
  const absl::StatusOr<NpzFile> file = ParseNpz(bytes, "t.npz");
  if (!file.ok()) return file.status();
  for (const std::string& name : file->names()) {
    const absl::StatusOr<NpyArray> array = file->Read(name);
    if (!array.ok()) return array.status();
  }
  return absl::OkStatus();
}

size_t Find(const std::string& bytes, absl::string_view part, size_t nth = 0) {
  size_t at = bytes.find(part.data(), 0, part.size());
  for (size_t i = 0; i < nth; ++i) at = bytes.find(part.data(), at + 1, part.size());
  EXPECT_NE(at, std::string::npos);
  return at;
}

constexpr char kDirectory[] = "PK\x01\x02";
constexpr char kEnd[] = "PK\x05\x06";

TEST(NpzTest, ReadsWhatNumpyWrites) {
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const absl::StatusOr<NpzFile> file = ParseNpz(Bytes(name), name);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_THAT(file->names(), ElementsAre("x", "treated", "zeros", "é"));
    const absl::StatusOr<NpyArray> x = file->Read("x");
    ASSERT_TRUE(x.ok()) << x.status();
    EXPECT_THAT(x->shape(), ElementsAre(2, 3, 2));
    EXPECT_THAT(x->Read<double>().value(), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
    EXPECT_THAT(file->Read("treated")->Read<bool>().value(), ElementsAre(true, false, true));
    EXPECT_THAT(file->Read("zeros")->Read<float>().value(), AllOf(SizeIs(200), Each(0)));
    EXPECT_THAT(file->Read("é")->Read<int8_t>().value(), ElementsAre(1));
  }
}

TEST(NpzTest, SizesMayStandBehindTheDataAndOtherMembersArePassedOver) {
  const absl::StatusOr<NpzFile> file = ParseNpz(Bytes("piped.npz"), "t.npz");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(file->names(), ElementsAre("x"));
  EXPECT_THAT(file->Read("x")->Read<int32_t>().value(),
              ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
}

// A ZIP64 end record, as archives of 65536 members or 4 GiB have it, in front of the usual one.
TEST(NpzTest, Zip64EndRecord) {
  std::string bytes = Bytes("deflated.npz");
  const size_t end_at = Find(bytes, kEnd);
  const std::string size_and_place = bytes.substr(end_at + 12, 8);
  const auto u64 = [](uint64_t value) {
    return std::string(reinterpret_cast<const char*>(&value), 8);
  };
  const std::string zeros(4, '\0');
  const std::string end64 = absl::StrCat(
      "PK\x06\x06", u64(44), "-", std::string("\0", 1), "-", std::string("\0", 1), zeros, zeros,
      u64(4), u64(4), size_and_place.substr(0, 4), zeros, size_and_place.substr(4, 4), zeros);
  ASSERT_EQ(end64.size(), 56u);
  const std::string locator =
      absl::StrCat("PK\x06\x07", zeros, u64(end_at), std::string("\1\0\0\0", 4));
  std::string end = bytes.substr(end_at);
  end.replace(8, 12, std::string(12, '\xff'));
  bytes = absl::StrCat(bytes.substr(0, end_at), end64, locator, end);
  EXPECT_TRUE(StatusOf(bytes).ok()) << StatusOf(bytes);
  bytes[end_at + 56 + 8] ^= 1;  // The locator's place.
  EXPECT_THAT(ErrorOf(StatusOf(bytes)), HasSubstr("ZIP64 end record"));
}

TEST(NpzTest, UnknownNameGetsTheNearest) {
  const absl::Status status = ParseNpz(Bytes("stored.npz"), "t.npz")->Read("traeted").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(),
            "t.npz: unknown array \"traeted\"; did you mean \"treated\"? There are: x, treated, "
            "zeros, é");
}

TEST(NpzTest, DamageIsFoundByTheChecksum) {
  std::string bytes = Bytes("stored.npz");
  bytes[Find(bytes, "NUMPY") + 130] ^= 1;
  EXPECT_EQ(ErrorOf(StatusOf(bytes)),
            "t.npz: member \"x.npy\": its checksum is wrong: the file is damaged");
}

TEST(NpzTest, SizesThatAreClaimedAreCheckedFirst) {
  std::string bytes = Bytes("deflated.npz");
  // The third member, 200 zeros, claims to become 2 GiB.
  const size_t entry = Find(bytes, kDirectory, 2);
  bytes[entry + 27] = '\x7f';
  EXPECT_THAT(ErrorOf(StatusOf(bytes)), HasSubstr("compressed bytes cannot become the 2130"));
  bytes = Bytes("deflated.npz");
  bytes[entry + 24] ^= 1;
  EXPECT_THAT(ErrorOf(StatusOf(bytes)), HasSubstr("decompresses to"));
  bytes[entry + 24] ^= 1;
  bytes[entry + 20] -= 1;
  EXPECT_THAT(ErrorOf(StatusOf(bytes)), HasSubstr("compressed data end early"));
  bytes[entry + 20] += 2;
  EXPECT_THAT(ErrorOf(StatusOf(bytes)), HasSubstr("t.npz: "));
  EXPECT_THAT(ErrorOf(ParseNpz(Bytes("deflated.npz"), "t.npz")->Read("zeros", 1000).status()),
              HasSubstr("its 1728 bytes are more than the 1000 allowed"));
}

TEST(NpzTest, HostileArchivesAreRefusedWithTheReason) {
  const std::string good = Bytes("deflated.npz");
  const size_t entry = Find(good, kDirectory);
  const size_t second = Find(good, kDirectory, 1);
  const size_t end = Find(good, kEnd);
  const auto changed = [&](size_t at, absl::string_view part) {
    std::string bytes = good;
    return bytes.replace(at, part.size(), part.data(), part.size());
  };
  const struct {
    std::string bytes;
    std::string message;
  } cases[] = {
      {"", "too short"},
      {std::string(100, 'x'), "it has no end record"},
      {good.substr(0, good.size() - 1), "it has no end record"},
      {good + "x", "it has no end record"},
      {changed(end + 4, "\x01"), "several parts"},
      {changed(end + 8, "\x05"), "several parts"},
      {changed(end + 8, "\xff\xff\xff\xff"), "cannot hold 65535 members"},
      {changed(end + 8, std::string("\3\0\3\0", 4)), "more than its 3 members"},
      {changed(end + 8, std::string("\5\0\5\0", 4)), "cannot hold 5 members"},
      {changed(end + 16, "\xff\xff\xff\xff"), "does not lie where"},
      {changed(entry, "X"), "the directory is damaged"},
      {changed(entry + 28, "\xff\xff"), "the directory is damaged"},
      {changed(entry + 8, "\x01"), "member \"x.npy\": is encrypted"},
      {changed(entry + 10, "\x0c"), "compression method 12"},
      {changed(entry + 10, std::string(1, '\0')), "is stored, but has"},
      {changed(entry + 34, "\x01"), "another part"},
      {changed(entry + 42, "\x01"), "local header is missing"},
      {changed(entry + 42, "\xff\xff\xff\xff"), "ZIP64 sizes are damaged"},
      {changed(entry + 46, "y"), "local header has another name"},
      {changed(entry + 46, "\n"), "not clean UTF-8"},
      {changed(second + 42, good.substr(entry + 42, 4)), "local header has another name"},
      {changed(entry + 20, "\xff\xff"), "lie outside the file"},
  };
  for (const auto& hostile : cases) {
    EXPECT_THAT(ErrorOf(StatusOf(hostile.bytes)), HasSubstr(hostile.message)) << hostile.message;
  }
}

TEST(NpzTest, MembersThatOverlapOrRepeatAreRefused) {
  std::string bytes = Bytes("stored.npz");
  const size_t entry = Find(bytes, kDirectory);
  // The first member's data reach into the second.
  bytes[entry + 20] += 1;
  bytes[entry + 24] += 1;
  EXPECT_THAT(ErrorOf(StatusOf(bytes)), HasSubstr("members overlap"));
  bytes = Bytes("stored.npz");
  // Two entries for one member.
  const size_t second = Find(bytes, kDirectory, 1);
  const std::string first = bytes.substr(entry, second - entry);
  const size_t end = Find(bytes, kEnd);
  bytes[end + 8] += 1;
  bytes[end + 10] += 1;
  const size_t directory = end - entry + first.size();
  bytes[end + 12] = static_cast<char>(directory & 0xff);
  bytes[end + 13] = static_cast<char>(directory >> 8);
  bytes.insert(entry, first);
  EXPECT_THAT(ErrorOf(StatusOf(bytes)), HasSubstr("is given twice"));
}

TEST(NpzTest, MissingFileIsNotFound) {
  EXPECT_EQ(ReadNpz("no/such.npz").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace perennial::data
