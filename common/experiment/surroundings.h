// What an experiment's program is run in; tests make their own.
#ifndef PERENNIAL_COMMON_EXPERIMENT_SURROUNDINGS_H_
#define PERENNIAL_COMMON_EXPERIMENT_SURROUNDINGS_H_

#include <atomic>
#include <ostream>
#include <string>

namespace perennial::experiment {

struct Surroundings {
  std::ostream& out;
  std::ostream& log;           // Progress and warnings.
  bool terminal = false;       // Whether `log` is one.
  int columns = 80;            // Of the terminal.
  std::string working_folder;  // Relative paths start here.
  const std::atomic<bool>* stop = nullptr;
  double checkpoint_seconds = 10;  // CPU seconds of a unit between its checkpoints.

  bool stopped() const { return stop != nullptr && stop->load(std::memory_order_relaxed); }

  // A path that the user gave; an empty one stays empty.
  std::string Resolve(const std::string& path) const;
  // The other way: a path as the user would type it.
  std::string Shown(const std::string& path) const;
};

}  // namespace perennial::experiment

#endif  // PERENNIAL_COMMON_EXPERIMENT_SURROUNDINGS_H_
