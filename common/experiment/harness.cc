#include "common/experiment/harness.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <memory>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/config/resolve.h"
#include "common/experiment/command_line.h"
#include "common/experiment/configuration.h"
#include "common/experiment/plan.h"
#include "common/experiment/run.h"

namespace perennial::experiment {
namespace {

std::atomic<bool> g_stop = false;

extern "C" void RequestStop(int signal_number) {
  g_stop = true;
  // A second signal ends the program at once.
  signal(signal_number, SIG_DFL);
}

}  // namespace

absl::Status Run(const Line& line, const std::vector<std::string>& arguments,
                 const Surroundings& surroundings) {
  PERENNIAL_ASSIGN_OR_RETURN(const CommandLine command, ParseCommandLine(arguments));
  if (command.help) {
    PERENNIAL_ASSIGN_OR_RETURN(const std::string listing, ListingText(line));
    surroundings.out << line.title() << "\n\n"
                     << "tools/bazel run //" << line.name() << ":experiment -- [flags]\n\n"
                     << FlagsHelp() << "\nReady configurations:\n"
                     << listing << "\nFields of a configuration:\n"
                     << config::DescribeFields(line.NewConfig()->GetDescriptor());
    return absl::OkStatus();
  }
  if (command.list) {
    PERENNIAL_ASSIGN_OR_RETURN(const std::string listing, ListingText(line));
    surroundings.out << listing;
    return absl::OkStatus();
  }
  if (command.device == "cuda") {
    return absl::UnimplementedError(
        "--device cuda: units of this line compute on the CPU; leave the flag out");
  }
  PERENNIAL_ASSIGN_OR_RETURN(const Configuration config,
                             LoadConfiguration(line, command, surroundings));
  PERENNIAL_ASSIGN_OR_RETURN(const std::unique_ptr<Experiment> experiment,
                             line.Prepare(*config.message, surroundings.Resolve(command.data)));
  const int threads = command.threads > 0
                          ? command.threads
                          : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (command.dry_run) {
    const std::vector<uint64_t> seeds =
        command.seeds.empty() ? line.default_seeds() : command.seeds;
    std::vector<std::unique_ptr<population::Unit>> all;
    for (const uint64_t seed : seeds) {
      if (surroundings.stopped()) return absl::CancelledError("interrupted");
      PERENNIAL_ASSIGN_OR_RETURN(auto units, experiment->Units(seed));
      std::ranges::move(units, std::back_inserter(all));
    }
    PERENNIAL_ASSIGN_OR_RETURN(const std::string plan,
                               PlanText(all, seeds, threads, surroundings.stop));
    surroundings.out << plan;
    return absl::OkStatus();
  }
  const std::string folder = command.out.empty()
                                 ? absl::StrCat("runs/", line.name(), "/", config.name, "-",
                                                RunFingerprint(config, *experiment))
                                 : command.out;
  return RunExperiment(line, surroundings, config, command, *experiment,
                       surroundings.Resolve(folder), threads);
}

int Main(const Line& line, int argc, char** argv) {
  struct sigaction action = {};
  action.sa_handler = RequestStop;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);

  const char* checkpoint_seconds = std::getenv("PERENNIAL_CHECKPOINT_SECONDS");
  Surroundings surroundings = {.out = std::cout,
                               .log = std::cerr,
                               .terminal = isatty(STDERR_FILENO) != 0,
                               .working_folder = base::WorkingFolder(),
                               .stop = &g_stop};
  winsize window = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) {
    surroundings.columns = window.ws_col;
  }
  if (checkpoint_seconds != nullptr &&
      !absl::SimpleAtod(checkpoint_seconds, &surroundings.checkpoint_seconds)) {
    std::cerr << "error: PERENNIAL_CHECKPOINT_SECONDS is \"" << checkpoint_seconds
              << "\": must be a number" << std::endl;
    return 1;
  }
  const absl::Status status =
      Run(line, std::vector<std::string>(argv + 1, argv + argc), surroundings);
  std::cout.flush();
  if (status.ok() && !std::cout) {
    std::cerr << "error: the standard output cannot be written" << std::endl;
    return 1;
  }
  if (status.ok()) return 0;
  std::cerr << (absl::IsCancelled(status) ? "" : "error: ") << status.message() << std::endl;
  return absl::IsCancelled(status) ? 130 : 1;
}

}  // namespace perennial::experiment
