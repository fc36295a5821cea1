#include "continual/analysis/minima.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "continual/analysis/distance.h"

namespace perennial::continual {
namespace {

bool IsFinite(double value) { return std::isfinite(value); }

}  // namespace

MinimaAnalysis::MinimaAnalysis(const nn::Network& network, const std::vector<bool>& solved,
                               const PathOptions& options)
    : network_(network),
      options_(options),
      tasks_(static_cast<int>(solved.size())),
      solved_(solved),
      solutions_(0, 0) {
  for (int task = 1; task < tasks_; ++task) {
    if (!solved[task]) continue;
    if (solved[0]) pairs_.emplace_back(0, task);
    if (task > 1 && solved[task - 1]) pairs_.emplace_back(task - 1, task);
  }
  paths_.resize(pairs_.size());
}

void MinimaAnalysis::SetSolution(int task, nn::ConstRow<float> row) {
  if (solutions_.count() == 0) solutions_ = nn::Rows<float>(tasks_, std::ssize(row));
  std::ranges::copy(row, solutions_.row(task).begin());
}

bool MinimaAnalysis::Measure(int line, const ImageView& older_test) {
  const auto [from, to] = pairs_[line];
  Path path =
      EvaluatePath(network_, solutions_.row(from), solutions_.row(to), older_test, options_);
  if (!std::ranges::all_of(path.loss, IsFinite)) return false;
  paths_[line] = std::move(path);
  if (line + 1 == lines()) MeasureDistances();
  return true;
}

void MinimaAnalysis::MeasureDistances() {
  std::vector<nn::ConstRow<float>> rows;
  for (int task = 0; task < tasks_; ++task) rows.push_back(std::as_const(solutions_).row(task));
  distances_ = DistanceMatrix(network_.layout(), rows);
}

int64_t MinimaAnalysis::Bytes() const {
  return tasks_ * network_.layout().size() * static_cast<int64_t>(sizeof(float)) +
         PathBytes(network_);
}

absl::Status MinimaAnalysis::Save(record::SafetensorsWriter& writer) const {
  if (solutions_.count() > 0) {
    PERENNIAL_RETURN_IF_ERROR(writer.Add<float>(
        "minima.solutions", {solutions_.count(), solutions_.size()}, solutions_.all()));
  }
  std::vector<double> loss, accuracy;
  for (const Path& path : paths_) {
    loss.insert(loss.end(), path.loss.begin(), path.loss.end());
    accuracy.insert(accuracy.end(), path.accuracy.begin(), path.accuracy.end());
  }
  const int64_t size = std::ssize(loss);
  PERENNIAL_RETURN_IF_ERROR(writer.Add<double>("minima.loss", {size}, loss));
  return writer.Add<double>("minima.accuracy", {size}, accuracy);
}

absl::Status MinimaAnalysis::Load(const record::SafetensorsFile& file, int tasks_done,
                                  int measured) {
  const absl::Status other = absl::DataLossError("the state's minima do not fit");
  if (measured < 0 || measured > lines()) return other;
  nn::Rows<float> solutions(0, 0);
  const bool some = std::count(solved_.begin(), solved_.begin() + tasks_done, true) > 0;
  if (file.tensors().contains("minima.solutions") != some) return other;
  if (some) {
    PERENNIAL_ASSIGN_OR_RETURN(const auto values, file.Read<float>("minima.solutions"));
    solutions = nn::Rows<float>(tasks_, network_.layout().size());
    if (values.size() != solutions.all().size()) return other;
    std::ranges::copy(values, solutions.all().begin());
  }
  PERENNIAL_ASSIGN_OR_RETURN(const auto loss, file.Read<double>("minima.loss"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto accuracy, file.Read<double>("minima.accuracy"));
  const size_t points = options_.points;
  if (loss.size() != measured * points || accuracy.size() != loss.size() ||
      !std::ranges::all_of(loss, IsFinite) || !std::ranges::all_of(accuracy, IsFinite)) {
    return other;
  }
  std::vector<Path> paths(pairs_.size());
  for (int line = 0; line < measured; ++line) {
    Path& path = paths[line];
    for (size_t k = 0; k < points; ++k) {
      path.alpha.push_back(static_cast<double>(k) / static_cast<double>(points - 1));
      path.loss.push_back(loss[line * points + k]);
      path.accuracy.push_back(accuracy[line * points + k]);
    }
  }
  solutions_ = std::move(solutions);
  paths_ = std::move(paths);
  distances_.clear();
  if (measured == lines() && measured > 0) MeasureDistances();
  return absl::OkStatus();
}

void MinimaAnalysis::AddResults(population::UnitResults& results) const {
  if (pairs_.empty()) return;
  double from_first = 0, between = 0, rise = 0;
  int first_lines = 0, neighbour_lines = 0;
  const auto between_solutions = [&](std::string name) {
    population::Matrix matrix = {.name = std::move(name),
                                 .row_label = "solution of the older task",
                                 .column_label = "solution of the later task",
                                 .values = {}};
    matrix.values.assign(tasks_, std::vector<std::optional<double>>(tasks_));
    return matrix;
  };
  population::Matrix barriers =
      between_solutions("Barrier between solutions, nats, on the older task's test");
  population::Matrix rises =
      between_solutions("Rise between solutions, nats, on the older task's test");
  for (size_t i = 0; i < pairs_.size(); ++i) {
    const auto [from, to] = pairs_[i];
    CHECK(!paths_[i].loss.empty()) << "line " << i << " is not measured";
    const double barrier = Barrier(paths_[i]);
    const double rise_here = std::ranges::max(paths_[i].loss) - paths_[i].loss.front();
    barriers.values[from][to] = barrier;
    rises.values[from][to] = rise_here;
    if (from == 0) {
      from_first += barrier;
      rise += rise_here;
      ++first_lines;
    }
    if (to == from + 1) {
      between += barrier;
      ++neighbour_lines;
    }
  }
  if (first_lines > 0) {
    results.measurements.push_back({"barrier_from_first", "nat", from_first / first_lines});
    results.measurements.push_back({"rise_from_first", "nat", rise / first_lines});
  }
  if (neighbour_lines > 0) {
    results.measurements.push_back(
        {"barrier_between_neighbours", "nat", between / neighbour_lines});
  }
  results.matrices.push_back(std::move(barriers));
  results.matrices.push_back(std::move(rises));
  population::Matrix distances = {.name = "Distance between solutions",
                                  .row_label = "solution of task",
                                  .column_label = "solution of task",
                                  .values = {}};
  for (const std::vector<double>& row : distances_) {
    distances.values.emplace_back(row.begin(), row.end());
  }
  results.matrices.push_back(std::move(distances));
  const auto last = std::ranges::find(pairs_, std::pair(0, tasks_ - 1));
  if (last == pairs_.end()) return;
  const Path& path = paths_[last - pairs_.begin()];
  for (const bool loss : {true, false}) {
    results.curves.push_back(
        {.name = loss ? "Loss on task 1 on the line from its solution to the last task's"
                      : "Accuracy on task 1 on the line from its solution to the last task's",
         .x_label = "alpha: 0 the first solution, 1 the last",
         .y_label = loss ? "loss, nats" : "accuracy",
         .x = path.alpha,
         .y = loss ? path.loss : path.accuracy});
  }
}

}  // namespace perennial::continual
