#include "common/data/csv.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsNan;
using ::testing::StartsWith;

CsvTable Table(absl::string_view text, const CsvOptions& options = {}) {
  const absl::StatusOr<CsvTable> table = ParseCsv(text, "t.csv", options);
  EXPECT_TRUE(table.ok()) << table.status();
  return table.ok() ? *table : CsvTable("", 0, {});
}

std::string ErrorOf(absl::string_view text, const CsvOptions& options = {}) {
  const absl::StatusOr<CsvTable> table = ParseCsv(text, "t.csv", options);
  EXPECT_EQ(table.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(table.status().message());
}

const CsvColumn& Column(const CsvTable& table, absl::string_view name) {
  const absl::StatusOr<const CsvColumn*> column = table.Column(name);
  EXPECT_TRUE(column.ok()) << column.status();
  static const CsvColumn none;
  return column.ok() ? **column : none;
}

std::vector<std::string> Texts(const CsvColumn& column) {
  std::vector<std::string> texts;
  for (const int32_t code : column.codes) {
    texts.push_back(code < 0 ? "<missing>" : column.categories[code]);
  }
  return texts;
}

std::string Write(const std::string& name, const std::string& bytes) {
  const std::string path = absl::StrCat(std::getenv("TEST_TMPDIR"), "/", name);
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

TEST(CsvTest, InfersTheTypeOfEachColumn) {
  const CsvTable table = Table("age,treated,site\n31,yes,Oslo\n-4.5e1,no,Bern\n.5,YES,Oslo\n");
  EXPECT_EQ(table.rows(), 3);
  EXPECT_THAT(table.Numbers("age").value(), ElementsAre(31, -45, 0.5));
  EXPECT_EQ(Column(table, "treated").type, CsvType::kBoolean);
  EXPECT_THAT(Column(table, "treated").booleans, ElementsAre(1, 0, 1));
  EXPECT_THAT(Column(table, "site").codes, ElementsAre(0, 1, 0));
  EXPECT_THAT(Column(table, "site").categories, ElementsAre("Oslo", "Bern"));
}

TEST(CsvTest, WhatIsPassedOverIsCounted) {
  const CsvTable table = Table(
      "\n a,b,c,d,e\n"
      "007, yes,NA,x ,1\n"
      "\n"
      "0.5,NO,nan,NA,2\n"
      " 00,Yes,,,3\n"
      "0, no ,NA, y,4\n"
      "\n\n");
  EXPECT_EQ(table.skipped_lines(), 2);  // Not those at the end.
  EXPECT_EQ(Column(table, "a").leading_zeros, 2);
  EXPECT_EQ(Column(table, "a").trimmed, 2);  // One is the name.
  EXPECT_THAT(Column(table, "b").true_words, ElementsAre("yes", "Yes"));
  EXPECT_THAT(Column(table, "b").false_words, ElementsAre("NO", "no"));
  EXPECT_EQ(Column(table, "b").trimmed, 2);
  EXPECT_THAT(Column(table, "c").missing_words, ElementsAre("NA", "nan"));
  EXPECT_THAT(Texts(Column(table, "d")), ElementsAre("x ", "<missing>", "<missing>", " y"));
  EXPECT_EQ(Column(table, "d").trimmed, 0);
  EXPECT_THAT(Column(table, "d").missing_words, ElementsAre("NA"));
  EXPECT_EQ(Column(table, "e").trimmed + Column(table, "e").leading_zeros, 0);
}

TEST(CsvTest, WhatIsPassedOverIsCountedOnceWhereATableIsReadTwice) {
  // The text in the last row makes the reader begin anew.
  const CsvTable table = Table(" a,b\n NA,1\n 1,2\n 01,x\n");
  EXPECT_EQ(Column(table, "a").trimmed, 4);
  EXPECT_EQ(Column(table, "a").leading_zeros, 1);
  EXPECT_THAT(Column(table, "a").missing_words, ElementsAre("NA"));
}

TEST(CsvTest, ColumnThatDoesNotKeepItsFirstTypeIsTextFromTheStart) {
  const CsvTable table = Table("a,b,c\n1.50,true,\n007,1,\n,yes,\nx,no,5\n");
  EXPECT_THAT(Texts(Column(table, "a")), ElementsAre("1.50", "007", "<missing>", "x"));
  EXPECT_THAT(Texts(Column(table, "b")), ElementsAre("true", "1", "yes", "no"));
  EXPECT_EQ(Column(table, "a").missing, 1);
  EXPECT_EQ(Column(table, "c").missing, 3);
  EXPECT_THAT(Column(table, "c").numbers, ElementsAre(IsNan(), IsNan(), IsNan(), 5));
}

TEST(CsvTest, MissingValuesAreOfAnyTypeAndByOption) {
  const CsvTable table = Table("a,b,c,d\nNA,,NaN,null\n1, true ,x,\n,NA,NULL,nan\n");
  EXPECT_THAT(Column(table, "a").numbers, ElementsAre(IsNan(), 1, IsNan()));
  EXPECT_THAT(Column(table, "b").booleans, ElementsAre(-1, 1, -1));
  EXPECT_THAT(Column(table, "c").codes, ElementsAre(-1, 0, -1));
  EXPECT_EQ(Column(table, "d").type, CsvType::kNumber);
  EXPECT_THAT(Column(table, "d").numbers, ElementsAre(IsNan(), IsNan(), IsNan()));
  const CsvTable other = Table("a,b\n-99,NA\n3,-99\n", {.missing = {"-99"}});
  EXPECT_THAT(Column(other, "a").numbers, ElementsAre(IsNan(), 3));
  EXPECT_THAT(Texts(Column(other, "b")), ElementsAre("NA", "<missing>"));
}

TEST(CsvTest, QuotesHoldDelimitersQuotesAndLineBreaks) {
  const CsvTable table = Table(
      "\"na\"\"me\",b\r\n\"a,b\",\"1\"\r\n\"say \"\"hi\"\"\",2\r\n\"two\r\nlines\",3\r\n\"\","
      "\"\"\r\n\"\"\"\",5");
  EXPECT_THAT(Texts(Column(table, "na\"me")),
              ElementsAre("a,b", "say \"hi\"", "two\r\nlines", "<missing>", "\""));
  EXPECT_THAT(Column(table, "b").numbers, ElementsAre(1, 2, 3, IsNan(), 5));
}

TEST(CsvTest, LineEndsAndByteOrderMark) {
  for (const char* text : {"a,b\n1,2\n3,4\n", "a,b\r\n1,2\r\n3,4\r\n", "a,b\r\n1,2\n3,4",
                           "\xef\xbb\xbf"
                           "a,b\n1,2\n3,4\r",
                           "\n\na,b\n1,2\n\n3,4\n\n"}) {
    const CsvTable table = Table(text);
    EXPECT_THAT(Column(table, "a").numbers, ElementsAre(1, 3)) << text;
    EXPECT_THAT(Column(table, "b").numbers, ElementsAre(2, 4)) << text;
  }
  EXPECT_THAT(Column(Table("a\n1\n\n2\n"), "a").numbers, ElementsAre(1, IsNan(), 2));
}

TEST(CsvTest, DelimitersHeaderAndDecimalMark) {
  const CsvTable german = Table("x;y\n1,5;-2,25e1\n", {.delimiter = ';', .decimal_mark = ','});
  EXPECT_THAT(Column(german, "x").numbers, ElementsAre(1.5));
  EXPECT_THAT(Column(german, "y").numbers, ElementsAre(-22.5));
  EXPECT_THAT(Texts(Column(Table("x;y\n1.5;2\n", {.delimiter = ';', .decimal_mark = ','}), "x")),
              ElementsAre("1.5"));
  EXPECT_THAT(Column(Table("x\ty\n1\t2\n", {.delimiter = '\t'}), "y").numbers, ElementsAre(2));
  const CsvTable bare = Table("1,x\n2,y\n", {.header = false});
  EXPECT_EQ(bare.rows(), 2);
  EXPECT_THAT(Column(bare, "column1").numbers, ElementsAre(1, 2));
  EXPECT_THAT(Texts(Column(bare, "column2")), ElementsAre("x", "y"));
  // Two passes skip the same empty lines.
  EXPECT_THAT(Texts(Column(Table("\n\n1\nx\n", {.header = false}), "column1")),
              ElementsAre("1", "x"));
}

TEST(CsvTest, ForcedTypes) {
  const CsvTable table = Table("id,flag\n007,1\n12,0\n",
                               {.types = {{"id", CsvType::kText}, {"flag", CsvType::kBoolean}}});
  EXPECT_THAT(Texts(Column(table, "id")), ElementsAre("007", "12"));
  EXPECT_THAT(Column(table, "flag").booleans, ElementsAre(1, 0));
  EXPECT_EQ(ErrorOf("a,b\n1,2\n3,?\n", {.types = {{"b", CsvType::kNumber}}}),
            "t.csv:3:3: \"?\" in column \"b\" is not a number and not one of the missing values");
  EXPECT_EQ(ErrorOf("weight,b\n1,2\n", {.types = {{"wieght", CsvType::kNumber}}}),
            "t.csv:1: a type is given for an unknown column \"wieght\"; did you mean \"weight\"? "
            "There are: \"weight\", \"b\"");
}

// Values of Python's float() of the same texts.
TEST(CsvTest, NumbersAreTheNearestDoubles) {
  const CsvTable table = Table(
      "a\n0.1\n+2\n1.\n1e-400\n4.9e-324\n1.7976931348623157e308\n-0\n"
      "0.30000000000000004\n123456789012345678901234567890\n");
  const std::vector<double>& numbers = Column(table, "a").numbers;
  EXPECT_THAT(numbers, ElementsAre(0.1, 2, 1, 0, 4.9e-324, 1.7976931348623157e308, 0,
                                   0.30000000000000004, 1.2345678901234568e29));
  EXPECT_TRUE(std::signbit(numbers[6]));
  for (const char* text : {"inf", "-Infinity", "0x10", "1_000", "1 000", "--1", "+-1", "1e", ".",
                           "1,5", "nan(1)", "e5", "-"}) {
    EXPECT_EQ(Column(Table(absl::StrCat("a\n\"", text, "\"\n")), "a").type, CsvType::kText) << text;
  }
  EXPECT_THAT(ErrorOf("a\n1e999\n"), StartsWith("t.csv:2:1: the number \"1e999\" in column \"a\""));
}

TEST(CsvTest, WholeNumbersThatADoubleRoundsAreCounted) {
  const CsvTable table = Table(
      "a\n9007199254740992\n9007199254740994\n1e20\n9007199254740993\n-"
      "9007199254740995\n1e300\n12345678901234567\n");
  EXPECT_EQ(Column(table, "a").rounded_integers, 3);
}

struct Bad {
  std::string text;
  std::string message;
};

class BadCsvTest : public testing::TestWithParam<Bad> {};

TEST_P(BadCsvTest, IsRefusedWithPlaceAndReason) {
  const std::string message = ErrorOf(GetParam().text);
  EXPECT_THAT(message, StartsWith(GetParam().message));
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadCsvTest,
    testing::Values(
        Bad{"", "t.csv: is empty"}, Bad{"\xef\xbb\xbf", "t.csv: is empty"},
        Bad{"\n\r\n\n", "t.csv: is empty"}, Bad{"a,b\n", "t.csv: has a header and no rows"},
        Bad{"a,b\n1,2\n3,4,5\n", "t.csv:3: 3 cells where the header has 2"},
        Bad{"a,b\n\"x\ny\",2\n3\n", "t.csv:4: 1 cell where the header has 2"},
        Bad{"a;b\n1;2\n1,5;3\n", "t.csv:3: 2 cells where the header has 1; is the delimiter ';'?"},
        Bad{"a,b,a\n1,2,3\n", "t.csv:1:5: the name \"a\" stands twice, in columns 1 and 3"},
        Bad{"a, a\n1,2\n", "t.csv:1:3: the name \"a\" stands twice, in columns 1 and 2"},
        Bad{",b\n1,2\n", "t.csv:1:1: column 1 of 2 has no name"},
        Bad{"a,\" \"\n1,2\n", "t.csv:1:3: column 2 of 2 has no name"},
        Bad{"a,b\n1,2\n3,\"x\n5,6\n", "t.csv:3:3: the quote that begins here is never closed"},
        Bad{"a,b\n1,\"x\"y\n", "t.csv:2:6: text follows a closing quote"},
        Bad{"a,b\n1,x \"y\"\n", "t.csv:2:5: a quote stands inside a cell without quotes"},
        Bad{std::string("a,b\n1,\0\n", 8), "t.csv:2:3: a zero byte"},
        Bad{std::string("a,b\n\"x\ny\0\",2\n", 13), "t.csv:3:2: a zero byte"},
        Bad{"a,b\n1,caf\xe9\n", "t.csv:2:3: the cell is not UTF-8"},
        Bad{"a,b\n1,\"\xc0\x80\"\n", "t.csv:2:3: the cell is not UTF-8"},
        Bad{std::string("\xff\xfe\x61\0,\0b\0\n\0", 10), "t.csv: is UTF-16; save it as UTF-8"},
        Bad{std::string("\xfe\xff\0\x61\0,\0b\0\n", 10), "t.csv: is UTF-16; save it as UTF-8"},
        Bad{std::string("\x61\0,\0b\0\n\0", 8), "t.csv:1:2: a zero byte"},
        Bad{"\x1f\x8b\x08,b\n1,2\n", "t.csv: is compressed by gzip; unpack it first"},
        Bad{"\xfd\x37zXZ,b\n1,2\n", "t.csv: is compressed by xz; unpack it first"},
        Bad{"\x28\xb5\x2f\xfd,b\n1,2\n", "t.csv: is compressed by zstd; unpack it first"},
        Bad{"PK\x03\x04,b\n1,2\n", "t.csv: is a ZIP archive, as .xlsx and .ods are"},
        Bad{"\xd0\xcf\x11\xe0,b\n1,2\n", "t.csv: is an old Office file"},
        Bad{"[{\"a\":1,\"b\":2}]\n", "t.csv: is JSON; save the table as CSV"},
        Bad{"{\"a\":[1,2],\"b\":[2,3]}\n", "t.csv: is JSON"},
        Bad{"# of May\na,b\n1,2\n",
            "t.csv:2: 2 cells where the header has 1; the first line must name all columns"},
        Bad{"   \n  \n",
            "t.csv:1:1: the line is blank where the names of the columns should stand"},
        Bad{"a,b,, \n1,2,,\n", "t.csv:1:5: column 3 of 4 has no name (if it is empty: remove the "},
        Bad{"a,,c\n1,2,3\n", "t.csv:1:3: column 2 of 3 has no name (if it is an index"},
        Bad{"a,b\r1,2\r", "t.csv:1:4: a carriage return stands without a line feed"}));

TEST(CsvTest, LimitsAreNamed) {
  EXPECT_THAT(ErrorOf("a,b\n1,2\n1234567,2\n", {.max_record_bytes = 8}),
              StartsWith("t.csv:3: the row is longer than 8 bytes; is this a table"));
  EXPECT_THAT(ErrorOf("a,b,c\n1,2,3\n", {.max_columns = 2}),
              StartsWith("t.csv:1: 3 columns are more than the 2 that a table may have; give one"));
  EXPECT_THAT(ErrorOf("a\n1\n", {.delimiter = 'x'}), HasSubstr("delimiter must be"));
  EXPECT_THAT(ErrorOf("a\n1\n", {.decimal_mark = ','}), HasSubstr("are both ','"));
  const std::string path = Write("large.csv", "a,b\n1,2\n");
  const absl::Status large = ReadCsv(path, {.max_bytes = 7}).status();
  EXPECT_EQ(large.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(large.message(), absl::StrCat(path,
                                          ": has more than the 7 bytes that a table may "
                                          "have; give fewer rows, or only the columns that "
                                          "count"));
}

TEST(CsvTest, UnknownNamesAndTypesAreExplained) {
  const CsvTable table = Table("age,site\n1,x\n");
  const absl::Status unknown = table.Column("agee").status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(unknown.message(),
            "t.csv: unknown column \"agee\"; did you mean \"age\"? There are: \"age\", \"site\"");
  EXPECT_THAT(std::string(table.Numbers("site").status().message()),
              StartsWith("t.csv: column \"site\" holds text values, not numbers"));
  EXPECT_THAT(std::string(Table("a;b\n1;2\n").Column("b").status().message()),
              HasSubstr("is the delimiter ';'?"));
}

// Pieces of a file end anywhere: within a cell, a quote pair, a CRLF, a UTF-8 sequence.
TEST(CsvTest, FileReadInPiecesEqualsTheTextInMemory) {
  std::string text = "n,text,flag\r\n";
  for (int row = 0; row < 120000; ++row) {
    absl::StrAppend(&text, row * 0.5, ",\"é \"\"", row % 977, "\"\"\r\nnext\",",
                    row % 3 == 0 ? "yes" : "NO", "\r\n");
  }
  ASSERT_GT(text.size(), 3u << 20);
  const absl::StatusOr<CsvTable> file = ReadCsv(Write("pieces.csv", text));
  ASSERT_TRUE(file.ok()) << file.status();
  const CsvTable memory = Table(text);
  ASSERT_EQ(file->rows(), 120000);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(file->columns()[i].numbers, memory.columns()[i].numbers);
    EXPECT_EQ(file->columns()[i].codes, memory.columns()[i].codes);
    EXPECT_EQ(file->columns()[i].categories, memory.columns()[i].categories);
    EXPECT_EQ(file->columns()[i].booleans, memory.columns()[i].booleans);
  }
  EXPECT_EQ(Column(*file, "n").numbers[119999], 59999.5);
  EXPECT_EQ(Column(*file, "text").categories[976], "é \"976\"\r\nnext");
  // A cell of the last row makes the first column text.
  const absl::StatusOr<CsvTable> again = ReadCsv(Write("again.csv", text + "x,y,\n"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(Column(*again, "n").categories[3], "1.5");
  EXPECT_EQ(Column(*again, "flag").missing, 1);
  const absl::Status open = ReadCsv(Write("open.csv", text + "1,\"y\n1,2,3\n")).status();
  EXPECT_THAT(std::string(open.message()), HasSubstr("open.csv:240002:"));
}

TEST(CsvTest, QuoteLeftOpenInALargeFileIsFoundAtTheLimit) {
  std::string text = "a,b\n1,\"x\n";
  while (text.size() < 3u << 20) text += "1,2\n";
  const absl::Status status = ReadCsv(Write("open_quote.csv", text)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("open_quote.csv:2:3: the quote that begins here is probably never closed, "
                        "since its row is longer than 1048576 bytes; close or remove it"));
}

// The quotes that follow close it, and open others, in turn.
TEST(CsvTest, AQuoteLeftOpenIsNamedWhereItBeganThoughOthersFollow) {
  const std::string text = "a,b,c\n\"1\",\"x,\n\n2\",\"y\n3\n4\n";
  EXPECT_THAT(ErrorOf(text + std::string(40, 'z') + "\"\n5,6,7\n", {.max_record_bytes = 30}),
              StartsWith("t.csv:2:5: the quote that begins here is probably never closed"));
  // A quoted cell within its line has nothing to do with it.
  EXPECT_THAT(ErrorOf("a,b\n\"1\"," + std::string(40, 'z') + "\n", {.max_record_bytes = 30}),
              StartsWith("t.csv:2: the row is longer than 30 bytes"));
}

TEST(CsvTest, MissingFileIsNotFoundAndNamed) {
  const absl::Status status = ReadCsv("no/such/file.csv").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no/such/file.csv"));
}

}  // namespace
}  // namespace perennial::data
