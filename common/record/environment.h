// Where, when and by what a run was made: the part of run.json that reproduces nothing but explains
// everything.
//
// What cannot be found out is absent (no git, no /proc). Nothing here enters a fingerprint.
//
//   Environment environment = CollectEnvironment({.blas = "MKL 2024.2", .threads = 2});
//   ... the run ...
//   FinishEnvironment(&environment);
//   run->WriteRunInfo(EnvironmentJson(environment).AddRaw("costs", costs).Text());
#ifndef PERENNIAL_COMMON_RECORD_ENVIRONMENT_H_
#define PERENNIAL_COMMON_RECORD_ENVIRONMENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/json_text.h"

namespace perennial::record {

struct EnvironmentOptions {
  std::string libtorch;  // version; empty: absent
  std::string blas;      // name and version of the GEMM in use; empty: absent
  int threads = 1;       // that the run may use
  std::string device = "cpu";
};

struct Environment {
  std::string version;                      // of the project
  std::optional<std::string> git_revision;  // $PERENNIAL_GIT_REVISION, else of the workspace
  std::optional<bool> git_dirty;            // tracked files changed
  std::string compiler;
  std::string build_mode;  // optimized or debug, and the sanitizer if there is one
  std::optional<std::string> cpu;
  int cores = 0;  // that this process may use
  std::optional<std::string> libtorch;
  std::optional<std::string> blas;
  std::string device;
  int threads = 0;
  std::string start_time;  // UTC, RFC 3339
  std::optional<std::string> end_time;
  std::optional<double> wall_seconds;
  std::optional<double> cpu_seconds;         // user and system, all threads, since process start
  std::optional<int64_t> peak_memory_bytes;  // largest resident set so far
  double steady_start_seconds = 0;           // of the monotonic clock; not written
};

// Everything known at the start.
Environment CollectEnvironment(const EnvironmentOptions& options);

// Fills in end time, wall and CPU seconds and peak memory. Wall seconds come from the monotonic
// clock, so they are right when the system's clock jumps. May be called again later.
void FinishEnvironment(Environment* environment);

// Keys in the order of the struct's members; absent ones are left out.
base::JsonObject EnvironmentJson(const Environment& environment);

// The same as name and readable value, for a report.
std::vector<std::pair<std::string, std::string>> EnvironmentRows(const Environment& environment);

}  // namespace perennial::record

#endif  // PERENNIAL_COMMON_RECORD_ENVIRONMENT_H_
