// Learning-rate schedules: the factor by which the learning rate of a step is multiplied.
//
// With t = step - warmup_steps, counted from 0 at the end of the warm-up, the factor is
//   constant     1
//   step         gamma^floor(t / period)
//   exponential  gamma^t
//   cosine       floor + (1 - floor) (1 + cos(pi t / (total_steps - warmup_steps))) / 2, and
//   `floor`
//                from total_steps on (Loshchilov & Hutter 2017, eq. 5, one period)
// and in the warm-up, for step < warmup_steps, (step + 1) / warmup_steps, which ends at 1.
//
//   const Schedule schedule = {.kind = ScheduleKind::kCosine, .total_steps = 1000,
//                              .warmup_steps = 50};
//   const double rate = 0.1 * Factor(schedule, /*step=*/0);  // 0.1 / 50
#ifndef PERENNIAL_COMMON_OPTIM_SCHEDULE_H_
#define PERENNIAL_COMMON_OPTIM_SCHEDULE_H_

#include <cstdint>

#include "absl/status/status.h"

namespace perennial::optim {

enum class ScheduleKind { kConstant, kStep, kExponential, kCosine };

struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  double gamma = 1;          // Step, exponential.
  int64_t period = 1;        // Step: steps between two reductions.
  int64_t total_steps = 0;   // Cosine: warm-up included.
  double floor = 0;          // Cosine: the last factor.
  int64_t warmup_steps = 0;  // Any kind; 0: none.
};

// The factor of the step that `step` steps precede. A pure function; `schedule` must be valid.
double Factor(const Schedule& schedule, int64_t step);

// InvalidArgument that names the field, its value and its range. Fields that the kind does not use
// are not looked at.
absl::Status Validate(const Schedule& schedule);

}  // namespace perennial::optim

#endif  // PERENNIAL_COMMON_OPTIM_SCHEDULE_H_
