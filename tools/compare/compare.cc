#include "tools/compare/compare.h"

#include <algorithm>
#include <iostream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/file_io.h"
#include "common/base/flags.h"
#include "common/base/nearest_name.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/record/run_folder.h"
#include "tools/compare/output.h"
#include "tools/compare/runs.h"

namespace perennial::compare {
namespace {

constexpr char kProgram[] = "tools/bazel run //tools:compare --";
// Tells the folder of a comparison.
constexpr char kMarkFile[] = "pairs.csv";
// Of the default folder's name.
constexpr size_t kMaxNameLength = 80;

absl::Status AddNames(const char* flag, const std::string& value, std::vector<std::string>& names) {
  for (const absl::string_view name : absl::StrSplit(value, ',')) {
    if (name.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag, " ", value, ": a name is empty; write a,b"));
    }
    names.emplace_back(name);
  }
  return absl::OkStatus();
}

absl::Status SetNumber(const char* flag, const std::string& value, double& number) {
  if (absl::SimpleAtod(value, &number)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--", flag, " ", value, ": is not a number"));
}

absl::Status SetText(const char* flag, const std::string& value, std::string& text) {
  if (value.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag, ": the value is empty"));
  }
  text = value;
  return absl::OkStatus();
}

const base::FlagSet<CommandLine>& Flags() {
  static const auto* const flags = new base::FlagSet<CommandLine>({
      {"metric", "M[,M]", "What to compare; else what all methods have,\nbut for costs.",
       [](const auto& v, auto& line) { return AddNames("metric", v, line.options.metrics); },
       base::kRepeatable},
      {"group", "G[,G]", "Streams or data sets; else those of all runs.",
       [](const auto& v, auto& line) { return AddNames("group", v, line.options.groups); },
       base::kRepeatable},
      {"baseline", "NAME",
       "RUN/METHOD, METHOD, or RUN: each method against\n"
       "that run's own. Else the first run, if it shares\n"
       "a method with another, or its first method.",
       [](const auto& v, auto& line) { return SetText("baseline", v, line.options.baseline); }},
      {"label", "FOLDER=NAME", "Another name for a run; repeatable.",
       [](const auto& v, auto& line) {
         line.labels.push_back(v);
         return absl::OkStatus();
       },
       base::kRepeatable},
      {"lower_is_better", "M[,M]", "Beside losses, errors, forgetting, costs.",
       [](const auto& v, auto& line) {
         return AddNames("lower_is_better", v, line.options.lower_is_better);
       },
       base::kRepeatable},
      {"higher_is_better", "M[,M]", "Where the name misleads.",
       [](const auto& v, auto& line) {
         return AddNames("higher_is_better", v, line.options.higher_is_better);
       },
       base::kRepeatable},
      {"test", "t|wilcoxon", "Of the paired differences; t if not given.",
       [](const auto& v, auto& line) -> absl::Status {
         if (v != "t" && v != "wilcoxon") {
           return absl::InvalidArgumentError(
               absl::StrCat("--test: ", base::UnknownNameMessage("test", v, {"t", "wilcoxon"})));
         }
         line.options.test = v == "t" ? TestKind::kT : TestKind::kWilcoxon;
         return absl::OkStatus();
       }},
      {"confidence", "0.95", "Of intervals; the rest is the level of tests.",
       [](const auto& v, auto& line) {
         return SetNumber("confidence", v, line.options.confidence);
       }},
      {"equivalence", "MARGIN", "Tests whether differences lie within +-MARGIN.",
       [](const auto& v, auto& line) {
         return SetNumber("equivalence", v, line.options.margin.emplace());
       }},
      {"out", "DIR", "For the files; else runs/compare/<names of runs>.",
       [](const auto& v, auto& line) { return SetText("out", v, line.out); }},
      {"help", nullptr, "Prints this.",
       [](const auto&, auto& line) {
         line.help = true;
         return absl::OkStatus();
       }},
  });
  return *flags;
}

std::string Help() {
  std::string text =
      absl::StrCat("Compares finished runs: paired tests, CSV, a LaTeX table, SVG figures.\n\n",
                   kProgram, " RUN_FOLDER ... [flags]\n\n", Flags().Help(25));
  absl::StrAppend(&text,
                  "\nFiles: results.csv (every method and metric), pairs.csv (every test), "
                  "values.csv\n(every replicate), table.tex (for booktabs), means-*.svg, "
                  "differences-*.svg.\n");
  return text;
}

// As a shell reads it back.
std::string Quoted(const std::string& argument) {
  const bool plain = !argument.empty() && std::ranges::all_of(argument, [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::string_view("_-./=,:+@%").find(c) != absl::string_view::npos;
  });
  if (plain) return argument;
  return absl::StrCat("'", absl::StrReplaceAll(argument, {{"'", "'\\''"}}), "'");
}

std::string CommandText(const std::vector<std::string>& arguments) {
  std::string text = kProgram;
  for (const std::string& argument : arguments) absl::StrAppend(&text, " ", Quoted(argument));
  return text;
}

std::string DefaultFolder(const std::vector<FinishedRun>& runs) {
  std::vector<std::string> labels;
  for (const FinishedRun& run : runs) labels.push_back(run.label);
  std::string name = absl::StrJoin(labels, "-");
  if (name.size() > kMaxNameLength && runs.size() > 1) {
    name = absl::StrCat(labels[0].substr(0, kMaxNameLength), "-and-", runs.size() - 1, "-more");
  }
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') {
      c = '_';
    }
  }
  return absl::StrCat("runs/compare/", name);
}

// Somebody's files are not written over: the folder is new, empty, or one of an earlier comparison.
absl::Status CheckOurs(const std::string& folder, const std::string& shown) {
  if (base::FileExists(folder)) {
    return absl::FailedPreconditionError(
        absl::StrCat("--out ", shown, " is a file; choose a folder"));
  }
  if (!base::FolderExists(folder)) return absl::OkStatus();
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::string> names, base::ListFolder(folder));
  if (names.empty() || std::ranges::find(names, kMarkFile) != names.end()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("--out ", shown, " holds \"", names[0],
                                                    "\" and no comparison; choose another folder"));
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments) {
  CommandLine line;
  PERENNIAL_RETURN_IF_ERROR(Flags().Parse(arguments, line, &line.folders));
  return line;
}

absl::Status Run(const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  PERENNIAL_ASSIGN_OR_RETURN(const CommandLine line, ParseCommandLine(arguments));
  if (line.help) {
    surroundings.out << Help();
    return absl::OkStatus();
  }
  if (line.folders.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("give the folders of finished runs: ", kProgram, " runs/a runs/b"));
  }
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<FinishedRun> runs,
                             ReadRuns(line.folders, line.labels, surroundings.working_folder));
  const std::vector<std::string> warnings = ComparabilityWarnings(runs);
  PERENNIAL_ASSIGN_OR_RETURN(const Comparison comparison, Compare(runs, line.options));

  const std::string shown = line.out.empty() ? DefaultFolder(runs) : line.out;
  const std::string folder = base::JoinPath(surroundings.working_folder, shown);
  if (base::FileExists(base::JoinPath(folder, record::kConfigFile))) {
    return absl::FailedPreconditionError(
        absl::StrCat("--out ", shown, " is the folder of a run; choose another one"));
  }
  PERENNIAL_RETURN_IF_ERROR(CheckOurs(folder, shown));
  std::vector<std::string> comments = {CommandText(arguments)};
  for (const std::string& warning : warnings) {
    surroundings.log << "warning: " << warning << "\n";
    comments.push_back(absl::StrCat("Warning: ", warning));
  }
  surroundings.log.flush();

  std::vector<std::pair<std::string, std::string>> files = {
      {"results.csv", ResultsCsv(comparison)},
      {kMarkFile, PairsCsv(comparison)},
      {"values.csv", ValuesCsv(comparison)},
      {"table.tex", LatexTable(comparison, comments)}};
  for (auto& figure : Figures(comparison)) files.push_back(std::move(figure));
  PERENNIAL_RETURN_IF_ERROR(base::MakeFolders(folder));
  for (const auto& [name, contents] : files) {
    PERENNIAL_RETURN_IF_ERROR(base::WriteFileAtomically(base::JoinPath(folder, name), contents));
  }

  surroundings.out << TerminalText(comparison) << "\n" << shown << ":\n";
  for (const auto& [name, contents] : files) surroundings.out << "  " << name << "\n";
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  const absl::Status status =
      Run(std::vector<std::string>(argv + 1, argv + argc),
          {.out = std::cout, .log = std::cerr, .working_folder = base::WorkingFolder()});
  if (status.ok()) return 0;
  std::cout.flush();
  std::cerr << "error: " << status.message() << std::endl;
  return 1;
}

}  // namespace perennial::compare
