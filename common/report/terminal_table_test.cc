#include "common/report/terminal_table.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace perennial::report {
namespace {

TEST(TerminalTable, AlignsByCharactersNotBytes) {
  const Table table{.caption = "Mean over seeds",
                    .columns = {{"method"}, {"accuracy", Align::kRight}},
                    .rows = {{"mc_sgd", "0.631 ± 0.020"}, {"naïve", "0.4"}, {"er"}}};
  EXPECT_EQ(TerminalTable(table),
            "Mean over seeds\n"
            "method       accuracy\n"
            "------  -------------\n"
            "mc_sgd  0.631 ± 0.020\n"
            "naïve             0.4\n"
            "er\n");
}

TEST(TerminalTable, WideTableIsCutIntoBlocksThatBeginWithTheFirstColumn) {
  Table table{.caption = "", .columns = {{"method"}}, .rows = {{"er"}}};
  for (int i = 0; i < 5; ++i) {
    table.columns.push_back({absl::StrCat("metric_", i), Align::kRight});
    table.rows[0].push_back(absl::StrCat("0.", i));
  }
  EXPECT_EQ(TerminalTable(table, 30),
            "method  metric_0  metric_1\n"
            "------  --------  --------\n"
            "er           0.0       0.1\n"
            "\n"
            "method  metric_2  metric_3\n"
            "------  --------  --------\n"
            "er           0.2       0.3\n"
            "\n"
            "method  metric_4\n"
            "------  --------\n"
            "er           0.4\n");
}

TEST(TerminalTable, TextsThatTellRowsApartStandInEachBlock) {
  Table table{
      .caption = "",
      .columns = {{"method"}, {"group"}, {"a_metric", Align::kRight}, {"b_metric", Align::kRight}},
      .rows = {{"er", "x", "1", "2"}, {"er", "y", "3", "4"}}};
  EXPECT_EQ(TerminalTable(table, 26),
            "method  group  a_metric\n"
            "------  -----  --------\n"
            "er      x             1\n"
            "er      y             3\n"
            "\n"
            "method  group  b_metric\n"
            "------  -----  --------\n"
            "er      x             2\n"
            "er      y             4\n");
  // Too much of the width.
  EXPECT_EQ(TerminalTable(table, 17),
            "method  group\n"
            "------  -----\n"
            "er      x\n"
            "er      y\n"
            "\n"
            "method  a_metric\n"
            "------  --------\n"
            "er             1\n"
            "er             3\n"
            "\n"
            "method  b_metric\n"
            "------  --------\n"
            "er             2\n"
            "er             4\n");
  EXPECT_EQ(TerminalTable({.caption = "nothing"}, 20), "nothing\n");
}

TEST(TerminalTable, KeepsToTheWidthAndLosesNothing) {
  Table table{.caption = std::string("word ") + std::string(90, ' ') + "end",
              .columns = {{"method"}},
              .rows = {{"a"}, {"b"}}};
  for (int i = 0; i < 30; ++i) {
    table.columns.push_back({absl::StrCat("column", i)});
    for (auto& row : table.rows) row.push_back(absl::StrCat("value", row[0], i));
  }
  const std::string text = TerminalTable(table, 80);
  for (const absl::string_view line : absl::StrSplit(text, '\n')) EXPECT_LE(line.size(), 80u);
  for (int i = 0; i < 30; ++i) {
    EXPECT_NE(text.find(absl::StrCat("valuea", i)), std::string::npos);
    EXPECT_NE(text.find(absl::StrCat("valueb", i)), std::string::npos);
  }
}

TEST(TerminalTable, ColumnWiderThanTheTerminalStaysWhole) {
  const std::string wide(100, 'x');
  const Table table{.caption = "", .columns = {{"a"}, {"b"}}, .rows = {{"1", wide}}};
  EXPECT_NE(TerminalTable(table, 40).find(wide), std::string::npos);
}

}  // namespace
}  // namespace perennial::report
