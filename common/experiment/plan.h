// What --dry_run says: units, steps, floating-point operations, memory and time.
//
// Of each method (and group) the first unit is tried: it runs for a moment, and its CPU seconds for
// the share that it got through tell what all units of the method will take. A count of operations
// would not: it has matrix products only, and those not at the same speed everywhere.
#ifndef PERENNIAL_COMMON_EXPERIMENT_PLAN_H_
#define PERENNIAL_COMMON_EXPERIMENT_PLAN_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/population/unit.h"

namespace perennial::experiment {

// The CPU seconds that a unit will take, from about `seconds` of it, at least one step. Its errors.
absl::StatusOr<double> TryUnit(population::Unit& unit, double seconds);

// Nothing is tried if the units do not fit into memory. Cancelled if `stop` (may be null) becomes
// true.
absl::StatusOr<std::string> PlanText(const std::vector<std::unique_ptr<population::Unit>>& units,
                                     const std::vector<uint64_t>& seeds, int threads,
                                     const std::atomic<bool>* stop = nullptr);

}  // namespace perennial::experiment

#endif  // PERENNIAL_COMMON_EXPERIMENT_PLAN_H_
