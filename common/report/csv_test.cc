#include "common/report/csv.h"

#include "gtest/gtest.h"

namespace perennial::report {
namespace {

// The rules and examples of RFC 4180, section 2.
TEST(TableCsv, QuotesAsRfc4180Says) {
  const Table table{.caption = "left out",
                    .columns = {{"method"}, {"a,b", Align::kRight}},
                    .rows = {{"plain", "say \"hi\""}, {"two\nlines"}, {" spaces ", ""}}};
  EXPECT_EQ(TableCsv(table),
            "method,\"a,b\"\r\n"
            "plain,\"say \"\"hi\"\"\"\r\n"
            "\"two\nlines\",\r\n"
            " spaces ,\r\n");
}

TEST(TableCsv, TableWithoutRowsIsItsHeader) {
  EXPECT_EQ(TableCsv({.caption = "", .columns = {{"a"}, {"b"}}, .rows = {}}), "a,b\r\n");
}

TEST(TableCsvDeathTest, RowLongerThanTheColumnsStopsTheProgram) {
  EXPECT_DEATH(TableCsv({.caption = "", .columns = {{"a"}}, .rows = {{"1", "2"}}}), "size");
}

}  // namespace
}  // namespace perennial::report
