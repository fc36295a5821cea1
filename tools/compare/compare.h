// tools/bazel run //tools:compare -- runs/a runs/b ... [flags]: what goes into a paper from
// finished runs. Reads run folders, pairs their results, prints tables and writes CSV, LaTeX and
// SVG.
//
// Exit codes: 0 done, 1 refused with one line on the error stream.
#ifndef PERENNIAL_TOOLS_COMPARE_COMPARE_H_
#define PERENNIAL_TOOLS_COMPARE_COMPARE_H_

#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/compare/comparison.h"

namespace perennial::compare {

struct CommandLine {
  std::vector<std::string> folders;
  std::vector<std::string> labels;  // folder=name
  CompareOptions options;
  std::string out;  // empty: runs/compare/<labels>
  bool help = false;
};

// Flags and folders in any order; a flag's value follows after `=` or as the next argument.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments);

struct Surroundings {
  std::ostream& out;
  std::ostream& log;           // warnings
  std::string working_folder;  // relative paths start here
};

// Everything but the exit code.
absl::Status Run(const std::vector<std::string>& arguments, const Surroundings& surroundings);

// For main(): prints an error as one line, returns the exit code.
int Main(int argc, char** argv);

}  // namespace perennial::compare

#endif  // PERENNIAL_TOOLS_COMPARE_COMPARE_H_
