#include "causal/estimation/output.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/base/json_text.h"
#include "common/report/document.h"
#include "common/stats/normal.h"

namespace perennial::causal {
namespace {

using base::JsonObject;
using report::Align;
using report::Table;

constexpr int kEffectBins = 30;

std::string CsvText(absl::string_view text) {
  if (!absl::StrContains(text, '"') && !absl::StrContains(text, ',') &&
      !absl::StrContains(text, '\n') && !absl::StrContains(text, '\r')) {
    return std::string(text);
  }
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

std::string EffectName(const EncodingSchema& schema, size_t arm, absl::string_view suffix = "") {
  if (schema.arms.size() == 2) return absl::StrCat("effect", suffix);
  return absl::StrCat("effect", suffix, " of ", schema.arms[arm]);
}

const char* EstimandName(Estimand estimand) { return estimand == Estimand::kAte ? "ate" : "att"; }

std::string JsonList(const std::vector<std::string>& items) {
  return items.empty() ? "[]" : absl::StrCat("[\n", absl::StrJoin(items, ",\n"), "\n]");
}

std::string OptionalNumber(const std::optional<double>& value) {
  return value ? base::JsonNumber(*value) : "null";
}

JsonObject& AddEstimate(JsonObject& object, const Estimate& estimate) {
  return object.Add("value", estimate.value)
      .Add("standard_error", estimate.standard_error)
      .Add("low", estimate.low)
      .Add("high", estimate.high);
}

std::string EstimateText(const Estimate& estimate) {
  JsonObject object;
  return AddEstimate(object, estimate).Text();
}

std::string IntervalText(double low, double high) {
  return absl::StrCat(NumberText(low), " .. ", NumberText(high));
}

std::string OptionalText(const std::optional<double>& value, const char* format = "%.3f") {
  return value ? absl::StrFormat(absl::ParsedFormat<'f'>(format), *value) : "";
}

// Numbers of a table, to the third digit of an error.
std::string Rounded(double value, double error) {
  if (!(error > 1e-9 && error < 1e9) || std::abs(value) > 1e12) return NumberText(value);
  const int decimals = 2 - static_cast<int>(std::floor(std::log10(error)));
  return absl::StrFormat("%.*f", std::clamp(decimals, 0, 12), value);
}

const char* EstimandTitle(Estimand estimand) {
  return estimand == Estimand::kAte ? "ATE, over all units" : "ATT, over the units of the arm";
}

std::string LevelText(double level) { return absl::StrFormat("%g %% interval", 100 * level); }

Table OverlapTable(const Output& output) {
  Table table = {.caption = "Propensities, predicted out of fold",
                 .columns = {{"arm"},
                             {"units", Align::kRight},
                             {"lowest", Align::kRight},
                             {"median", Align::kRight},
                             {"highest", Align::kRight},
                             {"outside 0.05 .. 0.95", Align::kRight},
                             {"worth in units", Align::kRight},
                             {"largest weight", Align::kRight},
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

// Covariates from the largest difference before weighting on.
std::vector<size_t> ByDifference(const ArmDiagnostics& of_arm) {
  std::vector<size_t> order(of_arm.before.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) {
    return std::abs(of_arm.before[a].standardized_difference.value_or(0)) >
           std::abs(of_arm.before[b].standardized_difference.value_or(0));
  });
  return order;
}

Table BalanceTable(const Output& output, const ArmDiagnostics& of_arm) {
  Table table = {.caption = absl::StrCat("Arm ", output.schema.arms[of_arm.arm],
                                         " against control, before weighting and after it"),
                 .columns = {{"#", Align::kRight},
                             {"covariate"},
                             {"mean, arm", Align::kRight},
                             {"mean, control", Align::kRight},
                             {"difference / sd", Align::kRight},
                             {"after", Align::kRight},
                             {"variance ratio", Align::kRight},
                             {"after", Align::kRight},
                             {"KS", Align::kRight},
                             {"after", Align::kRight}}};
  for (const size_t j : ByDifference(of_arm)) {
    const Balance& before = of_arm.before[j];
    const Balance& after = of_arm.after[j];
    table.rows.push_back(
        {absl::StrCat(table.rows.size() + 1), output.observations.covariate_names[j],
         NumberText(before.treated_mean), NumberText(before.control_mean),
         OptionalText(before.standardized_difference), OptionalText(after.standardized_difference),
         OptionalText(before.variance_ratio, "%.2f"), OptionalText(after.variance_ratio, "%.2f"),
         absl::StrFormat("%.3f", before.kolmogorov_smirnov),
         absl::StrFormat("%.3f", after.kolmogorov_smirnov)});
  }
  return table;
}

Table RefutationTable(const Output& output) {
  Table table = {.caption = "Refutations of the ATE",
                 .columns = {{"refutation"},
                             {"arm"},
                             {"runs", Align::kRight},
                             {"mean estimate", Align::kRight},
                             {LevelText(output.options.level), Align::kRight},
                             {"should be", Align::kRight},
                             {"p-value", Align::kRight},
                             {"holds"}}};
  for (const RefutationRow& row : output.analysis.refutations) {
    const Estimate& estimate =
        output.analysis.Of(row.arm, Estimand::kAte, output.options.estimator);
    table.rows.push_back({row.name, output.schema.arms[row.arm], absl::StrCat(row.runs.size()),
                          NumberText(row.test.mean), IntervalText(row.test.low, row.test.high),
                          row.of_nothing ? "0" : NumberText(estimate.value),
                          NumberText(row.test.p_value, 2), row.holds ? "yes" : "no"});
  }
  return table;
}

// The Qini curve with its band, and the line of treating in no order.
void AddGain(const Output& output, const ArmDiagnostics& of_arm, report::Document& document) {
  report::LineSeries ranked = {.name = "by predicted effect"};
  for (const GainPoint& point : of_arm.gain) {
    ranked.x.push_back(point.share);
    ranked.y.push_back(point.gain.value);
    ranked.low.push_back(point.gain.low);
    ranked.high.push_back(point.gain.high);
  }
  const double all = of_arm.gain.back().gain.value;
  document.AddLinePlot(
      {.title = absl::StrCat("Qini curve, arm ", output.schema.arms[of_arm.arm]),
       .x_label = "share that is treated, the greatest predicted effects first",
       .y_label = absl::StrCat("gain of ", output.schema.outcome, " a unit"),
       .series = {std::move(ranked), {.name = "in no order", .x = {0, 1}, .y = {0, all}}}});
}

void AddLove(const Output& output, const ArmDiagnostics& of_arm, report::Document& document) {
  const std::vector<size_t> order = ByDifference(of_arm);
  report::LinePlot plot = {.title = absl::StrCat("Love plot, arm ", output.schema.arms[of_arm.arm]),
                           .x_label = "covariate, as numbered in the table",
                           .y_label = "|difference of means| / sd"};
  const auto end = static_cast<double>(order.size());
  plot.series = {
      {.name = "before"}, {.name = "after"}, {.name = "0.1", .x = {1, end}, .y = {.1, .1}}};
  for (size_t k = 0; k < order.size(); ++k) {
    const size_t j = order[k];
    for (const auto& [side, balance] : {std::pair(0, &of_arm.before[j]), {1, &of_arm.after[j]}}) {
      plot.series[side].x.push_back(static_cast<double>(k + 1));
      plot.series[side].y.push_back(std::abs(balance->standardized_difference.value_or(0)));
    }
  }
  document.AddLinePlot(plot);
}

void AddPropensities(const Output& output, int arm, report::Document& document) {
  report::LinePlot plot = {.title = absl::StrCat("Propensities for arm ", output.schema.arms[arm]),
                           .x_label = "propensity",
                           .y_label = "share of the units"};
  const ArmOverlap& overlap = output.analysis.overlap[arm];
  for (const auto& [name, summary] :
       {std::pair("in the arm", &overlap.inside), std::pair("others", &overlap.outside)}) {
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
      .title = absl::StrCat("Calibration for arm ", output.schema.arms[arm]),
      .x_label = "predicted propensity",
      .y_label = "share in the arm"};
  report::LineSeries observed = {.name = "observed"};
  for (const CalibrationBin& bin : output.analysis.calibration[arm].bins) {
    observed.x.push_back(bin.predicted);
    observed.y.push_back(bin.observed);
    observed.n.push_back(bin.units);
  }
  calibration.series = {std::move(observed), {.name = "ideal", .x = {0, 1}, .y = {0, 1}}};
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
  report::LinePlot plot = {.title = "Effects of units, as the model predicts them",
                           .x_label = absl::StrCat("effect on ", output.schema.outcome),
                           .y_label = "share of the units"};
  for (size_t a = 0; a < output.analysis.predictions.effect.size(); ++a) {
    const std::vector<double>& effect = output.analysis.predictions.effect[a];
    report::LineSeries series = {.name = output.schema.arms[a + 1],
                                 .x = std::vector<double>(kEffectBins),
                                 .y = std::vector<double>(kEffectBins)};
    for (int k = 0; k < kEffectBins; ++k) {
      series.x[k] = low + (high - low) * (k + 0.5) / kEffectBins;
    }
    for (const double value : effect) {
      const int bin = static_cast<int>((value - low) / (high - low) * kEffectBins);
      series.y[std::clamp(bin, 0, kEffectBins - 1)] += 1 / static_cast<double>(effect.size());
    }
    plot.series.push_back(std::move(series));
  }
  document.AddLinePlot(plot);
}

}  // namespace

std::string EffectsCsv(const Output& output) {
  const Analysis& analysis = output.analysis;
  const bool errors = !analysis.effect_error.empty();
  const double z = stats::NormalQuantile(0.5 + output.options.level / 2);
  std::string csv = "row,arm";
  for (size_t a = 1; a < output.schema.arms.size(); ++a) {
    absl::StrAppend(&csv, ",", CsvText(EffectName(output.schema, a)));
    if (!errors) continue;
    for (const char* suffix : {"_standard_error", "_low", "_high"}) {
      absl::StrAppend(&csv, ",", CsvText(EffectName(output.schema, a, suffix)));
    }
  }
  csv += "\r\n";
  for (size_t i = 0; i < output.rows.size(); ++i) {
    absl::StrAppend(&csv, output.rows[i], ",",
                    CsvText(output.schema.arms[output.observations.treatment[i]]));
    for (size_t a = 0; a < analysis.predictions.effect.size(); ++a) {
      const double value = analysis.predictions.effect[a][i];
      absl::StrAppend(&csv, ",", base::JsonNumber(value));
      if (!errors) continue;
      const double error = analysis.effect_error[a][i];
      absl::StrAppend(&csv, ",", base::JsonNumber(error), ",", base::JsonNumber(value - z * error),
                      ",", base::JsonNumber(value + z * error));
    }
    csv += "\r\n";
  }
  return csv;
}

std::string ScoredCsv(const EncodingSchema& schema, const Scored& scored) {
  std::string csv = "row";
  for (size_t a = 1; a < schema.arms.size(); ++a) {
    absl::StrAppend(&csv, ",", CsvText(EffectName(schema, a)));
  }
  csv += ",outside_support,reason\r\n";
  for (size_t i = 0; i < scored.outside.size(); ++i) {
    absl::StrAppend(&csv, i + 1);
    for (const std::vector<double>& effect : scored.predictions.effect) {
      absl::StrAppend(&csv, ",", base::JsonNumber(effect[i]));
    }
    absl::StrAppend(&csv, ",", scored.outside[i].empty() ? 0 : 1, ",", CsvText(scored.outside[i]),
                    "\r\n");
  }
  return csv;
}

std::string EstimateJson(const Output& output) {
  const Analysis& analysis = output.analysis;
  const EncodingSchema& schema = output.schema;
  std::vector<std::string> arms;
  for (size_t arm = 0; arm < schema.arms.size(); ++arm) {
    const ArmOverlap& overlap = analysis.overlap[arm];
    const Calibration& calibration = analysis.calibration[arm];
    arms.push_back(
        JsonObject()
            .Add("arm", schema.arms[arm])
            .Add("units", overlap.inside.units)
            .Add("propensity_lowest", overlap.inside.lowest)
            .Add("propensity_median", overlap.inside.median)
            .Add("propensity_highest", overlap.inside.highest)
            .Add("outside_05_95", overlap.outside_05_95)
            .AddRaw("effective_sample_size", OptionalNumber(overlap.effective_sample_size))
            .AddRaw("largest_weight_share", OptionalNumber(overlap.largest_weight_share))
            .Add("calibration_error", calibration.expected_calibration_error)
            .AddRaw("calibration_slope", OptionalNumber(calibration.slope))
            .Text());
  }
  std::vector<std::string> effects;
  for (const EffectRow& row : analysis.effects) {
    JsonObject object;
    object.Add("arm", schema.arms[row.arm])
        .Add("estimand", EstimandName(row.estimand))
        .Add("estimator", EstimatorName(row.method))
        .Add("chosen", row.method == output.options.estimator);
    effects.push_back(AddEstimate(object, row.estimate).Text());
  }
  std::vector<std::string> bootstrap;
  for (const BootstrapRow& row : analysis.bootstrap) {
    bootstrap.push_back(JsonObject()
                            .Add("arm", schema.arms[row.arm])
                            .Add("estimand", EstimandName(row.estimand))
                            .Add("estimator", EstimatorName(output.options.estimator))
                            .Add("replicates", output.options.bootstrap)
                            .Add("failed", analysis.failed_replicates)
                            .Add("standard_error", row.standard_error)
                            .Add("low", row.low)
                            .Add("high", row.high)
                            .Text());
  }
  std::vector<std::string> diagnostics;
  for (const ArmDiagnostics& of_arm : analysis.diagnostics) {
    std::vector<std::string> balance;
    for (size_t j = 0; j < of_arm.before.size(); ++j) {
      const Balance& before = of_arm.before[j];
      const Balance& after = of_arm.after[j];
      balance.push_back(
          JsonObject()
              .Add("covariate", output.observations.covariate_names[j])
              .AddRaw("standardized_difference", OptionalNumber(before.standardized_difference))
              .AddRaw("after_weighting", OptionalNumber(after.standardized_difference))
              .AddRaw("variance_ratio", OptionalNumber(before.variance_ratio))
              .AddRaw("variance_ratio_after_weighting", OptionalNumber(after.variance_ratio))
              .Add("kolmogorov_smirnov", before.kolmogorov_smirnov)
              .Add("kolmogorov_smirnov_after_weighting", after.kolmogorov_smirnov)
              .Text());
    }
    std::vector<std::string> gain;
    for (const GainPoint& point : of_arm.gain) {
      JsonObject object;
      object.Add("share", point.share);
      gain.push_back(AddEstimate(object, point.gain).Text());
    }
    std::string ratio = "null";
    if (of_arm.risk_ratio) {
      ratio = JsonObject()
                  .Add("value", of_arm.risk_ratio->value)
                  .Add("log_standard_error", of_arm.risk_ratio->log_standard_error)
                  .Add("low", of_arm.risk_ratio->low)
                  .Add("high", of_arm.risk_ratio->high)
                  .Add("risk", of_arm.risk_ratio->risk)
                  .Add("control_risk", of_arm.risk_ratio->control_risk)
                  .Text();
    }
    diagnostics.push_back(JsonObject()
                              .Add("arm", schema.arms[of_arm.arm])
                              .AddRaw("risk_ratio", ratio)
                              .Add("e_value", of_arm.e_value.estimate)
                              .Add("e_value_limit", of_arm.e_value.limit)
                              .Add("sensitivity_lambda", output.options.sensitivity)
                              .Add("sensitivity_low", of_arm.bounds.low)
                              .Add("sensitivity_high", of_arm.bounds.high)
                              .Add("critical_lambda", of_arm.critical_lambda)
                              .Add("policy_treated_share", of_arm.policy.treated_share)
                              .AddRaw("policy_over_none", EstimateText(of_arm.policy.over_none))
                              .AddRaw("policy_over_all", EstimateText(of_arm.policy.over_all))
                              .AddRaw("autoc", EstimateText(of_arm.rate.autoc))
                              .AddRaw("qini", EstimateText(of_arm.rate.qini))
                              .AddRaw("qini_curve", JsonList(gain))
                              .AddRaw("balance", JsonList(balance))
                              .Text());
  }
  std::vector<std::string> refutations;
  for (const RefutationRow& row : analysis.refutations) {
    std::vector<std::string> runs;
    for (const Estimate& run : row.runs) runs.push_back(EstimateText(run));
    refutations.push_back(JsonObject()
                              .Add("arm", schema.arms[row.arm])
                              .Add("refutation", row.name)
                              .Add("mean", row.test.mean)
                              .Add("low", row.test.low)
                              .Add("high", row.test.high)
                              .Add("p_value", row.test.p_value)
                              .Add("holds", row.holds)
                              .Add("verdict", row.verdict)
                              .AddRaw("runs", JsonList(runs))
                              .Text());
  }
  return JsonObject()
             .Add("schema", 1)
             .Add("fingerprint", output.fingerprint)
             .Add("data", output.data_name)
             .Add("treatment", schema.treatment)
             .Add("outcome", schema.outcome)
             .Add("binary_outcome", schema.binary_outcome)
             .Add("units", output.observations.size())
             .Add("covariates", output.observations.features())
             .Add("model", EffectModelName(output.options.model))
             .Add("estimator", EstimatorName(output.options.estimator))
             .Add("folds", output.options.folds)
             .Add("seed", output.options.seed)
             .Add("level", output.options.level)
             .AddRaw("arms", JsonList(arms))
             .AddRaw("effects", JsonList(effects))
             .AddRaw("bootstrap", JsonList(bootstrap))
             .AddRaw("diagnostics", JsonList(diagnostics))
             .AddRaw("refutations", JsonList(refutations))
             .AddRaw("notes", base::JsonArray(output.notes))
             .AddRaw("warnings", base::JsonArray(output.warnings))
             .Text() +
         "\n";
}

std::vector<Table> EffectTables(const Output& output) {
  std::vector<Table> tables;
  const bool many = output.schema.arms.size() > 2;
  for (const Estimand estimand : {Estimand::kAte, Estimand::kAtt}) {
    Table table = {.caption = absl::StrCat("Effect on ", output.schema.outcome, ": ",
                                           EstimandTitle(estimand))};
    if (many) table.columns.push_back({"arm"});
    for (const std::string& name : {std::string("estimator"), std::string("effect"),
                                    std::string("error"), LevelText(output.options.level)}) {
      table.columns.push_back({name, name == "estimator" ? Align::kLeft : Align::kRight});
    }
    const double scale = output.analysis.Of(1, estimand, output.options.estimator).standard_error;
    const auto add = [&](int arm, const std::string& name, double value, double error, double low,
                         double high) {
      std::vector<std::string> row;
      if (many) row.push_back(output.schema.arms[arm]);
      const auto text = [scale](double number) { return Rounded(number, scale); };
      row.insert(row.end(),
                 {name, text(value), text(error), absl::StrCat(text(low), " .. ", text(high))});
      table.rows.push_back(std::move(row));
    };
    for (int arm = 1; arm < output.observations.arms; ++arm) {
      for (const EffectRow& row : output.analysis.effects) {
        if (row.arm != arm || row.estimand != estimand) continue;
        const bool chosen = row.method == output.options.estimator;
        add(arm, absl::StrCat(EstimatorName(row.method), chosen ? " *" : ""), row.estimate.value,
            row.estimate.standard_error, row.estimate.low, row.estimate.high);
      }
      for (const BootstrapRow& row : output.analysis.bootstrap) {
        if (row.arm != arm || row.estimand != estimand) continue;
        add(arm, absl::StrCat(EstimatorName(output.options.estimator), ", bootstrap"),
            output.analysis.Of(arm, estimand, output.options.estimator).value, row.standard_error,
            row.low, row.high);
      }
    }
    tables.push_back(std::move(table));
  }
  return tables;
}

std::string ReportHtml(const Output& output, absl::string_view plotly_js) {
  const EncodingSchema& schema = output.schema;
  report::Document document(
      absl::StrCat("Effect of ", schema.treatment, " on ", schema.outcome),
      absl::StrCat(output.data_name, ", ", CountText(output.observations.size()), " units, ",
                   output.observations.features(), " covariates, ",
                   EffectModelName(output.options.model)));
  document.AddSection(
      "Effects",
      absl::StrCat("The estimate to read is marked by *: ", EstimatorName(output.options.estimator),
                   ". It is an effect only if, given the covariates, nothing else decides both the "
                   "arm and the outcome. \"naive\" compares the arms as they are.\n\nplug_in "
                   "averages the model's effects; its error leaves out that of the model and is "
                   "too small."));
  for (const Table& table : EffectTables(output)) document.AddTable(table);
  AddEffects(output, document);
  document.AddSection("Warnings", output.warnings.empty() ? "None." : "");
  for (const std::string& warning : output.warnings) document.AddParagraph(warning);
  document.AddSection("Overlap",
                      "Could each unit have been in each arm? \"worth in units\" is the effective "
                      "size of the weighted arm. Where a propensity is near 0 there is hardly "
                      "anybody to compare with.");
  document.AddTable(OverlapTable(output));
  for (int arm = output.observations.arms == 2 ? 1 : 0; arm < output.observations.arms; ++arm) {
    AddPropensities(output, arm, document);
  }
  document.AddSection("Balance",
                      "Weighted by the inverse of the propensities, the covariates of an arm and "
                      "of control should be alike: differences below 0.1 standard deviations.");
  for (const ArmDiagnostics& of_arm : output.analysis.diagnostics) {
    AddLove(output, of_arm, document);
    document.AddTable(BalanceTable(output, of_arm));
  }
  document.AddSection(
      "What could be wrong",
      "E-value: how strong a hidden confounder's risk ratios, with arm and outcome both, would "
      "have to be to explain the effect away, or to move the interval to no effect: of the risk "
      "ratio (by AIPW) for an outcome of 0 and 1, else of the difference in standard deviations. "
      "Bounds: of the Hajek "
      "estimate where a hidden confounder changes the odds of the arm by the factor lambda at "
      "most; critical is the lambda at which they hold 0.");
  for (const ArmDiagnostics& of_arm : output.analysis.diagnostics) {
    report::KeyValues values;
    if (of_arm.risk_ratio) {
      values.emplace_back(
          "risk ratio",
          absl::StrCat(NumberText(of_arm.risk_ratio->value), " (",
                       IntervalText(of_arm.risk_ratio->low, of_arm.risk_ratio->high), ")"));
    }
    values.emplace_back("E-value",
                        absl::StrCat(NumberText(of_arm.e_value.estimate, 3), ", of the interval ",
                                     NumberText(of_arm.e_value.limit, 3)));
    values.emplace_back(absl::StrCat("bounds at lambda ", NumberText(output.options.sensitivity)),
                        IntervalText(of_arm.bounds.low, of_arm.bounds.high));
    values.emplace_back("critical lambda", NumberText(of_arm.critical_lambda, 3));
    document.AddKeyValues(absl::StrCat("Arm ", schema.arms[of_arm.arm]), values);
  }
  if (!output.analysis.refutations.empty()) {
    document.AddTable(RefutationTable(output));
    for (const RefutationRow& row : output.analysis.refutations) {
      document.AddParagraph(row.verdict);
    }
  }
  document.AddSection(
      "Whom to treat",
      "The value of treating only those whose effect, predicted out of fold, is above 0 (for an "
      "outcome of which more is better), against nobody and all; and whether a ranking by effect "
      "is better than none: AUTOC, which looks at the first most, or Qini, which weighs all alike, "
      "above 0. Predictions and what judges them are of different folds.");
  for (const ArmDiagnostics& of_arm : output.analysis.diagnostics) {
    const auto text = [](const Estimate& estimate) {
      return absl::StrCat(NumberText(estimate.value), " (",
                          IntervalText(estimate.low, estimate.high), ")");
    };
    document.AddKeyValues(
        absl::StrCat("Arm ", schema.arms[of_arm.arm]),
        {{"treated", absl::StrFormat("%.0f %%", 100 * of_arm.policy.treated_share)},
         {"value over nobody", text(of_arm.policy.over_none)},
         {"value over all", text(of_arm.policy.over_all)},
         {"AUTOC", text(of_arm.rate.autoc)},
         {"Qini", text(of_arm.rate.qini)}});
    AddGain(output, of_arm, document);
  }
  document.AddSection("Data", output.notes.empty() ? "The table was taken as it is." : "");
  for (const std::string& note : output.notes) document.AddParagraph(note);
  return document.Render(plotly_js);
}

}  // namespace perennial::causal
