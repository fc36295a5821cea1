// tools/bazel run //tools/claims: measures what papers claim, and writes the page of verdicts.
//
// Exit codes: 0 done, 1 refused or failed with one line on the error stream, 130 interrupted, with
// everything kept for --resume.
#ifndef PERENNIAL_TOOLS_CLAIMS_CLAIMS_H_
#define PERENNIAL_TOOLS_CLAIMS_CLAIMS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/experiment/surroundings.h"
#include "tools/claims/claims_file.h"

namespace perennial::claims {

struct CommandLine {
  Extent extent = Extent::kQuick;
  std::string line;      // Empty: all.
  std::string claims;    // A file in place of the lines' own.
  std::string out;       // Of claims.json and CLAIMS.md; empty: runs/claims.
  std::string runs;      // Of the run folders; empty: runs/claims.
  std::string markdown;  // The page, if not in `out`.
  std::string data;
  int threads = 0;  // 0: one a core.
  bool resume = false;
  bool dry_run = false;
  bool help = false;
};

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments);

// Everything but signals and exit codes. Cancelled if interrupted.
absl::Status Run(const std::vector<std::string>& arguments, absl::Span<const KnownLine> lines,
                 const experiment::Surroundings& surroundings);

// For main().
int Main(absl::Span<const KnownLine> lines, int argc, char** argv);

}  // namespace perennial::claims

#endif  // PERENNIAL_TOOLS_CLAIMS_CLAIMS_H_
