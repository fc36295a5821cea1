#include "tools/claims/claims.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/excerpt.h"
#include "common/base/file_io.h"
#include "common/base/flags.h"
#include "common/base/nearest_name.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/report/terminal_table.h"
#include "tools/claims/measure.h"
#include "tools/claims/page.h"

namespace perennial::claims {
namespace {

constexpr char kDefaultFolder[] = "runs/claims";
constexpr int kMaxThreads = 4096;

absl::Status SetText(const char* flag, const std::string& value, std::string& text) {
  if (value.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag, ": the value is empty"));
  }
  text = value;
  return absl::OkStatus();
}

// What the flags say, with what two of them may not say together.
struct Flagged {
  CommandLine line;
  bool quick = false;
  bool full = false;
};

const base::FlagSet<Flagged>& Flags() {
  const auto text = [](const char* flag, std::string CommandLine::*field) {
    return [flag, field](const std::string& value, Flagged& flagged) {
      return SetText(flag, value, flagged.line.*field);
    };
  };
  const auto set = [](bool CommandLine::*field) {
    return [field](const std::string&, Flagged& flagged) {
      flagged.line.*field = true;
      return absl::OkStatus();
    };
  };
  static const auto* const flags = new base::FlagSet<Flagged>({
      {"quick", nullptr, "Few replicates: well under an hour. The default.",
       [](const auto&, auto& flagged) {
         flagged.quick = true;
         return absl::OkStatus();
       }},
      {"full", nullptr, "All replicates.",
       [](const auto&, auto& flagged) {
         flagged.full = true;
         flagged.line.extent = Extent::kFull;
         return absl::OkStatus();
       }},
      {"line", "NAME", "One line of research; else all.", text("line", &CommandLine::line)},
      {"claims", "FILE", "Claims in place of the lines' own.",
       text("claims", &CommandLine::claims)},
      {"out", "DIR", "For claims.json and CLAIMS.md; else runs/claims.",
       text("out", &CommandLine::out)},
      {"markdown", "FILE", "The page, if not DIR/CLAIMS.md.",
       text("markdown", &CommandLine::markdown)},
      {"runs", "DIR", "Folder of the runs; else runs/claims.", text("runs", &CommandLine::runs)},
      {"data", "DIR", "Data in place of what came with the build.",
       text("data", &CommandLine::data)},
      {"threads", "N", "One a core, if not given.",
       [](const auto& value, auto& flagged) -> absl::Status {
         int& threads = flagged.line.threads;
         if (absl::SimpleAtoi(value, &threads) && threads >= 1 && threads <= kMaxThreads) {
           return absl::OkStatus();
         }
         return absl::InvalidArgumentError(
             absl::StrCat("--threads ", base::Excerpt(value), ": must be from 1 to ", kMaxThreads));
       }},
      {"resume", nullptr, "Goes on with runs that were interrupted.", set(&CommandLine::resume)},
      {"dry_run", nullptr, "Checks the claims and tells what would be run.",
       set(&CommandLine::dry_run)},
      {"help", nullptr, "Prints this.", set(&CommandLine::help)},
  });
  return *flags;
}

absl::StatusOr<std::vector<LineClaims>> Load(const CommandLine& command,
                                             absl::Span<const KnownLine> lines,
                                             const experiment::Surroundings& surroundings) {
  std::vector<std::string> names;
  for (const KnownLine& known : lines) names.push_back(known.line->name());
  if (!command.line.empty() && std::ranges::find(names, command.line) == names.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--line: ", base::UnknownNameMessage("line", base::Excerpt(command.line), names)));
  }
  std::vector<LineClaims> all;
  if (!command.claims.empty()) {
    PERENNIAL_ASSIGN_OR_RETURN(all.emplace_back(), LoadClaims(surroundings.Resolve(command.claims),
                                                              command.claims, lines, surroundings));
    const std::string name = all[0].line->name();
    if (!command.line.empty() && command.line != name) {
      return absl::InvalidArgumentError(absl::StrCat("--line ", command.line, ": the claims of ",
                                                     command.claims, " are about ", name));
    }
    return all;
  }
  for (const KnownLine& known : lines) {
    if (known.claims_file.empty()) continue;
    if (!command.line.empty() && command.line != known.line->name()) continue;
    PERENNIAL_ASSIGN_OR_RETURN(const std::string path,
                               base::FindRunfile(absl::StrCat("perennial/", known.claims_file)));
    PERENNIAL_ASSIGN_OR_RETURN(all.emplace_back(),
                               LoadClaims(path, known.claims_file, lines, surroundings));
  }
  if (all.empty()) {
    return absl::FailedPreconditionError("there are no claims; name a file of them with --claims");
  }
  return all;
}

// What decides the page's content, as a command.
std::string CommandText(const CommandLine& command) {
  return absl::StrCat("tools/bazel run //tools/claims -- ",
                      command.extent == Extent::kQuick ? "--quick" : "--full",
                      command.line.empty() ? "" : absl::StrCat(" --line ", command.line),
                      command.claims.empty() ? "" : absl::StrCat(" --claims ", command.claims));
}

std::atomic<bool> g_stop = false;

extern "C" void RequestStop(int signal_number) {
  g_stop = true;
  // A second signal ends the program at once.
  signal(signal_number, SIG_DFL);
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments) {
  Flagged flagged;
  PERENNIAL_RETURN_IF_ERROR(Flags().Parse(arguments, flagged));
  if (flagged.quick && flagged.full) {
    return absl::InvalidArgumentError("--quick and --full: choose one");
  }
  return flagged.line;
}

absl::Status Run(const std::vector<std::string>& arguments, absl::Span<const KnownLine> lines,
                 const experiment::Surroundings& surroundings) {
  PERENNIAL_ASSIGN_OR_RETURN(const CommandLine command, ParseCommandLine(arguments));
  if (command.help) {
    surroundings.out << "Measures what papers claim, and writes a page of verdicts.\n\n"
                     << "tools/bazel run //tools/claims -- [flags]\n\n"
                     << Flags().Help(20);
    return absl::OkStatus();
  }
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<LineClaims> claims,
                             Load(command, lines, surroundings));
  if (!command.data.empty() && claims.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--data ", command.data, ": lines have data of their own; add --line"));
  }
  MeasureOptions options = {.extent = command.extent,
                            .runs = command.runs.empty() ? kDefaultFolder : command.runs,
                            .data = command.data,
                            .threads = command.threads,
                            .resume = command.resume};
  if (options.threads == 0) {
    options.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  if (command.dry_run) {
    PERENNIAL_ASSIGN_OR_RETURN(const std::string plan, PlanOf(claims, options, surroundings));
    surroundings.out << plan;
    return absl::OkStatus();
  }
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<LineResults> results,
                             MeasureClaims(claims, options, surroundings));
  const std::string out = command.out.empty() ? kDefaultFolder : command.out;
  const std::string json = base::JoinPath(out, "claims.json");
  const std::string page =
      command.markdown.empty() ? base::JoinPath(out, "CLAIMS.md") : command.markdown;
  for (const auto& [path, text] : {std::pair(json, JsonText(results, command.extent)),
                                   std::pair(page, PageText(results, CommandText(command)))}) {
    const std::string resolved = surroundings.Resolve(path);
    PERENNIAL_RETURN_IF_ERROR(base::MakeFolders(base::FolderOf(resolved)));
    PERENNIAL_RETURN_IF_ERROR(base::WriteFileAtomically(resolved, text));
  }
  surroundings.out << report::TerminalTable(VerdictTable(results), 100) << "\npage    " << page
                   << "\nnumbers " << json << "\n";
  return absl::OkStatus();
}

int Main(absl::Span<const KnownLine> lines, int argc, char** argv) {
  struct sigaction action = {};
  action.sa_handler = RequestStop;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  experiment::Surroundings surroundings = {.out = std::cout,
                                           .log = std::cerr,
                                           .terminal = isatty(STDERR_FILENO) != 0,
                                           .working_folder = base::WorkingFolder(),
                                           .stop = &g_stop};
  winsize window = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) {
    surroundings.columns = window.ws_col;
  }
  const absl::Status status =
      Run(std::vector<std::string>(argv + 1, argv + argc), lines, surroundings);
  std::cout.flush();
  if (status.ok() && !std::cout) {
    std::cerr << "error: the standard output cannot be written" << std::endl;
    return 1;
  }
  if (status.ok()) return 0;
  std::cerr << (absl::IsCancelled(status) ? "" : "error: ") << status.message() << std::endl;
  return absl::IsCancelled(status) ? 130 : 1;
}

}  // namespace perennial::claims
