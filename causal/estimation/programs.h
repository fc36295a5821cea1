// //causal:estimate and //causal:predict: command lines around Encode, Analyze and ModelFile.
//
//   tools/bazel run //causal:estimate -- --data trial.csv --treatment drug --outcome days
//   tools/bazel run //causal:predict -- --model DIR --data new.csv --out effects.csv
//
// Relative paths begin where the user typed the command.
#ifndef PERENNIAL_CAUSAL_ESTIMATION_PROGRAMS_H_
#define PERENNIAL_CAUSAL_ESTIMATION_PROGRAMS_H_

#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace perennial::causal {

struct Terminal {
  std::ostream& out;  // Results.
  std::ostream& log;  // Progress.
  std::string working_folder;
};

// Errors are one line for the user. Nothing is written but at the end.
absl::Status RunEstimate(const std::vector<std::string>& arguments, const Terminal& terminal);
absl::Status RunPredict(const std::vector<std::string>& arguments, const Terminal& terminal);

// The whole of a program: 0, or 1 and "error: ..." on standard error.
int ProgramMain(int argc, char** argv,
                absl::Status (*run)(const std::vector<std::string>&, const Terminal&));

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_PROGRAMS_H_
