// A unit: what trains together, and what a run is a list of.
//
// One network, the two or three rows of a method that are coupled, a cell of a sweep, a
// realisation: each is a unit. A unit is a pure function of its configuration and identity. It says
// beforehand what it will cost, runs in steps, saves and loads its state between any two steps, and
// yields results. It takes its memory at the first step. It uses one thread at a time and keys its
// random streams by identity, never by position in a list, so that results are the same bits
// however units are grouped, ordered or interrupted. What need not be waited for at once it may
// give to threads of the run that have nothing to do.
//
//   while (unit.steps_done() < unit.plan().steps) PERENNIAL_RETURN_IF_ERROR(unit.Advance(100));
//   for (const Measurement& m : unit.Results().measurements) ...
#ifndef PERENNIAL_COMMON_POPULATION_UNIT_H_
#define PERENNIAL_COMMON_POPULATION_UNIT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace perennial::population {

// Names are lower_snake_case.
struct UnitKey {
  std::string method;     // "mc_sgd"
  std::string group;      // "rotated": what methods are compared within
  std::string over;       // "seed", "realisation", "setting" or "task"
  std::string replicate;  // "0"

  // "mc_sgd.rotated.seed.0": unique in a run; a valid file name.
  std::string Id() const;
};

// What a unit will do. Floating-point operations count matrix products only, two a multiply-add.
struct UnitPlan {
  int64_t steps = 0;
  double training_flops = 0;    // On data of the current task or epoch.
  double replay_flops = 0;      // On stored examples.
  double evaluation_flops = 0;  // Forward passes that measure.
  // At most taken between the first step and Release; what units share may be counted in each.
  double memory_bytes = 0;
  double total_flops() const { return training_flops + replay_flops + evaluation_flops; }
};

// Results stand under the unit's method, unless they name another: a unit may compare several
// things of its own (the solutions of one study, say).
struct Measurement {
  std::string metric;  // "average_accuracy"
  std::string unit;    // "fraction"
  double value = 0;
  std::string method = {};
};

struct Curve {
  std::string name;  // Curves of equal name are drawn in one plot.
  std::string x_label;
  std::string y_label;
  std::vector<double> x;
  std::vector<double> y;
  std::string method = {};
};

struct Matrix {
  std::string name;
  std::string row_label;
  std::string column_label;
  std::vector<std::vector<std::optional<double>>> values;
  // Of rows and columns; empty: they are counted from 1.
  std::vector<std::string> names = {};
};

struct UnitResults {
  std::vector<Measurement> measurements;  // What is undefined is absent.
  std::vector<Curve> curves;
  std::vector<Matrix> matrices;
};

// A line of metrics.jsonl.
struct Event {
  int64_t step = 0;
  std::vector<std::pair<std::string, double>> values;
};

// The threads of a run that have no unit to run, as one unit sees them.
//
//   using Task = std::packaged_task<double()>;
//   auto task = std::make_shared<Task>([snapshot] { return Test(snapshot); });
//   accuracy_ = task->get_future();
//   const auto work = [task] { (*task)(); };
//   if (spare_ == nullptr || !spare_->TryRun(work)) work();
//   ...
//   accuracy_.get()  // Where the number is needed; throws what Test threw.
class SpareThreads {
 public:
  virtual ~SpareThreads() = default;

  // Gives `work` to a thread that is free at this moment; false if none is, and the caller does it
  // itself: no number may depend on who does. What is given away is run and destroyed before the
  // unit is released and before the run returns, and its CPU time counts as the unit's. It must not
  // throw, nor wait for the unit's thread, which may wait for it anywhere.
  virtual bool TryRun(std::function<void()> work) = 0;
};

class Unit {
 public:
  virtual ~Unit() = default;

  virtual const UnitKey& key() const = 0;
  virtual const UnitPlan& plan() const = 0;

  virtual int64_t steps_done() const = 0;
  // Share of the planned floating-point operations done so far, in [0, 1].
  virtual double progress() const = 0;
  // Up to `steps` steps more, at least one; fewer at the end. An error (a loss that is not a
  // number) ends the unit: its state is not good for anything then, its events are.
  virtual absl::Status Advance(int64_t steps) = 0;
  // What was measured since the last call.
  virtual std::vector<Event> TakeEvents() = 0;

  // Before the first Advance of a run: `spare` may be used until the call with null, which comes
  // when the run is done with the unit and all that was given away has ended. Each other call can
  // come while some is under way.
  virtual void UseSpareThreads(SpareThreads* /*spare*/) {}

  // Waits for what was given away, so that the events and the state are those of steps_done().
  // Before Save. An error is the one that the next Advance returns.
  virtual absl::Status Settle() { return absl::OkStatus(); }

  // Everything that the next steps depend on, as bytes; events not yet taken are not part of it.
  virtual absl::StatusOr<std::string> Save() const = 0;
  // Into a unit made from the same configuration and identity. Untrusted: InvalidArgument or
  // DataLoss if the bytes are not such a state.
  virtual absl::Status Load(absl::string_view state) = 0;

  // After the last step.
  virtual UnitResults Results() const = 0;

  // The unit has ended and its state was saved, or it has failed: gives back its memory. Only
  // Results (of one that has ended), key, plan and progress are asked for afterwards.
  virtual void Release() {}

  bool finished() const { return steps_done() >= plan().steps; }
};

}  // namespace perennial::population

#endif  // PERENNIAL_COMMON_POPULATION_UNIT_H_
