// A unit that has ended, as tables and reports see it.
#ifndef PERENNIAL_COMMON_EXPERIMENT_FINISHED_UNIT_H_
#define PERENNIAL_COMMON_EXPERIMENT_FINISHED_UNIT_H_

#include "common/population/unit.h"

namespace perennial::experiment {

struct FinishedUnit {
  population::UnitKey key;
  population::UnitPlan plan;
  population::UnitResults results;
  double cpu_seconds = 0;  // Over all sittings.
};

}  // namespace perennial::experiment

#endif  // PERENNIAL_COMMON_EXPERIMENT_FINISHED_UNIT_H_
