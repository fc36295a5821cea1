// Prints what a search found:
//
//   tools/bazel run //continual/tuning:best_trials -- RUN_FOLDER [FILE.csv]
//
// The best trial of each method as a table, and all trials to a CSV file if one is named.

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/excerpt.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/config/textproto.h"
#include "common/record/run_folder.h"
#include "common/record/summary.h"
#include "common/report/csv.h"
#include "common/report/terminal_table.h"
#include "continual/tuning/trials.h"

namespace {

using namespace perennial;  // NOLINT: a main.

constexpr char kHelp[] =
    R"(Prints the best trial of each method that a finished run has searched settings for.

usage: best_trials RUN_FOLDER [FILE.csv]

  RUN_FOLDER   Of //continual:experiment, with a configuration that has searches.
  FILE.csv     Where all trials go: method, trial, seeds, score, settings.
  --help       Prints this.
)";

absl::Status Show(const std::vector<std::string>& arguments) {
  if (std::ranges::find_if(arguments, [](const std::string& argument) {
        return argument == "--help" || argument == "-h";
      }) != arguments.end()) {
    std::cout << kHelp;
    return absl::OkStatus();
  }
  for (const std::string& argument : arguments) {
    if (argument[0] != '-') continue;
    return absl::InvalidArgumentError(
        absl::StrCat("unknown flag \"", base::Excerpt(argument), "\" (try --help)"));
  }
  if (arguments.empty() || arguments.size() > 2) {
    return absl::InvalidArgumentError("usage: best_trials RUN_FOLDER [FILE.csv]");
  }
  const std::string here = base::WorkingFolder();
  const std::string folder = base::JoinPath(here, arguments[0]);
  const auto read = [&](absl::string_view name) {
    return base::ReadFile(base::JoinPath(folder, name));
  };
  PERENNIAL_ASSIGN_OR_RETURN(const std::string summary_text, read(record::kSummaryFile));
  PERENNIAL_ASSIGN_OR_RETURN(const record::RunSummary summary, record::ParseSummary(summary_text));
  PERENNIAL_ASSIGN_OR_RETURN(const std::string config_text, read(record::kConfigFile));
  continual::ContinualConfig config;
  PERENNIAL_RETURN_IF_ERROR(
      config::ParseTextproto(config_text, base::JoinPath(folder, record::kConfigFile), &config));
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<continual::RankedTrial> trials,
                             continual::RankTrials(config, summary.results));
  if (trials.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(arguments[0], ": its configuration has no searches"));
  }
  std::cout << report::TerminalTable(continual::BestTrialsTable(trials));
  if (arguments.size() < 2) return absl::OkStatus();
  return base::WriteFileAtomically(base::JoinPath(here, arguments[1]),
                                   report::TableCsv(continual::TrialsTable(trials)));
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = Show({argv + 1, argv + argc});
  if (status.ok()) return 0;
  std::cerr << "best_trials: " << status.message() << "\n";
  return 1;
}
