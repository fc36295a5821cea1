#include "common/experiment/results.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/report/document.h"
#include "common/report/plotly.h"
#include "common/stats/summary.h"

namespace perennial::experiment {
namespace {

using record::SummaryResult;

const SummaryResult* Find(const std::vector<SummaryResult>& results, const std::string& method,
                          const std::string& group, const std::string& metric) {
  for (const SummaryResult& result : results) {
    if (result.method == method && result.group == group && result.metric == metric) return &result;
  }
  return nullptr;
}

// (group, method) in the order of first appearance.
std::vector<std::pair<std::string, std::string>> Methods(
    const std::vector<SummaryResult>& results) {
  std::vector<std::pair<std::string, std::string>> methods;
  for (const SummaryResult& result : results) {
    const std::pair<std::string, std::string> method = {result.group, result.method};
    if (std::ranges::find(methods, method) == methods.end()) methods.push_back(method);
  }
  return methods;
}

bool SeveralGroups(const std::vector<std::pair<std::string, std::string>>& methods) {
  return std::ranges::any_of(methods, [&](const auto& m) { return m.first != methods[0].first; });
}

std::string IntervalText(const stats::Summary& summary) {
  if (!summary.ci95.has_value()) return absl::StrFormat("%.3f", summary.mean);
  return absl::StrFormat("%.3f [%.3f, %.3f]", summary.mean, summary.ci95->low, summary.ci95->high);
}

// A curve's mean over replicates, and the band of its 95 % interval where there are two or more.
struct CurvePoints {
  std::vector<double> x;
  std::vector<std::vector<double>> y;  // [point][replicate]
};

absl::Status AddCurves(const std::vector<FinishedUnit>& units, report::Document& document) {
  // Plot (group and curve name) -> method -> points, all in the order of first appearance.
  std::vector<std::string> titles;
  std::map<std::string, report::LinePlot> plots;
  std::map<std::pair<std::string, std::string>, CurvePoints> curves;
  std::map<std::string, std::vector<std::string>> methods;
  for (const FinishedUnit& unit : units) {
    for (const population::Curve& curve : unit.results.curves) {
      const std::string title = absl::StrCat(curve.name, " (", unit.key.group, ")");
      if (!plots.contains(title)) {
        titles.push_back(title);
        plots[title] = {.title = title, .x_label = curve.x_label, .y_label = curve.y_label};
      }
      CurvePoints& points = curves[{title, unit.key.method}];
      if (points.y.empty()) {
        points.x = curve.x;
        points.y.resize(curve.x.size());
        methods[title].push_back(unit.key.method);
      }
      CHECK_EQ(points.x.size(), curve.x.size()) << title << ": replicates differ in length";
      for (size_t i = 0; i < curve.y.size(); ++i) points.y[i].push_back(curve.y[i]);
    }
  }
  for (const std::string& title : titles) {
    report::LinePlot& plot = plots[title];
    for (const std::string& method : methods[title]) {
      const CurvePoints& points = curves[{title, method}];
      report::LineSeries series = {.name = method, .x = points.x};
      for (const std::vector<double>& replicates : points.y) {
        PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary summary, stats::Summarize(replicates));
        series.y.push_back(summary.mean);
        if (!summary.ci95.has_value()) continue;
        series.low.push_back(summary.ci95->low);
        series.high.push_back(summary.ci95->high);
      }
      plot.series.push_back(std::move(series));
    }
    document.AddLinePlot(plot);
  }
  return absl::OkStatus();
}

void AddMatrices(const std::vector<FinishedUnit>& units, report::Document& document) {
  struct Mean {
    const population::Matrix* first = nullptr;
    std::vector<std::vector<std::pair<double, int>>> cells;  // sum, count
  };
  std::vector<std::string> titles;
  std::map<std::string, Mean> means;
  for (const FinishedUnit& unit : units) {
    for (const population::Matrix& matrix : unit.results.matrices) {
      const std::string title =
          absl::StrCat(unit.key.method, ": ", matrix.name, " (", unit.key.group, ")");
      Mean& mean = means[title];
      if (mean.first == nullptr) {
        titles.push_back(title);
        mean.first = &matrix;
        for (const auto& row : matrix.values) mean.cells.emplace_back(row.size());
      }
      CHECK_EQ(mean.cells.size(), matrix.values.size()) << title << ": replicates differ in shape";
      for (size_t r = 0; r < matrix.values.size(); ++r) {
        for (size_t c = 0; c < matrix.values[r].size(); ++c) {
          if (!matrix.values[r][c].has_value()) continue;
          mean.cells[r][c].first += *matrix.values[r][c];
          ++mean.cells[r][c].second;
        }
      }
    }
  }
  for (const std::string& title : titles) {
    const Mean& mean = means[title];
    report::Heatmap heatmap = {.title = title,
                               .x_label = mean.first->column_label,
                               .y_label = mean.first->row_label,
                               .value_label = "mean",
                               .min = 0,
                               .max = 1};
    for (size_t r = 0; r < mean.cells.size(); ++r) {
      heatmap.rows.push_back(absl::StrCat(r + 1));
      heatmap.values.emplace_back();
      for (const auto& [sum, count] : mean.cells[r]) {
        heatmap.values.back().push_back(count == 0 ? std::optional<double>() : sum / count);
      }
    }
    for (size_t c = 0; !mean.cells.empty() && c < mean.cells[0].size(); ++c) {
      heatmap.columns.push_back(absl::StrCat(c + 1));
    }
    document.AddHeatmap(heatmap);
  }
}

absl::Status AddBars(const std::vector<SummaryResult>& results,
                     const std::vector<Headline>& headlines, report::Document& document) {
  for (const Headline& headline : headlines) {
    report::BarPlot plot = {.title = headline.label, .y_label = headline.label};
    for (const SummaryResult& result : results) {
      if (result.metric != headline.metric) continue;
      PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary summary, record::Statistics(result));
      report::Bar bar = {.series = result.method, .group = result.group, .value = summary.mean};
      if (summary.ci95.has_value()) {
        bar.low = summary.ci95->low;
        bar.high = summary.ci95->high;
      }
      plot.bars.push_back(std::move(bar));
    }
    if (!plot.bars.empty()) document.AddBarPlot(plot);
  }
  return absl::OkStatus();
}

// Every metric that is not in the headline table: mean over replicates.
absl::StatusOr<report::Table> DetailTable(const std::vector<SummaryResult>& results,
                                          const std::vector<Headline>& headlines) {
  report::Table table = {.caption = "Everything else that was measured: mean over replicates"};
  std::vector<std::string> metrics;
  for (const SummaryResult& result : results) {
    if (std::ranges::find(headlines, result.metric, &Headline::metric) != headlines.end()) continue;
    if (std::ranges::find(metrics, result.metric) == metrics.end()) {
      metrics.push_back(result.metric);
    }
  }
  const auto methods = Methods(results);
  table.columns.push_back({"method"});
  for (const std::string& metric : metrics)
    table.columns.push_back({metric, report::Align::kRight});
  for (const auto& [group, method] : methods) {
    table.rows.push_back(
        {SeveralGroups(methods) ? absl::StrCat(method, " (", group, ")") : method});
    for (const std::string& metric : metrics) {
      const SummaryResult* result = Find(results, method, group, metric);
      std::string cell = "–";
      if (result != nullptr) {
        PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary summary, record::Statistics(*result));
        cell = absl::StrFormat("%.4g", summary.mean);
      }
      table.rows.back().push_back(std::move(cell));
    }
  }
  return table;
}

}  // namespace

std::vector<SummaryResult> Summarize(const std::vector<FinishedUnit>& units) {
  std::vector<SummaryResult> results;
  std::map<std::string, size_t> places;
  for (const FinishedUnit& unit : units) {
    for (const population::Measurement& measurement : unit.results.measurements) {
      const std::string key =
          absl::StrCat(unit.key.group, "\n", unit.key.method, "\n", measurement.metric);
      const auto [place, added] = places.emplace(key, results.size());
      if (added) {
        results.push_back({.method = unit.key.method,
                           .group = unit.key.group,
                           .metric = measurement.metric,
                           .unit = measurement.unit,
                           .over = unit.key.over});
      }
      const bool unique =
          results[place->second].values.emplace(unit.key.replicate, measurement.value).second;
      CHECK(unique) << "two units " << unit.key.Id();
    }
  }
  return results;
}

std::vector<MethodCost> Costs(const std::vector<FinishedUnit>& units, double gemm_peak) {
  std::vector<MethodCost> costs;
  for (const FinishedUnit& unit : units) {
    auto cost = std::ranges::find_if(costs, [&](const MethodCost& c) {
      return c.method == unit.key.method && c.group == unit.key.group;
    });
    if (cost == costs.end()) {
      costs.push_back({.method = unit.key.method, .group = unit.key.group});
      cost = costs.end() - 1;
    }
    cost->flops += unit.plan.total_flops();
    cost->cpu_seconds += unit.cpu_seconds;
    cost->floor_seconds += unit.plan.total_flops() / gemm_peak;
  }
  return costs;
}

absl::StatusOr<report::Table> HeadlineTable(const std::vector<SummaryResult>& results,
                                            const std::vector<Headline>& headlines) {
  size_t replicates = 0;
  for (const SummaryResult& result : results) {
    replicates = std::max(replicates, result.values.size());
  }
  report::Table table = {.caption = replicates > 1
                                        ? absl::StrCat("Mean and 95 % t-interval of the mean over ",
                                                       replicates, " ", results[0].over, "s")
                                        : std::string("One replicate: no interval")};
  table.columns.push_back({"method"});
  std::vector<Headline> shown;
  for (const Headline& headline : headlines) {
    if (std::ranges::find(results, headline.metric, &SummaryResult::metric) == results.end()) {
      continue;
    }
    shown.push_back(headline);
    table.columns.push_back({headline.label, report::Align::kRight});
  }
  const auto methods = Methods(results);
  for (const auto& [group, method] : methods) {
    table.rows.push_back(
        {SeveralGroups(methods) ? absl::StrCat(method, " (", group, ")") : method});
    for (const Headline& headline : shown) {
      const SummaryResult* result = Find(results, method, group, headline.metric);
      if (result == nullptr) {
        table.rows.back().push_back("–");
        continue;
      }
      PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary summary, record::Statistics(*result));
      table.rows.back().push_back(IntervalText(summary));
    }
  }
  return table;
}

report::Table CostTable(const std::vector<MethodCost>& costs) {
  report::Table table = {
      .caption =
          "CPU seconds of all replicates; the floor is their matrix products at the GEMM "
          "peak measured in this run",
      .columns = {{"method"},
                  {"TFLOP", report::Align::kRight},
                  {"CPU seconds", report::Align::kRight},
                  {"floor, seconds", report::Align::kRight},
                  {"floor / CPU", report::Align::kRight}}};
  for (const MethodCost& cost : costs) {
    table.rows.push_back(
        {cost.method, absl::StrFormat("%.3f", cost.flops / 1e12),
         absl::StrFormat("%.2f", cost.cpu_seconds), absl::StrFormat("%.2f", cost.floor_seconds),
         cost.cpu_seconds > 0
             ? absl::StrFormat("%.0f %%", 100 * cost.floor_seconds / cost.cpu_seconds)
             : "–"});
  }
  return table;
}

absl::StatusOr<std::string> ReportHtml(const std::vector<FinishedUnit>& units,
                                       const std::vector<Headline>& headlines,
                                       const ReportContext& context) {
  const std::vector<SummaryResult> results = Summarize(units);
  report::Document document(context.title, context.subtitle);
  document.AddSection("Results");
  PERENNIAL_ASSIGN_OR_RETURN(const report::Table table, HeadlineTable(results, headlines));
  document.AddTable(table);
  PERENNIAL_RETURN_IF_ERROR(AddBars(results, headlines, document));
  document.AddSection(
      "Learning curves",
      "Mean over replicates; the band is its 95 % interval by Student's t, which is "
      "wide for few replicates.");
  PERENNIAL_RETURN_IF_ERROR(AddCurves(units, document));
  document.AddSection("Matrices", "Mean over replicates.");
  AddMatrices(units, document);
  document.AddSection(
      "Cost", absl::StrFormat("GEMM peak of one thread: %.1f GFLOP/s.", context.gemm_peak / 1e9));
  document.AddTable(CostTable(Costs(units, context.gemm_peak)));
  PERENNIAL_ASSIGN_OR_RETURN(const report::Table details, DetailTable(results, headlines));
  document.AddTable(details);
  document.AddSection("How it was made");
  document.AddKeyValues("Environment", context.environment);
  document.AddPreformatted("config.textproto", context.config_text);
  PERENNIAL_ASSIGN_OR_RETURN(const std::string plotly, report::LoadPlotly());
  return document.Render(plotly);
}

}  // namespace perennial::experiment
