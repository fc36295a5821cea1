#include "common/optim/schedule.h"

#include <cmath>
#include <numbers>

#include "absl/strings/str_cat.h"

namespace perennial::optim {
namespace {

absl::Status OutOfRange(const char* field, double value, const char* range) {
  return absl::InvalidArgumentError(
      absl::StrCat("schedule.", field, " is ", value, "; it must be ", range));
}

}  // namespace

double Factor(const Schedule& schedule, int64_t step) {
  if (step < schedule.warmup_steps) {
    return static_cast<double>(step + 1) / static_cast<double>(schedule.warmup_steps);
  }
  const int64_t t = step - schedule.warmup_steps;
  switch (schedule.kind) {
    case ScheduleKind::kConstant:
      return 1;
    case ScheduleKind::kStep:
      return std::pow(schedule.gamma, static_cast<double>(t / schedule.period));
    case ScheduleKind::kExponential:
      return std::pow(schedule.gamma, static_cast<double>(t));
    case ScheduleKind::kCosine: {
      if (step >= schedule.total_steps) return schedule.floor;
      const double done = static_cast<double>(t) /
                          static_cast<double>(schedule.total_steps - schedule.warmup_steps);
      return schedule.floor + (1 - schedule.floor) * (1 + std::cos(std::numbers::pi * done)) / 2;
    }
  }
  return 1;
}

// Comparisons are written so that NaN is out of range.
absl::Status Validate(const Schedule& schedule) {
  const bool uses_gamma =
      schedule.kind == ScheduleKind::kStep || schedule.kind == ScheduleKind::kExponential;
  if (uses_gamma && !(schedule.gamma > 0 && schedule.gamma <= 1)) {
    return OutOfRange("gamma", schedule.gamma, "in (0, 1]");
  }
  if (schedule.kind == ScheduleKind::kStep && schedule.period < 1) {
    return OutOfRange("period", static_cast<double>(schedule.period), "at least 1");
  }
  if (schedule.warmup_steps < 0) {
    return OutOfRange("warmup_steps", static_cast<double>(schedule.warmup_steps), "at least 0");
  }
  if (schedule.kind == ScheduleKind::kCosine) {
    if (!(schedule.floor >= 0 && schedule.floor <= 1)) {
      return OutOfRange("floor", schedule.floor, "in [0, 1]");
    }
    if (schedule.total_steps <= schedule.warmup_steps) {
      return OutOfRange("total_steps", static_cast<double>(schedule.total_steps),
                        "more than warmup_steps");
    }
  }
  return absl::OkStatus();
}

}  // namespace perennial::optim
