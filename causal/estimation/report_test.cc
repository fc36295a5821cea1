#include "causal/estimation/report.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "causal/estimation/analysis.h"
#include "causal/estimation/encoding.h"
#include "causal/estimation/output.h"
#include "common/data/csv.h"
#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kCovariates = 34;
constexpr int kUnits = 300;

// Arms differ most in x0, less in x1, and so on.
std::string Csv() {
  random::Stream stream = random::Stream(12).Split("csv");
  std::string csv = "drug,cost";
  for (int j = 0; j < kCovariates; ++j) absl::StrAppend(&csv, ",x", j);
  csv += "\n";
  for (int i = 0; i < kUnits; ++i) {
    const int t = stream.Uniform() < 0.5 ? 1 : 0;
    std::string x;
    double first = 0;
    for (int j = 0; j < kCovariates; ++j) {
      const double value = stream.Normal() + t * 0.8 / (1 + j);
      if (j == 0) first = value;
      absl::StrAppend(&x, ",", value);
    }
    absl::StrAppend(&csv, t, ",", t + first + stream.Normal(), x, "\n");
  }
  return csv;
}

struct Made {
  Encoded encoded;
  Analysis analysis;
  std::string html;
  std::string json;
};

Made Make(const AnalysisOptions& options) {
  const auto table = data::ParseCsv(Csv(), "t.csv");
  auto encoded = Encode(*table, {.treatment = "drug", .outcome = "cost"});
  EXPECT_TRUE(encoded.ok()) << encoded.status();
  auto analysis = Analyze(encoded->observations, options, {});
  EXPECT_TRUE(analysis.ok()) << analysis.status();
  Made made = {*std::move(encoded), *std::move(analysis), "", ""};
  const Output output = {.observations = made.encoded.observations,
                         .schema = made.encoded.schema,
                         .rows = made.encoded.rows,
                         .notes = {},
                         .warnings = {},
                         .options = options,
                         .analysis = made.analysis,
                         .fingerprint = "f",
                         .data_name = "t.csv"};
  made.html = ReportHtml(output, "");
  made.json = EstimateJson(output);
  return made;
}

const Made& Plain() {
  static const auto* const made = new Made(Make({.model = EffectModelKind::kLinear, .folds = 3}));
  return *made;
}

// The data of the plot whose title begins so.
nlohmann::json PlotOf(const std::string& html, const std::string& title) {
  const size_t caption = html.find(absl::StrCat("<figcaption>", title));
  EXPECT_NE(caption, std::string::npos) << title;
  if (caption == std::string::npos) return {};
  const size_t begin = html.find('>', html.find("<script type=\"application/json\"", caption)) + 1;
  return nlohmann::json::parse(html.substr(begin, html.find("</script>", begin) - begin));
}

// Of the table that follows `text`.
std::vector<std::string> HeadingsAfter(const std::string& html, const std::string& text) {
  const size_t begin = html.find("<thead>", html.find(text));
  const std::string head = html.substr(begin, html.find("</thead>", begin) - begin);
  std::vector<std::string> names;
  for (size_t at = head.find("<th "); at != std::string::npos; at = head.find("<th ", at + 1)) {
    const size_t start = head.find('>', at) + 1;
    names.push_back(head.substr(start, head.find('<', start) - start));
  }
  return names;
}

// (m_1 - m_0) / sqrt((s_1^2 + s_0^2) / 2)
double Difference(const Observations& observations, int64_t j) {
  double n[2] = {}, sum[2] = {}, squares[2] = {};
  for (int64_t i = 0; i < observations.size(); ++i) {
    const int t = observations.treatment[i];
    const double x = observations.x().row(i)[j];
    n[t] += 1;
    sum[t] += x;
    squares[t] += x * x;
  }
  double variance = 0;
  for (int t = 0; t < 2; ++t) variance += (squares[t] - sum[t] * sum[t] / n[t]) / (n[t] - 1) / 2;
  return (sum[1] / n[1] - sum[0] / n[0]) / std::sqrt(variance);
}

TEST(ReportTest, TheLovePlotNamesThirtyCovariatesFromTheGreatestDifferenceOn) {
  const Made& made = Plain();
  const nlohmann::json plot = PlotOf(made.html, "Love plot, drug = 1 against 0");
  EXPECT_EQ(plot["kind"], "rows");
  EXPECT_EQ(plot["reference"], 0.1);
  ASSERT_EQ(plot["rows"].size(), 30u);
  EXPECT_EQ(plot["rows"][0], "x0");
  ASSERT_EQ(plot["series"].size(), 2u);
  std::set<std::string> shown;
  for (size_t r = 0; r < 30; ++r) {
    const std::string name = plot["rows"][r];
    EXPECT_TRUE(shown.insert(name).second) << name;
    const double before = plot["series"][0]["x"][r];
    const double expected = Difference(made.encoded.observations, std::stoi(name.substr(1)));
    EXPECT_NEAR(before, std::abs(expected), 1e-5) << name;
    EXPECT_NEAR(
        plot["series"][1]["x"][r].get<double>(),
        std::abs(
            *made.analysis.diagnostics[0].after[std::stoi(name.substr(1))].standardized_difference),
        1e-5);
    if (r == 0) continue;
    EXPECT_LE(before, plot["series"][0]["x"][r - 1].get<double>());
  }
  // Of the others a sentence names the one that is worst after weighting.
  std::string worst;
  double largest = -1;
  for (int j = 0; j < kCovariates; ++j) {
    if (shown.contains(absl::StrCat("x", j))) continue;
    const double after = std::abs(*made.analysis.diagnostics[0].after[j].standardized_difference);
    if (after > largest) worst = absl::StrCat("x", j);
    largest = std::max(largest, after);
  }
  EXPECT_THAT(made.html,
              HasSubstr(absl::StrFormat("Of those left out &quot;%s&quot; differs most after it: "
                                        "|SMD| %.3f.",
                                        worst, largest)));
}

TEST(ReportTest, HeadingsOfATableDiffer) {
  for (const char* text :
       {"Effect on cost: ATE", "Propensities for each arm", "before weighting and after"}) {
    const std::vector<std::string> names = HeadingsAfter(Plain().html, text);
    EXPECT_GE(names.size(), 4u);
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size()) << text;
  }
}

TEST(ReportTest, BaselinesAndEffectsOfUnitsBesideOneForAllAreShown) {
  const Made& made = Plain();
  const std::string effects = made.html.substr(made.html.find("Effect on cost: ATE"));
  size_t last = 0;
  for (const char* row : {"naive", "ols_1", "ols_2", "plug_in", "hajek", "aipw *", "tmle"}) {
    const size_t at = effects.find(absl::StrCat(">", row, "<"));
    ASSERT_NE(at, std::string::npos) << row;
    EXPECT_GT(at, last) << row;
    last = at;
  }
  const size_t table = made.html.find("squared error beside one effect for all");
  ASSERT_NE(table, std::string::npos);
  const std::string losses = made.html.substr(table, made.html.find("</table>", table) - table);
  for (const char* row : {"null", "ols_2", "linear"}) {
    EXPECT_THAT(losses, HasSubstr(absl::StrCat(">", row, "<")));
  }
}

TEST(ReportTest, HistogramsHoldAllUnits) {
  const Made& made = Plain();
  const nlohmann::json effects = PlotOf(made.html, "Predicted effects of the units");
  EXPECT_EQ(effects["steps"], true);
  const auto& series = effects["series"][0];
  const std::vector<double>& effect = made.analysis.predictions.effect[0];
  const double half = (series["x"][1].get<double>() - series["x"][0].get<double>()) / 2;
  double total = 0;
  for (size_t k = 0; k < series["x"].size(); ++k) {
    const double middle = series["x"][k];
    const double share = series["y"][k];
    total += share;
    // Up to the rounding of the edges.
    const auto within = [&](double reach) {
      return static_cast<double>(std::ranges::count_if(
                 effect, [&](double value) { return std::abs(value - middle) <= reach; })) /
             kUnits;
    };
    EXPECT_GE(share, within(half * 0.999) - 1e-5);
    EXPECT_LE(share, within(half * 1.001) + 1e-5);
  }
  EXPECT_NEAR(total, 1, 1e-4);
  // The estimate stands in it as a line.
  const double ate = made.analysis.Of(1, Estimand::kAte, EffectMethod::kAipw).value;
  EXPECT_EQ(effects["series"][1]["color"], -1);
  EXPECT_NEAR(effects["series"][1]["x"][0].get<double>(), ate, 1e-4);
  const nlohmann::json propensities = PlotOf(made.html, "Propensities for drug = 1");
  for (const auto& side : propensities["series"]) {
    double sum = 0;
    for (const double share : side["y"]) sum += share;
    EXPECT_NEAR(sum, 1, 1e-4);
  }
}

TEST(ReportTest, SharesOfCalibrationHaveWilsonIntervals) {
  const Made& made = Plain();
  const nlohmann::json plot = PlotOf(made.html, "Calibration of propensities for drug = 1");
  const auto& observed = plot["series"][0];
  const auto& bins = made.analysis.calibration[1].bins;
  ASSERT_EQ(observed["x"].size(), bins.size());
  constexpr double kZ2 = 1.959963984540054 * 1.959963984540054;
  for (size_t k = 0; k < bins.size(); ++k) {
    const auto n = static_cast<double>(bins[k].units);
    const double p = bins[k].observed;
    const double middle = (p + kZ2 / (2 * n)) / (1 + kZ2 / n);
    const double reach = std::sqrt(kZ2 * (p * (1 - p) / n + kZ2 / (4 * n * n))) / (1 + kZ2 / n);
    EXPECT_NEAR(observed["low"][k].get<double>(), middle - reach, 1e-5);
    EXPECT_NEAR(observed["high"][k].get<double>(), middle + reach, 1e-5);
  }
  EXPECT_EQ(plot["series"][1]["color"], -1);
}

TEST(ReportTest, TheNumberOfReplicatesStandsInTableAndText) {
  EXPECT_THAT(Plain().html, Not(HasSubstr("bootstrap")));
  const Made made = Make({.model = EffectModelKind::kLinear, .folds = 2, .bootstrap = 23});
  EXPECT_THAT(made.html, HasSubstr("aipw, bootstrap of 23"));
  EXPECT_THAT(made.html, HasSubstr("repeats every step on 23 halves of the units"));
  // 1 / sqrt(2 (23 - 1))
  EXPECT_THAT(made.html, HasSubstr("known to some 15 %"));
}

TEST(ReportTest, WhatEachDrawOfFoldsAloneGivesIsSaid) {
  std::vector<double> draws = Plain().analysis.diagnostics[0].by_repeat;
  ASSERT_GT(draws.size(), 1u);
  std::ranges::sort(draws);
  EXPECT_THAT(Plain().html,
              HasSubstr(absl::StrCat("By each of the ", draws.size(),
                                     " draws of folds alone the ATE is ", NumberText(draws.front()),
                                     " .. ", NumberText(draws.back()), " for drug = 1.")));
  const Made once = Make({.model = EffectModelKind::kLinear, .folds = 3, .repeats = 1});
  EXPECT_THAT(once.html, Not(HasSubstr("draws of folds")));
}

TEST(ReportTest, BoundsHaveTheirIntervals) {
  const Made& made = Plain();
  const ArmDiagnostics& of_arm = made.analysis.diagnostics[0];
  const nlohmann::json json = nlohmann::json::parse(made.json, nullptr, false)["diagnostics"][0];
  const double low = of_arm.bounds.low - 1.959963984540054 * of_arm.bounds.low_error;
  const double high = of_arm.bounds.high + 1.959963984540054 * of_arm.bounds.high_error;
  EXPECT_NEAR(json["sensitivity_interval_low"].get<double>(), low, 1e-9);
  EXPECT_NEAR(json["sensitivity_interval_high"].get<double>(), high, 1e-9);
  EXPECT_LT(low, json["sensitivity_low"].get<double>() - 0.01);
  EXPECT_GT(high, json["sensitivity_high"].get<double>() + 0.01);
  EXPECT_THAT(made.html, HasSubstr(absl::StrCat(NumberText(of_arm.bounds.low), " .. ",
                                                NumberText(of_arm.bounds.high), " (",
                                                NumberText(low), " .. ", NumberText(high), ")")));
  EXPECT_LE(of_arm.critical_lambda_limit, of_arm.critical_lambda);
  EXPECT_EQ(json["critical_lambda_limit"], of_arm.critical_lambda_limit);
  EXPECT_THAT(made.html,
              HasSubstr(absl::StrCat(NumberText(of_arm.critical_lambda, 3), ", of the interval ",
                                     NumberText(of_arm.critical_lambda_limit, 3))));
}

TEST(ReportTest, WhichOutcomesAreBetterIsSaid) {
  EXPECT_THAT(Plain().html, HasSubstr("Higher outcomes are taken to be the better ones"));
  const nlohmann::json gain = PlotOf(Plain().html, "Qini curve, drug = 1 against 0");
  EXPECT_EQ(gain["y_label"], "increase of cost, mean over all units");
  EXPECT_EQ(gain["series"][1]["color"], -1);
  const Made made = Make({.model = EffectModelKind::kLinear, .folds = 3, .lower_is_better = true});
  EXPECT_THAT(made.html, HasSubstr("Lower outcomes are the better ones: a gain is a decrease"));
  const nlohmann::json lower = PlotOf(made.html, "Qini curve, drug = 1 against 0");
  EXPECT_EQ(lower["y_label"], "decrease of cost, mean over all units");
  EXPECT_THAT(std::string(lower["x_label"]), HasSubstr("lowest predicted effects first"));
}

TEST(ReportTest, TheRepresentationOfANetworkHasItsBalance) {
  EXPECT_THAT(Plain().html, Not(HasSubstr("representation")));
  EXPECT_THAT(Plain().json, Not(HasSubstr("representation")));
  const Made made = Make({.model = EffectModelKind::kNet, .folds = 2, .repeats = 1});
  const ArmDiagnostics& of_arm = made.analysis.diagnostics[0];
  ASSERT_EQ(of_arm.representation_before.size(), 64u);
  EXPECT_THAT(made.html, HasSubstr("the network makes 64 numbers, its representation"));
  const nlohmann::json json =
      nlohmann::json::parse(made.json, nullptr, false)["diagnostics"][0]["representation"];
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["features"], 64);
  struct Column {
    const std::vector<Balance>& balances;
    std::string suffix;
    std::vector<double> sorted;
    double mean = 0;
    int above = 0;
  };
  Column columns[] = {{of_arm.representation_before, ""},
                      {of_arm.representation_after, "_after_weighting"}};
  for (auto& [balances, suffix, sorted, mean, above] : columns) {
    for (size_t j = 0; j < 64; ++j) {
      const double difference = *balances[j].standardized_difference;
      const auto& row = json["balance"][j];
      EXPECT_EQ(row["feature"], j + 1);
      EXPECT_EQ(row[suffix.empty() ? "standardized_difference" : "after_weighting"], difference);
      EXPECT_EQ(row["variance_ratio" + suffix], *balances[j].variance_ratio);
      EXPECT_EQ(row["kolmogorov_smirnov" + suffix], balances[j].kolmogorov_smirnov);
      sorted.push_back(std::abs(difference));
      mean += std::abs(difference) / 64;
      above += std::abs(difference) > 0.1 ? 1 : 0;
    }
    std::ranges::sort(sorted);
    EXPECT_NEAR(json["mean_difference" + suffix].get<double>(), mean, 1e-12);
    EXPECT_EQ(json["greatest_difference" + suffix], sorted.back());
    EXPECT_EQ(json["unbalanced" + suffix], above);
  }
  EXPECT_GT(columns[0].mean, 0.1);
  EXPECT_NE(columns[0].mean, columns[1].mean);
  EXPECT_THAT(made.html, HasSubstr(absl::StrFormat("%.3f, after weighting %.3f", columns[0].mean,
                                                   columns[1].mean)));
  EXPECT_THAT(made.html, HasSubstr(absl::StrFormat("%d of 64, after weighting %d", columns[0].above,
                                                   columns[1].above)));
  // A table of the ten that differ most.
  const size_t caption = made.html.find("the 10 of 64 features that differ most");
  ASSERT_NE(caption, std::string::npos);
  const std::string table =
      made.html.substr(caption, made.html.find("</table>", caption) - caption);
  size_t rows = 0;
  for (size_t at = table.find("<tr"); at != std::string::npos; at = table.find("<tr", at + 1)) {
    ++rows;
  }
  EXPECT_EQ(rows, 11u);
  for (size_t j = 0; j < 64; ++j) {
    const double difference = *of_arm.representation_before[j].standardized_difference;
    if (std::abs(difference) < columns[0].sorted[54]) continue;
    EXPECT_THAT(table, HasSubstr(absl::StrFormat("%.3f", difference)));
    EXPECT_THAT(table, HasSubstr(absl::StrFormat(
                           "%.3f", *of_arm.representation_after[j].standardized_difference)));
  }
}

}  // namespace
}  // namespace perennial::causal
