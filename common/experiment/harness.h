// The harness of every experiment: command line, configuration, run folder, progress, resume,
// results. A line's program is a registration (line.h) and this Main.
//
// Exit codes: 0 done (or shown), 1 refused or failed with one line on the error stream, 130
// interrupted (with everything kept for --resume).
#ifndef PERENNIAL_COMMON_EXPERIMENT_HARNESS_H_
#define PERENNIAL_COMMON_EXPERIMENT_HARNESS_H_

#include <atomic>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/experiment/line.h"

namespace perennial::experiment {

// What a program is run in; tests make their own.
struct Surroundings {
  std::ostream& out;
  std::ostream& log;           // Progress and warnings.
  bool terminal = false;       // Whether `log` is one.
  std::string working_folder;  // Relative paths start here.
  const std::atomic<bool>* stop = nullptr;
  double checkpoint_seconds = 10;  // CPU seconds of a unit between its checkpoints.
};

// Everything but signals and exit codes. Cancelled if interrupted.
absl::Status Run(const Line& line, const std::vector<std::string>& arguments,
                 const Surroundings& surroundings);

// Parses and validates every ready configuration of a line, as --config would; each line has a test
// that calls it. Errors of all files, one a line.
absl::Status CheckReadyConfigs(const Line& line);

// For main(): installs signal handlers, runs, prints an error as one line, returns the exit code.
int Main(const Line& line, int argc, char** argv);

}  // namespace perennial::experiment

#endif  // PERENNIAL_COMMON_EXPERIMENT_HARNESS_H_
