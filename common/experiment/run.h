// One run of an experiment: its units from where they stand to their end, with everything that a
// run folder holds.
//
// A unit that fails (its loss is not a number, say) is told at once, keeps its last checkpoint, and
// is named in the summary; the others go on. What concerns the run itself (a disk that is full)
// ends it with what is done kept.
#ifndef PERENNIAL_COMMON_EXPERIMENT_RUN_H_
#define PERENNIAL_COMMON_EXPERIMENT_RUN_H_

#include <string>

#include "absl/status/status.h"
#include "common/experiment/command_line.h"
#include "common/experiment/configuration.h"
#include "common/experiment/line.h"
#include "common/experiment/surroundings.h"

namespace perennial::experiment {

// Starts the run of `config` in `folder`, goes on with the one that stands there (command.resume),
// extends it by seeds, or shows it again. Cancelled if interrupted; an error if a unit failed, too,
// after the others' results stand in the folder.
absl::Status RunExperiment(const Line& line, const Surroundings& surroundings,
                           const Configuration& config, const CommandLine& command,
                           Experiment& experiment, const std::string& folder, int threads);

// The configuration and the data, as run folders and reports name them.
std::string RunFingerprint(const Configuration& config, const Experiment& experiment);

}  // namespace perennial::experiment

#endif  // PERENNIAL_COMMON_EXPERIMENT_RUN_H_
