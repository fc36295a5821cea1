#include "common/data/stata.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::data {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsNan;

std::string Path(absl::string_view name) {
  return base::FindRunfile(absl::StrCat("perennial/common/data/testdata/", name, ".dta")).value();
}

std::string Bytes(absl::string_view name) { return base::ReadFile(Path(name)).value(); }

CsvTable Table(const std::string& bytes) {
  const absl::StatusOr<CsvTable> table = ParseStata(bytes, "t.dta");
  EXPECT_TRUE(table.ok()) << table.status();
  return table.ok() ? *table : CsvTable("", 0, {});
}

std::string ErrorOf(const std::string& bytes) {
  const absl::StatusOr<CsvTable> table = ParseStata(bytes, "t.dta");
  EXPECT_EQ(table.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(table.status().message());
}

// The bytes with those at the first `what` replaced.
std::string With(std::string bytes, const std::string& what, const std::string& by) {
  const size_t at = bytes.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return bytes.replace(at, by.size(), by);
}

// The frame that tools/oracles/stata.py wrote; pandas reads the same from all these files.
TEST(StataTest, EveryFormatInBothByteOrdersHoldsWhatPandasWrote) {
  for (const char* name : {"format113", "format114", "format114_big_endian", "format115",
                           "format117", "format117_big_endian", "format118", "format118_big_endian",
                           "format119", "format119_big_endian"}) {
    SCOPED_TRACE(name);
    const absl::StatusOr<CsvTable> table = ReadStata(Path(name));
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_EQ(table->rows(), 3);
    ASSERT_EQ(table->columns().size(), 6);
    EXPECT_THAT(table->Numbers("a_byte").value(), ElementsAre(-127, 0, 100));
    EXPECT_THAT(table->Numbers("an_int").value(), ElementsAre(-32767, 258, 32740));
    EXPECT_THAT(table->Numbers("a_long").value(), ElementsAre(-2147483647, 16909060, 2147483620));
    EXPECT_THAT(table->Numbers("a_float").value(), ElementsAre(0.1f, IsNan(), -1.7e38f));
    EXPECT_THAT(table->Numbers("a_double").value(), ElementsAre(0.1, -1.7e308, IsNan()));
    const CsvColumn& text = *table->Column("a_text").value();
    EXPECT_EQ(text.type, CsvType::kText);
    EXPECT_THAT(text.codes, ElementsAre(0, -1, 1));
    EXPECT_THAT(text.categories, ElementsAre("caf\xc3\xa9", "twelve bytes"));
    EXPECT_EQ(text.missing, 1);
    EXPECT_EQ(table->Column("a_float").value()->missing, 1);
    EXPECT_EQ(table->Column("a_byte").value()->missing, 0);
  }
}

TEST(StataTest, MissingValuesOfEachTypeBeginRightAfterItsLargestValue) {
  for (const char* name : {"missing114", "missing118"}) {
    SCOPED_TRACE(name);
    const CsvTable table = Table(Bytes(name));
    const auto expect = [&](absl::string_view column, double largest) {
      EXPECT_THAT(table.Numbers(column).value(), ElementsAre(largest, IsNan(), IsNan(), IsNan()))
          << column;
      EXPECT_EQ(table.Column(column).value()->missing, 3);
    };
    expect("b", 100);
    expect("i", 32740);
    expect("l", 2147483620);
    expect("f", 0x1.fffffep126);
    expect("d", 0x1.fffffffffffffp1022);
  }
}

TEST(StataTest, CharacteristicsAndValueLabelsArePassedOver) {
  const CsvTable table = Table(Bytes("labelled"));
  EXPECT_THAT(table.Numbers("a_byte").value(), ElementsAre(0, 1, 0));
  EXPECT_THAT(table.Numbers("an_int").value(), ElementsAre(-32767, 258, 32740));
}

TEST(StataTest, ColumnsWhoseValueLabelsArePassedOverAreKnown) {
  const auto labelled = [](const std::string& bytes) {
    std::vector<std::string> names;
    const CsvTable table = Table(bytes);
    for (const CsvColumn& column : table.columns()) {
      if (column.labelled) names.push_back(column.name);
    }
    return names;
  };
  EXPECT_THAT(labelled(Bytes("labelled")), ElementsAre("a_byte"));
  for (const char* name : {"format113", "format114", "format118"}) {
    EXPECT_THAT(labelled(Bytes(name)), ElementsAre()) << name;
  }
  // The third of 33 bytes each, behind 6 types, names, 7 places of the sort order and 6 formats.
  const size_t third = 4 + 2 + 4 + 81 + 18 + 6 + 33 * 6 + 2 * 7 + 49 * 6 + 33 * 2;
  EXPECT_THAT(labelled(Bytes("format114").replace(third, 3, "sex")), ElementsAre("a_long"));
  // Of later formats the second variable is given a label's name, in fields of 33 and 129 bytes.
  for (const auto& [name, bytes] :
       {std::pair("format117", 33), std::pair("format117_big_endian", 33),
        std::pair("format118", 129), std::pair("format119", 129)}) {
    const std::string data = Bytes(name);
    const size_t names = data.find("<value_label_names>") + 19;
    EXPECT_THAT(labelled(std::string(data).replace(names + bytes, 3, "sex")), ElementsAre("an_int"))
        << name;
    // A file without that part is read all the same.
    EXPECT_THAT(labelled(With(data, "<value_label_names>", "<value_label_NAMES>")), ElementsAre())
        << name;
  }
}

TEST(StataTest, TextOfANewFileThatIsNotUtf8IsLatin1AndEqualTextsShareACode) {
  std::string bytes = Bytes("format118");
  bytes = With(bytes, "caf\xc3\xa9", std::string("caf\xe9\0", 5));
  EXPECT_THAT(Table(bytes).Column("a_text").value()->categories,
              ElementsAre("caf\xc3\xa9", "twelve bytes"));
  bytes = With(bytes, "twelve bytes", std::string("caf\xc3\xa9\0", 6));
  EXPECT_THAT(Table(bytes).Column("a_text").value()->categories, ElementsAre("caf\xc3\xa9"));
  EXPECT_THAT(Table(bytes).Column("a_text").value()->codes, ElementsAre(0, -1, 0));
}

// As pandas reads it, which knows no UTF-8 in these formats either.
TEST(StataTest, TextOfAnOldFileIsLatin1EvenIfItLooksLikeUtf8) {
  for (const char* name : {"format114", "format117"}) {
    const std::string bytes = With(Bytes(name), "caf\xe9", "ca\xc3\xa9");
    EXPECT_THAT(Table(bytes).Column("a_text").value()->categories,
                ElementsAre("ca\xc3\x83\xc2\xa9", "twelve bytes"));
  }
}

TEST(StataTest, AFileThatEndsTooEarlyIsRefusedWhereverItEnds) {
  for (const char* name : {"format113", "format114_big_endian", "format117", "format119"}) {
    const std::string bytes = Bytes(name);
    const size_t tag = bytes.find("</data>");
    const size_t end = tag == std::string::npos ? bytes.size() : tag + 7;
    for (size_t length = 0; length < end; ++length) {
      ASSERT_FALSE(ParseStata(bytes.substr(0, length), "t.dta").ok()) << name << " " << length;
    }
    EXPECT_TRUE(ParseStata(bytes.substr(0, end), "t.dta").ok());
  }
}

TEST(StataTest, ErrorsNameWhatIsWrong) {
  EXPECT_THAT(ErrorOf("treat,age\n1,2\n"),
              AllOf(HasSubstr("t.dta: not a .dta file"), HasSubstr("117 to 119")));
  EXPECT_THAT(ErrorOf(Bytes("refused_strl")), HasSubstr("variable 1 has type 32768, strL"));
  const std::string old = Bytes("format114");
  EXPECT_THAT(ErrorOf(std::string(old).replace(1, 1, "\x07")), HasSubstr("byte order is 7"));
  EXPECT_THAT(ErrorOf(std::string(old).replace(4 + 2 + 4 + 81 + 18 + 2, 1, "\xf5")),
              HasSubstr("variable 3 has type 245"));
  EXPECT_THAT(ErrorOf(With(old, "an_int", std::string("a_byte", 6))),
              HasSubstr("two variables are called a_byte"));
  EXPECT_THAT(ErrorOf(With(old, "an_int", std::string(6, '\0'))),
              HasSubstr("variable 2 has no name"));
  const std::string bytes = Bytes("format118");
  EXPECT_THAT(ErrorOf(With(bytes, "<release>118", "<release>120")), HasSubstr("120"));
  EXPECT_THAT(ErrorOf(With(bytes, "<byteorder>LSF", "<byteorder>FSL")), HasSubstr("FSL"));
  // More observations than the file has bytes, and more bytes than 64 bits count.
  EXPECT_THAT(ErrorOf(With(bytes, "<N>", std::string("<N>\x04\0\0\0\0\0\0\0", 11))),
              AnyOf(HasSubstr("the file ends within its observations"), HasSubstr("</data>")));
  EXPECT_THAT(ErrorOf(With(bytes, "<N>", std::string("<N>\0\0\0\0\0\0\0\x7f", 11))),
              HasSubstr("absurd"));
  // Fewer leave bytes over in front of the end of the data.
  EXPECT_THAT(ErrorOf(With(bytes, "<N>", std::string("<N>\x02\0\0\0\0\0\0\0", 11))),
              HasSubstr("</data> expected"));
  // -infinity, which Stata cannot hold.
  const std::string tenth("\x9a\x99\x99\x99\x99\x99\xb9\x3f", 8);
  EXPECT_THAT(ErrorOf(With(bytes, tenth, std::string("\0\0\0\0\0\0\xf0\xff", 8))),
              HasSubstr("variable a_double of observation 1 is -infinity"));
}

TEST(StataTest, ThePlacesInTheMapAreChecked) {
  const std::string bytes = Bytes("format118");
  const size_t map = bytes.find("<map>") + 5;
  for (const int entry : {2, 3, 9}) {
    for (const std::string& place :
         {std::string(8, '\xff'), std::string(8, '\0'), std::string("\x40\0\0\0\0\0\0\0", 8)}) {
      ASSERT_FALSE(ParseStata(std::string(bytes).replace(map + 8 * entry, 8, place), "t").ok())
          << entry;
    }
  }
}

TEST(StataTest, MissingFileIsNotFound) {
  EXPECT_EQ(ReadStata("no/such.dta").status().code(), absl::StatusCode::kNotFound);
}

TEST(StataTest, OfAFileThatIsTooLargeItIsSaidWhatToDo) {
  const absl::Status large = ReadStata(Path("format118"), 10).status();
  EXPECT_EQ(large.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(large.message()),
              AllOf(HasSubstr("more than the allowed 10; keep only the variables that count, or "),
                    HasSubstr("export it as CSV")));
}

}  // namespace
}  // namespace perennial::data
