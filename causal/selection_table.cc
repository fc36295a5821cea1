#include "causal/selection_table.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/stats/correlation.h"
#include "common/stats/summary.h"

namespace perennial::causal {
namespace {

constexpr char kError[] = "sqrt_pehe_out";
constexpr char kCriterionPrefix[] = "selection_";

struct Candidate {
  std::string method;
  double criterion = 0;
  double error = 0;
};
// Of one realisation.
using Candidates = std::vector<Candidate>;

absl::StatusOr<std::string> MeanAndMedian(const std::vector<double>& values) {
  PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary summary, stats::Summarize(values));
  return absl::StrFormat("%.3f (%.3f)", summary.mean, summary.median);
}

double Least(const Candidates& candidates) {
  return std::ranges::min_element(candidates, {}, &Candidate::error)->error;
}

}  // namespace

absl::StatusOr<std::optional<report::Table>> SelectionTable(
    const std::vector<experiment::FinishedUnit>& units) {
  // By criterion, then by group and realisation.
  std::map<std::string, std::map<std::pair<std::string, std::string>, Candidates>> criteria;
  for (const experiment::FinishedUnit& unit : units) {
    const auto error =
        std::ranges::find(unit.results.measurements, kError, &population::Measurement::metric);
    if (error == unit.results.measurements.end()) continue;
    for (const population::Measurement& measurement : unit.results.measurements) {
      if (!absl::StartsWith(measurement.metric, kCriterionPrefix)) continue;
      criteria[measurement.metric][{unit.key.group, unit.key.replicate}].push_back(
          {unit.key.method, measurement.value, error->value});
    }
  }
  if (criteria.empty()) return std::optional<report::Table>();

  report::Table table = {
      .caption =
          "Methods chosen without counterfactuals, on units held out for it: mean (median) "
          "over realisations",
      .columns = {{"chosen by"},
                  {"sqrt PEHE, out", report::Align::kRight},
                  {"above the best", report::Align::kRight},
                  {"rank correlation", report::Align::kRight}}};
  std::map<std::string, std::pair<std::vector<double>, std::vector<double>>> of_methods;
  for (auto& [criterion, realisations] : criteria) {
    std::vector<double> errors, regrets, correlations;
    for (auto& [realisation, candidates] : realisations) {
      if (candidates.size() < 2) continue;
      const auto chosen = std::ranges::min_element(candidates, {}, &Candidate::criterion);
      errors.push_back(chosen->error);
      regrets.push_back(chosen->error - Least(candidates));
      std::vector<double> x, y;
      for (const Candidate& candidate : candidates) {
        x.push_back(candidate.criterion);
        y.push_back(candidate.error);
      }
      PERENNIAL_ASSIGN_OR_RETURN(const stats::Correlation correlation,
                                 stats::SpearmanCorrelation(x, y));
      if (correlation.coefficient.has_value()) correlations.push_back(*correlation.coefficient);
      // Any criterion that all methods have tells who is best.
      if (criterion != "selection_dr_loss") continue;
      for (const Candidate& candidate : candidates) {
        of_methods[candidate.method].first.push_back(candidate.error);
        of_methods[candidate.method].second.push_back(candidate.error - Least(candidates));
      }
    }
    if (errors.empty()) continue;
    std::vector<std::string>& row = table.rows.emplace_back();
    row.push_back(criterion.substr(std::string(kCriterionPrefix).size()));
    PERENNIAL_ASSIGN_OR_RETURN(row.emplace_back(), MeanAndMedian(errors));
    PERENNIAL_ASSIGN_OR_RETURN(row.emplace_back(), MeanAndMedian(regrets));
    if (!correlations.empty()) {
      PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary summary, stats::Summarize(correlations));
      row.push_back(absl::StrFormat("%.2f", summary.mean));
    }
  }
  const auto mean = [](const std::vector<double>& values) {
    double sum = 0;
    for (const double value : values) sum += value;
    return sum / static_cast<double>(values.size());
  };
  const auto best = std::ranges::min_element(
      of_methods, {}, [&](const auto& method) { return mean(method.second.first); });
  if (best != of_methods.end()) {
    std::vector<std::string>& row = table.rows.emplace_back();
    row.push_back(absl::StrCat("always ", best->first));
    PERENNIAL_ASSIGN_OR_RETURN(row.emplace_back(), MeanAndMedian(best->second.first));
    PERENNIAL_ASSIGN_OR_RETURN(row.emplace_back(), MeanAndMedian(best->second.second));
  }
  return table;
}

}  // namespace perennial::causal
