// What choosing a method without counterfactuals would have cost: by each criterion, realisation by
// realisation.
#ifndef PERENNIAL_CAUSAL_SELECTION_TABLE_H_
#define PERENNIAL_CAUSAL_SELECTION_TABLE_H_

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "common/experiment/finished_unit.h"
#include "common/report/table.h"

namespace perennial::causal {

// One row for each criterion (a metric selection_...), with the mean and median sqrt_pehe_out of
// the methods that it chooses, by how much these exceed the best method of each realisation, and
// the mean rank correlation of criterion and sqrt_pehe_out over methods; and one row for the method
// that is best on average. Absent if no unit has a criterion. Methods without a criterion or
// without sqrt_pehe_out are not chosen from; neither are realisations with fewer than two methods.
absl::StatusOr<std::optional<report::Table>> SelectionTable(
    const std::vector<experiment::FinishedUnit>& units);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_SELECTION_TABLE_H_
