#include "common/experiment/plan.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/available_memory.h"
#include "common/base/cpu_clock.h"
#include "common/base/status_macros.h"
#include "common/experiment/command_line.h"
#include "common/experiment/progress.h"
#include "common/kernels/peak.h"
#include "common/population/guarded.h"
#include "common/population/scheduler.h"
#include "common/report/table.h"
#include "common/report/terminal_table.h"

namespace perennial::experiment {
namespace {

// Of CPU time for all trials together, and for one.
constexpr double kTrialSeconds = 2;
constexpr double kLongestTrial = 0.2;

// Units of one method and group.
struct Kind {
  std::string name;
  population::Unit* first = nullptr;
  int64_t units = 0;
  int64_t steps = 0;
  population::UnitPlan flops;
  std::optional<double> unit_seconds;  // CPU seconds of one.
};

std::vector<Kind> KindsOf(const std::vector<std::unique_ptr<population::Unit>>& units) {
  std::vector<Kind> kinds;
  const bool several_groups = std::ranges::any_of(
      units, [&](const auto& unit) { return unit->key().group != units[0]->key().group; });
  for (const auto& unit : units) {
    const std::string name = several_groups
                                 ? absl::StrCat(unit->key().method, " (", unit->key().group, ")")
                                 : unit->key().method;
    auto kind = std::ranges::find(kinds, name, &Kind::name);
    if (kind == kinds.end()) kind = kinds.insert(kinds.end(), {.name = name, .first = unit.get()});
    ++kind->units;
    kind->steps += unit->plan().steps;
    kind->flops.training_flops += unit->plan().training_flops;
    kind->flops.replay_flops += unit->plan().replay_flops;
    kind->flops.evaluation_flops += unit->plan().evaluation_flops;
  }
  return kinds;
}

report::Table KindTable(const std::vector<Kind>& kinds) {
  report::Table table = {
      .caption = "",
      .columns = {{"method"}, {"units", report::Align::kRight}, {"steps", report::Align::kRight}}};
  for (const Kind& kind : kinds) {
    table.rows.push_back({kind.name, absl::StrCat(kind.units), absl::StrCat(kind.steps)});
  }
  // What nobody does has no column.
  const auto add = [&](const char* name, const auto& value, const auto& text) {
    if (std::ranges::none_of(kinds, [&](const Kind& kind) { return value(kind) > 0; })) return;
    table.columns.push_back({name, report::Align::kRight});
    for (size_t i = 0; i < kinds.size(); ++i) table.rows[i].push_back(text(value(kinds[i])));
  };
  const auto tflop = [](double flops) { return absl::StrFormat("%.4f", flops / 1e12); };
  add(
      "training TFLOP", [](const Kind& kind) { return kind.flops.training_flops; }, tflop);
  add(
      "replay", [](const Kind& kind) { return kind.flops.replay_flops; }, tflop);
  add(
      "evaluation", [](const Kind& kind) { return kind.flops.evaluation_flops; }, tflop);
  add(
      "CPU seconds",
      [](const Kind& kind) {
        return static_cast<double>(kind.units) * kind.unit_seconds.value_or(0);
      },
      [](double seconds) { return absl::StrFormat("%.2g", seconds); });
  return table;
}

}  // namespace

absl::StatusOr<double> TryUnit(population::Unit& unit, double seconds) {
  const double start = base::ThreadCpuSeconds();
  // The first step makes what the others use, so that it is told apart.
  double first = 0;
  double after_first = 0;
  double elapsed = 0;
  for (int64_t steps = 1; !unit.finished() && (steps == 1 || elapsed < seconds); steps *= 2) {
    PERENNIAL_RETURN_IF_ERROR(population::Guarded([&] { return unit.steps_done() + 1; },
                                                  [&] { return unit.Advance(steps); }));
    unit.TakeEvents();
    elapsed = base::ThreadCpuSeconds() - start;
    if (steps > 1) continue;
    first = elapsed;
    after_first = unit.progress();
  }
  if (unit.finished()) return elapsed;
  const double gained = unit.progress() - after_first;
  if (gained > 0) return first + (elapsed - first) * (1 - after_first) / gained;
  return after_first > 0 ? first / after_first : first * static_cast<double>(unit.plan().steps);
}

absl::StatusOr<std::string> PlanText(const std::vector<std::unique_ptr<population::Unit>>& units,
                                     const std::vector<uint64_t>& seeds, int threads,
                                     const std::atomic<bool>* stop) {
  std::vector<Kind> kinds = KindsOf(units);
  double flops = 0;
  double longest = 0;
  std::vector<population::Unit*> pointers;
  for (const auto& unit : units) {
    pointers.push_back(unit.get());
    flops += unit->plan().total_flops();
    longest = std::max(longest, unit->plan().total_flops());
  }
  const double memory = population::PlannedMemoryBytes(pointers, threads);
  const auto free = static_cast<double>(base::AvailableMemoryBytes());
  const double peak = kernels::MeasureGemmPeak();
  const double floor = std::max(flops / threads, longest) / peak;

  double seconds = 0;
  double longest_seconds = 0;
  std::string failed;
  for (Kind& kind : kinds) {
    if (memory > free) break;
    if (stop != nullptr && *stop) return absl::CancelledError("interrupted");
    const absl::StatusOr<double> tried = TryUnit(
        *kind.first, std::min(kLongestTrial, kTrialSeconds / static_cast<double>(kinds.size())));
    kind.first->Release();
    if (!tried.ok()) {
      absl::StrAppend(&failed, "The trial of ", kind.name, " failed: ", tried.status().message(),
                      "\n");
      continue;
    }
    kind.unit_seconds = *tried;
    seconds += *tried * static_cast<double>(kind.units);
    longest_seconds = std::max(longest_seconds, *tried);
  }
  std::string text =
      absl::StrCat(report::TerminalTable(KindTable(kinds)), "\nSeeds ", SeedsText(seeds), ", ",
                   units.size(), " units, ", threads, threads == 1 ? " thread" : " threads", ".\n");
  if (memory <= free) {
    absl::StrAppendFormat(&text, "About %s, %.3g CPU seconds, judging by a trial of each method.\n",
                          DurationText(std::max(seconds / threads, longest_seconds)), seconds);
  }
  absl::StrAppendFormat(
      &text,
      "%.3f TFLOP of matrix products: at the measured %.1f GFLOP/s a thread at least %s.\n"
      "Units at work take at most %.3g GB of memory; %.3g GB are free.%s\n%s",
      flops / 1e12, peak / 1e9, DurationText(floor), memory / 1e9, free / 1e9,
      memory > free ? " They do not fit: the run would be refused." : "", failed);
  return text;
}

}  // namespace perennial::experiment
