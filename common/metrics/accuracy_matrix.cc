#include "common/metrics/accuracy_matrix.h"

#include <algorithm>
#include <cstddef>

#include "common/base/logging.h"

namespace perennial::metrics {

AccuracyMatrix::AccuracyMatrix(int tasks) : tasks_(tasks) {
  CHECK_GE(tasks, 1);
  entries_.resize(static_cast<size_t>(tasks) * tasks);
}

const std::optional<double>& AccuracyMatrix::At(int after_task, int task) const {
  CHECK(after_task >= 0 && after_task < tasks_) << "after task " << after_task << " of " << tasks_;
  CHECK(task >= 0 && task < tasks_) << "task " << task << " of " << tasks_;
  return entries_[static_cast<size_t>(after_task) * tasks_ + task];
}

void AccuracyMatrix::Set(int after_task, int task, double accuracy) {
  CHECK(accuracy >= 0 && accuracy <= 1) << "an accuracy is a fraction, not " << accuracy;
  At(after_task, task);  // checks the indices
  entries_[static_cast<size_t>(after_task) * tasks_ + task] = accuracy;
}

std::optional<double> AccuracyMatrix::Get(int after_task, int task) const {
  return At(after_task, task);
}

std::optional<double> AccuracyMatrix::AverageAccuracy() const {
  double sum = 0;
  for (int task = 0; task < tasks_; ++task) {
    const std::optional<double>& last = At(tasks_ - 1, task);
    if (!last) return std::nullopt;
    sum += *last;
  }
  return sum / tasks_;
}

std::optional<double> AccuracyMatrix::Forgetting() const {
  if (tasks_ == 1) return std::nullopt;
  double sum = 0;
  for (int task = 0; task + 1 < tasks_; ++task) {
    const std::optional<double>& last = At(tasks_ - 1, task);
    if (!last) return std::nullopt;
    std::optional<double> best;
    for (int after = 0; after + 1 < tasks_; ++after) {
      const std::optional<double>& entry = At(after, task);
      if (entry) best = std::max(best.value_or(0), *entry);
    }
    if (!best) return std::nullopt;
    sum += std::max(*best, *last) - *last;
  }
  return sum / (tasks_ - 1);
}

std::optional<double> AccuracyMatrix::LearningAccuracy() const {
  double sum = 0;
  for (int task = 0; task < tasks_; ++task) {
    const std::optional<double>& learned = At(task, task);
    if (!learned) return std::nullopt;
    sum += *learned;
  }
  return sum / tasks_;
}

}  // namespace perennial::metrics
