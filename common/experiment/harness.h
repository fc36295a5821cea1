// The harness of every experiment: command line, configuration, run folder, progress, resume,
// results. A line's program is a registration (line.h) and this Main.
//
// Exit codes: 0 done (or shown), 1 refused or failed with one line on the error stream, 130
// interrupted (with everything kept for --resume).
#ifndef PERENNIAL_COMMON_EXPERIMENT_HARNESS_H_
#define PERENNIAL_COMMON_EXPERIMENT_HARNESS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/experiment/line.h"
#include "common/experiment/surroundings.h"

namespace perennial::experiment {

// Everything but signals and exit codes. Cancelled if interrupted.
absl::Status Run(const Line& line, const std::vector<std::string>& arguments,
                 const Surroundings& surroundings);

// For main(): installs signal handlers, runs, prints an error as one line, returns the exit code.
// PERENNIAL_CHECKPOINT_SECONDS in the environment replaces the 10 CPU seconds between checkpoints
// of a unit.
int Main(const Line& line, int argc, char** argv);

}  // namespace perennial::experiment

#endif  // PERENNIAL_COMMON_EXPERIMENT_HARNESS_H_
