// Runs units in parallel, one thread a unit.
//
// Units do not share state, so any number of threads gives the same bits. Units that have begun
// start first, then the most expensive ones, so that threads end at about the same time. A unit
// runs in short chunks of steps; between two chunks the scheduler reports, and stops if it was
// asked to. A unit takes its memory when it starts and gives it back when it has ended, so at most
// one unit a thread holds some; the scheduler adds up what those will need and refuses to start
// what does not fit. Threads that find no unit to start do side work of those under way
// (SpareThreads) until all have ended.
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
#include "common/base/available_memory.h"
#include "common/population/unit.h"

namespace perennial::population {

struct ScheduleOptions {
  int threads = 1;
  // A chunk ends after about this long: the delay of a stop, and the interval of reports.
  double chunk_seconds = 0.1;
  // What the units at work may take together; by default what the machine has left.
  int64_t memory_bytes = base::AvailableMemoryBytes();
  // Becomes true to end after the chunks under way.
  const std::atomic<bool>* stop = nullptr;
  // After each chunk, from the thread that ran it: the unit (index in `units`) and the CPU seconds
  // of the chunk and of side work that ended since the last call. When the unit has finished, all
  // of it has; when the run ends before, there is one more call if some ended after the last chunk.
  // Calls for one unit never overlap, calls for different units may. An error ends the run.
  std::function<absl::Status(int64_t unit, double cpu_seconds)> after_chunk;
  // If set, a unit that fails (its Advance returns an error or throws) is told here, from its
  // thread, and released; the others go on unless this returns an error. If not, it ends the run.
  std::function<absl::Status(int64_t unit, const absl::Status& error)> after_failure;
};

// What the units that have not ended may take at a time: the plans of those that have begun and
// were loaded, or of the largest that run together.
double PlannedMemoryBytes(std::span<Unit* const> units, int threads);

// ResourceExhausted, with the estimate, if that is more than `memory_bytes`. RunUnits asks too.
absl::Status CheckMemory(std::span<Unit* const> units, int threads, int64_t memory_bytes);

// Runs all units that are not finished to their end, and releases each then, on `threads` threads,
// of which the caller's is one. Returns ResourceExhausted before anything is allocated if the units
// need more than options.memory_bytes; the first error of a unit or of a callback, with the unit's
// id before it; or Cancelled if `stop` became true first; the other threads end after their chunk.
// Whatever it returns, all side work has ended.
absl::Status RunUnits(std::span<Unit* const> units, const ScheduleOptions& options);

}  // namespace perennial::population

#endif  // PERENNIAL_COMMON_POPULATION_SCHEDULER_H_
