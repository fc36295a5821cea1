// What is thrown within a unit (memory that is not to be had, an error within LibTorch) is a
// failure of that unit, not the end of the process with everybody's work.
#ifndef PERENNIAL_COMMON_POPULATION_GUARDED_H_
#define PERENNIAL_COMMON_POPULATION_GUARDED_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace perennial::population {

// What `work` returns; if it throws, ResourceExhausted or Internal with the step, counted from 1,
// and the first line of what was thrown. `step` is asked for then: work may have made some.
absl::Status Guarded(absl::FunctionRef<int64_t()> step, absl::FunctionRef<absl::Status()> work);

}  // namespace perennial::population

#endif  // PERENNIAL_COMMON_POPULATION_GUARDED_H_
