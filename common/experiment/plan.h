// What --dry_run says: units, steps, floating-point operations, memory and time.
#ifndef PERENNIAL_COMMON_EXPERIMENT_PLAN_H_
#define PERENNIAL_COMMON_EXPERIMENT_PLAN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/population/unit.h"

namespace perennial::experiment {

// Times come from the GEMM peak of this machine, which is measured here.
std::string PlanText(const std::vector<std::unique_ptr<population::Unit>>& units,
                     const std::vector<uint64_t>& seeds, int threads);

}  // namespace perennial::experiment

#endif  // PERENNIAL_COMMON_EXPERIMENT_PLAN_H_
