#include "common/data/npy.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/runfiles.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A file of tools/oracles/npz.py, written by NumPy.
absl::StatusOr<NpyArray> Numpy(absl::string_view name) {
  return ReadNpy(
      base::FindRunfile(absl::StrCat("perennial/common/data/testdata/", name, ".npy")).value());
}

template <typename T>
std::vector<T> Values(absl::string_view name) {
  const absl::StatusOr<NpyArray> array = Numpy(name);
  EXPECT_TRUE(array.ok()) << array.status();
  if (!array.ok()) return {};
  const absl::StatusOr<std::vector<T>> values = array->Read<T>();
  EXPECT_TRUE(values.ok()) << values.status();
  return values.ok() ? *values : std::vector<T>();
}

// A version 1 file with this dictionary.
std::string FileOf(absl::string_view header, absl::string_view values = "") {
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes.push_back(static_cast<char>(header.size() & 0xff));
  bytes.push_back(static_cast<char>(header.size() >> 8));
  return absl::StrCat(bytes, header, values);
}

std::string Dictionary(absl::string_view descr, absl::string_view shape) {
  return absl::StrCat("{'descr': '", descr, "', 'fortran_order': False, 'shape': ", shape, ", }\n");
}

TEST(NpyTest, FloatsOfNumpy) {
  const std::vector<double> f8 = Values<double>("f8");
  ASSERT_EQ(f8.size(), 6u);
  EXPECT_THAT(std::vector<double>(f8.begin(), f8.begin() + 5),
              ElementsAre(0.1, -1e300, 5e-324, kInfinity, 0));
  EXPECT_TRUE(std::signbit(f8[4]));
  EXPECT_TRUE(std::isnan(f8[5]));
  EXPECT_THAT(Numpy("f8")->shape(), ElementsAre(2, 3));
  EXPECT_EQ(Numpy("f8")->dtype(), "<f8");
  for (const char* name : {"f4", "f4_big_endian"}) {
    EXPECT_THAT(Values<float>(name), ElementsAre(0.1f, -3e38f, 1e-45f));
    EXPECT_THAT(Values<double>(name), ElementsAre(0.1f, -3e38f, 1e-45f));
  }
  const std::vector<float> f2 = Values<float>("f2");
  ASSERT_EQ(f2.size(), 10u);
  EXPECT_THAT(
      std::vector<float>(f2.begin(), f2.begin() + 9),
      ElementsAre(0, 0, 1, -2.5, 65504, 0x1p-24, 6.097555160522461e-05f, kInfinity, -kInfinity));
  EXPECT_TRUE(std::signbit(f2[1]));
  EXPECT_TRUE(std::isnan(f2[9]));
}

TEST(NpyTest, IntegersAndBooleansOfNumpy) {
  EXPECT_THAT(Values<int64_t>("i8_big_endian"),
              ElementsAre(std::numeric_limits<int64_t>::min(), 9007199254740993));
  EXPECT_THAT(Values<uint64_t>("u8"), ElementsAre(0, std::numeric_limits<uint64_t>::max()));
  EXPECT_THAT(Values<int8_t>("i1"), ElementsAre(-128, 127));
  EXPECT_THAT(Values<uint16_t>("u2_big_endian"), ElementsAre(1, 65535));
  EXPECT_THAT(Values<int16_t>("i2"), ElementsAre(-32768, 258));
  EXPECT_THAT(Values<uint32_t>("u4"), ElementsAre(4294967295u));
  EXPECT_THAT(Values<bool>("bool"), ElementsAre(true, false, false, true));
  EXPECT_THAT(Values<double>("bool"), ElementsAre(1, 0, 0, 1));
}

TEST(NpyTest, ScalarsAndEmptyArrays) {
  EXPECT_THAT(Values<double>("scalar"), ElementsAre(7.5));
  EXPECT_THAT(Numpy("scalar")->shape(), IsEmpty());
  EXPECT_THAT(Values<double>("empty"), IsEmpty());
  EXPECT_THAT(Numpy("empty")->shape(), ElementsAre(0, 3));
}

TEST(NpyTest, FortranOrderComesInCOrder) {
  for (const char* name : {"fortran", "fortran_big_endian"}) {
    const absl::StatusOr<NpyArray> array = Numpy(name);
    ASSERT_TRUE(array.ok()) << array.status();
    EXPECT_TRUE(array->fortran_order());
    EXPECT_THAT(array->shape(), ElementsAre(2, 3, 2));
    EXPECT_THAT(Values<double>(name), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  }
}

TEST(NpyTest, LaterVersionsOfTheFormat) {
  for (const char* name : {"version2", "version3"}) {
    EXPECT_THAT(Values<int32_t>(name), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  }
}

TEST(NpyTest, DictionaryMayBeWrittenOtherwise) {
  const absl::StatusOr<NpyArray> array =
      ParseNpy(FileOf("{\"shape\":(2L,1),'fortran_order':True,\"descr\":\"|u1\"}", "ab"), "x");
  ASSERT_TRUE(array.ok()) << array.status();
  EXPECT_THAT(array->Read<uint8_t>().value(), ElementsAre('a', 'b'));
}

TEST(NpyTest, ValuesThatAreNotExactAreRefusedWithTheirIndex) {
  const auto refusal = [](const auto& values) {
    EXPECT_EQ(values.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(values.status().message());
  };
  EXPECT_THAT(refusal(Numpy("f8")->Read<float>()), HasSubstr("the value 0.1 at index (0, 0)"));
  EXPECT_THAT(refusal(Numpy("f2")->Read<int32_t>()), HasSubstr("-2.5 at index (3)"));
  EXPECT_THAT(refusal(Numpy("i8_big_endian")->Read<double>()),
              HasSubstr("9007199254740993 at index (1)"));
  EXPECT_THAT(refusal(Numpy("u8")->Read<int64_t>()), HasSubstr("18446744073709551615"));
  EXPECT_THAT(refusal(Numpy("u8")->Read<double>()), HasSubstr("18446744073709551615"));
  EXPECT_THAT(refusal(Numpy("i1")->Read<uint8_t>()), HasSubstr("-128 at index (0)"));
  EXPECT_THAT(refusal(Numpy("fortran")->Read<bool>()), HasSubstr("2 at index (0, 1, 0)"));
  EXPECT_THAT(Numpy("fortran")->Read<uint8_t>().value().back(), 11);
  const std::string nan(8, '\xff');
  EXPECT_THAT(refusal(ParseNpy(FileOf(Dictionary("<f8", "()"), nan), "x")->Read<int64_t>()),
              HasSubstr("nan at index ()"));
  const std::string two_to_63("\0\0\0\0\0\0\xe0\x43", 8);
  EXPECT_FALSE(ParseNpy(FileOf(Dictionary("<f8", "(1,)"), two_to_63), "x")->Read<int64_t>().ok());
  EXPECT_THAT(ParseNpy(FileOf(Dictionary("<f8", "(1,)"), two_to_63), "x")->Read<uint64_t>().value(),
              ElementsAre(uint64_t{1} << 63));
  EXPECT_THAT(refusal(ParseNpy(FileOf(Dictionary("|b1", "(2,)"), "\x01\x02"), "x")->Read<double>()),
              HasSubstr("byte 1 of the booleans is 2"));
}

TEST(NpyTest, TypesThatAreNotReadAreNamed) {
  const struct {
    std::string file;
    std::string message;
  } cases[] = {
      {"object", "\"|O\": objects are Python pickles"}, {"structured", "structured arrays"},
      {"text", "\"<U2\": texts are not read"},          {"bytes", "\"|S2\": texts are not read"},
      {"date", "\"<M8[D]\": dates and times"},          {"complex", "\"<c16\": complex numbers"},
      {"longdouble", "\"<f16\": read are b1"},          {"void", "\"|V3\": raw and structured"},
  };
  for (const auto& refused : cases) {
    const absl::Status status = Numpy("refused_" + refused.file).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(refused.message));
  }
}

TEST(NpyTest, HostileFilesAreRefusedWithTheReason) {
  const std::string ok = Dictionary("<f8", "(1,)");
  const std::string eight(8, '\0');
  const struct {
    std::string bytes;
    std::string message;
  } cases[] = {
      {"", "does not begin with"},
      {"PK\x03\x04 some zip", "does not begin with"},
      {"\x93NUMPY\x01", "ends within its header"},
      {std::string("\x93NUMPY\x04\x00\x10\x00 ", 11), "version 4.0"},
      {std::string("\x93NUMPY\x01\x01\x10\x00 ", 11), "version 1.1"},
      {std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff ", 13), "4294967295 bytes is longer"},
      {FileOf(ok, eight).substr(0, 40), "ends within its header"},
      {FileOf(ok, eight.substr(1)), "needs 8 bytes, the file holds 7; it is truncated"},
      {FileOf(ok, eight + "x"), "the file holds 9; bytes follow the array"},
      {FileOf(Dictionary("<f8", "(4611686018427387904, 4)"), eight), "more than 2^63"},
      {FileOf(Dictionary("<f8", "(0, 9223372036854775807)")), "more than 2^63"},
      {FileOf(Dictionary("<f8", "(9223372036854775808,)")), "beyond the range"},
      {FileOf(Dictionary("<f8", "(-1,)"), eight), "a dimension or ')' expected"},
      {FileOf(Dictionary("<f8", "(1)"), eight), "',' expected"},
      {FileOf(Dictionary("<f8", "1"), eight), "'(' expected"},
      {FileOf(Dictionary("<f8", "(1 1)"), eight), "',' expected"},
      {FileOf(Dictionary("<f8", "(1.0,)"), eight), "',' expected"},
      {FileOf(Dictionary("<f8", "(" + std::string(9000, '(')), eight), "a dimension or ')'"},
      {FileOf(Dictionary("<f8",
                         [] {
                           std::string shape = "(";
                           for (int i = 0; i < 65; ++i) shape += "1,";
                           return shape + ")";
                         }()),
              eight),
       "more than 64 dimensions"},
      {FileOf(Dictionary("|f8", "(1,)"), eight), "lacks its byte order"},
      {FileOf(Dictionary("f8", "(1,)"), eight), "the type \"f8\""},
      {FileOf(Dictionary("", "(1,)"), eight), "the type \"\""},
      {FileOf("{'descr': '<f8', 'shape': (1,)}", eight), "is missing"},
      {FileOf("{'descr': '<f8', 'descr': '<f8'}", eight), "\"descr\" stands twice"},
      {FileOf("{'descr': '<f8', 'other': '<f8'}", eight), "unknown key \"other\""},
      {FileOf("{'descr': '<f8', 'fortran_order': 1}", eight), "True or False expected"},
      {FileOf("{'descr': '<f8'", eight), "',' or '}' expected at byte 15, not the end"},
      {FileOf("{'descr", eight), "a key in quotes or '}' expected"},
      {FileOf("__import__('os')", eight), "'{' expected at byte 0"},
      {FileOf(ok.substr(0, ok.size() - 1) + " or 1", eight), "text follows the dictionary"},
      {FileOf("", eight), "'{' expected at byte 0, not the end"},
  };
  for (const auto& hostile : cases) {
    const absl::Status status = ParseNpy(hostile.bytes, "x.npy").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << hostile.message;
    EXPECT_THAT(std::string(status.message()), StartsWith("x.npy: "));
    EXPECT_THAT(std::string(status.message()), HasSubstr(hostile.message));
  }
}

}  // namespace
}  // namespace perennial::data
