#include "causal/estimation/output.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "causal/estimators/average_effect.h"
#include "common/base/excerpt.h"
#include "common/base/json_text.h"
#include "common/base/logging.h"
#include "common/stats/normal.h"

namespace perennial::causal {
namespace {

using base::JsonObject;
using report::Align;
using report::Table;

std::string CsvText(absl::string_view text) {
  if (!absl::StrContains(text, '"') && !absl::StrContains(text, ',') &&
      !absl::StrContains(text, '\n') && !absl::StrContains(text, '\r')) {
    return std::string(text);
  }
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

// Of a column or an arm, in one line of a table.
std::string ShownName(absl::string_view name) { return base::Excerpt(name, 60); }

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

JsonObject& AddBalance(JsonObject& object, const Balance& before, const Balance& after) {
  return object.AddRaw("standardized_difference", OptionalNumber(before.standardized_difference))
      .AddRaw("after_weighting", OptionalNumber(after.standardized_difference))
      .AddRaw("variance_ratio", OptionalNumber(before.variance_ratio))
      .AddRaw("variance_ratio_after_weighting", OptionalNumber(after.variance_ratio))
      .Add("kolmogorov_smirnov", before.kolmogorov_smirnov)
      .Add("kolmogorov_smirnov_after_weighting", after.kolmogorov_smirnov);
}

// Of a model that has a representation.
std::string RepresentationText(const ArmDiagnostics& of_arm) {
  const BalanceSummary before = SummaryOf(of_arm.representation_before);
  const BalanceSummary after = SummaryOf(of_arm.representation_after);
  std::vector<std::string> balance;
  for (size_t j = 0; j < of_arm.representation_before.size(); ++j) {
    JsonObject object;
    object.Add("feature", j + 1);
    balance.push_back(
        AddBalance(object, of_arm.representation_before[j], of_arm.representation_after[j]).Text());
  }
  return JsonObject()
      .Add("features", of_arm.representation_before.size())
      .Add("mean_difference", before.mean_difference)
      .Add("mean_difference_after_weighting", after.mean_difference)
      .Add("greatest_difference", before.greatest_difference)
      .Add("greatest_difference_after_weighting", after.greatest_difference)
      .Add("unbalanced", before.unbalanced)
      .Add("unbalanced_after_weighting", after.unbalanced)
      .AddRaw("balance", JsonList(balance))
      .Text();
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

}  // namespace

std::string LevelText(double level) { return absl::StrFormat("%g %% interval", 100 * level); }

Bounds BoundsInterval(const Output& output, const ArmDiagnostics& of_arm) {
  const absl::StatusOr<Bounds> interval =
      IntervalOf(of_arm.bounds, SampleOf(output.observations), output.options.level);
  CHECK(interval.ok()) << interval.status();
  return *interval;
}

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
        .Add("estimator", EstimatorName(row.estimator))
        .Add("chosen", row.estimator == EffectEstimator(output.options.estimator));
    if (!row.error_known()) {
      object.Add("value", row.estimate.value);
      for (const char* unknown : {"standard_error", "low", "high"}) object.AddRaw(unknown, "null");
    } else {
      AddEstimate(object, row.estimate);
    }
    effects.push_back(object.Text());
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
      JsonObject object;
      object.Add("covariate", output.observations.covariate_names[j]);
      balance.push_back(AddBalance(object, of_arm.before[j], of_arm.after[j]).Text());
    }
    std::vector<std::string> losses;
    for (const EffectLossRow& row : of_arm.effect_loss) {
      JsonObject object;
      object.Add("prediction", row.name);
      losses.push_back(AddEstimate(object, row.excess).Text());
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
    const Bounds bounds = BoundsInterval(output, of_arm);
    JsonObject diagnostic;
    diagnostic.Add("arm", schema.arms[of_arm.arm])
        .AddRaw("risk_ratio", ratio)
        .Add("e_value", of_arm.e_value.estimate)
        .Add("e_value_limit", of_arm.e_value.limit)
        .Add("sensitivity_lambda", output.options.sensitivity)
        .Add("sensitivity_low", of_arm.bounds.low)
        .Add("sensitivity_high", of_arm.bounds.high)
        .Add("sensitivity_interval_low", bounds.low)
        .Add("sensitivity_interval_high", bounds.high)
        .Add("critical_lambda", of_arm.critical_lambda)
        .Add("critical_lambda_limit", of_arm.critical_lambda_limit)
        .Add("policy_treated_share", of_arm.policy.treated_share)
        .AddRaw("ate_by_repeat", base::JsonArray(of_arm.by_repeat))
        .AddRaw("policy_over_none", EstimateText(of_arm.policy.over_none))
        .AddRaw("policy_over_all", EstimateText(of_arm.policy.over_all))
        .AddRaw("autoc", EstimateText(of_arm.rate.autoc))
        .AddRaw("qini", EstimateText(of_arm.rate.qini))
        .AddRaw("qini_curve", JsonList(gain))
        .AddRaw("excess_effect_loss", JsonList(losses))
        .AddRaw("balance", JsonList(balance));
    if (!of_arm.representation_before.empty()) {
      diagnostic.AddRaw("representation", RepresentationText(of_arm));
    }
    diagnostics.push_back(diagnostic.Text());
  }
  std::vector<std::string> refutations;
  for (const RefutationRow& row : analysis.refutations) {
    std::vector<std::string> runs;
    for (const Estimate& run : row.runs) runs.push_back(EstimateText(run));
    refutations.push_back(JsonObject()
                              .Add("arm", schema.arms[row.arm])
                              .Add("refutation", row.name)
                              .Add("standard_errors_off", row.off)
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
             .Add("repeats", RepeatsOf(output.options, output.observations.size()))
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
    Table table = {.caption = absl::StrCat("Effect on ", ShownName(output.schema.outcome), ": ",
                                           EstimandTitle(estimand))};
    if (many) table.columns.push_back({"arm"});
    for (const std::string& name : {std::string("estimator"), std::string("effect"),
                                    std::string("std. error"), LevelText(output.options.level)}) {
      table.columns.push_back({name, name == "estimator" ? Align::kLeft : Align::kRight});
    }
    const double scale = output.analysis.Of(1, estimand, output.options.estimator).standard_error;
    const auto add = [&](int arm, const std::string& name, double value, double error, double low,
                         double high) {
      std::vector<std::string> row;
      if (many) row.push_back(ShownName(output.schema.arms[arm]));
      const auto text = [scale](double number) { return Rounded(number, scale); };
      row.insert(row.end(),
                 {name, text(value), text(error), absl::StrCat(text(low), " .. ", text(high))});
      table.rows.push_back(std::move(row));
    };
    for (int arm = 1; arm < output.observations.arms; ++arm) {
      for (const EffectRow& row : output.analysis.effects) {
        if (row.arm != arm || row.estimand != estimand) continue;
        if (!row.error_known()) {
          std::vector<std::string> cells;
          if (many) cells.push_back(ShownName(output.schema.arms[arm]));
          cells.insert(cells.end(), {std::string(EstimatorName(row.estimator)),
                                     Rounded(row.estimate.value, scale), "\u2013", "\u2013"});
          table.rows.push_back(std::move(cells));
          continue;
        }
        const bool chosen = row.estimator == EffectEstimator(output.options.estimator);
        add(arm, absl::StrCat(EstimatorName(row.estimator), chosen ? " *" : ""), row.estimate.value,
            row.estimate.standard_error, row.estimate.low, row.estimate.high);
      }
      for (const BootstrapRow& row : output.analysis.bootstrap) {
        if (row.arm != arm || row.estimand != estimand) continue;
        add(arm,
            absl::StrCat(EstimatorName(output.options.estimator), ", bootstrap of ",
                         output.options.bootstrap - output.analysis.failed_replicates),
            output.analysis.Of(arm, estimand, output.options.estimator).value, row.standard_error,
            row.low, row.high);
      }
    }
    tables.push_back(std::move(table));
  }
  return tables;
}

}  // namespace perennial::causal
