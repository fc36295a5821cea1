// Writes reports to look at: sample_report FILE has every kind of content, sample_report FILE 50 a
// sweep of fifty methods.
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "common/base/file_io.h"
#include "common/report/document.h"
#include "common/report/plotly.h"

namespace perennial::report {
namespace {

LinePlot Curves(const std::string& title, int methods, bool band) {
  LinePlot plot{.title = title, .x_label = "task", .y_label = "average accuracy"};
  const std::vector<std::string> names = {"naive", "joint", "er", "mc_sgd", "ewc", "a_gem"};
  for (int m = 0; m < methods; ++m) {
    LineSeries series{.name = m < 6 ? names[m] : "member " + std::to_string(m)};
    for (int t = 1; t <= 20; ++t) {
      const double value = 0.95 - 0.3 * std::log(1.0 + t * (0.3 + 0.1 * m)) / (2 + 0.2 * m);
      series.x.push_back(t);
      series.y.push_back(value);
      if (!band) continue;
      series.low.push_back(value - 0.004 * t / (1 + m));
      series.high.push_back(value + 0.004 * t / (1 + m));
    }
    plot.series.push_back(series);
  }
  return plot;
}

Heatmap Matrix(const std::string& title, int tasks) {
  Heatmap heatmap{.title = title,
                  .x_label = "task",
                  .y_label = "after task",
                  .value_label = "accuracy",
                  .min = 0,
                  .max = 1};
  for (int i = 0; i < tasks; ++i) {
    heatmap.columns.push_back(std::to_string(i + 1));
    heatmap.rows.push_back(std::to_string(i + 1));
    std::vector<std::optional<double>> row(tasks);
    for (int j = 0; j <= i; ++j) row[j] = 0.9 - 0.5 * std::sqrt((i - j) / 20.0);
    heatmap.values.push_back(row);
  }
  return heatmap;
}

std::string MethodName(int index) {
  return "width_" + std::to_string(1 << (3 + index % 7)) + "_rate_" + std::to_string(index / 7);
}

Document Sweep(int methods) {
  Document document("A sweep", std::to_string(methods) + " methods");
  document.AddSection("Failed units", "These units ended with an error.");
  document.AddTable({.caption = "2 units",
                     .columns = {{"unit"}, {"error"}},
                     .rows = {{"width_8_rate_0.rotated.seed.3",
                               "step 120: the loss is nan; a smaller learning_rate may help"},
                              {"width_8_rate_0.rotated.seed.4", "step 131: the loss is nan"}}});
  document.AddSection("Results");
  Table table{.caption = "Mean and 95 % interval",
              .columns = {{"method"}, {"accuracy", Align::kRight}, {"forgetting", Align::kRight}}};
  BarPlot bars{.title = "average accuracy", .y_label = "average accuracy"};
  LinePlot curves = Curves("Average accuracy (rotated)", methods, true);
  for (int m = 0; m < methods; ++m) {
    curves.series[m].name = MethodName(m);
    const double value = curves.series[m].y.back();
    table.rows.push_back({MethodName(m), std::to_string(value), std::to_string(1 - value)});
    bars.bars.push_back({MethodName(m), "rotated", value, value - 0.01, value + 0.02});
  }
  document.AddTable(table);
  document.AddBarPlot(bars);
  document.AddSection("Learning curves");
  document.AddLinePlot(curves);
  document.AddSection("Matrices");
  for (int m = 0; m < methods; ++m) {
    if (m == 12) document.BeginFold(std::to_string(methods - m) + " more");
    document.AddHeatmap(Matrix(MethodName(m) + ": accuracy matrix (rotated)", 20));
  }
  return document;
}

RowPlot Rows() {
  RowPlot plot{.title = "Differences by covariate", .x_label = "|SMD|", .reference = 0.1};
  plot.series = {{.name = "before"}, {.name = "after"}};
  for (int r = 0; r < 12; ++r) {
    plot.rows.push_back(r == 3 ? "a covariate with a name that is far too long for the axis of a "
                                 "narrow plot, or any plot"
                               : "covariate " + std::to_string(r));
    plot.series[0].values.push_back(0.8 / (1 + r));
    plot.series[1].values.push_back(0.02 * ((5 * r) % 7));
  }
  return plot;
}

LinePlot Histogram() {
  LinePlot plot{.title = "Propensities", .x_label = "propensity", .y_label = "share of the units"};
  plot.steps = true;
  plot.series = {{.name = "in the arm"}, {.name = "others"}};
  for (int k = 0; k < 20; ++k) {
    for (int s = 0; s < 2; ++s) {
      plot.series[s].x.push_back((k + 0.5) / 20);
      plot.series[s].y.push_back(0.12 * std::exp(-0.05 * std::pow(k - 6 - 6 * s, 2)));
    }
  }
  return plot;
}

Document Everything() {
  Document document("MC-SGD and its baselines on rotated Fashion-MNIST",
                    "continual · smoke · 3f2a90c1b7de");
  document.AddSection(
      "Results", "Mean and 95 % interval (Student's t) over three seeds, after the last task.");
  Table table{.caption = "Every method, every metric",
              .columns = {{"method"},
                          {"average accuracy", Align::kRight},
                          {"forgetting", Align::kRight},
                          {"learning accuracy", Align::kRight},
                          {"GFLOP", Align::kRight}}};
  table.rows = {{"naive", "0.412 ± 0.020", "0.431 ± 0.018", "0.842 ± 0.004", "1,240"},
                {"joint", "0.812 ± 0.003", "", "0.845 ± 0.004", "12,900"},
                {"er", "0.631 ± 0.012", "0.211 ± 0.015", "0.835 ± 0.006", "2,480"},
                {"mc_sgd", "0.655 ± 0.010", "0.172 ± 0.013", "0.821 ± 0.005", "7,310"}};
  document.AddTable(table);
  document.AddLinePlot(Curves("Average accuracy over the stream", 4, true));
  BarPlot bars{.title = "Final metrics", .y_label = "fraction"};
  for (int m = 0; m < 4; ++m) {
    const std::string name = table.rows[m][0];
    bars.bars.push_back({name, "average_accuracy", 0.4 + 0.1 * m, 0.38 + 0.1 * m, 0.43 + 0.1 * m});
    bars.bars.push_back({name, "forgetting", 0.4 - 0.1 * m, 0.37 - 0.1 * m, 0.42 - 0.1 * m});
  }
  document.AddBarPlot(bars);
  document.AddSection("Balance");
  document.AddLinePlot(Histogram());
  LinePlot diagonal = Curves("Against a reference", 1, true);
  diagonal.series.push_back({.name = "ideal", .x = {1, 20}, .y = {0.9, 0.6}, .reference = true});
  document.AddLinePlot(diagonal);
  document.AddRowPlot(Rows());
  document.AddSection("Accuracy matrices", "Row: after training on a task. Column: tested on.");
  document.AddHeatmap(Matrix("er, mean over seeds", 20));
  document.AddHeatmap(Matrix("mc_sgd, mean over seeds", 5));
  document.AddLinePlot(Curves("Twelve members", 12, false));
  document.AddSection("Environment");
  document.AddKeyValues("Machine", {{"CPU", "AMD EPYC 9554 64-Core Processor, 2 cores"},
                                    {"BLAS", "MKL 2024.2"},
                                    {"Threads", "2"},
                                    {"Git revision", "0123456789abcdef0123456789abcdef01234567"},
                                    {"Wall time", "93.1 s"},
                                    {"Peak memory", "512 MiB"}});
  std::string config;
  for (int i = 0; i < 30; ++i) config += "field_" + std::to_string(i) + ": <&\"value\">\n";
  document.AddPreformatted("config.textproto", config);
  document.AddPreformatted("overrides", "tasks=20\nseeds=0..2\n");
  return document;
}

int Main(const std::string& path, int methods) {
  const Document document = methods > 0 ? Sweep(methods) : Everything();
  const absl::StatusOr<std::string> plotly = LoadPlotly();
  const absl::Status status =
      plotly.ok() ? base::WriteFileAtomically(path, document.Render(*plotly)) : plotly.status();
  if (!status.ok()) std::cerr << status.message() << "\n";
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace perennial::report

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    std::cerr << "usage: sample_report FILE [METHODS]\n";
    return 1;
  }
  return perennial::report::Main(argv[1], argc == 3 ? std::atoi(argv[2]) : 0);
}
