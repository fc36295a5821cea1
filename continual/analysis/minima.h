// The solutions after each task of a stream: how far apart they lie, and the lines between them.
//
// Source: Mirzadeh et al. 2021 (arXiv:2010.04495), who follow the loss of the older task along the
// line from its solution to later ones: from the first task's to each later one, and between
// neighbours. A solution is the row that predicts after its task.
//
//   MinimaAnalysis minima(network, {true, true, true}, {.points = 41});
//   minima.SetSolution(0, row); ...
//   for (int i = 0; i < minima.lines(); ++i) minima.Measure(i, stream.Test(minima.older(i)));
//   minima.AddResults(results);
#ifndef PERENNIAL_CONTINUAL_ANALYSIS_MINIMA_H_
#define PERENNIAL_CONTINUAL_ANALYSIS_MINIMA_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/nn/network.h"
#include "common/nn/rows.h"
#include "common/population/unit.h"
#include "common/record/safetensors.h"
#include "continual/analysis/path.h"
#include "continual/streams/image_view.h"

namespace perennial::continual {

class MinimaAnalysis {
 public:
  // solved[t]: there is a solution after task t; lines join those alone. `network` must outlive it.
  // Takes memory at the first SetSolution.
  MinimaAnalysis(const nn::Network& network, const std::vector<bool>& solved,
                 const PathOptions& options);

  void SetSolution(int task, nn::ConstRow<float> row);

  int lines() const { return static_cast<int>(pairs_.size()); }
  // The older task of a line, whose test images it is measured on.
  int older(int line) const { return pairs_[line].first; }
  // False if a loss on the line is not finite; the line is not measured then.
  bool Measure(int line, const ImageView& older_test);

  // Floating-point operations of a line on `images` images; memory of all solutions and a line.
  double Flops(int64_t images) const { return PathFlops(network_, images, options_); }
  int64_t Bytes() const;

  // Tensors "minima.solutions" [tasks, D], "minima.loss" and "minima.accuracy" [lines, points], of
  // which `measured` lines count. The file is not trusted: DataLoss if they do not fit, or if there
  // are solutions or none against what is so after `tasks_done` tasks.
  absl::Status Save(record::SafetensorsWriter& writer) const;
  absl::Status Load(const record::SafetensorsFile& file, int tasks_done, int measured);

  // barrier_from_first and barrier_between_neighbours: means over their lines (see path.h), in
  // nats; rise_from_first, of the largest loss on a line less that of the first task's solution (a
  // line that only climbs has no barrier); the matrices of barriers (row: older task), of rises
  // and of distances; loss and accuracy on task 1 along the line from its solution
  // to the last. Nothing without lines; all must be measured.
  void AddResults(population::UnitResults& results) const;

  void Release() { solutions_ = nn::Rows<float>(0, 0); }

 private:
  void MeasureDistances();

  const nn::Network& network_;
  PathOptions options_;
  int tasks_;
  std::vector<bool> solved_;
  std::vector<std::pair<int, int>> pairs_;  // From an older to a later task.
  nn::Rows<float> solutions_;
  std::vector<Path> paths_;
  std::vector<std::vector<double>> distances_;  // Once all solutions are there.
};

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_ANALYSIS_MINIMA_H_
