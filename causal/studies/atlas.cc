#include "causal/studies/atlas.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "common/base/status_macros.h"
#include "common/population/unit.h"
#include "common/random/stream.h"
#include "common/report/table.h"

namespace perennial::causal {
namespace {

constexpr int64_t kResamples = 1000;
constexpr char kCurve[] = "error of effects";  // As atlas_unit.cc names it.
constexpr char kNothing[] = "–";

struct EstimandNames {
  AtlasEstimand estimand;
  const char* metric;  // Before _bias, _split, ..
  const char* label;
};
constexpr EstimandNames kEstimands[] = {{AtlasEstimand::kAte, "ate", "ATE"},
                                        {AtlasEstimand::kAtt, "att", "ATT"},
                                        {AtlasEstimand::kEffect, "effect", "effects (PEHE)"}};

const char* MetricOf(AtlasEstimand estimand) {
  return std::ranges::find(kEstimands, estimand, &EstimandNames::estimand)->metric;
}

// "0_1" of 0.1, "1e_05" of 0.00001.
std::string NumberName(double value) {
  return absl::StrReplaceAll(absl::StrCat(value), {{".", "_"}, {"-", "_"}, {"+", ""}});
}

std::optional<double> Metric(const experiment::FinishedUnit& unit, const std::string& name) {
  for (const population::Measurement& measurement : unit.results.measurements) {
    if (measurement.metric == name) return measurement.value;
  }
  return std::nullopt;
}

// One quantity of a cell.
struct Quantity {
  const char* label;
  std::optional<PartEstimate> (*of)(const BiasVariance&);
};
using MaybeEstimate = std::optional<PartEstimate>;
constexpr Quantity kSums[] = {
    {"squared bias", [](const BiasVariance& cell) -> MaybeEstimate { return cell.bias_squared; }},
    {"variance", [](const BiasVariance& cell) -> MaybeEstimate { return cell.variance; }},
    {"MSE", [](const BiasVariance& cell) -> MaybeEstimate { return cell.mse; }}};

template <PartEstimate VarianceParts::*kPart>
MaybeEstimate PartOf(const BiasVariance& cell) {
  return cell.parts.has_value() ? MaybeEstimate((*cell.parts).*kPart) : std::nullopt;
}
constexpr Quantity kParts[] = {{"sampling", PartOf<&VarianceParts::sampling>},
                               {"split", PartOf<&VarianceParts::split>},
                               {"initialisation", PartOf<&VarianceParts::initialisation>},
                               {"both", PartOf<&VarianceParts::interaction>}};

std::string EstimateText(const MaybeEstimate& estimate) {
  if (!estimate.has_value()) return kNothing;
  return absl::StrFormat("%.3g [%.3g, %.3g]", estimate->value, estimate->interval.low,
                         estimate->interval.high);
}

// Where weights are drawn: as they are, or, where they go over decades, on a logarithmic axis with
// 0 a decade below the smallest.
struct Axis {
  std::vector<double> places;
  std::string label;
  bool logarithmic = false;
};
Axis AxisOf(const std::string& name, const std::vector<double>& weights) {
  double smallest = std::numeric_limits<double>::infinity();
  for (const double weight : weights) {
    if (weight > 0) smallest = std::min(smallest, weight);
  }
  Axis axis = {.places = weights, .label = name};
  if (std::ranges::max(weights) <= smallest * 2) return axis;
  axis.logarithmic = true;
  for (double& place : axis.places) {
    if (place > 0) continue;
    place = smallest / 10;
    axis.label = absl::StrCat(name, " (0 is drawn at ", place, ")");
  }
  return axis;
}

// Of one estimand.
class Cells {
 public:
  static absl::StatusOr<Cells> Of(const AtlasGrid& grid,
                                  const std::vector<experiment::FinishedUnit>& units,
                                  const EstimandNames& names) {
    Cells cells(grid, names);
    for (const int64_t n : grid.n) {
      for (const double kappa : grid.kappa) {
        const std::string group = AtlasGrid::GroupName(kappa, n);
        for (const double alpha : grid.alpha) {
          for (const double beta : grid.beta) {
            const std::string method = AtlasGrid::CellName(alpha, beta);
            PERENNIAL_ASSIGN_OR_RETURN(const std::vector<ReplicateErrors> errors,
                                       AtlasErrors(units, method, group, names.estimand));
            if (errors.size() < 2) continue;
            PERENNIAL_ASSIGN_OR_RETURN(
                BiasVariance cell,
                DecomposeErrors(errors, kResamples, random::Stream(0).Split("bootstrap")));
            cells.cells_.emplace(std::pair(group, method), std::move(cell));
          }
        }
      }
    }
    return cells;
  }

  bool empty() const { return cells_.empty(); }

  report::Table Table() const {
    report::Table table = {
        .caption = absl::StrCat(names_.label, ": estimate and 95 % interval over replicates"),
        .columns = {{"group"},
                    {"alpha", report::Align::kRight},
                    {"beta", report::Align::kRight},
                    {"n", report::Align::kRight}}};
    for (const Quantity& quantity : kSums) {
      table.columns.push_back({quantity.label, report::Align::kRight});
    }
    const bool parts =
        std::ranges::any_of(cells_, [](const auto& cell) { return cell.second.parts.has_value(); });
    for (const Quantity& quantity : kParts) {
      if (parts) table.columns.push_back({quantity.label, report::Align::kRight});
    }
    for (const std::string& group : Groups()) {
      for (const double alpha : grid_.alpha) {
        for (const double beta : grid_.beta) {
          const BiasVariance* cell = Find(group, alpha, beta);
          if (cell == nullptr) continue;
          auto& row = table.rows.emplace_back(std::vector<std::string>{
              group, absl::StrCat(alpha), absl::StrCat(beta), absl::StrCat(cell->replicates)});
          for (const Quantity& quantity : kSums) row.push_back(EstimateText(quantity.of(*cell)));
          for (const Quantity& quantity : kParts) {
            if (parts) row.push_back(EstimateText(quantity.of(*cell)));
          }
        }
      }
    }
    return table;
  }

  // Groups stand beside each other.
  void AddHeatmaps(report::Document& document) const {
    for (const Quantity& quantity : kSums) {
      for (const std::string& group : Groups()) {
        report::Heatmap map = {.title = Title(quantity.label, group),
                               .x_label = "beta",
                               .y_label = "alpha",
                               .value_label = quantity.label};
        for (const double beta : grid_.beta) map.columns.push_back(absl::StrCat(beta));
        for (const double alpha : grid_.alpha) {
          map.rows.push_back(absl::StrCat(alpha));
          auto& row = map.values.emplace_back();
          for (const double beta : grid_.beta) {
            const BiasVariance* cell = Find(group, alpha, beta);
            row.push_back(cell == nullptr ? std::nullopt
                                          : std::optional(quantity.of(*cell)->value));
          }
        }
        document.AddHeatmap(map);
      }
    }
  }

  // Against beta, a series for each alpha; then where the variance comes from, at the first alpha.
  void AddCurves(report::Document& document) const {
    const Axis axis = AxisOf("beta", grid_.beta);
    const auto plot = [&](const std::string& title) {
      return report::LinePlot{
          .title = title, .x_label = axis.label, .y_label = "outcome²", .log_x = axis.logarithmic};
    };
    for (const std::string& group : Groups()) {
      for (const Quantity& quantity : kSums) {
        report::LinePlot lines = plot(absl::StrCat(Title(quantity.label, group), " against beta"));
        for (const double alpha : grid_.alpha) {
          lines.series.push_back(
              Series(absl::StrCat("alpha ", alpha), group, alpha, quantity, axis));
        }
        document.AddLinePlot(lines);
      }
      report::LinePlot lines = plot(
          absl::StrCat(Title("where variance comes from", group), " at alpha ", grid_.alpha[0]));
      for (const Quantity& quantity : kParts) {
        report::LineSeries series = Series(quantity.label, group, grid_.alpha[0], quantity, axis);
        if (!series.x.empty()) lines.series.push_back(std::move(series));
      }
      if (!lines.series.empty()) document.AddLinePlot(lines);
    }
  }

 private:
  Cells(const AtlasGrid& grid, const EstimandNames& names) : grid_(grid), names_(names) {}

  std::string Title(const std::string& quantity, const std::string& group) const {
    return absl::StrCat(names_.label, ", ", quantity, " (", group, ")");
  }

  std::vector<std::string> Groups() const {
    std::vector<std::string> groups;
    for (const int64_t n : grid_.n) {
      for (const double kappa : grid_.kappa) groups.push_back(AtlasGrid::GroupName(kappa, n));
    }
    return groups;
  }

  const BiasVariance* Find(const std::string& group, double alpha, double beta) const {
    const auto found = cells_.find({group, AtlasGrid::CellName(alpha, beta)});
    return found == cells_.end() ? nullptr : &found->second;
  }

  // Without the cells that are not there.
  report::LineSeries Series(const std::string& name, const std::string& group, double alpha,
                            const Quantity& quantity, const Axis& axis) const {
    report::LineSeries series = {.name = name};
    for (size_t b = 0; b < grid_.beta.size(); ++b) {
      const BiasVariance* cell = Find(group, alpha, grid_.beta[b]);
      if (cell == nullptr) continue;
      const MaybeEstimate estimate = quantity.of(*cell);
      if (!estimate.has_value()) continue;
      series.x.push_back(axis.places[b]);
      series.y.push_back(estimate->value);
      series.low.push_back(estimate->interval.low);
      series.high.push_back(estimate->interval.high);
      series.n.push_back(cell->replicates);
    }
    return series;
  }

  AtlasGrid grid_;
  EstimandNames names_;
  std::map<std::pair<std::string, std::string>, BiasVariance> cells_;  // Group and method.
};

}  // namespace

std::string AtlasGrid::CellName(double alpha, double beta) {
  return absl::StrCat("alpha_", NumberName(alpha), "_beta_", NumberName(beta));
}

std::string AtlasGrid::GroupName(double kappa, int64_t n) {
  return absl::StrCat("kappa_", NumberName(kappa), "_n_", n);
}

absl::StatusOr<Observations> AtlasTestUnits(const HonestGenerator& generator, int64_t n,
                                            int surfaces) {
  PERENNIAL_ASSIGN_OR_RETURN(
      const Observations units,
      generator.Sample(
          n, HonestStreams(random::Stream(static_cast<uint64_t>(surfaces)).Split("test"))));
  const auto effect = [&](int32_t i) {
    return units.truth->mean_outcome[1][i] - units.truth->mean_outcome[0][i];
  };
  std::vector<int32_t> order(units.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, effect);
  return Select(units, order);
}

absl::StatusOr<std::vector<ReplicateErrors>> AtlasErrors(
    const std::vector<experiment::FinishedUnit>& units, const std::string& method,
    const std::string& group, AtlasEstimand estimand) {
  std::vector<ReplicateErrors> replicates;
  const std::string metric = MetricOf(estimand);
  for (const experiment::FinishedUnit& unit : units) {
    if (unit.key.method != method || unit.key.group != group) continue;
    ReplicateErrors& replicate = replicates.emplace_back();
    if (estimand == AtlasEstimand::kEffect) {
      const auto curve = std::ranges::find(unit.results.curves, kCurve, &population::Curve::name);
      if (curve != unit.results.curves.end()) replicate.mean = curve->y;
    } else if (const auto bias = Metric(unit, absl::StrCat(metric, "_bias")); bias.has_value()) {
      replicate.mean = {*bias};
    }
    if (replicate.mean.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(unit.key.Id(), " has no errors of ", metric));
    }
    const auto split = Metric(unit, absl::StrCat(metric, "_split"));
    const auto initialisation = Metric(unit, absl::StrCat(metric, "_initialisation"));
    const auto interaction = Metric(unit, absl::StrCat(metric, "_interaction"));
    if (split.has_value() && initialisation.has_value() && interaction.has_value()) {
      replicate.contrasts = {
          .split = *split, .initialisation = *initialisation, .interaction = *interaction};
    }
  }
  return replicates;
}

absl::Status AddAtlas(const AtlasGrid& grid, const std::vector<experiment::FinishedUnit>& units,
                      report::Document& document) {
  std::vector<Cells> all;
  for (const EstimandNames& names : kEstimands) {
    PERENNIAL_ASSIGN_OR_RETURN(Cells cells, Cells::Of(grid, units, names));
    if (cells.empty()) return absl::OkStatus();
    all.push_back(std::move(cells));
  }
  document.AddSection(
      "Bias and variance",
      "Errors over replicates, each a sample of the same surfaces whose X, T and Y are drawn anew, "
      "from the same random numbers in all cells: of the average effect of the units of the "
      "sample (ATE), of that of its treated (ATT), and of the effects at test units, averaged over "
      "these (PEHE squared is their MSE). MSE = bias² + variance, those of one fit. Estimates have "
      "no bias of their own, so that small ones can lie below 0. Intervals are a bootstrap's over "
      "replicates.\n\n"
      "Variance comes from sampling, from the split (which units are held out to choose the "
      "weights), from the initialisation (first weights and order of batches), and from both of "
      "these together, told apart by four fits a replicate.");
  for (const Cells& cells : all) cells.AddHeatmaps(document);
  for (const Cells& cells : all) document.AddTable(cells.Table());
  document.BeginFold("Curves with intervals");
  for (const Cells& cells : all) cells.AddCurves(document);
  return absl::OkStatus();
}

}  // namespace perennial::causal
