#include "common/experiment/results.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "common/base/file_io.h"
#include "common/base/json_text.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/population/unit.h"
#include "common/report/plotly.h"
#include "common/stats/summary.h"

namespace perennial::experiment {
namespace {

using record::SummaryResult;

constexpr char kNothing[] = "–";
constexpr char kPlotFolder[] = "plots";
constexpr char kPlotSuffix[] = ".csv";
// More matrices than these are folded away.
constexpr size_t kUnfoldedMatrices = 12;
// Longer curves are drawn without a dot at each point.
constexpr size_t kMostDots = 50;
// A group of so many methods has a table of its own.
constexpr size_t kMethodsOfOwnTable = 4;
// More failed units than these are counted only.
constexpr size_t kListedFailures = 100;

// Under which method a result of a unit stands.
const std::string& MethodOf(const FinishedUnit& unit, const std::string& named) {
  return named.empty() ? unit.key.method : named;
}

// Results by (group, method, metric), and what there is of each in the order of first appearance.
class Results {
 public:
  explicit Results(const std::vector<SummaryResult>& results) {
    std::set<std::pair<std::string, std::string>> known;
    for (const SummaryResult& result : results) {
      by_key_.emplace(std::tuple(result.group, result.method, result.metric), &result);
      if (known.emplace(result.group, result.method).second) {
        methods_.emplace_back(result.group, result.method);
      }
    }
  }

  // (group, method)
  const std::vector<std::pair<std::string, std::string>>& methods() const { return methods_; }

  const SummaryResult* Find(const std::string& group, const std::string& method,
                            const std::string& metric) const {
    const auto found = by_key_.find(std::tie(group, method, metric));
    return found == by_key_.end() ? nullptr : found->second;
  }

 private:
  std::map<std::tuple<std::string, std::string, std::string>, const SummaryResult*> by_key_;
  std::vector<std::pair<std::string, std::string>> methods_;
};

bool SeveralGroups(const std::vector<std::pair<std::string, std::string>>& methods) {
  return std::ranges::any_of(methods, [&](const auto& m) { return m.first != methods[0].first; });
}

std::string MethodLabel(const std::pair<std::string, std::string>& group_and_method, bool several) {
  const auto& [group, method] = group_and_method;
  return several ? absl::StrCat(method, " (", group, ")") : method;
}

std::string IntervalText(const stats::Summary& summary) {
  if (!summary.ci95.has_value()) return absl::StrFormat("%.3f", summary.mean);
  return absl::StrFormat("%.3f [%.3f, %.3f]", summary.mean, summary.ci95->low, summary.ci95->high);
}

std::string TflopText(double flops) {
  if (flops == 0) return kNothing;
  return absl::StrFormat(flops < 1e15 ? "%.3g" : "%.0f", flops / 1e12);
}

// The replicates' values at each x.
struct CurvePoints {
  std::vector<double> x;
  std::vector<std::vector<double>> values;
};

// Sets `ragged` if a replicate has no value at some point.
CurvePoints PointsOf(const std::vector<const population::Curve*>& replicates, bool* ragged) {
  CurvePoints points;
  const bool same_x = std::ranges::all_of(
      replicates, [&](const population::Curve* curve) { return curve->x == replicates[0]->x; });
  if (same_x) {
    points.x = replicates[0]->x;
    points.values.resize(points.x.size());
    for (const population::Curve* curve : replicates) {
      for (size_t i = 0; i < curve->y.size(); ++i) {
        if (std::isfinite(curve->y[i])) points.values[i].push_back(curve->y[i]);
      }
    }
  } else {
    // By x and, where a replicate has it more than once, by which time it is.
    std::map<std::pair<double, int>, std::vector<double>> by_x;
    for (const population::Curve* curve : replicates) {
      std::map<double, int> times;
      for (size_t i = 0; i < curve->x.size(); ++i) {
        if (!std::isfinite(curve->x[i]) || !std::isfinite(curve->y[i])) continue;
        by_x[{curve->x[i], times[curve->x[i]]++}].push_back(curve->y[i]);
      }
    }
    for (auto& [key, values] : by_x) {
      points.x.push_back(key.first);
      points.values.push_back(std::move(values));
    }
  }
  for (const std::vector<double>& values : points.values) {
    if (values.size() != replicates.size()) *ragged = true;
  }
  return points;
}

absl::StatusOr<report::LineSeries> MeanCurve(
    const std::string& name, const std::vector<const population::Curve*>& replicates,
    bool* ragged) {
  constexpr double kGap = std::numeric_limits<double>::quiet_NaN();
  CurvePoints points = PointsOf(replicates, ragged);
  report::LineSeries series = {.name = name, .x = std::move(points.x)};
  bool band = false;
  for (const std::vector<double>& values : points.values) {
    stats::Summary summary = {.mean = kGap};
    if (!values.empty()) {
      PERENNIAL_ASSIGN_OR_RETURN(summary, stats::Summarize(values));
    }
    series.n.push_back(summary.n);
    series.y.push_back(summary.mean);
    series.low.push_back(summary.ci95.has_value() ? summary.ci95->low : kGap);
    series.high.push_back(summary.ci95.has_value() ? summary.ci95->high : kGap);
    band = band || summary.ci95.has_value();
  }
  if (!band) {
    series.low.clear();
    series.high.clear();
  }
  return series;
}

// The curves' name if there is one, else what they run over, if that is one: "Curves over alpha"
// for "alpha: 0 its start".
std::string CurvesTitle(const std::set<std::string>& names, const std::set<std::string>& labels) {
  if (names.size() == 1) {
    std::string title = *names.begin();
    if (!title.empty()) title[0] = absl::ascii_toupper(static_cast<unsigned char>(title[0]));
    return title;
  }
  if (labels.size() > 1) return "Curves";
  return absl::StrCat("Curves over ", labels.begin()->substr(0, labels.begin()->find(':')));
}

absl::Status AddCurves(const std::vector<FinishedUnit>& units, report::Document& document) {
  // All in the order of first appearance.
  struct Method {
    std::string name;
    std::vector<const population::Curve*> replicates;
  };
  struct Plot {
    std::string title;
    std::vector<Method> methods;
    std::map<std::string, size_t> places;
  };
  std::vector<Plot> plots;
  std::map<std::string, size_t> places;
  std::set<std::string> names;
  std::set<std::string> labels;
  for (const FinishedUnit& unit : units) {
    for (const population::Curve& curve : unit.results.curves) {
      names.insert(curve.name);
      labels.insert(curve.x_label);
      CHECK_EQ(curve.x.size(), curve.y.size()) << unit.key.Id() << ": " << curve.name;
      const std::string title = absl::StrCat(curve.name, " (", unit.key.group, ")");
      const auto [place, added] = places.emplace(title, plots.size());
      if (added) plots.push_back({.title = title});
      Plot& plot = plots[place->second];
      const std::string& name = MethodOf(unit, curve.method);
      const auto [method, new_method] = plot.places.emplace(name, plot.methods.size());
      if (new_method) plot.methods.push_back({.name = name});
      plot.methods[method->second].replicates.push_back(&curve);
    }
  }
  if (plots.empty()) return absl::OkStatus();

  std::vector<report::LinePlot> drawn;
  bool ragged = false;
  for (const Plot& plot : plots) {
    const population::Curve& first = *plot.methods[0].replicates[0];
    report::LinePlot line_plot = {
        .title = plot.title, .x_label = first.x_label, .y_label = first.y_label};
    for (const Method& method : plot.methods) {
      PERENNIAL_ASSIGN_OR_RETURN(report::LineSeries series,
                                 MeanCurve(method.name, method.replicates, &ragged));
      if (series.x.size() > kMostDots) line_plot.markers = false;
      line_plot.series.push_back(std::move(series));
    }
    drawn.push_back(std::move(line_plot));
  }
  document.AddSection(
      CurvesTitle(names, labels),
      absl::StrCat("Mean over replicates; the band is its 95 % interval by Student's t, which is "
                   "wide for few replicates.",
                   ragged ? " Some replicates have no value at some points: the mean is over those "
                            "that have one."
                          : ""));
  for (const report::LinePlot& plot : drawn) document.AddLinePlot(plot);
  return absl::OkStatus();
}

void AddMatrices(const std::vector<FinishedUnit>& units, report::Document& document) {
  struct Mean {
    std::string title;
    const population::Matrix* first;
    size_t columns = 0;
    std::vector<std::vector<std::pair<double, int>>> cells;  // sum, count
  };
  std::vector<Mean> means;
  std::map<std::string, size_t> places;
  for (const FinishedUnit& unit : units) {
    for (const population::Matrix& matrix : unit.results.matrices) {
      const std::string title =
          absl::StrCat(unit.key.method, ": ", matrix.name, " (", unit.key.group, ")");
      const auto [place, added] = places.emplace(title, means.size());
      if (added) means.push_back({.title = title, .first = &matrix});
      Mean& mean = means[place->second];
      mean.cells.resize(std::max(mean.cells.size(), matrix.values.size()));
      for (size_t r = 0; r < matrix.values.size(); ++r) {
        const auto& row = matrix.values[r];
        mean.columns = std::max(mean.columns, row.size());
        mean.cells[r].resize(std::max(mean.cells[r].size(), row.size()));
        for (size_t c = 0; c < row.size(); ++c) {
          if (!row[c].has_value() || !std::isfinite(*row[c])) continue;
          mean.cells[r][c].first += *row[c];
          ++mean.cells[r][c].second;
        }
      }
    }
  }
  std::erase_if(means, [](const Mean& mean) {
    return std::ranges::all_of(mean.cells, [](const auto& row) {
      return std::ranges::all_of(row, [](const auto& cell) { return cell.first == 0; });
    });
  });
  if (means.empty()) return;
  document.AddSection("Matrices", "Mean over replicates.");
  for (size_t m = 0; m < means.size(); ++m) {
    if (m == kUnfoldedMatrices) {
      document.BeginFold(absl::StrCat(means.size() - m, " more"));
    }
    const Mean& mean = means[m];
    report::Heatmap heatmap = {.title = mean.title,
                               .x_label = mean.first->column_label,
                               .y_label = mean.first->row_label,
                               .value_label = "mean"};
    const auto name = [&names = mean.first->names](size_t i) {
      return i < names.size() ? names[i] : absl::StrCat(i + 1);
    };
    // Shares look the same in all matrices; other numbers have a scale of their own.
    bool shares = true;
    for (size_t r = 0; r < mean.cells.size(); ++r) {
      heatmap.rows.push_back(name(r));
      std::vector<std::optional<double>>& row = heatmap.values.emplace_back(mean.columns);
      for (size_t c = 0; c < mean.cells[r].size(); ++c) {
        const auto& [sum, count] = mean.cells[r][c];
        if (count == 0) continue;
        row[c] = sum / count;
        shares = shares && *row[c] >= 0 && *row[c] <= 1;
      }
    }
    if (shares) {
      heatmap.min = 0;
      heatmap.max = 1;
    }
    for (size_t c = 0; c < mean.columns; ++c) heatmap.columns.push_back(name(c));
    document.AddHeatmap(heatmap);
  }
}

void AddFailures(const std::vector<record::FailedUnit>& failed, report::Document& document) {
  if (failed.empty()) return;
  document.AddSection("Failed units",
                      "These units ended with an error; what follows is without them.");
  report::Table table = {
      .caption = absl::StrCat(failed.size(), failed.size() == 1 ? " unit" : " units"),
      .columns = {{"unit"}, {"error"}}};
  for (const record::FailedUnit& unit : failed) {
    if (table.rows.size() == kListedFailures) {
      absl::StrAppend(&table.caption, ", the first ", kListedFailures, " of them here");
      break;
    }
    table.rows.push_back({unit.unit, unit.message});
  }
  document.AddTable(table);
}

absl::Status AddBars(const std::vector<SummaryResult>& results,
                     const std::vector<Headline>& headlines, report::Document& document) {
  for (const Headline& headline : headlines) {
    report::BarPlot plot = {.title = headline.label, .y_label = headline.label};
    bool cut = false;
    for (const SummaryResult& result : results) {
      if (result.metric != headline.metric) continue;
      PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary summary, record::Statistics(result));
      report::Bar bar = {.series = result.method, .group = result.group, .value = summary.mean};
      if (summary.ci95.has_value()) {
        bar.low = summary.ci95->low;
        bar.high = summary.ci95->high;
        // Few replicates have wide intervals, and no error is negative.
        if (headline.heavy_tailed && *bar.low < 0) {
          bar.low = 0;
          cut = true;
        }
      }
      plot.bars.push_back(std::move(bar));
    }
    if (cut) plot.y_label += " (intervals cut at 0)";
    if (!plot.bars.empty()) document.AddBarPlot(plot);
  }
  return absl::OkStatus();
}

// Every metric that is not in the headline table: mean over replicates. No columns but the first if
// there is none.
absl::StatusOr<report::Table> DetailTable(const std::vector<SummaryResult>& results,
                                          const std::vector<Headline>& headlines) {
  report::Table table = {.caption = "Everything else that was measured: mean over replicates"};
  std::vector<std::string> metrics;
  std::set<std::string> known;
  for (const Headline& headline : headlines) known.insert(headline.metric);
  for (const SummaryResult& result : results) {
    if (known.insert(result.metric).second) metrics.push_back(result.metric);
  }
  const Results index(results);
  const bool several = SeveralGroups(index.methods());
  table.columns.push_back({"method"});
  for (const std::string& metric : metrics) {
    table.columns.push_back({metric, report::Align::kRight});
  }
  for (const auto& method : index.methods()) {
    table.rows.push_back({MethodLabel(method, several)});
    for (const std::string& metric : metrics) {
      const SummaryResult* result = index.Find(method.first, method.second, metric);
      std::string cell = kNothing;
      if (result != nullptr) {
        PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary summary, record::Statistics(*result));
        cell = absl::StrFormat("%.4g", summary.mean);
      }
      table.rows.back().push_back(std::move(cell));
    }
  }
  return table;
}

// In per cent: see Headline::wins.
std::string WinsText(const SummaryResult& result, const std::vector<SummaryResult>& results) {
  double won = 0;
  int pairs = 0;
  for (const SummaryResult& other : results) {
    if (other.group != result.group || other.metric != result.metric ||
        other.method == result.method) {
      continue;
    }
    for (const auto& [replicate, value] : result.values) {
      const auto of_other = other.values.find(replicate);
      if (of_other == other.values.end()) continue;
      ++pairs;
      won += value < of_other->second ? 1 : (value == of_other->second ? 0.5 : 0);
    }
  }
  return pairs == 0 ? kNothing : absl::StrFormat("%.0f", 100 * won / pairs);
}

// How many replicates of a method have values, and how many failed.
struct Counts {
  std::set<std::string> with_values;
  int failed = 0;
};

// (group, method) of a failed unit's id; none if it is not one.
std::optional<std::pair<std::string, std::string>> GroupAndMethod(const record::FailedUnit& unit) {
  const std::vector<std::string> parts = absl::StrSplit(unit.unit, absl::MaxSplits('.', 3));
  if (parts.size() < 4) return std::nullopt;
  return std::pair(parts[1], parts[0]);
}

absl::StatusOr<report::Table> HeadlineTable(const std::vector<SummaryResult>& results,
                                            const std::vector<Headline>& headlines,
                                            const std::vector<record::FailedUnit>& failed) {
  const Results index(results);
  std::vector<std::pair<std::string, std::string>> methods = index.methods();
  std::map<std::pair<std::string, std::string>, Counts> counts;
  size_t fewest = std::numeric_limits<size_t>::max();
  size_t most = 0;
  for (const SummaryResult& result : results) {
    fewest = std::min(fewest, result.values.size());
    most = std::max(most, result.values.size());
    Counts& count = counts[{result.group, result.method}];
    for (const auto& [replicate, value] : result.values) count.with_values.insert(replicate);
  }
  std::string over = results.empty() ? "replicate" : results[0].over;
  for (const record::FailedUnit& unit : failed) {
    const auto method = GroupAndMethod(unit);
    if (!method.has_value()) continue;
    const auto [count, added] = counts.try_emplace(*method);
    if (added) methods.push_back(*method);
    ++count->second.failed;
  }

  report::Table table = {.caption = "One replicate: no interval", .columns = {{"method"}}};
  if (most > 1) {
    const bool medians =
        !headlines.empty() && std::ranges::all_of(headlines, &Headline::heavy_tailed);
    table.caption =
        absl::StrCat(medians ? "Mean (median) over " : "Mean and 95 % t-interval of the mean over ",
                     fewest < most ? absl::StrCat(fewest, " to ") : "", most, " ", over, "s");
  }
  if (!failed.empty()) {
    table.columns.push_back({absl::StrCat(over, "s"), report::Align::kRight});
  }
  std::set<std::string> measured;
  for (const SummaryResult& result : results) measured.insert(result.metric);
  std::vector<Headline> shown;
  for (const Headline& headline : headlines) {
    if (!measured.contains(headline.metric)) continue;
    shown.push_back(headline);
    table.columns.push_back({headline.label, report::Align::kRight});
    if (!headline.wins.empty()) table.columns.push_back({headline.wins, report::Align::kRight});
  }
  const bool several = SeveralGroups(methods);
  for (const auto& method : methods) {
    const bool has_some = std::ranges::any_of(shown, [&](const Headline& headline) {
      return index.Find(method.first, method.second, headline.metric) != nullptr;
    });
    if (!has_some && counts[method].failed == 0) continue;
    std::vector<std::string>& row = table.rows.emplace_back();
    row.push_back(MethodLabel(method, several));
    if (!failed.empty()) {
      const Counts& count = counts[method];
      const size_t all = count.with_values.size() + static_cast<size_t>(count.failed);
      row.push_back(absl::StrCat(count.with_values.size(), " of ", all));
    }
    for (const Headline& headline : shown) {
      const SummaryResult* result = index.Find(method.first, method.second, headline.metric);
      if (result == nullptr) {
        row.push_back(kNothing);
        if (!headline.wins.empty()) row.push_back(kNothing);
        continue;
      }
      PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary summary, record::Statistics(*result));
      row.push_back(headline.heavy_tailed && summary.n > 1
                        ? absl::StrFormat("%.3f (%.3f)", summary.mean, summary.median)
                        : IntervalText(summary));
      if (!headline.wins.empty()) row.push_back(WinsText(*result, results));
    }
  }
  return table;
}

// Tables of thousands of methods would make a report that does not open.
report::Table Shortened(report::Table table) {
  constexpr size_t kMaxRows = 300;
  if (table.rows.size() <= kMaxRows) return table;
  absl::StrAppend(&table.caption, table.caption.empty() ? "" : ". ", "The first ", kMaxRows, " of ",
                  table.rows.size(), " rows; all results stand in tables.csv");
  table.rows.resize(kMaxRows);
  return table;
}

}  // namespace

std::vector<SummaryResult> Summarize(const std::vector<FinishedUnit>& units) {
  std::vector<SummaryResult> results;
  std::map<std::string, size_t> places;
  for (const FinishedUnit& unit : units) {
    for (const population::Measurement& measurement : unit.results.measurements) {
      const std::string& method = MethodOf(unit, measurement.method);
      const std::string key = absl::StrCat(unit.key.group, "\n", method, "\n", measurement.metric);
      const auto [place, added] = places.emplace(key, results.size());
      if (added) {
        results.push_back({.method = method,
                           .group = unit.key.group,
                           .metric = measurement.metric,
                           .unit = measurement.unit,
                           .over = unit.key.over});
      }
      const bool unique =
          results[place->second].values.emplace(unit.key.replicate, measurement.value).second;
      CHECK(unique) << unit.key.Id() << ": " << method << "'s " << measurement.metric
                    << " is there already";
    }
  }
  return results;
}

std::vector<MethodCost> Costs(const std::vector<FinishedUnit>& units, double gemm_peak) {
  std::vector<MethodCost> costs;
  std::map<std::pair<std::string, std::string>, size_t> places;
  for (const FinishedUnit& unit : units) {
    const auto [place, added] =
        places.emplace(std::pair(unit.key.group, unit.key.method), costs.size());
    if (added) costs.push_back({.method = unit.key.method, .group = unit.key.group});
    MethodCost& cost = costs[place->second];
    cost.training_flops += unit.plan.training_flops;
    cost.replay_flops += unit.plan.replay_flops;
    cost.evaluation_flops += unit.plan.evaluation_flops;
    cost.cpu_seconds += unit.cpu_seconds;
    cost.floor_seconds += unit.plan.total_flops() / gemm_peak;
    ++cost.replicates;
  }
  return costs;
}

absl::StatusOr<std::vector<report::Table>> HeadlineTables(
    const std::vector<SummaryResult>& results, const std::vector<Headline>& headlines,
    const std::vector<record::FailedUnit>& failed) {
  struct Group {
    std::vector<bool> has;  // Which of the metrics.
    std::set<std::string> methods;
  };
  std::map<std::string, Group> groups;
  std::vector<std::string> order;  // Of first appearance.
  for (const SummaryResult& result : results) {
    const auto [group, added] = groups.try_emplace(result.group);
    if (added) order.push_back(result.group);
    group->second.methods.insert(result.method);
    std::vector<bool>& has = group->second.has;
    has.resize(headlines.size());
    for (size_t i = 0; i < headlines.size(); ++i) {
      if (headlines[i].metric == result.metric) has[i] = true;
    }
  }
  // What stands in a table: groups of the same metrics, or one of several methods.
  std::vector<std::set<std::string>> blocks;
  for (const std::string& name : order) {
    const Group& group = groups[name];
    const auto joins = [&](const std::set<std::string>& block) {
      const Group& other = groups[*block.begin()];
      return other.has == group.has &&
             std::max(other.methods.size(), group.methods.size()) < kMethodsOfOwnTable;
    };
    const auto block = std::ranges::find_if(blocks, joins);
    if (block == blocks.end()) {
      blocks.push_back({name});
    } else {
      block->insert(name);
    }
  }
  if (blocks.empty()) blocks.emplace_back();
  std::vector<report::Table> tables;
  for (const std::set<std::string>& block : blocks) {
    std::vector<SummaryResult> of_block;
    for (const SummaryResult& result : results) {
      if (block.contains(result.group)) of_block.push_back(result);
    }
    std::vector<record::FailedUnit> failed_of_block;
    for (const record::FailedUnit& unit : failed) {
      const auto method = GroupAndMethod(unit);
      const bool known = method.has_value() && groups.contains(method->first);
      // A group that failed altogether stands in the first table.
      if (known ? block.contains(method->first) : tables.empty()) failed_of_block.push_back(unit);
    }
    PERENNIAL_ASSIGN_OR_RETURN(tables.emplace_back(),
                               HeadlineTable(of_block, headlines, failed_of_block));
    if (blocks.size() > 1 && block.size() == 1) {
      report::Table& table = tables.back();
      table.caption = absl::StrCat(*block.begin(), ". ", table.caption);
    }
  }
  return tables;
}

absl::StatusOr<report::Table> ResultsTable(const std::vector<SummaryResult>& results) {
  report::Table table = {.caption = "Everything that was measured",
                         .columns = {{"group"},
                                     {"method"},
                                     {"metric"},
                                     {"unit"},
                                     {"over"},
                                     {"n", report::Align::kRight},
                                     {"mean", report::Align::kRight},
                                     {"median", report::Align::kRight},
                                     {"sd", report::Align::kRight},
                                     {"ci95_low", report::Align::kRight},
                                     {"ci95_high", report::Align::kRight}}};
  for (const SummaryResult& result : results) {
    PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary summary, record::Statistics(result));
    std::vector<std::string>& row = table.rows.emplace_back();
    row = {result.group,
           result.method,
           result.metric,
           result.unit,
           result.over,
           absl::StrCat(summary.n),
           base::JsonNumber(summary.mean),
           base::JsonNumber(summary.median)};
    if (summary.standard_deviation.has_value()) {
      row.push_back(base::JsonNumber(*summary.standard_deviation));
      row.push_back(base::JsonNumber(summary.ci95->low));
      row.push_back(base::JsonNumber(summary.ci95->high));
    }
  }
  return table;
}

report::Table CostTable(const std::vector<MethodCost>& costs) {
  const bool several = std::ranges::any_of(
      costs, [&](const MethodCost& cost) { return cost.group != costs[0].group; });
  report::Table table = {
      .caption =
          "TFLOP of training, replay and evaluation, and CPU seconds, of all replicates; the "
          "floor is their matrix products at the GEMM peak measured in this run",
      .columns = {{"method"}}};
  if (several) table.columns.push_back({"group"});
  for (const char* name :
       {"training", "replay", "evaluation", "CPU seconds", "floor, seconds", "floor / CPU"}) {
    table.columns.push_back({name, report::Align::kRight});
  }
  for (const MethodCost& cost : costs) {
    std::vector<std::string>& row = table.rows.emplace_back();
    row.push_back(cost.method);
    if (several) row.push_back(cost.group);
    for (const double flops : {cost.training_flops, cost.replay_flops, cost.evaluation_flops}) {
      row.push_back(TflopText(flops));
    }
    row.push_back(absl::StrFormat("%.2f", cost.cpu_seconds));
    row.push_back(absl::StrFormat("%.2f", cost.floor_seconds));
    row.push_back(cost.cpu_seconds > 0
                      ? absl::StrFormat("%.0f %%", 100 * cost.floor_seconds / cost.cpu_seconds)
                      : kNothing);
  }
  return table;
}

absl::StatusOr<report::Table> ReplicateCostTable(const std::vector<SummaryResult>& results,
                                                 const std::vector<Headline>& headlines,
                                                 const std::vector<Headline>& counts,
                                                 const std::vector<MethodCost>& costs) {
  report::Table table = {.caption = "What a replicate takes: means", .columns = {{"method"}}};
  if (headlines.empty() || counts.empty()) return table;
  const Results index(results);
  const bool several = SeveralGroups(index.methods());
  std::vector<Headline> columns = {headlines[0]};
  columns.insert(columns.end(), counts.begin(), counts.end());
  std::erase_if(columns, [&](const Headline& column) {
    return std::ranges::none_of(
        results, [&](const SummaryResult& result) { return result.metric == column.metric; });
  });
  for (const Headline& column : columns) {
    table.columns.push_back({column.label, report::Align::kRight});
  }
  table.columns.push_back({"CPU seconds", report::Align::kRight});
  for (const MethodCost& cost : costs) {
    std::vector<std::string>& row = table.rows.emplace_back();
    row.push_back(MethodLabel({cost.group, cost.method}, several));
    for (const Headline& column : columns) {
      const SummaryResult* result = index.Find(cost.group, cost.method, column.metric);
      if (result == nullptr) {
        row.push_back(kNothing);
        continue;
      }
      PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary summary, record::Statistics(*result));
      row.push_back(absl::StrFormat(result->unit == "count" ? "%.0f" : "%.3f", summary.mean));
    }
    row.push_back(absl::StrFormat("%.2f", cost.cpu_seconds / cost.replicates));
  }
  return table;
}

absl::StatusOr<RunReport> MakeReport(const std::vector<FinishedUnit>& units,
                                     const std::vector<Headline>& headlines,
                                     const ReportContext& context) {
  const std::vector<SummaryResult> results = Summarize(units);
  report::Document document(context.title, context.subtitle);
  AddFailures(context.failed, document);
  for (const Finding& finding : context.findings) {
    document.AddSection(finding.title);
    document.AddTable(finding.table);
  }
  document.AddSection("Results");
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<report::Table> tables,
                             HeadlineTables(results, headlines, context.failed));
  for (const report::Table& table : tables) {
    if (!table.rows.empty()) document.AddTable(Shortened(table));
  }
  PERENNIAL_RETURN_IF_ERROR(AddBars(results, headlines, document));
  PERENNIAL_RETURN_IF_ERROR(AddCurves(units, document));
  AddMatrices(units, document);
  if (context.add_plots) PERENNIAL_RETURN_IF_ERROR(context.add_plots(document));
  document.AddSection(
      "Cost", absl::StrFormat("GEMM peak of one thread: %.1f GFLOP/s.", context.gemm_peak / 1e9));
  const std::vector<MethodCost> costs = Costs(units, context.gemm_peak);
  PERENNIAL_ASSIGN_OR_RETURN(const report::Table replicate_costs,
                             ReplicateCostTable(results, headlines, context.counts, costs));
  if (replicate_costs.columns.size() > 1) document.AddTable(Shortened(replicate_costs));
  document.AddTable(Shortened(CostTable(costs)));
  PERENNIAL_ASSIGN_OR_RETURN(const report::Table details, DetailTable(results, headlines));
  if (details.columns.size() > 1) document.AddTable(Shortened(details));
  document.AddSection("How it was made");
  document.AddKeyValues("Environment", context.environment);
  document.AddPreformatted("config.textproto", context.config_text);
  PERENNIAL_ASSIGN_OR_RETURN(const std::string plotly, report::LoadPlotly());
  return RunReport{.html = document.Render(plotly), .plots = document.plots()};
}

absl::Status WritePlots(const std::vector<report::PlotNumbers>& plots,
                        absl::string_view run_folder) {
  const std::string folder = base::JoinPath(run_folder, kPlotFolder);
  PERENNIAL_RETURN_IF_ERROR(base::MakeFolders(folder));
  std::set<std::string> names;
  for (const report::PlotNumbers& plot : plots) {
    const std::string name = absl::StrCat(plot.name, kPlotSuffix);
    names.insert(name);
    PERENNIAL_RETURN_IF_ERROR(base::WriteFileAtomically(base::JoinPath(folder, name), plot.csv));
  }
  PERENNIAL_RETURN_IF_ERROR(base::RemoveTemporaries(folder));
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::string> files, base::ListFolder(folder));
  for (const std::string& file : files) {
    if (!absl::EndsWith(file, kPlotSuffix) || names.contains(file)) continue;
    PERENNIAL_RETURN_IF_ERROR(base::RemoveFile(base::JoinPath(folder, file)));
  }
  return absl::OkStatus();
}

}  // namespace perennial::experiment
