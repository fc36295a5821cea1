// run.json: by what, where and when a run was made, how far it is, and what it cost.
//
//   {"version":"0.5.0","compiler":"gcc 12.2.0",...,                   the environment
//    "sittings":2,"wall_seconds":61.2,"cpu_seconds":104.9,            of all sittings together
//    "line":"continual","config":"smoke","fingerprint":"3f2a90c1b7de","data_digest":"9c0d",
//    "seeds":"0..2",
//    "state":"finished","gemm_peak_flops":1.1e11,
//    "flops":7.2e12,"floor_seconds":65.5,                            their CPU seconds at the peak
//    "costs":{"er":8.3},"unit_costs":{"er.rotated.seed.0":4.1,...},  CPU seconds by method, by unit
//    "failed":{"er.rotated.seed.1":"the loss is nan in step 12"}}     only if some have failed
//
// A run can do without it: what is damaged or missing is left out when it is read, never an error.
//
//   const StoredRunInfo earlier = ParseRunInfo(text);
//   PERENNIAL_RETURN_IF_ERROR(
//       folder->WriteRunInfo(RunInfoText(info, environment, earlier.sittings)));
#ifndef PERENNIAL_COMMON_RECORD_RUN_INFO_H_
#define PERENNIAL_COMMON_RECORD_RUN_INFO_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "common/record/environment.h"

namespace perennial::record {

struct RunInfo {
  std::string line;
  std::string config;
  std::string fingerprint;
  std::string data_digest;
  std::string seeds;                          // "0..4"
  std::string state;                          // "running", "interrupted", "failed" or "finished"
  double gemm_peak_flops = 0;                 // Of one thread, measured in this sitting, a second.
  double flops = 0;                           // Done so far.
  std::map<std::string, double> cpu_seconds;  // By unit id, over all sittings.
  std::map<std::string, std::string> failures;  // Unit id to message.
};

// Of the sittings before this one.
struct EarlierSittings {
  int64_t count = 0;
  double wall_seconds = 0;
  double cpu_seconds = 0;
  int64_t peak_memory_bytes = 0;
};

// What run.json says of a run.
struct StoredRunInfo {
  RunInfo info;
  EarlierSittings sittings;
  // What the last bits of the run's numbers may depend on, by key of run.json; see Machine.
  std::map<std::string, std::string> machine;
  std::string device;
  int64_t threads = 0;
};

std::string RunInfoText(const RunInfo& info, const Environment& environment,
                        const EarlierSittings& earlier);

StoredRunInfo ParseRunInfo(absl::string_view text);

// Version, revision, compiler, build mode, CPU and BLAS, as far as known.
std::map<std::string, std::string> Machine(const Environment& environment);

}  // namespace perennial::record

#endif  // PERENNIAL_COMMON_RECORD_RUN_INFO_H_
