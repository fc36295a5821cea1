#include "common/record/environment.h"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "common/base/file_io.h"
#include "common/base/version.h"

extern char** environ;

namespace perennial::record {
namespace {

double Seconds(const timespec& time) {
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double ClockSeconds(clockid_t clock) {
  timespec now;
  return clock_gettime(clock, &now) == 0 ? Seconds(now) : 0;
}

std::string UtcNow() {
  const time_t now = time(nullptr);
  tm parts;
  gmtime_r(&now, &parts);
  char text[32];
  strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// What a command prints, if it ends well. No shell, so no quoting.
std::optional<std::string> OutputOf(std::vector<std::string> words) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child;
  const int failed =
      posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string output;
  if (failed == 0) {
    char buffer[4096];
    ssize_t got;
    while ((got = read(ends[0], buffer, sizeof(buffer))) != 0) {
      if (got < 0 && errno != EINTR) break;
      if (got > 0) output.append(buffer, got);
    }
  }
  close(ends[0]);
  if (failed != 0) return std::nullopt;
  int result;
  while (waitpid(child, &result, 0) < 0) {
    if (errno != EINTR) return std::nullopt;
  }
  if (!WIFEXITED(result) || WEXITSTATUS(result) != 0) return std::nullopt;
  return output;
}

void FindGitRevision(Environment* environment) {
  if (const char* revision = std::getenv("PERENNIAL_GIT_REVISION");
      revision != nullptr && *revision != '\0') {
    environment->git_revision = revision;
    return;
  }
  const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  if (workspace == nullptr) return;
  const std::optional<std::string> revision =
      OutputOf({"git", "-C", workspace, "rev-parse", "HEAD"});
  if (!revision) return;
  environment->git_revision = std::string(absl::StripAsciiWhitespace(*revision));
  const std::optional<std::string> changes =
      OutputOf({"git", "-C", workspace, "status", "--porcelain", "--untracked-files=no"});
  if (changes) environment->git_dirty = !changes->empty();
}

std::optional<std::string> CpuModel() {
  const absl::StatusOr<std::string> info = base::ReadFile("/proc/cpuinfo");
  if (!info.ok()) return std::nullopt;
  for (const absl::string_view line : absl::StrSplit(*info, '\n')) {
    if (!absl::StartsWith(line, "model name")) continue;
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 1));
    return std::string(absl::StripAsciiWhitespace(parts.second));
  }
  return std::nullopt;
}

int AllowedCores() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) return CPU_COUNT(&allowed);
  return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}

std::string CompilerName() {
#if defined(__clang__)
  return absl::StrCat("clang ", __clang_version__);
#else
  return absl::StrCat("gcc ", __VERSION__);
#endif
}

std::string BuildMode() {
  std::string mode;
#ifdef NDEBUG
  mode = "optimized";
#else
  mode = "debug";
#endif
#ifdef __SANITIZE_ADDRESS__
  mode += ", address sanitizer";
#endif
  return mode;
}

}  // namespace

Environment CollectEnvironment(const EnvironmentOptions& options) {
  Environment environment;
  environment.version = base::kVersion;
  FindGitRevision(&environment);
  environment.compiler = CompilerName();
  environment.build_mode = BuildMode();
  environment.cpu = CpuModel();
  environment.cores = AllowedCores();
  if (!options.libtorch.empty()) environment.libtorch = options.libtorch;
  if (!options.blas.empty()) environment.blas = options.blas;
  environment.device = options.device;
  environment.threads = options.threads;
  environment.start_time = UtcNow();
  environment.steady_start_seconds = ClockSeconds(CLOCK_MONOTONIC);
  return environment;
}

void FinishEnvironment(Environment* environment) {
  environment->end_time = UtcNow();
  environment->wall_seconds = ClockSeconds(CLOCK_MONOTONIC) - environment->steady_start_seconds;
  environment->cpu_seconds = ClockSeconds(CLOCK_PROCESS_CPUTIME_ID);
  rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    environment->peak_memory_bytes = int64_t{1024} * usage.ru_maxrss;  // Linux counts in KiB
  }
}

base::JsonObject EnvironmentJson(const Environment& environment) {
  base::JsonObject json;
  const auto add = [&json](absl::string_view key, const auto& value) {
    if (value) json.Add(key, *value);
  };
  json.Add("version", environment.version);
  add("git_revision", environment.git_revision);
  add("git_dirty", environment.git_dirty);
  json.Add("compiler", environment.compiler);
  json.Add("build_mode", environment.build_mode);
  add("cpu", environment.cpu);
  json.Add("cores", environment.cores);
  add("libtorch", environment.libtorch);
  add("blas", environment.blas);
  json.Add("device", environment.device);
  json.Add("threads", environment.threads);
  json.Add("start_time", environment.start_time);
  add("end_time", environment.end_time);
  add("wall_seconds", environment.wall_seconds);
  add("cpu_seconds", environment.cpu_seconds);
  add("peak_memory_bytes", environment.peak_memory_bytes);
  return json;
}

std::vector<std::pair<std::string, std::string>> EnvironmentRows(const Environment& environment) {
  std::vector<std::pair<std::string, std::string>> rows;
  rows.emplace_back("Perennial", environment.version);
  if (environment.git_revision) {
    rows.emplace_back("Git revision",
                      absl::StrCat(*environment.git_revision,
                                   environment.git_dirty.value_or(false) ? " (changed)" : ""));
  }
  rows.emplace_back("Compiler", environment.compiler);
  rows.emplace_back("Build", environment.build_mode);
  rows.emplace_back("CPU",
                    absl::StrCat(environment.cpu.value_or("unknown"), ", ", environment.cores,
                                 environment.cores == 1 ? " core" : " cores"));
  if (environment.libtorch) rows.emplace_back("LibTorch", *environment.libtorch);
  if (environment.blas) rows.emplace_back("BLAS", *environment.blas);
  rows.emplace_back("Device", environment.device);
  rows.emplace_back("Threads", absl::StrCat(environment.threads));
  rows.emplace_back("Started", environment.start_time);
  if (environment.end_time) rows.emplace_back("Ended", *environment.end_time);
  if (environment.wall_seconds) {
    rows.emplace_back("Wall time", absl::StrFormat("%.1f s", *environment.wall_seconds));
  }
  if (environment.cpu_seconds) {
    rows.emplace_back("CPU time", absl::StrFormat("%.1f s", *environment.cpu_seconds));
  }
  if (environment.peak_memory_bytes) {
    rows.emplace_back(
        "Peak memory",
        absl::StrFormat("%.0f MiB",
                        static_cast<double>(*environment.peak_memory_bytes) / (1 << 20)));
  }
  return rows;
}

}  // namespace perennial::record
