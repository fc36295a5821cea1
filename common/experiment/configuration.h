// The configuration of an experiment: a line's ready ones, or a file, with --set on top.
//
//   PERENNIAL_ASSIGN_OR_RETURN(
//       const Configuration config,
//       LoadConfiguration(line, {.config = "smoke", .overrides = {"training.epochs=2"}}, here));
#ifndef PERENNIAL_COMMON_EXPERIMENT_CONFIGURATION_H_
#define PERENNIAL_COMMON_EXPERIMENT_CONFIGURATION_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/experiment/command_line.h"
#include "common/experiment/line.h"
#include "common/experiment/surroundings.h"
#include "google/protobuf/message.h"

namespace perennial::experiment {

struct Configuration {
  std::string name;  // The file's, without folder and ending.
  // Complete (defaults filled in) and valid.
  std::unique_ptr<google::protobuf::Message> message;
};

// From command.config (a file, or the name of a ready configuration; empty: the line's default) and
// command.overrides. Errors name file, line and column, or the override, with the field's path,
// what is allowed and the nearest name.
absl::StatusOr<Configuration> LoadConfiguration(const Line& line, const CommandLine& command,
                                                const Surroundings& surroundings);

// The ready configurations: name and the comment in the first line of each, in lines of 80 columns.
absl::StatusOr<std::string> ListingText(const Line& line);

// Parses and validates every ready configuration of a line, as --config would; each line has a test
// that calls it. Errors of all files, one a line.
absl::Status CheckReadyConfigs(const Line& line);

}  // namespace perennial::experiment

#endif  // PERENNIAL_COMMON_EXPERIMENT_CONFIGURATION_H_
