// //causal:estimate and //causal:predict: command lines around Encode, Analyze and ModelFile.
//
//   tools/bazel run //causal:estimate -- --data trial.csv --treatment drug --outcome days
//   tools/bazel run //causal:predict -- --model DIR --data new.csv --out effects.csv
//
// Relative paths begin where the user typed the command.
//
// Memory of an estimate of R rows, C covariates (as encoded) and P parts at a time (--threads),
// with D = 8 R C bytes: D (1 + 2 P) for --model linear, D (1 + 3.5 P) for net, D (1 + 4 P) and 16 C
// P for each of the first 200,000 rows for boosting; D P more with --bootstrap or --refute; 700 R
// P; and 300 MB. Reading takes 2 D before that. P is lowered where memory is short; what does not
// fit at P = 1 is refused when the table was read, and a table that will not fit itself before it
// is.
#ifndef PERENNIAL_CAUSAL_ESTIMATION_PROGRAMS_H_
#define PERENNIAL_CAUSAL_ESTIMATION_PROGRAMS_H_

#include <atomic>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace perennial::causal {

struct Terminal {
  std::ostream& out;  // Results.
  std::ostream& log;  // Progress.
  std::string working_folder;
  bool is_terminal = false;                 // `log`: progress is one line, redrawn.
  int columns = 80;                         // Of it.
  const std::atomic<bool>* stop = nullptr;  // True: Cancelled soon, what ended is kept.
};

// Errors are one line for the user. RunEstimate makes its folder when the table was read and can be
// analyzed, and keeps in it what ends (estimate_folder.h).
absl::Status RunEstimate(const std::vector<std::string>& arguments, const Terminal& terminal);
absl::Status RunPredict(const std::vector<std::string>& arguments, const Terminal& terminal);

// The whole of a program: 0, or 1 and "error: ..." on standard error. Of one that `keeps` what it
// has done, the first SIGINT or SIGTERM sets Terminal::stop, and 130 is what it returns then.
int ProgramMain(int argc, char** argv,
                absl::Status (*run)(const std::vector<std::string>&, const Terminal&), bool keeps);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_PROGRAMS_H_
