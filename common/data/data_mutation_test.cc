// Damaged files of every format that this folder reads; see common/testing/mutation.h.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "common/data/csv.h"
#include "common/data/gzip.h"
#include "common/data/idx.h"
#include "common/data/npy.h"
#include "common/data/npz.h"
#include "common/data/stata.h"
#include "common/testing/mutation.h"
#include "gtest/gtest.h"
#include "zlib.h"

namespace perennial::data {
namespace {

using ::perennial::testing::MutationCounts;
using ::perennial::testing::RunMutations;

std::string TestData(absl::string_view name) {
  return base::ReadFile(
             base::FindRunfile(absl::StrCat("perennial/common/data/testdata/", name)).value())
      .value();
}

std::vector<std::string> NumpyFiles() {
  std::vector<std::string> files;
  for (const char* name :
       {"f8", "f4_big_endian", "f2", "i8_big_endian", "u8", "i1", "bool", "scalar", "empty",
        "fortran", "fortran_big_endian", "version2", "version3"}) {
    files.push_back(TestData(absl::StrCat(name, ".npy")));
  }
  return files;
}

// By zlib, not by our code.
std::string Gzip(const std::string& bytes) {
  std::string packed(compressBound(bytes.size()) + 32, '\0');
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string input = bytes;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string Idx(const std::vector<uint32_t>& shape, size_t values) {
  std::string bytes = {0, 0, 8, static_cast<char>(shape.size())};
  for (const uint32_t extent : shape) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(extent >> shift);
  }
  return bytes + std::string(values, 'p');
}

void ExpectBoth(const MutationCounts& counts) {
  EXPECT_GT(counts.accepted, 0);
  EXPECT_LT(counts.accepted, counts.trials);
}

TEST(DataMutationTest, Idx) {
  ExpectBoth(RunMutations(
      {.corpus = {Idx({3, 4, 5}, 60), Idx({7}, 7), Idx({0, 2}, 0)}, .memory_factor = 2},
      [](absl::string_view bytes) {
        const absl::StatusOr<IdxArray> array = ParseIdx(bytes, "idx");
        if (!array.ok()) return array.status();
        int64_t product = 1;
        for (const int64_t extent : array->shape) product *= extent;
        EXPECT_EQ(product, static_cast<int64_t>(array->values.size()));
        return absl::OkStatus();
      }));
}

TEST(DataMutationTest, Gzip) {
  static constexpr int64_t kMaxBytes = 100000;
  std::string text;
  for (int i = 0; i < 200; ++i) absl::StrAppend(&text, i * i, ",");
  ExpectBoth(RunMutations({.corpus = {Gzip(text), Gzip(""), Gzip(std::string(50000, 'a'))},
                           .memory_base = 4 << 20},  // Pieces of 1 MiB.
                          [](absl::string_view bytes) {
                            const auto result = Gunzip(bytes, "gzip", kMaxBytes);
                            if (!result.ok()) return result.status();
                            EXPECT_LE(static_cast<int64_t>(result->size()), kMaxBytes);
                            return absl::OkStatus();
                          }));
}

// Reads all values as T and, as far as that is exact, compares them with those read as double.
template <typename T>
void ExpectExact(const NpyArray& array, const std::vector<double>& doubles) {
  const absl::StatusOr<std::vector<T>> values = array.Read<T>();
  if (!values.ok()) return;
  ASSERT_EQ(values->size(), doubles.size());
  for (size_t i = 0; i < doubles.size(); ++i) {
    if (std::isnan(doubles[i])) continue;
    EXPECT_EQ(static_cast<double>((*values)[i]), doubles[i]);
  }
}

absl::Status ReadArray(const absl::StatusOr<NpyArray>& array) {
  if (!array.ok()) return array.status();
  int64_t product = 1;
  for (const int64_t dimension : array->shape()) product *= dimension;
  EXPECT_EQ(product, array->size());
  const absl::StatusOr<std::vector<double>> doubles = array->Read<double>();
  if (!doubles.ok()) {
    // Only integers beyond 2^53, and bytes that are no booleans.
    return array->Read<int64_t>().ok() || array->Read<uint64_t>().ok() ? absl::OkStatus()
                                                                       : doubles.status();
  }
  ExpectExact<float>(*array, *doubles);
  ExpectExact<int8_t>(*array, *doubles);
  ExpectExact<uint32_t>(*array, *doubles);
  ExpectExact<int64_t>(*array, *doubles);
  ExpectExact<bool>(*array, *doubles);
  return absl::OkStatus();
}

const std::vector<std::string>& NpyTokens() {
  static const auto* const tokens =
      new std::vector<std::string>{"'descr': ",  "'fortran_order': True, ",
                                   "'shape': (", "'<f8'",
                                   "'>i2'",      "'|b1'",
                                   "'|O'",       "(0, ",
                                   "(1,)",       "()",
                                   "True",       "False",
                                   "L",          "}",
                                   "{"};
  return *tokens;
}

TEST(DataMutationTest, Npy) {
  ExpectBoth(RunMutations(
      {.corpus = NumpyFiles(), .tokens = NpyTokens()},
      [](absl::string_view bytes) { return ReadArray(ParseNpy(std::string(bytes), "npy")); }));
}

// The archive with a ZIP64 end record in front of its own.
std::string WithZip64End(const std::string& archive) {
  const size_t end_at = archive.rfind("PK\x05\x06");
  const auto zeros = [](size_t count) { return std::string(count, '\0'); };
  const auto widened = [&](size_t at, size_t bytes) {
    return archive.substr(end_at + at, bytes) + zeros(8 - bytes);
  };
  const uint64_t place = end_at;
  return absl::StrCat(archive.substr(0, end_at), "PK\x06\x06", std::string(1, '\x2c'), zeros(7),
                      "-", zeros(1), "-", zeros(1), zeros(8), widened(8, 2), widened(10, 2),
                      widened(12, 4), widened(16, 4), "PK\x06\x07", zeros(4),
                      absl::string_view(reinterpret_cast<const char*>(&place), 8),
                      std::string(1, '\x01'), zeros(3), archive.substr(end_at));
}

TEST(DataMutationTest, Npz) {
  ExpectBoth(
      RunMutations({.corpus = {TestData("stored.npz"), TestData("deflated.npz"),
                               TestData("piped.npz"), WithZip64End(TestData("deflated.npz"))},
                    .tokens = {"PK\x01\x02", "PK\x03\x04", "PK\x05\x06", "PK\x06\x06", "PK\x06\x07",
                               ".npy", std::string("\x01\x00\x10\x00", 4), "\xff\xff\xff\xff"},
                    // Deflate may stand for 1032 times its size, and doubles for 8 times theirs.
                    .memory_factor = 1032 * 10},
                   [](absl::string_view bytes) {
                     const absl::StatusOr<NpzFile> file = ParseNpz(std::string(bytes), "npz");
                     if (!file.ok()) return file.status();
                     for (const std::string& name : file->names()) {
                       const absl::Status status = ReadArray(file->Read(name));
                       if (!status.ok()) return status;
                     }
                     return absl::OkStatus();
                   }));
}

absl::Status CheckTable(const absl::StatusOr<CsvTable>& table) {
  if (!table.ok()) return table.status();
  for (const CsvColumn& column : table->columns()) {
    int64_t missing = 0;
    switch (column.type) {
      case CsvType::kNumber:
        EXPECT_EQ(static_cast<int64_t>(column.numbers.size()), table->rows());
        for (const double value : column.numbers) {
          EXPECT_FALSE(std::isinf(value));
          missing += std::isnan(value);
        }
        break;
      case CsvType::kBoolean:
        EXPECT_EQ(static_cast<int64_t>(column.booleans.size()), table->rows());
        for (const int8_t value : column.booleans) missing += value == -1;
        break;
      case CsvType::kText: {
        EXPECT_EQ(static_cast<int64_t>(column.codes.size()), table->rows());
        const auto categories = static_cast<int32_t>(column.categories.size());
        for (const int32_t code : column.codes) {
          EXPECT_LT(code, categories);
          missing += code == -1;
        }
      }
    }
    EXPECT_EQ(missing, column.missing);
  }
  (void)table->Column("x").status();
  return absl::OkStatus();
}

absl::Status ReadTable(absl::string_view text, const CsvOptions& options) {
  return CheckTable(ParseCsv(text, "csv", options));
}

const std::vector<std::string>& CsvTokens() {
  static const auto* const tokens = new std::vector<std::string>{
      "\"",   "\"\"", ",", "\r\n",         "\n", "\n\n",    ",,,,",  "NA", "yes",
      "true", "1e5",  "-", "\xef\xbb\xbf", "é",  "1,2,3\n", "\",\"", "+1", "_"};
  return *tokens;
}

TEST(DataMutationTest, Csv) {
  ExpectBoth(RunMutations(
      {.corpus = {"age,treated,site\n31,yes,Oslo\n-4.5e1,no,\"Be\"\"rn\"\n", "a\n1\n\n2\n",
                  "a,b\r\n\"two\r\nlines\",NA\r\n,1\r\n", "x\n9007199254740993\nend"},
       .tokens = CsvTokens(),
       .memory_base = 4 << 20},
      [](absl::string_view text) { return ReadTable(text, {}); }));
}

TEST(DataMutationTest, CsvWithOptions) {
  ExpectBoth(RunMutations(
      {.corpus = {"1,5;TRUE;a\n-2,25;0;b\n", "\"1\";yes;\"x;y\"\n"}, .tokens = CsvTokens()},
      [](absl::string_view text) {
        return ReadTable(text, {.delimiter = ';',
                                .decimal_mark = ',',
                                .header = false,
                                .missing = {"-99", "?"},
                                .types = {{"column2", CsvType::kBoolean}},
                                .max_record_bytes = 1000,
                                .max_columns = 100});
      }));
}

// The same table, in pieces of a file and in memory, gives the same values or the same error.
TEST(DataMutationTest, CsvFilesEqualCsvTexts) {
  const std::string path = ::testing::TempDir() + "/mutation.csv";
  RunMutations({.corpus = {"a,b\r\n\"two\r\nlines\",NA\r\n\"\"\"é\",1\r\n"},
                .tokens = CsvTokens(),
                .memory_base = 8 << 20},
               [&](absl::string_view text) {
                 FILE* file = std::fopen(path.c_str(), "wb");
                 std::fwrite(text.data(), 1, text.size(), file);
                 std::fclose(file);
                 const absl::StatusOr<CsvTable> read = ReadCsv(path, {.read_bytes = 16});
                 const absl::StatusOr<CsvTable> parsed = ParseCsv(text, path);
                 EXPECT_EQ(read.status(), parsed.status());
                 if (!parsed.ok() || !read.ok()) return parsed.status();
                 EXPECT_EQ(read->rows(), parsed->rows());
                 EXPECT_EQ(read->columns().size(), parsed->columns().size());
                 return absl::OkStatus();
               });
}

TEST(DataMutationTest, Stata) {
  std::vector<std::string> files;
  for (const char* name : {"format113", "format114", "format117", "format118_big_endian",
                           "format119", "labelled", "missing118"}) {
    files.push_back(TestData(absl::StrCat(name, ".dta")));
  }
  ExpectBoth(RunMutations(
      {.corpus = files,
       .tokens = {"<map>", "<N>", "<K>", "<varnames>", "<variable_types>", "<data>", "</data>",
                  "</varnames>", "</variable_types>", "MSF", "117", "118", "119", "GSO", "\xfa\xff",
                  std::string("\x00\x80", 2), std::string("\xfd\x07", 2)}},
      [](absl::string_view bytes) { return CheckTable(ParseStata(bytes, "stata")); }));
}

}  // namespace
}  // namespace perennial::data
