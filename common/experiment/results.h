// From the results of units to the tables, the summary and the report of a run.
#ifndef PERENNIAL_COMMON_EXPERIMENT_RESULTS_H_
#define PERENNIAL_COMMON_EXPERIMENT_RESULTS_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/experiment/finished_unit.h"
#include "common/experiment/line.h"
#include "common/record/summary.h"
#include "common/report/document.h"
#include "common/report/table.h"

namespace perennial::experiment {

// What a run cost. Times depend on the machine and never enter the summary.
struct MethodCost {
  std::string method;
  std::string group;
  double training_flops = 0;
  double replay_flops = 0;
  double evaluation_flops = 0;
  double cpu_seconds = 0;
  double floor_seconds = 0;  // All operations at the measured GEMM peak.
  int replicates = 0;
};

// One result for each (method, group, metric), in the order of first appearance, with one value a
// replicate. Two units of the same key are a programmer's error.
std::vector<record::SummaryResult> Summarize(const std::vector<FinishedUnit>& units);

std::vector<MethodCost> Costs(const std::vector<FinishedUnit>& units, double gemm_peak);

// Methods by headline metrics: mean and 95 % interval. A group of four methods or more has a table
// of its own; smaller groups share one with those of the same metrics, methods named with their
// group. Metrics that no method has are left out, and so are methods without any; a cell is a
// dash where a method has none. If units failed, a column says of how many replicates a method has
// values, and methods that failed altogether have a row. At least one table.
absl::StatusOr<std::vector<report::Table>> HeadlineTables(
    const std::vector<record::SummaryResult>& results, const std::vector<Headline>& headlines,
    const std::vector<record::FailedUnit>& failed = {});

// Everything that was measured, one row a result, as numbers to compute with: group, method,
// metric, unit, over, n, mean, median, sd, ci95_low, ci95_high. Empty where undefined.
absl::StatusOr<report::Table> ResultsTable(const std::vector<record::SummaryResult>& results);

// Methods by TFLOP, CPU seconds, floor and their ratio.
report::Table CostTable(const std::vector<MethodCost>& costs);

// What one replicate takes, beside what it brings: methods by the first of `headlines`, `counts`
// (metrics of what was used: passes, stored examples), and CPU seconds, all means over replicates.
// No columns but the method's if there are no counts.
absl::StatusOr<report::Table> ReplicateCostTable(const std::vector<record::SummaryResult>& results,
                                                 const std::vector<Headline>& headlines,
                                                 const std::vector<Headline>& counts,
                                                 const std::vector<MethodCost>& costs);

// What the report shows beside results.
struct ReportContext {
  std::string title;
  std::string subtitle;
  std::string config_text;
  std::vector<std::pair<std::string, std::string>> environment;
  double gemm_peak = 0;
  std::vector<Headline> counts = {};  // See ReplicateCostTable.
  std::vector<record::FailedUnit> failed;
  std::vector<Finding> findings = {};
  // Adds what a line shows of its own, after the results; may be empty.
  std::function<absl::Status(report::Document&)> add_plots;
};

struct RunReport {
  std::string html;  // One file.
  std::vector<report::PlotNumbers> plots;
};

// A curve's mean at a point is over the replicates that have a value there: by place if all of a
// method's replicates have the same x, else by x in rising order. A matrix' cell likewise; matrices
// of nothing but zeros are left out.
absl::StatusOr<RunReport> MakeReport(const std::vector<FinishedUnit>& units,
                                     const std::vector<Headline>& headlines,
                                     const ReportContext& context);

// Writes <run folder>/plots/<name>.csv for each plot and removes those of plots that are no more.
absl::Status WritePlots(const std::vector<report::PlotNumbers>& plots,
                        absl::string_view run_folder);

}  // namespace perennial::experiment

#endif  // PERENNIAL_COMMON_EXPERIMENT_RESULTS_H_
