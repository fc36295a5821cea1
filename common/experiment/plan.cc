#include "common/experiment/plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/available_memory.h"
#include "common/experiment/command_line.h"
#include "common/experiment/progress.h"
#include "common/kernels/peak.h"
#include "common/population/scheduler.h"
#include "common/report/table.h"
#include "common/report/terminal_table.h"

namespace perennial::experiment {
namespace {

// The share of the GEMM peak that training reaches as a rule; for estimates only.
constexpr double kUsualFloorShare = 0.7;

}  // namespace

std::string PlanText(const std::vector<std::unique_ptr<population::Unit>>& units,
                     const std::vector<uint64_t>& seeds, int threads) {
  struct Total {
    int64_t units = 0;
    int64_t steps = 0;
    population::UnitPlan flops;
  };
  std::vector<std::pair<std::string, Total>> methods;
  double all = 0;
  double longest = 0;
  const bool several_groups = std::ranges::any_of(
      units, [&](const auto& unit) { return unit->key().group != units[0]->key().group; });
  for (const auto& unit : units) {
    const std::string name = several_groups
                                 ? absl::StrCat(unit->key().method, " (", unit->key().group, ")")
                                 : unit->key().method;
    auto total = std::ranges::find(methods, name, &std::pair<std::string, Total>::first);
    if (total == methods.end()) total = methods.insert(methods.end(), {name, {}});
    ++total->second.units;
    total->second.steps += unit->plan().steps;
    total->second.flops.training_flops += unit->plan().training_flops;
    total->second.flops.replay_flops += unit->plan().replay_flops;
    total->second.flops.evaluation_flops += unit->plan().evaluation_flops;
    all += unit->plan().total_flops();
    longest = std::max(longest, unit->plan().total_flops());
  }
  report::Table table = {.caption = "",
                         .columns = {{"method"},
                                     {"units", report::Align::kRight},
                                     {"steps", report::Align::kRight},
                                     {"training TFLOP", report::Align::kRight},
                                     {"replay", report::Align::kRight},
                                     {"evaluation", report::Align::kRight}}};
  for (const auto& [name, total] : methods) {
    table.rows.push_back({name, absl::StrCat(total.units), absl::StrCat(total.steps),
                          absl::StrFormat("%.4f", total.flops.training_flops / 1e12),
                          absl::StrFormat("%.4f", total.flops.replay_flops / 1e12),
                          absl::StrFormat("%.4f", total.flops.evaluation_flops / 1e12)});
  }
  std::vector<population::Unit*> pointers;
  for (const auto& unit : units) pointers.push_back(unit.get());
  const double memory = population::PlannedMemoryBytes(pointers, threads);
  const auto free = static_cast<double>(base::AvailableMemoryBytes());
  const double peak = kernels::MeasureGemmPeak();
  const double floor = std::max(all / threads, longest) / peak;
  return absl::StrCat(
      report::TerminalTable(table), "\nSeeds ", SeedsText(seeds), ", ", units.size(), " units, ",
      threads, threads == 1 ? " thread" : " threads", ".\n",
      absl::StrFormat(
          "%.3f TFLOP; at the measured %.1f GFLOP/s a thread at least %s, about %s as a "
          "rule.\nUnits at work take at most %.3g GB of memory; %.3g GB are free.%s\n",
          all / 1e12, peak / 1e9, DurationText(floor), DurationText(floor / kUsualFloorShare),
          memory / 1e9, free / 1e9,
          memory > free ? " They do not fit: the run would be refused." : ""));
}

}  // namespace perennial::experiment
