// The accuracy matrix of continual learning and the three numbers read from it.
//
// a[t][i] is the accuracy on task i after training on task t, both counted from 0, T the last task.
// Definitions as of Lopez-Paz and Ranzato (arXiv:1706.08840) and Chaudhry et al.
// (arXiv:1801.10112):
//   average accuracy   mean over all tasks i of a[T][i]
//   forgetting         mean over i < T of (max over recorded t of a[t][i], minus a[T][i])
//   learning accuracy  mean over all i of a[i][i]
// A number is absent where an entry that it needs is missing; forgetting also for one task, and
// where some task i < T has no entry before the last: what was never known is not forgotten.
//
//   AccuracyMatrix matrix(5);
//   matrix.Set(/*after_task=*/0, /*task=*/0, 0.91);
//   std::optional<double> forgetting = matrix.Forgetting();
#ifndef PERENNIAL_COMMON_METRICS_ACCURACY_MATRIX_H_
#define PERENNIAL_COMMON_METRICS_ACCURACY_MATRIX_H_

#include <optional>
#include <vector>

namespace perennial::metrics {

class AccuracyMatrix {
 public:
  // tasks >= 1.
  explicit AccuracyMatrix(int tasks);

  int tasks() const { return tasks_; }

  // Records a fraction in [0, 1]; a second value for the same entry replaces the first.
  void Set(int after_task, int task, double accuracy);
  std::optional<double> Get(int after_task, int task) const;

  std::optional<double> AverageAccuracy() const;
  std::optional<double> Forgetting() const;
  std::optional<double> LearningAccuracy() const;

 private:
  const std::optional<double>& At(int after_task, int task) const;

  int tasks_;
  std::vector<std::optional<double>> entries_;  // row after_task, column task
};

}  // namespace perennial::metrics

#endif  // PERENNIAL_COMMON_METRICS_ACCURACY_MATRIX_H_
