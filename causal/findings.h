// What the line says of a run beside its errors: estimates where no truth is known, and what
// networks saw.
#ifndef PERENNIAL_CAUSAL_FINDINGS_H_
#define PERENNIAL_CAUSAL_FINDINGS_H_

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "causal/causal.pb.h"
#include "common/experiment/line.h"
#include "common/record/summary.h"

namespace perennial::causal {

// For each group of data whose effects nobody knows (no method has an error), a table of ATE and
// one of ATT: a row a method, the estimate, its standard error and 95 % interval, all as means over
// the realisations, which draw other folds and initial weights, and the deviation of estimates
// between these. Methods without an estimator have an estimate alone.
absl::StatusOr<std::vector<experiment::Finding>> EstimatesWithoutTruth(
    const std::vector<record::SummaryResult>& results);

// Which information set the balance terms of networks had, a row a network that has such terms;
// absent if none of them saw anything of test units.
std::optional<experiment::Finding> InformationOf(const CausalConfig& config);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_FINDINGS_H_
