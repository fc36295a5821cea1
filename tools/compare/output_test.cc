#include "tools/compare/output.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::compare {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

record::SummaryResult Result(std::string method, std::string metric,
                             std::map<std::string, double, record::NaturalLess> values,
                             std::string group = "rotated", std::string unit = "fraction") {
  return {.method = std::move(method),
          .group = std::move(group),
          .metric = std::move(metric),
          .unit = std::move(unit),
          .values = std::move(values)};
}

// Binary fractions, so that means and differences are exact: 0.25, 0.5, 0.75 to naive.
FinishedRun Example() {
  FinishedRun run = {.label = "a"};
  run.summary.results = {
      Result("naive", "score", {{"0", 0.5}, {"1", 0.75}, {"10", 1}}),
      Result("naive", "steps", {{"0", 3}, {"1", 3}, {"10", 3}}, "rotated", "count"),
      Result("mc_sgd", "score", {{"0", 0.75}, {"1", 1.25}, {"10", 1.75}}),
      Result("mc_sgd", "loss", {{"0", 0.125}})};
  run.cpu_seconds = {{"mc_sgd.rotated.seed.0", 1.5}, {"mc_sgd.rotated.seed.1", 2.5}};
  return run;
}

Comparison Compared(const std::vector<FinishedRun>& runs, const CompareOptions& options = {}) {
  auto comparison = Compare(runs, options);
  EXPECT_TRUE(comparison.ok()) << comparison.status();
  return comparison.ok() ? *std::move(comparison) : Comparison();
}

// Rows of cells by column name; no cell here holds a comma.
std::vector<std::map<std::string, std::string>> Rows(const std::string& csv) {
  std::vector<std::map<std::string, std::string>> rows;
  std::vector<std::string> lines = absl::StrSplit(csv, "\r\n");
  EXPECT_EQ(lines.back(), "");
  lines.pop_back();
  const std::vector<std::string> names = absl::StrSplit(lines[0], ',');
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> cells = absl::StrSplit(lines[i], ',');
    EXPECT_EQ(cells.size(), names.size()) << lines[i];
    std::map<std::string, std::string> row;
    for (size_t c = 0; c < std::min(names.size(), cells.size()); ++c) row[names[c]] = cells[c];
    rows.push_back(std::move(row));
  }
  return rows;
}

double Number(const std::string& text) {
  double value = std::nan("");
  EXPECT_TRUE(absl::SimpleAtod(text, &value)) << "\"" << text << "\"";
  return value;
}

TEST(ValuesCsv, HoldsEveryReplicateInNaturalOrder) {
  EXPECT_EQ(ValuesCsv(Compared({Example()})),
            "run,group,method,metric,unit,over,replicate,value\r\n"
            "a,rotated,naive,score,fraction,seed,0,0.5\r\n"
            "a,rotated,naive,score,fraction,seed,1,0.75\r\n"
            "a,rotated,naive,score,fraction,seed,10,1\r\n"
            "a,rotated,naive,steps,count,seed,0,3\r\n"
            "a,rotated,naive,steps,count,seed,1,3\r\n"
            "a,rotated,naive,steps,count,seed,10,3\r\n"
            "a,rotated,mc_sgd,score,fraction,seed,0,0.75\r\n"
            "a,rotated,mc_sgd,score,fraction,seed,1,1.25\r\n"
            "a,rotated,mc_sgd,score,fraction,seed,10,1.75\r\n"
            "a,rotated,mc_sgd,loss,fraction,seed,0,0.125\r\n");
}

TEST(ResultsCsv, HoldsEveryEntityAndMetric) {
  auto rows = Rows(ResultsCsv(Compared({Example()})));
  ASSERT_EQ(rows.size(), 4);
  auto& mc_sgd = rows[2];
  EXPECT_EQ(mc_sgd["method"], "mc_sgd");
  EXPECT_EQ(mc_sgd["metric"], "score");
  EXPECT_EQ(mc_sgd["n"], "3");
  EXPECT_EQ(mc_sgd["mean"], "1.25");
  EXPECT_EQ(mc_sgd["median"], "1.25");
  EXPECT_EQ(mc_sgd["standard_deviation"], "0.5");
  // The quantile of Student's t with two degrees of freedom in closed form.
  const double half = 0.95 * std::sqrt(2 / (1 - 0.95 * 0.95)) * 0.5 / std::sqrt(3);
  EXPECT_NEAR(Number(mc_sgd["interval_low"]), 1.25 - half, 1e-12);
  EXPECT_NEAR(Number(mc_sgd["interval_high"]), 1.25 + half, 1e-12);
  EXPECT_EQ(mc_sgd["cpu_seconds"], "2");
  EXPECT_EQ(rows[0]["cpu_seconds"], "");
  EXPECT_EQ(rows[3]["metric"], "loss");
  EXPECT_EQ(rows[3]["interval_low"], "") << "of one replicate";
}

TEST(PairsCsv, HoldsEveryTestInFull) {
  auto rows = Rows(PairsCsv(Compared({Example()}, {.margin = 2})));
  ASSERT_EQ(rows.size(), 1);
  auto& row = rows[0];
  EXPECT_EQ(row["method"], "mc_sgd");
  EXPECT_EQ(row["baseline_method"], "naive");
  EXPECT_EQ(row["pairs"], "3");
  EXPECT_EQ(row["mean_difference"], "0.5");
  EXPECT_EQ(row["standard_deviation"], "0.25");
  EXPECT_EQ(row["cohens_dz"], "2");
  EXPECT_EQ(row["hodges_lehmann"], "0.5");
  const double t = 0.5 / (0.25 / std::sqrt(3));
  EXPECT_NEAR(Number(row["p"]), 1 - t / std::sqrt(2 + t * t), 1e-10);
  EXPECT_EQ(row["p"], row["p_holm"]) << "a family of one";
  EXPECT_EQ(row["family"], "1");
  EXPECT_EQ(row["win_rate"], "1");
  EXPECT_EQ(row["greater"] + row["less"] + row["equal"], "300");
  EXPECT_EQ(row["verdict"], "equivalent within 2");
  EXPECT_EQ(row["not_tested_because"], "");
}

TEST(PairsCsv, SaysWhatWasNotTested) {
  auto rows = Rows(PairsCsv(Compared({Example()}, {.metrics = {"loss", "score"}})));
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0]["metric"], "loss");
  EXPECT_EQ(rows[0]["p"], "");
  EXPECT_EQ(rows[0]["not_tested_because"], "a/naive has no such result");
}

TEST(LatexTable, ShowsMeansBestInBoldAndCosts) {
  const std::string text =
      LatexTable(Compared({Example()}, {.metrics = {"score", "loss"}}), {"made by this"});
  const size_t begin = text.find("\\begin{tabular}");
  ASSERT_NE(begin, std::string::npos);
  EXPECT_EQ(text.substr(begin),
            "\\begin{tabular}{lrrr}\n"
            "\\toprule\n"
            "method & score $\\uparrow$ & loss $\\downarrow$ & CPU s \\\\\n"
            "\\midrule\n"
            "naive & $0.75 \\pm 0.62$ & -- & -- \\\\\n"
            "mc\\_sgd & $\\mathbf{1.25} \\pm 1.24$ & $\\mathbf{0.1250}$ & 2.00 \\\\\n"
            "\\bottomrule\n"
            "\\end{tabular}\n");
  for (const absl::string_view line : absl::StrSplit(text.substr(0, begin - 1), '\n')) {
    EXPECT_EQ(line.substr(0, 2), "% ");
  }
  EXPECT_EQ(text.find("% made by this\n"), 0);
}

TEST(LatexTable, StarsWhatDiffersAndPartsGroups) {
  FinishedRun run = {.label = "a"};
  run.summary.results = {Result("x", "loss", {{"0", 1}, {"1", 2}, {"2", 3}}, "one"),
                         Result("y", "loss", {{"0", 2}, {"1", 3.01}, {"2", 3.99}}, "one"),
                         Result("x", "loss", {{"0", 1e-7}, {"1", 2e-7}, {"2", 3e-7}}, "two_b")};
  const std::string text = LatexTable(Compared({run}), {});
  EXPECT_THAT(text, HasSubstr("\\multicolumn{2}{l}{\\textit{one}} \\\\\n"));
  EXPECT_THAT(text, HasSubstr("\\multicolumn{2}{l}{\\textit{two\\_b}} \\\\\n"));
  EXPECT_THAT(text, HasSubstr("x & $\\mathbf{2.0} \\pm 2.5$ \\\\\n"));
  EXPECT_THAT(text, HasSubstr("y & $3.0 \\pm 2.5$\\rlap{$^{*}$} \\\\\n"));
  EXPECT_THAT(text, HasSubstr("x & $(\\mathbf{2.0} \\pm 2.5) \\times 10^{-7}$ \\\\\n"));
}

TEST(TerminalText, FitsEightyColumnsAndSaysEverything) {
  FinishedRun other = Example();
  other.label = "b";
  for (record::SummaryResult& result : other.summary.results) {
    for (auto& [key, value] : result.values) value *= 1.5 + 0.01 * static_cast<double>(key.size());
  }
  const std::string text =
      TerminalText(Compared({Example(), other}, {.metrics = {"score", "loss"}, .margin = 0.01}));
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const auto width = std::ranges::count_if(
        line, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
    EXPECT_LE(width, 80) << line;
  }
  for (const char* part :
       {"higher is better", "lower is better", "the same\nmethod of a", "MDE", "TOST p", "verdict",
        "CPU seconds", "steps",
        "note: loss of b/mc_sgd (rotated) is not tested: it shares only one seed"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

// Means of the figure in the order of its rows: cx of class "mean".
std::vector<double> MeanPositions(const std::string& svg) {
  std::vector<double> positions;
  const std::regex mean("class=\"mean\" cx=\"([0-9.]+)\"");
  for (auto i = std::sregex_iterator(svg.begin(), svg.end(), mean); i != std::sregex_iterator();
       ++i) {
    positions.push_back(Number((*i)[1]));
  }
  return positions;
}

TEST(Figures, ShowMeansInOrderAndDifferencesBestFirst) {
  FinishedRun run = {.label = "a"};
  run.summary.results = {Result("x", "loss", {{"0", 1}, {"1", 2}}, "g 1/2"),
                         Result("y", "loss", {{"0", 2}, {"1", 4}}, "g 1/2"),
                         Result("z", "loss", {{"0", 0.25}, {"1", 0.75}}, "g 1/2")};
  const auto figures = Figures(Compared({run}));
  ASSERT_EQ(figures.size(), 2);
  EXPECT_EQ(figures[0].first, "means-g_1_2-loss.svg");
  EXPECT_EQ(figures[1].first, "differences-g_1_2-loss.svg");
  // Means 1.5, 3, 0.5: distances on a linear axis as 1.5 to -1.
  const std::vector<double> means = MeanPositions(figures[0].second);
  ASSERT_EQ(means.size(), 3);
  EXPECT_NEAR((means[1] - means[0]) / (means[2] - means[0]), -1.5, 1e-3);
  // Differences -1 (z) before 1.5 (y), as lower is better; 0 lies between as 1 to 1.5.
  const std::string& differences = figures[1].second;
  const std::vector<double> shifts = MeanPositions(differences);
  ASSERT_EQ(shifts.size(), 2);
  EXPECT_LT(shifts[0], shifts[1]);
  EXPECT_LT(differences.find(">z<"), differences.find(">y<"));
  std::smatch zero;
  ASSERT_TRUE(
      std::regex_search(differences, zero, std::regex("x1=\"([0-9.]+)\"[^>]*class=\"reference\"")));
  EXPECT_NEAR((Number(zero[1]) - shifts[0]) / (shifts[1] - Number(zero[1])), 1 / 1.5, 1e-3);
  EXPECT_THAT(differences, HasSubstr("difference in loss to x (lower is better)"));
}

TEST(Figures, WithoutTestsThereAreNoDifferencesAndNamesStayApart) {
  FinishedRun run = {.label = "a"};
  run.summary.results = {Result("x", "score", {{"0", 1}}, "g/1"),
                         Result("x", "score", {{"0", 1}}, "g:1")};
  std::vector<std::string> names;
  for (const auto& [name, svg] : Figures(Compared({run}))) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("means-g_1-score.svg", "means-g_1-score-2.svg"));
}

TEST(Figures, AMethodKeepsItsColourInEveryRun) {
  FinishedRun other = Example();
  other.label = "b";
  const std::string svg = Figures(Compared({Example(), other}))[0].second;
  std::vector<std::string> colors;
  const std::regex mean("class=\"mean\"[^>]*fill=\"(#[0-9a-f]+)\"");
  for (auto i = std::sregex_iterator(svg.begin(), svg.end(), mean); i != std::sregex_iterator();
       ++i) {
    colors.push_back((*i)[1]);
  }
  ASSERT_EQ(colors.size(), 4);
  EXPECT_EQ(colors[0], colors[2]);
  EXPECT_EQ(colors[1], colors[3]);
  EXPECT_NE(colors[0], colors[1]);
}

}  // namespace
}  // namespace perennial::compare
