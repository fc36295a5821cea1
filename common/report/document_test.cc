#include "common/report/document.h"

#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/report/plotly.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace perennial::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHostile[] = "</script><img src=x onerror=alert(1)>&'\"<!--";

// The data of every plot, in order.
std::vector<nlohmann::json> PlotsOf(const std::string& html) {
  std::vector<nlohmann::json> plots;
  const std::string open = "<script type=\"application/json\"";
  for (size_t at = html.find(open); at != std::string::npos; at = html.find(open, at + 1)) {
    const size_t begin = html.find('>', at) + 1;
    plots.push_back(
        nlohmann::json::parse(html.substr(begin, html.find("</script>", begin) - begin)));
  }
  return plots;
}

Document Everything(const std::string& text) {
  Document document(text, text);
  document.AddSection(text, text);
  document.AddParagraph(text);
  document.AddTable({.caption = text,
                     .columns = {{text}, {text, Align::kRight}},
                     .rows = {{text, text}, {text}}});
  document.AddLinePlot({.title = text,
                        .x_label = text,
                        .y_label = text,
                        .series = {{text, {0, 1}, {0.5, std::nan("")}, {0.4, 0.5}, {0.6, 0.7}}}});
  document.AddHeatmap({.title = text,
                       .x_label = text,
                       .y_label = text,
                       .columns = {text, "b"},
                       .rows = {text},
                       .values = {{0.5, std::nullopt}},
                       .value_label = text,
                       .min = 0,
                       .max = {}});
  document.AddBarPlot({.title = text, .y_label = text, .bars = {{text, text, 2, 1, 4}}});
  document.BeginFold(text);
  document.AddKeyValues(text, {{text, text}});
  document.AddPreformatted(text, text);
  return document;
}

TEST(Document, HostileTextStaysText) {
  const std::string html = Everything(kHostile).Render("var Plotly;");
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(html, Not(HasSubstr("<!--")));
  const std::vector<nlohmann::json> plots = PlotsOf(html);
  ASSERT_EQ(plots.size(), 3u);
  EXPECT_EQ(plots[0]["series"][0]["name"], kHostile);
  EXPECT_EQ(plots[1]["value_label"], kHostile);
  EXPECT_EQ(plots[2]["groups"][0], kHostile);
}

TEST(Document, EveryElementIsClosedInOrder) {
  const std::string html = Everything("text").Render("");
  std::vector<std::string> open;
  for (size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const bool closes = html[at + 1] == '/';
    const size_t begin = at + (closes ? 2 : 1);
    const std::string name = html.substr(
        begin, html.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789", begin) - begin);
    if (name.empty() || name == "meta" || name == "link") continue;  // "<!DOCTYPE", or no end tag
    if (!closes) {
      open.push_back(name);
      continue;
    }
    ASSERT_FALSE(open.empty()) << "</" << name << ">";
    EXPECT_EQ(open.back(), name);
    open.pop_back();
  }
  EXPECT_TRUE(open.empty());
}

TEST(Document, PlotsCarryTheirNumbersAndGaps) {
  const std::vector<nlohmann::json> plots = PlotsOf(Everything("a").Render(""));
  ASSERT_EQ(plots.size(), 3u);
  EXPECT_EQ(plots[0]["series"][0]["y"], nlohmann::json::parse("[0.5,null]"));
  EXPECT_EQ(plots[0]["series"][0]["low"], nlohmann::json::parse("[0.4,0.5]"));
  EXPECT_EQ(plots[1]["values"], nlohmann::json::parse("[[0.5,null]]"));
  EXPECT_EQ(plots[1]["max"], nullptr);
  EXPECT_EQ(plots[2]["series"][0]["up"], nlohmann::json::parse("[2]"));
  EXPECT_EQ(plots[2]["series"][0]["down"], nlohmann::json::parse("[1]"));
}

TEST(Document, NumbersOfPlotsAreKeptInFullUnderTheirTitles) {
  Document document("t");
  const LinePlot line{
      .title = "Accuracy (rotated), 95 %",
      .series = {{"a, b", {1, 2}, {1.0 / 3, std::nan("")}, {0.25, 0.5}, {1, 2}, {7, 0}}}};
  document.AddLinePlot(line);
  document.AddLinePlot(line);
  document.AddHeatmap({.title = "accuracy rotated 95 2",
                       .columns = {"c"},
                       .rows = {"r", "s"},
                       .values = {{1e-17}, {std::nullopt}}});
  document.AddBarPlot({.title = "–", .bars = {{"a", "g", 2, 1, 4}, {"b", "g", 3}}});
  document.AddLinePlot({.title = std::string(300, 'x'), .series = {}});
  const std::vector<PlotNumbers>& plots = document.plots();
  ASSERT_EQ(plots.size(), 5u);
  EXPECT_EQ(plots[0].name, "accuracy_rotated_95");
  EXPECT_EQ(plots[0].csv,
            "series,x,y,low,high,n\r\n\"a, b\",1,0.3333333333333333,0.25,1,7\r\n"
            "\"a, b\",2,,0.5,2,0\r\n");
  EXPECT_EQ(plots[1].name, "accuracy_rotated_95_2");
  EXPECT_EQ(plots[2].name, "accuracy_rotated_95_2_2");
  EXPECT_EQ(plots[2].csv, "row,column,value\r\nr,c,1e-17\r\ns,c,\r\n");
  EXPECT_EQ(plots[3].name, "plot");
  EXPECT_EQ(plots[3].csv, "series,group,value,low,high\r\na,g,2,1,4\r\nb,g,3,,\r\n");
  EXPECT_LT(plots[4].name.size(), 128u);
}

TEST(Document, RowPlotsHoldAMarkASeriesInEachRow) {
  Document document("t");
  document.AddRowPlot({.title = "Love plot",
                       .x_label = kHostile,
                       .rows = {kHostile, "b", "c"},
                       .series = {{"before", {0.5, std::nan(""), 1.0 / 3}}, {"after", {0, 1, 2}}},
                       .reference = 0.1});
  document.AddRowPlot({.title = "none", .rows = {}, .series = {{"after", {}}}});
  const std::string html = document.Render("var Plotly;");
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  const std::vector<nlohmann::json> plots = PlotsOf(html);
  ASSERT_EQ(plots.size(), 2u);
  EXPECT_EQ(plots[0]["kind"], "rows");
  EXPECT_EQ(plots[0]["x_label"], kHostile);
  EXPECT_EQ(plots[0]["rows"], nlohmann::json({kHostile, "b", "c"}));
  EXPECT_EQ(plots[0]["series"][0]["x"], nlohmann::json::parse("[0.5,null,0.333333]"));
  EXPECT_EQ(plots[0]["series"][1]["x"], nlohmann::json::parse("[0,1,2]"));
  EXPECT_EQ(plots[0]["reference"], 0.1);
  EXPECT_EQ(plots[1]["reference"], nullptr);
  // A series keeps its colour.
  EXPECT_EQ(plots[1]["series"][0]["color"], plots[0]["series"][1]["color"]);
  EXPECT_EQ(document.plots()[0].csv,
            absl::StrCat("series,row,value\r\nbefore,\"",
                         "</script><img src=x onerror=alert(1)>&'\"\"<!--\"",
                         ",0.5\r\nbefore,b,\r\nbefore,c,0.3333333333333333\r\nafter,\"",
                         "</script><img src=x onerror=alert(1)>&'\"\"<!--\"",
                         ",0\r\nafter,b,1\r\nafter,c,2\r\n"));
}

TEST(Document, ReferencesTakeNoColourFromTheSeries) {
  Document document("t");
  document.AddLinePlot({.title = "a",
                        .series = {{"first", {0, 1}, {1, 2}},
                                   {.name = "ideal", .x = {0, 1}, .y = {0, 1}, .reference = true},
                                   {"second", {0, 1}, {1, 2}}}});
  document.AddLinePlot({.title = "b", .series = {{"third", {0, 1}, {1, 2}}}, .steps = true});
  const std::vector<nlohmann::json> plots = PlotsOf(document.Render(""));
  ASSERT_EQ(plots.size(), 2u);
  EXPECT_EQ(plots[0]["series"][0]["color"], 0);
  EXPECT_EQ(plots[0]["series"][1]["color"], -1);
  EXPECT_EQ(plots[0]["series"][2]["color"], 1);
  EXPECT_EQ(plots[1]["series"][0]["color"], 2);
  EXPECT_EQ(plots[0]["steps"], false);
  EXPECT_EQ(plots[1]["steps"], true);
}

TEST(Document, FoldedPlotsStandInAFoldUntilSomethingElseFollows) {
  Document document("t");
  document.AddLinePlot({.title = "first", .series = {{"a", {0}, {1}}}});
  document.BeginFold("2 more");
  document.AddLinePlot({.title = "second", .series = {{"a", {0}, {1}}}});
  document.AddLinePlot({.title = "third", .series = {{"a", {0}, {1}}}});
  document.AddParagraph("after");
  const std::string html = document.Render("");
  const size_t open = html.find("<details class=\"plots\"><summary>2 more</summary>");
  const size_t close = html.find("</details>");
  ASSERT_NE(open, std::string::npos);
  EXPECT_LT(html.find("<figcaption>first"), open);
  EXPECT_LT(open, html.find("<figcaption>second"));
  EXPECT_LT(html.find("<figcaption>third"), close);
  EXPECT_LT(close, html.find("<p>after"));
}

TEST(Document, PlotsBeyondMeasureAreLeftOutWithANoteButNotTheirNumbers) {
  Document document("t");
  document.AddSection("s");
  for (int i = 0; i < 3; ++i) {
    LineSeries series{.name = "a"};
    for (int x = 0; x < 30000; ++x) {
      series.x.push_back(x);
      series.y.push_back(std::sin(x));
    }
    document.AddLinePlot({.title = absl::StrCat("plot ", i), .series = {series}});
  }
  const std::string html = document.Render("");
  EXPECT_LT(html.size(), size_t{1000000});
  EXPECT_EQ(PlotsOf(html).size(), 1u);
  EXPECT_THAT(html, HasSubstr("2 plots are left out here"));
  ASSERT_EQ(document.plots().size(), 3u);
  EXPECT_GT(document.plots()[2].csv.size(), size_t{500000});
}

TEST(Document, ManySeriesTakeTheWholeWidth) {
  LinePlot plot{.title = "p"};
  for (int s = 0; s < 12; ++s) plot.series.push_back({absl::StrCat("s", s), {0}, {1}});
  Document few("t");
  few.AddLinePlot(plot);
  plot.series.push_back({"one more", {0}, {1}});
  Document many("t");
  many.AddLinePlot(plot);
  EXPECT_THAT(few.Render(""), HasSubstr("<figure><figcaption>p"));
  EXPECT_THAT(many.Render(""), HasSubstr("<figure class=\"wide\"><figcaption>p"));
}

TEST(Document, SeriesKeepsItsColorInAllPlots) {
  Document document("t");
  document.AddLinePlot({.title = "1", .series = {{"er", {0}, {1}}, {"mc_sgd", {0}, {1}}}});
  document.AddLinePlot({.title = "2", .series = {{"mc_sgd", {0}, {1}}, {"joint", {0}, {1}}}});
  document.AddBarPlot({.title = "3", .bars = {{"joint", "g", 1}, {"er", "g", 1}}});
  const std::vector<nlohmann::json> plots = PlotsOf(document.Render(""));
  EXPECT_EQ(plots[0]["series"][1]["color"], plots[1]["series"][0]["color"]);
  EXPECT_EQ(plots[1]["series"][1]["color"], plots[2]["series"][0]["color"]);
  EXPECT_EQ(plots[0]["series"][0]["color"], plots[2]["series"][1]["color"]);
  EXPECT_NE(plots[0]["series"][0]["color"], plots[0]["series"][1]["color"]);
}

TEST(Document, EqualInputGivesEqualBytes) {
  EXPECT_EQ(Everything("a").Render("x"), Everything("a").Render("x"));
}

TEST(Document, EndTagsInTheProgramAreDefused) {
  Document document("t");
  document.AddLinePlot({.title = "p", .series = {{"a", {0}, {1}}}});
  EXPECT_THAT(document.Render("var a = '</script><!--';"),
              HasSubstr("var a = '<\\/script><\\!--';"));
}

TEST(Document, TablesNeedNoProgram) {
  Document document("t");
  document.AddTable(
      {.caption = "c", .columns = {{"a"}, {"b", Align::kRight}}, .rows = {{"x", "0.5"}}});
  const std::string html = document.Render("var Plotly;");
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, HasSubstr("<td class=\"number\">0.5</td>"));
}

TEST(Document, IsOneFileUnderSixMegabytesThatLoadsNothing) {
  Document document = Everything("a");
  for (int i = 0; i < 10; ++i) {
    LinePlot plot{.title = absl::StrCat("plot ", i)};
    for (int s = 0; s < 4; ++s) {
      LineSeries series{.name = absl::StrCat("s", s)};
      for (int x = 0; x < 200; ++x) {
        series.x.push_back(x);
        series.y.push_back(std::sin(x * 0.1 + s));
      }
      plot.series.push_back(series);
    }
    document.AddLinePlot(plot);
  }
  const std::string html = document.Render(LoadPlotly().value());
  EXPECT_LT(html.size(), size_t{6000000});
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  const std::string own = document.Render("");
  EXPECT_THAT(own, Not(HasSubstr("http://")));
  EXPECT_THAT(own, Not(HasSubstr("https://")));
  EXPECT_THAT(own, Not(HasSubstr(" src=")));
}

TEST(DocumentDeathTest, UnequalLengthsStopTheProgram) {
  Document document("t");
  EXPECT_DEATH(document.AddLinePlot({.title = "p", .series = {{"a", {0, 1}, {1}}}}), "size");
  EXPECT_DEATH(document.AddHeatmap({.title = "h", .columns = {"a"}, .rows = {"b"}}), "h");
}

}  // namespace
}  // namespace perennial::report
