// What a search found: the trials of every method in the order of their score.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const std::vector<RankedTrial> trials,
//                              RankTrials(config, summary.results));
//   const report::Table best = BestTrialsTable(trials);
#ifndef PERENNIAL_CONTINUAL_TUNING_TRIALS_H_
#define PERENNIAL_CONTINUAL_TUNING_TRIALS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/record/summary.h"
#include "common/report/table.h"
#include "continual/continual.pb.h"

namespace perennial::continual {

struct RankedTrial {
  std::string method;
  int trial = 0;
  std::string settings;  // "training.learning_rate=0.0123"; "as it stands"
  // Mean average accuracy over seeds; absent if a seed has none, because its unit failed.
  std::optional<double> score;
  int seeds = 0;  // That have a result.
};

// Methods in the order of the configuration, of each the best trial first, the failed ones last.
// Equal scores in the order of trials. Empty without searches; a resolved configuration.
absl::StatusOr<std::vector<RankedTrial>> RankTrials(
    const ContinualConfig& config, const std::vector<record::SummaryResult>& results);

// Of each method the best trial, beside the score of the method as it stands.
report::Table BestTrialsTable(const std::vector<RankedTrial>& trials);

// All of them, as numbers to compute with: method, trial, seeds, score, settings.
report::Table TrialsTable(const std::vector<RankedTrial>& trials);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_TUNING_TRIALS_H_
