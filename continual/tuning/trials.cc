#include "continual/tuning/trials.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "continual/tuning/search.h"

namespace perennial::continual {
namespace {

constexpr char kScore[] = "average_accuracy";

std::string ScoreText(const RankedTrial& trial) {
  return trial.score.has_value() ? absl::StrFormat("%.4f", *trial.score) : "failed";
}

}  // namespace

absl::StatusOr<std::vector<RankedTrial>> RankTrials(
    const ContinualConfig& config, const std::vector<record::SummaryResult>& results) {
  std::map<std::string, const record::SummaryResult*> scores;
  size_t seeds = 0;
  for (const record::SummaryResult& result : results) {
    if (result.metric != kScore) continue;
    scores[result.method] = &result;
    seeds = std::max(seeds, result.values.size());
  }
  std::vector<RankedTrial> ranked;
  for (const MethodConfig& method : config.methods()) {
    const auto search = std::ranges::find(config.searches(), method.name(), &SearchConfig::name);
    if (search == config.searches().end()) continue;
    std::vector<RankedTrial> trials;
    for (int i = 0; i < search->trials(); ++i) {
      RankedTrial trial = {.method = method.name(), .trial = i};
      PERENNIAL_ASSIGN_OR_RETURN(trial.settings, TrialText(method, *search, i));
      const auto found = scores.find(TrialName(method.name(), i));
      if (found != scores.end()) {
        trial.seeds = static_cast<int>(found->second->values.size());
        if (found->second->values.size() == seeds) {
          double sum = 0;
          for (const auto& [seed, value] : found->second->values) sum += value;
          trial.score = sum / static_cast<double>(seeds);
        }
      }
      trials.push_back(std::move(trial));
    }
    std::ranges::stable_sort(trials, [](const RankedTrial& a, const RankedTrial& b) {
      return a.score.value_or(-1) > b.score.value_or(-1);
    });
    std::ranges::move(trials, std::back_inserter(ranked));
  }
  return ranked;
}

report::Table BestTrialsTable(const std::vector<RankedTrial>& trials) {
  report::Table table = {
      .caption =
          "The best trial of each method by mean average accuracy, and the method as it "
          "stands (trial 0)",
      .columns = {{"method"},
                  {"trials", report::Align::kRight},
                  {"as it stands", report::Align::kRight},
                  {"best", report::Align::kRight},
                  {"trial", report::Align::kRight},
                  {"settings"}}};
  for (size_t i = 0; i < trials.size(); ++i) {
    if (i > 0 && trials[i].method == trials[i - 1].method) continue;
    const RankedTrial& best = trials[i];
    int count = 0;
    std::string as_it_stands;
    for (const RankedTrial& trial : trials) {
      if (trial.method != best.method) continue;
      ++count;
      if (trial.trial == 0) as_it_stands = ScoreText(trial);
    }
    table.rows.push_back({best.method, absl::StrCat(count), as_it_stands, ScoreText(best),
                          absl::StrCat(best.trial), best.settings});
  }
  return table;
}

report::Table TrialsTable(const std::vector<RankedTrial>& trials) {
  report::Table table = {.columns = {{"method"},
                                     {"trial", report::Align::kRight},
                                     {"seeds", report::Align::kRight},
                                     {"score", report::Align::kRight},
                                     {"settings"}}};
  for (const RankedTrial& trial : trials) {
    table.rows.push_back({trial.method, absl::StrCat(trial.trial), absl::StrCat(trial.seeds),
                          trial.score.has_value() ? absl::StrFormat("%.6f", *trial.score) : "",
                          trial.settings});
  }
  return table;
}

}  // namespace perennial::continual
