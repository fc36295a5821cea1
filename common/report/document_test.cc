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
