// Random search: a method becomes trials of it whose settings are drawn at random.
//
// Source: Bergstra, Bengio 2012, "Random search for hyper-parameter optimization" (JMLR 13). A
// trial is a method like any other, so that a search is a list of units: parallel, resumable,
// recorded. Trial 0 is the method as it stands; the settings of the others depend on the method's
// name, the trial and the field alone.
//
//   for (int trial = 0; trial < search.trials(); ++trial) {
//     PERENNIAL_ASSIGN_OR_RETURN(MethodConfig method, Trial(base, search, trial));
//   }
#ifndef PERENNIAL_CONTINUAL_TUNING_SEARCH_H_
#define PERENNIAL_CONTINUAL_TUNING_SEARCH_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "continual/continual.pb.h"

namespace perennial::continual {

// "er_t07".
std::string TrialName(const std::string& method, int trial);

// What is wrong with a search, before anything is drawn: InvalidArgument if a path is unknown, is
// the method's name or stands twice, an interval is empty or (log_uniform) not positive, or one of
// its ends or of the choices is out of the field's range.
absl::Status CheckSearch(const MethodConfig& base, const SearchConfig& search);

// `base` with the fields of trial `trial` of a search that was checked set, named as the trial.
// Drawn numbers have three significant digits; those of whole-number fields are rounded.
// InvalidArgument if the values do not go together.
absl::StatusOr<MethodConfig> Trial(const MethodConfig& base, const SearchConfig& search, int trial);

// "training.learning_rate=0.0123 er.replay_weight=2": what the trial sets, for tables; "as it
// stands" for trial 0.
absl::StatusOr<std::string> TrialText(const MethodConfig& base, const SearchConfig& search,
                                      int trial);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_TUNING_SEARCH_H_
