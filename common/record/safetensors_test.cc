#include "common/record/safetensors.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::record {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string TestData(absl::string_view name) {
  return base::ReadFile(
             base::FindRunfile(absl::StrCat("perennial/common/record/testdata/", name)).value())
      .value();
}

// The tensors of tools/oracles/safetensors_roundtrip.py.
SafetensorsWriter Example() {
  SafetensorsWriter writer;
  const std::vector<float> bias = {0.5f, -1.25f, 3e38f};
  const std::vector<double> empty;
  const std::vector<int32_t> index = {-7, 2147483647};
  const std::vector<uint8_t> labels = {0, 255, 1, 2};
  const std::vector<int64_t> scalar = {-9007199254740993};
  const std::vector<uint64_t> steps = {0, 18446744073709551615u};
  const std::vector<double> weight = {0.1, 0.2, 0.3, 1e-300, -0.0, 5e-324};
  EXPECT_TRUE(writer.Add<float>("bias", {3}, bias).ok());
  EXPECT_TRUE(writer.Add<double>("empty", {0, 2}, empty).ok());
  EXPECT_TRUE(writer.Add<int32_t>("index", {2}, index).ok());
  EXPECT_TRUE(writer.Add<uint8_t>("labels", {2, 2}, labels).ok());
  EXPECT_TRUE(writer.Add<int64_t>("scalar", {}, scalar).ok());
  EXPECT_TRUE(writer.Add<uint64_t>("steps", {2}, steps).ok());
  EXPECT_TRUE(writer.Add<double>("weight", {2, 3}, weight).ok());
  writer.SetMetadata("step", "100");
  writer.SetMetadata("note", "é \"quoted\"");
  return writer;
}

void ExpectExample(const SafetensorsFile& file) {
  EXPECT_EQ(file.tensors().size(), 7u);
  EXPECT_THAT(file.metadata(), ElementsAre(Pair("note", "é \"quoted\""), Pair("step", "100")));
  EXPECT_THAT(file.Read<float>("bias").value(), ElementsAre(0.5f, -1.25f, 3e38f));
  EXPECT_THAT(file.Read<double>("empty").value(), IsEmpty());
  EXPECT_THAT(file.tensors().at("empty").shape, ElementsAre(0, 2));
  EXPECT_THAT(file.Read<int32_t>("index").value(), ElementsAre(-7, 2147483647));
  EXPECT_THAT(file.Read<uint8_t>("labels").value(), ElementsAre(0, 255, 1, 2));
  EXPECT_THAT(file.Read<int64_t>("scalar").value(), ElementsAre(-9007199254740993));
  EXPECT_THAT(file.tensors().at("scalar").shape, IsEmpty());
  EXPECT_THAT(file.Read<uint64_t>("steps").value(), ElementsAre(0u, 18446744073709551615u));
  const std::vector<double> weight = file.Read<double>("weight").value();
  EXPECT_THAT(weight, ElementsAre(0.1, 0.2, 0.3, 1e-300, 0.0, 5e-324));
  EXPECT_TRUE(std::signbit(weight[4]));
}

TEST(Safetensors, ReadsTheFileOfThePythonLibrary) {
  const absl::StatusOr<SafetensorsFile> file =
      SafetensorsFile::Parse(TestData("python.safetensors"));
  ASSERT_TRUE(file.ok()) << file.status();
  ExpectExample(*file);
}

TEST(Safetensors, WritesTheBytesThatThePythonLibraryWasSeenToRead) {
  EXPECT_EQ(Example().Finish().value(), TestData("ours.safetensors"));
}

TEST(Safetensors, ReadsBackWhatItWrites) {
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Parse(Example().Finish().value());
  ASSERT_TRUE(file.ok()) << file.status();
  ExpectExample(*file);
  const absl::StatusOr<SafetensorsFile> empty =
      SafetensorsFile::Parse(SafetensorsWriter().Finish().value());
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_TRUE(empty->tensors().empty());
}

TEST(Safetensors, EveryTensorIsAligned) {
  const std::string bytes = Example().Finish().value();
  uint64_t header;
  std::memcpy(&header, bytes.data(), 8);
  EXPECT_EQ(header % 8, 0u);
  const SafetensorsFile file = SafetensorsFile::Parse(bytes).value();
  for (const auto& [name, info] : file.tensors()) {
    EXPECT_EQ(info.begin % DTypeSize(info.dtype), 0) << name;
  }
}

TEST(SafetensorsWriter, RefusesWhatCannotBeStored) {
  SafetensorsWriter writer;
  const std::vector<float> two = {1, 2};
  EXPECT_THAT(std::string(writer.Add<float>("a", {3}, two).message()),
              HasSubstr("the shape [3] does not hold the 2 values"));
  EXPECT_FALSE(writer.Add<float>("a", {-1, -2}, two).ok());
  EXPECT_FALSE(writer.Add<float>("__metadata__", {2}, two).ok());
  EXPECT_FALSE(writer.Add<float>("\xff", {2}, two).ok());
  EXPECT_TRUE(writer.Add<float>("a", {2}, two).ok());
  EXPECT_THAT(std::string(writer.Add<float>("a", {2}, two).message()), HasSubstr("given twice"));
}

TEST(SafetensorsFile, WrongNameOrTypeIsExplained) {
  const SafetensorsFile file = SafetensorsFile::Parse(Example().Finish().value()).value();
  const absl::Status name = file.Read<double>("wieght").status();
  EXPECT_EQ(name.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(name.message()), HasSubstr("did you mean \"weight\"?"));
  const absl::Status type = file.Read<float>("weight").status();
  EXPECT_EQ(type.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(type.message()), HasSubstr("holds F64, not F32"));
}

std::string FileOf(absl::string_view header, size_t data) {
  const uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char*>(&length), 8);
  absl::StrAppend(&bytes, header, std::string(data, 'x'));
  return bytes;
}

std::string Entry(absl::string_view dtype, absl::string_view shape, absl::string_view offsets) {
  return absl::StrCat("{\"dtype\":\"", dtype, "\",\"shape\":", shape, ",\"data_offsets\":", offsets,
                      "}");
}

TEST(SafetensorsFile, HostileFilesAreRefusedByName) {
  const std::string ok = Entry("F32", "[2]", "[0,8]");
  const auto header = [](absl::string_view entry) { return absl::StrCat("{\"a\":", entry, "}"); };
  const struct {
    std::string bytes;
    std::string message;
  } cases[] = {
      {"", "fewer than the 8"},
      {std::string(7, '\0'), "fewer than the 8"},
      {std::string(8, '\xff'), "18446744073709551615"},
      {std::string("\x01\xe1\xf5\x05\0\0\0\0", 8) + std::string(100, '{'), "100000000 are allowed"},
      {std::string("\x05\0\0\0\0\0\0\0{}", 10), "is said to have 5"},
      {FileOf("", 0), "does not begin with"},
      {FileOf(" {}", 0), "does not begin with"},
      {FileOf("{", 0), "not JSON"},
      {FileOf("{} x", 0), "not JSON"},
      {FileOf(std::string("{}\0", 3), 0), "zero byte"},
      {FileOf(header(ok), 7), "fill 8 bytes of data; the file has 7"},
      {FileOf(header(ok), 9), "fill 8 bytes of data; the file has 9"},
      {FileOf("{\"a\":" + ok + ",\"a\":" + ok + "}", 8), "name is given twice"},
      {FileOf("{\"__metadata__\":{},\"__metadata__\":{}}", 0), "given twice"},
      {FileOf("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0), "given twice"},
      {FileOf("{\"__metadata__\":{\"k\":1}}", 0), "number stands"},
      {FileOf("{\"__metadata__\":{\"k\":{}}}", 0), "nested too deeply"},
      {FileOf(header("{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}"),
              4),
       "\"dtype\" is given twice"},
      {FileOf(header("{\"dtype\":\"F32\",\"shape\":[2]}"), 8), "is missing"},
      {FileOf(header("{\"dtype\":\"F32\",\"shape\":[2],\"offsets\":[0,8]}"), 8), "unknown key"},
      {FileOf(header(Entry("F8_E4M3", "[2]", "[0,2]")), 2), "is not read here"},
      {FileOf(header(Entry("F32", "[3]", "[0,8]")), 8), "its shape [3] needs 12"},
      {FileOf(header(Entry("F32", "[-2]", "[0,8]")), 8), "negative"},
      {FileOf(header(Entry("F32", "[2.0]", "[0,8]")), 8), "not whole"},
      {FileOf(header(Entry("F32", "[4611686018427387905,4]", "[0,16]")), 16), "too large"},
      {FileOf(header(Entry("F32", "[0,9223372036854775807]", "[0,0]")), 0), "too large"},
      {FileOf(header(Entry("F32", "[9223372036854775808]", "[0,8]")), 8), "too large"},
      {FileOf(header(Entry("F32", "[2]", "[8,0]")), 8), "must be [begin, end]"},
      {FileOf(header(Entry("F32", "[2]", "[0]")), 8), "must be [begin, end]"},
      {FileOf(header(Entry("F32", "[2]", "[0,4,8]")), 8), "must be [begin, end]"},
      {FileOf(header(Entry("F32", "[[2]]", "[0,8]")), 8), "a list stands"},
      {FileOf(header(Entry("F32", "\"2\"", "[0,8]")), 8), "a text stands"},
      {FileOf(header(Entry("F32", "null", "[0,8]")), 8), "null"},
      {FileOf("{\"a\":" + ok + ",\"b\":" + Entry("F32", "[1]", "[4,8]") + "}", 8), "overlap"},
      {FileOf("{\"a\":" + ok + ",\"b\":" + Entry("F32", "[1]", "[12,16]") + "}", 16), "hole"},
      {FileOf("{\"a\":1}", 0), "number stands"},
      {FileOf("[" + std::string(100000, '['), 0), "does not begin with"},
      {FileOf("{\"a\":" + std::string(100000, '['), 0), "a list stands"},
  };
  for (const auto& hostile : cases) {
    const absl::Status status = SafetensorsFile::Parse(hostile.bytes).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << hostile.message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(hostile.message));
  }
}

}  // namespace
}  // namespace perennial::record
