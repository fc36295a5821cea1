// Finished run folders as the comparison reads them, and what speaks against comparing them.
//
//   PERENNIAL_ASSIGN_OR_RETURN(std::vector<FinishedRun> runs, ReadRuns({"runs/a", "runs/b"}, {},
//   folder)); for (const std::string& warning : ComparabilityWarnings(runs)) ...
#ifndef PERENNIAL_TOOLS_COMPARE_RUNS_H_
#define PERENNIAL_TOOLS_COMPARE_RUNS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/record/summary.h"

namespace perennial::compare {

struct FinishedRun {
  std::string label;        // unique among the runs
  std::string config_text;  // config.textproto without its comments
  record::RunSummary summary;
  // From run.json; empty where it is missing or damaged.
  std::string data_digest;
  std::map<std::string, std::string> machine;  // by key: cpu, compiler, git_revision, ...
  std::map<std::string, double> cpu_seconds;   // by the unit's Id()
};

// Reads the folders in their order; relative paths start in `working_folder`. A label is the
// folder's name, with as many of the folders above as make it unique; `renames` ("label=name")
// gives it another one. Errors name the folder: there is none, it holds no run, its run is
// unfinished (go on with --resume), its summary is damaged, it is given twice.
absl::StatusOr<std::vector<FinishedRun>> ReadRuns(const std::vector<std::string>& folders,
                                                  const std::vector<std::string>& renames,
                                                  const std::string& working_folder);

// One line each: other lines of research, configurations (with the fields that differ), data,
// revisions and machines. Empty for runs that differ in their seeds alone.
std::vector<std::string> ComparabilityWarnings(const std::vector<FinishedRun>& runs);

// The fields that differ between two configurations in text form, one a line, in the order of the
// first: "training.epochs: 1 -> 2", "methods[er].memory.per_task: 10 -> (absent)". An element of a
// repeated message is told by its field `name`, otherwise by its index.
std::vector<std::string> ConfigDifferences(absl::string_view before, absl::string_view after);

}  // namespace perennial::compare

#endif  // PERENNIAL_TOOLS_COMPARE_RUNS_H_
