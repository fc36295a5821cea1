#include "common/data/idx.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "zlib.h"

namespace perennial::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Header(int type, std::initializer_list<uint32_t> shape) {
  std::string bytes = {0, 0, static_cast<char>(type), static_cast<char>(shape.size())};
  for (const uint32_t extent : shape) {
    for (int shift = 24; shift >= 0; shift -= 8)
      bytes.push_back(static_cast<char>(extent >> shift));
  }
  return bytes;
}

std::string Write(const std::string& name, const std::string& bytes) {
  const std::string path = absl::StrCat(std::getenv("TEST_TMPDIR"), "/", name);
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

// Written by zlib's own file functions, not by ours.
std::string WriteGzip(const std::string& name, const std::string& bytes) {
  const std::string path = absl::StrCat(std::getenv("TEST_TMPDIR"), "/", name);
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
  return path;
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

TEST(IdxTest, ReadsShapeAndValues) {
  const auto array = ParseIdx(Header(8, {2, 1, 3}) + "\x01\x02\x03\x04\x05\xff", "x");
  ASSERT_TRUE(array.ok()) << array.status();
  EXPECT_THAT(array->shape, ElementsAre(2, 1, 3));
  EXPECT_THAT(array->values, ElementsAre(1, 2, 3, 4, 5, 255));
}

TEST(IdxTest, ReadsGzipAndPlainFilesAlike) {
  const std::string bytes = Header(8, {3}) + "abc";
  for (const std::string& path : {Write("plain", bytes), WriteGzip("packed", bytes)}) {
    const auto array = ReadIdx(path);
    ASSERT_TRUE(array.ok()) << array.status();
    EXPECT_THAT(array->values, ElementsAre('a', 'b', 'c'));
  }
}

struct Bad {
  std::string bytes;
  std::string message;
};

class BadIdxTest : public testing::TestWithParam<Bad> {};

TEST_P(BadIdxTest, IsRefusedWithTheFileAndTheReason) {
  const auto array = ParseIdx(GetParam().bytes, "labels.idx");
  ASSERT_FALSE(array.ok());
  EXPECT_EQ(array.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(array.status().message()), HasSubstr("labels.idx: "));
  EXPECT_THAT(std::string(array.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadIdxTest,
    testing::Values(Bad{"", "0 bytes are too few"}, Bad{"PNG.", "two zero bytes"},
                    Bad{Header(0x0d, {1}) + "abcd", "IDX type 0x0d"},
                    Bad{Header(8, {}), "0 dimensions"},
                    Bad{Header(8, {2, 3}).substr(0, 9), "header needs 12 bytes, the file has 9"},
                    Bad{Header(8, {4}) + "abc", "needs 4 bytes, the file holds 3; it is truncated"},
                    Bad{Header(8, {2}) + "abc", "needs 2 bytes, the file holds 3"},
                    Bad{Header(8, {0xffffffff, 0xffffffff, 0xffffffff}) + "abc", "more than 2^64"},
                    Bad{Header(8, {0x80000000, 0x80000000, 4}) + "", "more than 2^64"}));

TEST(IdxTest, MissingFileIsNotFoundAndNamed) {
  const auto array = ReadIdx("no/such/file.idx");
  EXPECT_EQ(array.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(array.status().message()), HasSubstr("no/such/file.idx"));
}

TEST(IdxTest, TruncatedOrDamagedGzipIsRefused) {
  std::string bytes = ReadAll(WriteGzip("whole", Header(8, {1000}) + std::string(1000, 'a')));
  EXPECT_THAT(
      std::string(ReadIdx(Write("cut", bytes.substr(0, bytes.size() - 5))).status().message()),
      HasSubstr("ends early"));
  EXPECT_THAT(std::string(ReadIdx(Write("long", bytes + "x")).status().message()),
              HasSubstr("1 bytes follow"));
  bytes[bytes.size() - 6] ^= 1;  // The checksum.
  EXPECT_THAT(std::string(ReadIdx(Write("damaged", bytes)).status().message()),
              HasSubstr("damaged"));
}

TEST(IdxTest, LabelsMustFitImagesAndClasses) {
  const std::string images = Write("images", Header(8, {2, 1, 1}) + "ab");
  const std::string three = Write("three", Header(8, {3}) + std::string("\0\1\2", 3));
  EXPECT_THAT(std::string(LoadIdxImages(images, three, 10).status().message()),
              HasSubstr("3 labels for the 2 images"));
  const std::string beyond = Write("beyond", Header(8, {2}) + "\x01\x0a");
  EXPECT_THAT(std::string(LoadIdxImages(images, beyond, 10).status().message()),
              HasSubstr("label 10 of example 1 is not below the number of classes, 10"));
  EXPECT_THAT(std::string(LoadIdxImages(beyond, beyond, 10).status().message()),
              HasSubstr("1 dimensions; images need 3"));
  const std::string empty = Write("empty", Header(8, {0, 28, 28}));
  const std::string none = Write("none", Header(8, {0}));
  EXPECT_THAT(std::string(LoadIdxImages(empty, none, 10).status().message()),
              HasSubstr("holds no pixels"));
}

}  // namespace
}  // namespace perennial::data
