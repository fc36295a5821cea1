// The command line that every experiment has.
//
//   CommandLine line;
//   PERENNIAL_ASSIGN_OR_RETURN(line, ParseCommandLine({"--config", "smoke", "--seeds=0..4"}));
//
// A flag's value follows after `=` or as the next argument. Unknown flags are refused with the
// nearest name, and a second value of any flag but --set.
#ifndef PERENNIAL_COMMON_EXPERIMENT_COMMAND_LINE_H_
#define PERENNIAL_COMMON_EXPERIMENT_COMMAND_LINE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace perennial::experiment {

struct CommandLine {
  std::string config;                  // A file, or the name of a ready config; empty: the default.
  std::vector<std::string> overrides;  // path=value, in order.
  std::vector<uint64_t> seeds;         // Ascending; empty: the line's default.
  std::string out;                     // Empty: runs/<line>/<config>-<fingerprint>.
  std::string data;                    // Empty: the data that came with the build.
  std::string device = "cpu";
  int threads = 0;  // 0: one a core.
  bool resume = false;
  bool list = false;
  bool dry_run = false;
  bool help = false;
};

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments);

// "0..4" (both ends included), "3", "0..2,7": ascending, each once. At most 100,000 seeds.
absl::StatusOr<std::vector<uint64_t>> ParseSeeds(absl::string_view text);

// "0..4" or "0..2,7": the shortest text that ParseSeeds reads as `seeds`.
std::string SeedsText(const std::vector<uint64_t>& seeds);

// One line a flag.
std::string FlagsHelp();

}  // namespace perennial::experiment

#endif  // PERENNIAL_COMMON_EXPERIMENT_COMMAND_LINE_H_
