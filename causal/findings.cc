#include "causal/findings.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "causal/registry.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

using record::SummaryResult;

constexpr char kNothing[] = "\u2013";

const SummaryResult* Find(const std::vector<SummaryResult>& results, const std::string& group,
                          const std::string& method, const std::string& metric) {
  const auto found = std::ranges::find_if(results, [&](const SummaryResult& result) {
    return result.group == group && result.method == method && result.metric == metric;
  });
  return found == results.end() ? nullptr : &*found;
}

// In the order of first appearance, of a group or of all.
std::vector<std::string> DistinctOf(const std::vector<SummaryResult>& results,
                                    std::string SummaryResult::*field,
                                    const std::optional<std::string>& group) {
  std::vector<std::string> names;
  for (const SummaryResult& result : results) {
    if (group.has_value() && result.group != *group) continue;
    if (std::ranges::find(names, result.*field) == names.end()) names.push_back(result.*field);
  }
  return names;
}

absl::StatusOr<report::Table> EstimatesOf(const std::vector<SummaryResult>& results,
                                          const std::string& group, const std::string& estimand,
                                          const std::string& suffix) {
  report::Table table = {
      .caption =
          absl::StrCat(group, ", whose effects nobody knows: ", estimand == "ate" ? "ATE" : "ATT",
                       suffix.empty() ? "" : absl::StrCat(" of arm ", suffix.substr(1)),
                       ", means over realisations, which draw other folds and initial "
                       "weights; between them is the deviation of their estimates"),
      .columns = {{"method"},
                  {"effect", report::Align::kRight},
                  {"std. error", report::Align::kRight},
                  {"95 % interval", report::Align::kRight},
                  {"between them", report::Align::kRight}}};
  for (const std::string& method : DistinctOf(results, &SummaryResult::method, group)) {
    const SummaryResult* const estimate = Find(results, group, method, estimand + suffix);
    if (estimate == nullptr) continue;
    PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary effect, record::Statistics(*estimate));
    std::vector<std::string> row = {method, absl::StrFormat("%.3f", effect.mean)};
    const SummaryResult* const error =
        Find(results, group, method, absl::StrCat(estimand, "_standard_error", suffix));
    const SummaryResult* const width =
        Find(results, group, method, absl::StrCat(estimand, "_width", suffix));
    if (error != nullptr && width != nullptr) {
      PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary errors, record::Statistics(*error));
      PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary widths, record::Statistics(*width));
      row.push_back(absl::StrFormat("%.3f", errors.mean));
      row.push_back(absl::StrFormat("%.3f .. %.3f", effect.mean - widths.mean / 2,
                                    effect.mean + widths.mean / 2));
    } else {
      row.insert(row.end(), {kNothing, kNothing});
    }
    row.push_back(effect.standard_deviation.has_value()
                      ? absl::StrFormat("%.3f", *effect.standard_deviation)
                      : kNothing);
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string SeenText(NetConfig::Transductive transductive) {
  switch (transductive) {
    case NetConfig::INDUCTIVE:
      break;
    case NetConfig::TEST_TREATMENT:
      return "training units; covariates and arms of test units";
    case NetConfig::TEST_COVARIATES:
      return "training units; covariates of test units";
  }
  return "training units";
}

}  // namespace

absl::StatusOr<std::vector<experiment::Finding>> EstimatesWithoutTruth(
    const std::vector<SummaryResult>& results) {
  std::vector<experiment::Finding> findings;
  for (const std::string& group : DistinctOf(results, &SummaryResult::group, std::nullopt)) {
    const bool known = std::ranges::any_of(results, [&](const SummaryResult& result) {
      return result.group == group && (absl::StartsWith(result.metric, "ate_error") ||
                                       absl::StartsWith(result.metric, "att_error") ||
                                       absl::StartsWith(result.metric, "sqrt_pehe"));
    });
    if (known) continue;
    for (const char* estimand : {"ate", "att"}) {
      // Arms beyond the first have their number behind the name.
      for (int arm = 1;; ++arm) {
        PERENNIAL_ASSIGN_OR_RETURN(
            report::Table table,
            EstimatesOf(results, group, estimand, arm == 1 ? "" : absl::StrCat("_", arm)));
        if (table.rows.empty()) break;
        findings.push_back({absl::StrCat("Estimates of ", absl::string_view(estimand) == "ate"
                                                              ? "the average effect"
                                                              : "the effect on the treated"),
                            std::move(table)});
      }
    }
  }
  return findings;
}

std::optional<experiment::Finding> InformationOf(const CausalConfig& config) {
  report::Table table = {
      .caption = "What the balance terms of networks saw; no term sees outcomes of test units",
      .columns = {{"method"}, {"seen"}}};
  bool transductive = false;
  for (const MethodConfig& method : config.methods()) {
    if (!method.has_net()) continue;
    const NetConfig net = Override(config.net(), method.net());
    if (net.alpha() == 0 && net.beta() == 0 && net.adversary() == 0) continue;
    transductive = transductive || net.transductive() != NetConfig::INDUCTIVE;
    table.rows.push_back({MethodName(method), SeenText(net.transductive())});
  }
  if (!transductive) return std::nullopt;
  return experiment::Finding{"What was seen", std::move(table)};
}

}  // namespace perennial::causal
