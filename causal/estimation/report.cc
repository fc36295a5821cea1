#include "causal/estimation/report.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "causal/diagnostics/covariate_balance.h"
#include "causal/diagnostics/sensitivity.h"
#include "common/report/document.h"
#include "common/report/table.h"
#include "common/stats/proportion.h"

namespace perennial::causal {
namespace {

using report::Align;
using report::Table;

constexpr int kEffectBins = 30;
// Of the Love plot; the table has all.
constexpr size_t kLoveRows = 30;
// Of a representation, in a table.
constexpr size_t kShownFeatures = 10;
// Of fewer replicates the report says how well their error is known.
constexpr int kManyReplicates = 200;

std::string IntervalText(double low, double high) {
  return absl::StrCat(NumberText(low), " .. ", NumberText(high));
}

std::string EValueText(double value) {
  return std::isinf(value) ? "beyond all numbers" : NumberText(value, 3);
}

std::string LambdaText(double lambda) {
  return lambda >= kGreatestLambda ? absl::StrCat(kGreatestLambda, " or more")
                                   : NumberText(lambda, 3);
}

std::string OptionalText(const std::optional<double>& value, const char* format = "%.3f") {
  return value ? absl::StrFormat(absl::ParsedFormat<'f'>(format), *value) : "";
}

// "drug = B"
std::string ArmText(const Output& output, int arm) {
  return absl::StrCat(output.schema.treatment, " = ", output.schema.arms[arm]);
}

std::string AgainstControl(const Output& output, int arm) {
  return absl::StrCat(ArmText(output, arm), " against ", output.schema.arms[0]);
}

std::string FoldsText(const Output& output) {
  const int repeats = RepeatsOf(output.options, output.observations.size());
  return absl::StrCat(output.options.folds, " folds",
                      repeats > 1 ? absl::StrCat(", drawn ", repeats, " times") : "");
}

Table OverlapTable(const Output& output) {
  Table table = {
      .caption = absl::StrCat("Propensities for each arm, predicted out of fold (",
                              FoldsText(output), "): lowest, median and highest of its own units"),
      .columns = {{"arm"},
                  {"units", Align::kRight},
                  {"lowest", Align::kRight},
                  {"median", Align::kRight},
                  {"highest", Align::kRight},
                  {"of all units outside [0.05, 0.95]", Align::kRight},
                  {"effective sample size", Align::kRight},
                  {"largest share of the weights", Align::kRight},
                  {"calibration slope", Align::kRight}}};
  for (size_t arm = 0; arm < output.schema.arms.size(); ++arm) {
    const ArmOverlap& overlap = output.analysis.overlap[arm];
    table.rows.push_back({output.schema.arms[arm], CountText(overlap.inside.units),
                          absl::StrFormat("%.3f", overlap.inside.lowest),
                          absl::StrFormat("%.3f", overlap.inside.median),
                          absl::StrFormat("%.3f", overlap.inside.highest),
                          absl::StrFormat("%.1f %%", 100 * overlap.outside_05_95),
                          OptionalText(overlap.effective_sample_size, "%.0f"),
                          OptionalText(overlap.largest_weight_share),
                          OptionalText(output.analysis.calibration[arm].slope, "%.2f")});
  }
  return table;
}

// Covariates, or features, from the largest difference on.
std::vector<size_t> ByDifference(const std::vector<Balance>& balances) {
  std::vector<size_t> order(balances.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) {
    return DifferenceOf(balances[a]) > DifferenceOf(balances[b]);
  });
  return order;
}

// Before and after weighting, behind what a table of balance begins with.
Table ComparisonTable(std::string caption, std::vector<report::Column> columns) {
  for (const char* title :
       {"SMD", "SMD after", "variance ratio", "variance ratio after", "KS", "KS after"}) {
    columns.push_back({title, Align::kRight});
  }
  return {.caption = std::move(caption), .columns = std::move(columns)};
}

void AddComparison(std::vector<std::string> row, const Balance& before, const Balance& after,
                   Table& table) {
  for (std::string& cell : std::vector<std::string>{
           OptionalText(before.standardized_difference),
           OptionalText(after.standardized_difference), OptionalText(before.variance_ratio, "%.2f"),
           OptionalText(after.variance_ratio, "%.2f"),
           absl::StrFormat("%.3f", before.kolmogorov_smirnov),
           absl::StrFormat("%.3f", after.kolmogorov_smirnov)}) {
    row.push_back(std::move(cell));
  }
  table.rows.push_back(std::move(row));
}

Table BalanceTable(const Output& output, const ArmDiagnostics& of_arm) {
  Table table = ComparisonTable(
      absl::StrCat(AgainstControl(output, of_arm.arm), ", before weighting and after it"),
      {{"covariate"}, {"mean in the arm", Align::kRight}, {"mean in control", Align::kRight}});
  for (const size_t j : ByDifference(of_arm.before)) {
    const Balance& before = of_arm.before[j];
    AddComparison({output.observations.covariate_names[j], NumberText(before.treated_mean),
                   NumberText(before.control_mean)},
                  before, of_arm.after[j], table);
  }
  return table;
}

Table RepresentationTable(const Output& output, const ArmDiagnostics& of_arm) {
  const std::vector<size_t> order = ByDifference(of_arm.representation_before);
  const size_t all = order.size();
  const std::span shown = std::span(order).first(std::min(all, kShownFeatures));
  Table table = ComparisonTable(
      absl::StrCat(AgainstControl(output, of_arm.arm), ", before weighting and after it: ",
                   all > shown.size() ? absl::StrCat("the ", shown.size(), " of ", all,
                                                     " features that differ most before it")
                                      : "all features"),
      {{"feature"}});
  for (const size_t j : shown) {
    AddComparison({absl::StrCat(j + 1)}, of_arm.representation_before[j],
                  of_arm.representation_after[j], table);
  }
  return table;
}

Table RefutationTable(const Output& output) {
  Table table = {
      .caption = "Refutations of the ATE",
      .columns = {{"refutation"},
                  {"arm"},
                  {"runs", Align::kRight},
                  {"mean estimate", Align::kRight},
                  {absl::StrCat(LevelText(output.options.level), " of the mean"), Align::kRight},
                  {"should be", Align::kRight},
                  {"off, in std. errors", Align::kRight},
                  {"holds"}}};
  for (const RefutationRow& row : output.analysis.refutations) {
    const Estimate& estimate =
        output.analysis.Of(row.arm, Estimand::kAte, output.options.estimator);
    table.rows.push_back({row.name, output.schema.arms[row.arm], absl::StrCat(row.runs.size()),
                          NumberText(row.test.mean), IntervalText(row.test.low, row.test.high),
                          row.of_nothing ? "0" : NumberText(estimate.value), NumberText(row.off, 2),
                          row.holds ? "yes" : "no"});
  }
  return table;
}

Table EffectLossTable(const Output& output, const ArmDiagnostics& of_arm) {
  Table table = {
      .caption = absl::StrCat("Effects of units: squared error beside one effect for all, ",
                              ArmText(output, of_arm.arm)),
      .columns = {{"prediction"},
                  {"excess", Align::kRight},
                  {"std. error", Align::kRight},
                  {LevelText(output.options.level), Align::kRight}}};
  for (const EffectLossRow& row : of_arm.effect_loss) {
    const Estimate& excess = row.excess;
    const bool model = row.name == "model";
    table.rows.push_back({model ? std::string(EffectModelName(output.options.model)) : row.name,
                          NumberText(excess.value), NumberText(excess.standard_error, 2),
                          IntervalText(excess.low, excess.high)});
  }
  return table;
}

// The Qini curve with its band, and the line of treating in no order.
void AddGain(const Output& output, const ArmDiagnostics& of_arm, report::Document& document) {
  report::LineSeries ranked = {.name = "ranked by predicted effect"};
  for (const GainPoint& point : of_arm.gain) {
    ranked.x.push_back(point.share);
    ranked.y.push_back(point.gain.value);
    ranked.low.push_back(point.gain.low);
    ranked.high.push_back(point.gain.high);
  }
  const double all = of_arm.gain.back().gain.value;
  const bool lower = output.options.lower_is_better;
  document.AddLinePlot(
      {.title = absl::StrCat("Qini curve, ", AgainstControl(output, of_arm.arm)),
       .x_label = absl::StrCat("share of the units treated, the ", lower ? "lowest" : "greatest",
                               " predicted effects first"),
       .y_label = absl::StrCat(lower ? "decrease" : "increase", " of ", output.schema.outcome,
                               ", mean over all units"),
       .series = {std::move(ranked),
                  {.name = "in random order", .x = {0, 1}, .y = {0, all}, .reference = true}}});
}

void AddLove(const Output& output, const ArmDiagnostics& of_arm, report::Document& document) {
  const std::vector<size_t> order = ByDifference(of_arm.before);
  const size_t all = order.size();
  const std::span shown = std::span(order).first(std::min(all, kLoveRows));
  const std::span left_out = std::span(order).subspan(shown.size());
  report::RowPlot plot = {.title = absl::StrCat("Love plot, ", AgainstControl(output, of_arm.arm)),
                          .x_label = absl::StrFormat("|SMD|, the line at %g", kBalancedDifference),
                          .series = {{.name = "before weighting"}, {.name = "after weighting"}},
                          .reference = kBalancedDifference};
  // What is not defined has no mark.
  const auto size = [](const Balance& balance) {
    return std::abs(balance.standardized_difference.value_or(NAN));
  };
  for (const size_t j : shown) {
    plot.rows.push_back(output.observations.covariate_names[j]);
    plot.series[0].values.push_back(size(of_arm.before[j]));
    plot.series[1].values.push_back(size(of_arm.after[j]));
  }
  document.AddRowPlot(plot);
  if (all > kLoveRows) {
    const auto after = [&](size_t j) { return DifferenceOf(of_arm.after[j]); };
    const size_t worst = *std::ranges::max_element(left_out, {}, after);
    document.AddParagraph(absl::StrFormat(
        "The plot shows the %d of %d covariates that differ most before weighting; the table has "
        "all. Of those left out \"%s\" differs most after it: %s.",
        kLoveRows, all, output.observations.covariate_names[worst],
        std::isinf(after(worst)) ? "it does not vary within the arms"
                                 : absl::StrFormat("|SMD| %.3f", after(worst))));
  }
}

// Of a model that has one.
void AddRepresentation(const Output& output, report::Document& document) {
  const size_t features = output.analysis.diagnostics[0].representation_before.size();
  if (features == 0) return;
  document.AddSection(
      "Balance of the representation",
      absl::StrFormat(
          "From a row's covariates the network makes %d numbers, its representation, and predicts "
          "the outcomes of all arms from them alone: where these features differ between arms, an "
          "arm's outcomes are predicted for rows unlike those that it was fitted to. They are of "
          "the network of the model file, for all rows; weights are those of the covariates. "
          "Nothing in its fit made them alike.",
          features));
  for (const ArmDiagnostics& of_arm : output.analysis.diagnostics) {
    const BalanceSummary before = SummaryOf(of_arm.representation_before);
    const BalanceSummary after = SummaryOf(of_arm.representation_after);
    const auto text = [](double of_before, double of_after) {
      return absl::StrFormat("%.3f, after weighting %.3f", of_before, of_after);
    };
    document.AddKeyValues(
        AgainstControl(output, of_arm.arm),
        {{"greatest |SMD|", text(before.greatest_difference, after.greatest_difference)},
         {"mean |SMD|", text(before.mean_difference, after.mean_difference)},
         {absl::StrFormat("|SMD| above %g", kBalancedDifference),
          absl::StrFormat("%d of %d, after weighting %d", before.unbalanced, features,
                          after.unbalanced)}});
    document.AddTable(RepresentationTable(output, of_arm));
  }
}

void AddPropensities(const Output& output, int arm, report::Document& document) {
  report::LinePlot plot = {
      .title = absl::StrCat("Propensities for ", ArmText(output, arm)),
      .x_label = "propensity, predicted out of fold",
      .y_label = absl::StrFormat("share of the units, bins of %g", 1.0 / kPropensityBins),
      .steps = true};
  const ArmOverlap& overlap = output.analysis.overlap[arm];
  for (const auto& [name, summary] :
       {std::pair("units in the arm", &overlap.inside), std::pair("others", &overlap.outside)}) {
    report::LineSeries series = {.name = name};
    for (int k = 0; k < kPropensityBins; ++k) {
      series.x.push_back((k + 0.5) / kPropensityBins);
      series.y.push_back(static_cast<double>(summary->histogram[k]) /
                         static_cast<double>(std::max<int64_t>(summary->units, 1)));
    }
    plot.series.push_back(std::move(series));
  }
  document.AddLinePlot(plot);
  report::LinePlot calibration = {
      .title = absl::StrCat("Calibration of propensities for ", ArmText(output, arm)),
      .x_label = "propensity, mean of a bin",
      .y_label = absl::StrCat("share in the arm, ", LevelText(output.options.level))};
  report::LineSeries observed = {.name = "observed"};
  for (const CalibrationBin& bin : output.analysis.calibration[arm].bins) {
    const auto count = static_cast<int64_t>(std::llround(bin.observed * bin.units));
    const stats::ProportionInterval interval =
        stats::WilsonInterval(count, bin.units, output.options.level);
    observed.x.push_back(bin.predicted);
    observed.y.push_back(bin.observed);
    observed.low.push_back(interval.low);
    observed.high.push_back(interval.high);
    observed.n.push_back(bin.units);
  }
  calibration.series = {std::move(observed),
                        {.name = "ideal", .x = {0, 1}, .y = {0, 1}, .reference = true}};
  document.AddLinePlot(calibration);
}

void AddEffects(const Output& output, report::Document& document) {
  double low = 0;
  double high = 0;
  bool first = true;
  for (const std::vector<double>& of_arm : output.analysis.predictions.effect) {
    for (const double value : of_arm) {
      low = first ? value : std::min(low, value);
      high = first ? value : std::max(high, value);
      first = false;
    }
  }
  if (!(high > low)) return;
  const double width = (high - low) / kEffectBins;
  report::LinePlot plot = {
      .title = "Predicted effects of the units",
      .x_label = absl::StrCat("effect on ", output.schema.outcome),
      .y_label = absl::StrCat("share of the units, bins of ", NumberText(width, 2)),
      .steps = true};
  double tallest = 0;
  for (size_t a = 0; a < output.analysis.predictions.effect.size(); ++a) {
    const std::vector<double>& effect = output.analysis.predictions.effect[a];
    report::LineSeries series = {.name = ArmText(output, static_cast<int>(a) + 1),
                                 .x = std::vector<double>(kEffectBins),
                                 .y = std::vector<double>(kEffectBins)};
    for (int k = 0; k < kEffectBins; ++k) series.x[k] = low + width * (k + 0.5);
    for (const double value : effect) {
      const int bin = static_cast<int>((value - low) / width);
      series.y[std::clamp(bin, 0, kEffectBins - 1)] += 1 / static_cast<double>(effect.size());
    }
    tallest = std::max(tallest, std::ranges::max(series.y));
    plot.series.push_back(std::move(series));
  }
  if (plot.series.size() == 1) {
    const double ate = output.analysis.Of(1, Estimand::kAte, output.options.estimator).value;
    plot.series.push_back({.name = absl::StrCat("ATE by ", EstimatorName(output.options.estimator)),
                           .x = {ate, ate},
                           .y = {0, tallest},
                           .reference = true});
  }
  document.AddLinePlot(plot);
}

std::string BootstrapText(const Output& output) {
  const Analysis& analysis = output.analysis;
  if (analysis.bootstrap.empty()) return "";
  const int used = output.options.bootstrap - analysis.failed_replicates;
  return absl::StrCat(
      "\n\n\"", EstimatorName(output.options.estimator), ", bootstrap\" repeats every step on ",
      output.options.bootstrap, " halves of the ",
      output.observations.cluster.empty() ? "units" : "clusters", ", drawn by lot",
      analysis.failed_replicates > 0 ? absl::StrCat(", of which ", used, " could be estimated")
                                     : "",
      ": its error is their standard deviation, its interval goes by that",
      used < kManyReplicates
          // Of the deviation of normal values.
          ? absl::StrFormat("; from so few it is known to some %.0f %%.",
                            100 / std::sqrt(2.0 * std::max(used - 1, 1)))
          : ".");
}

// Of each arm, how the draws of folds differ.
std::string DrawsText(const Output& output) {
  std::vector<std::string> arms;
  for (const ArmDiagnostics& of_arm : output.analysis.diagnostics) {
    if (of_arm.by_repeat.size() < 2) return "";
    const auto [low, high] = std::ranges::minmax(of_arm.by_repeat);
    arms.push_back(absl::StrCat(IntervalText(low, high), " for ", ArmText(output, of_arm.arm)));
  }
  return absl::StrCat("By each of the ", output.analysis.diagnostics[0].by_repeat.size(),
                      " draws of folds alone the ATE is ", absl::StrJoin(arms, ", "), ".");
}

}  // namespace

std::string ReportHtml(const Output& output, absl::string_view plotly_js) {
  const EncodingSchema& schema = output.schema;
  const AnalysisOptions& options = output.options;
  report::Document document(
      absl::StrCat("Effect of ", schema.treatment, " on ", schema.outcome),
      absl::StrCat(output.data_name, ", ", CountText(output.observations.size()), " units, ",
                   output.observations.features(), " covariates; model ",
                   EffectModelName(options.model), ", ", FoldsText(output), ", seed ",
                   options.seed));
  document.AddSection(
      "Effects",
      absl::StrCat(
          "The estimate to read is marked by *: ", EstimatorName(options.estimator),
          ". It is an effect only if, given the covariates, nothing else decides both the "
          "arm and the outcome. Baselines: naive compares the arms as they are; ols_1 is one "
          "regression by least squares, in which the effect is the same for all, ols_2 "
          "a regression in each arm.\n\nplug_in averages the model's effects; its error "
          "is not known.",
          BootstrapText(output)));
  for (const Table& table : EffectTables(output)) document.AddTable(table);
  if (const std::string draws = DrawsText(output); !draws.empty()) document.AddParagraph(draws);
  document.AddParagraph(
      "The spread of what the model predicts for units is not that of their effects: models "
      "smooth, "
      "and add errors of their own.");
  AddEffects(output, document);
  document.AddSection("Warnings", output.warnings.empty() ? "None." : "");
  for (const std::string& warning : output.warnings) document.AddParagraph(warning);
  document.AddSection(
      "Overlap",
      "Could each unit have been in each arm? Where a propensity for an arm is near 0 there is "
      "hardly anybody in it to compare with. The effective sample size is that of the arm's units, "
      "weighted by the inverse of their propensities; a calibration slope of 1 is ideal, below 1 "
      "propensities are too extreme. Intervals of the shares are Wilson's, of independent units.");
  document.AddTable(OverlapTable(output));
  for (int arm = output.observations.arms == 2 ? 1 : 0; arm < output.observations.arms; ++arm) {
    AddPropensities(output, arm, document);
  }
  document.AddSection(
      "Balance",
      "Weighted by the inverse of the propensities, the covariates of an arm and of control should "
      "be alike. SMD is the difference of the means over the standard deviation (of both arms "
      "before weighting): a magnitude below 0.1 is balance. The ratio of the variances should be "
      "near 1, KS, the greatest distance between the distribution functions, near 0.");
  for (const ArmDiagnostics& of_arm : output.analysis.diagnostics) {
    AddLove(output, of_arm, document);
    document.AddTable(BalanceTable(output, of_arm));
  }
  AddRepresentation(output, document);
  document.AddSection(
      "What could be wrong",
      absl::StrCat(
          "E-value: how strong a hidden confounder's risk ratios, with arm and outcome both, would "
          "have to be to explain the effect away, or to move the interval to no effect: of the "
          "risk "
          "ratio (by AIPW) for an outcome of 0 and 1, else of the difference in standard "
          "deviations of the outcome within the arms. Bounds: of the ATE by ",
          EstimatorName(options.estimator == EffectMethod::kHajek ? EffectMethod::kHajek
                                                                  : EffectMethod::kAipw),
          " where a hidden confounder changes the odds of the arm by the factor lambda at most; in "
          "brackets their ",
          LevelText(options.level),
          ", which counts the error of sampling too. Critical is the lambda at which the bounds, "
          "or their interval, hold 0.",
          output.analysis.refutations.empty()
              ? ""
              : absl::StrFormat("\n\nA refutation repeats the estimate where the answer is known. "
                                "It holds if the interval of the mean of its runs lies at most %g "
                                "standard errors of the estimate off that. None sees a hidden "
                                "confounder, and ten runs find no small bias.",
                                kMostOff)));
  for (const ArmDiagnostics& of_arm : output.analysis.diagnostics) {
    report::KeyValues values;
    if (of_arm.risk_ratio) {
      values.emplace_back(
          "risk ratio",
          absl::StrCat(NumberText(of_arm.risk_ratio->value), " (",
                       IntervalText(of_arm.risk_ratio->low, of_arm.risk_ratio->high), ")"));
    }
    values.emplace_back("E-value",
                        absl::StrCat(EValueText(of_arm.e_value.estimate), ", of the interval ",
                                     EValueText(of_arm.e_value.limit)));
    const Bounds interval = BoundsInterval(output, of_arm);
    values.emplace_back(absl::StrCat("bounds at lambda ", NumberText(options.sensitivity)),
                        absl::StrCat(IntervalText(of_arm.bounds.low, of_arm.bounds.high), " (",
                                     IntervalText(interval.low, interval.high), ")"));
    values.emplace_back("critical lambda",
                        absl::StrCat(LambdaText(of_arm.critical_lambda), ", of the interval ",
                                     LambdaText(of_arm.critical_lambda_limit)));
    document.AddKeyValues(AgainstControl(output, of_arm.arm), values);
  }
  if (!output.analysis.refutations.empty()) {
    document.AddTable(RefutationTable(output));
    for (const RefutationRow& row : output.analysis.refutations) {
      document.AddParagraph(absl::StrCat(
          row.name, schema.arms.size() > 2 ? absl::StrCat(", ", schema.arms[row.arm]) : "", ": ",
          row.verdict));
    }
  }
  document.AddSection(
      "Whom to treat",
      absl::StrCat(
          options.lower_is_better
              ? "Lower outcomes are the better ones: a gain is a decrease. The value of treating "
                "only those whose effect, predicted out of fold, is below 0"
              : "Higher outcomes are taken to be the better ones (else --lower_is_better): a gain "
                "is an increase. The value of treating only those whose effect, predicted out of "
                "fold, is above 0",
          ", per unit, against nobody and all; and whether a ranking by effect is better than "
          "none: "
          "AUTOC, which looks at the first most, or Qini, which weighs all alike, above 0. "
          "Predictions and what judges them are of different folds. In brackets, and as a band, "
          "the ",
          LevelText(options.level),
          ".\n\nEffects of single units are hard to predict: the tables say how far a "
          "prediction's mean squared error is above or below that of one effect for all, as the "
          "scores of AIPW tell it. Below 0 it is nearer to the truth; \"null\" is no effect at "
          "all."));
  for (const ArmDiagnostics& of_arm : output.analysis.diagnostics) {
    const auto text = [](const Estimate& estimate) {
      return absl::StrCat(NumberText(estimate.value), " (",
                          IntervalText(estimate.low, estimate.high), ")");
    };
    document.AddKeyValues(
        AgainstControl(output, of_arm.arm),
        {{"share treated", absl::StrFormat("%.0f %%", 100 * of_arm.policy.treated_share)},
         {"gain over nobody", text(of_arm.policy.over_none)},
         {"gain over all", text(of_arm.policy.over_all)},
         {"AUTOC", text(of_arm.rate.autoc)},
         {"Qini", text(of_arm.rate.qini)}});
    document.AddTable(EffectLossTable(output, of_arm));
    AddGain(output, of_arm, document);
  }
  document.AddSection("Data", output.notes.empty() ? "The table was taken as it is." : "");
  for (const std::string& note : output.notes) document.AddParagraph(note);
  return document.Render(plotly_js);
}

}  // namespace perennial::causal
