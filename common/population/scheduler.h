// Runs units in parallel, one thread a unit.
//
// Units do not share state, so any number of threads gives the same bits. The most expensive units
// start first, so that threads end at about the same time. A unit runs in short chunks of steps;
// between two chunks the scheduler reports, and stops if it was asked to.
//
//   std::atomic<bool> stop = false;
//   PERENNIAL_RETURN_IF_ERROR(population::RunUnits(units, {.threads = 2, .stop = &stop}));
#ifndef PERENNIAL_COMMON_POPULATION_SCHEDULER_H_
#define PERENNIAL_COMMON_POPULATION_SCHEDULER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>

#include "absl/status/status.h"
#include "common/population/unit.h"

namespace perennial::population {

struct ScheduleOptions {
  int threads = 1;
  // A chunk ends after about this long: the delay of a stop, and the interval of reports.
  double chunk_seconds = 0.1;
  // Becomes true to end after the chunks under way.
  const std::atomic<bool>* stop = nullptr;
  // After each chunk, from the thread that ran it: the unit (index in `units`) and the CPU seconds
  // of the chunk. Calls for one unit never overlap, calls for different units may. An error ends
  // the run.
  std::function<absl::Status(int64_t unit, double cpu_seconds)> after_chunk;
};

// Runs all units that are not finished to their end. Returns the first error of a unit or of
// after_chunk, with the unit's id before it, or Cancelled if `stop` became true first; the other
// threads end after their chunk.
absl::Status RunUnits(std::span<Unit* const> units, const ScheduleOptions& options);

}  // namespace perennial::population

#endif  // PERENNIAL_COMMON_POPULATION_SCHEDULER_H_
