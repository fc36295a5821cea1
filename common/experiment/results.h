// From the results of units to the tables, the summary and the report of a run.
#ifndef PERENNIAL_COMMON_EXPERIMENT_RESULTS_H_
#define PERENNIAL_COMMON_EXPERIMENT_RESULTS_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/experiment/line.h"
#include "common/population/unit.h"
#include "common/record/summary.h"
#include "common/report/table.h"

namespace perennial::experiment {

struct FinishedUnit {
  population::UnitKey key;
  population::UnitPlan plan;
  population::UnitResults results;
  double cpu_seconds = 0;  // Over all sittings.
};

// What a run cost. Times depend on the machine and never enter the summary.
struct MethodCost {
  std::string method;
  std::string group;
  double flops = 0;
  double cpu_seconds = 0;
  double floor_seconds = 0;  // flops at the measured GEMM peak.
};

// One result for each (method, group, metric), in the order of first appearance, with one value a
// replicate. Two units of the same key are a programmer's error.
std::vector<record::SummaryResult> Summarize(const std::vector<FinishedUnit>& units);

std::vector<MethodCost> Costs(const std::vector<FinishedUnit>& units, double gemm_peak);

// Methods by headline metrics: mean and 95 % interval. Metrics that no method has are left out; a
// cell is a dash where a method has none.
absl::StatusOr<report::Table> HeadlineTable(const std::vector<record::SummaryResult>& results,
                                            const std::vector<Headline>& headlines);

// Methods by FLOPs, CPU seconds, floor and their ratio.
report::Table CostTable(const std::vector<MethodCost>& costs);

// What the report shows beside results.
struct ReportContext {
  std::string title;
  std::string subtitle;
  std::string config_text;
  std::vector<std::pair<std::string, std::string>> environment;
  double gemm_peak = 0;
};

// The report as one HTML file.
absl::StatusOr<std::string> ReportHtml(const std::vector<FinishedUnit>& units,
                                       const std::vector<Headline>& headlines,
                                       const ReportContext& context);

}  // namespace perennial::experiment

#endif  // PERENNIAL_COMMON_EXPERIMENT_RESULTS_H_
