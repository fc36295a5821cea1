// What befalls long runs: kills, full disks, read-only disks. For tests of programs that follow the
// experiment contract (--out, --resume, exit codes).
#ifndef PERENNIAL_COMMON_TESTING_FAULTS_H_
#define PERENNIAL_COMMON_TESTING_FAULTS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/testing/process.h"

namespace perennial::testing {

struct KillOptions {
  int kills = 20;
  double latest_seconds = 1;  // A kill comes between the start and this.
  uint64_t seed = 1;          // Of the moments.
  ProcessOptions process;
};

struct KilledRun {
  int kills = 0;  // That met a running process; fewer than asked for if the run ended before.
  ProcessResult last;
};

// Runs the program (its arguments without --resume), ends it by SIGKILL at random moments and
// resumes it each time, then lets it come to its end.
KilledRun KillAndResume(const std::vector<std::string>& arguments, const KillOptions& options);

// For ProcessOptions::before_start: gives the process a private file system at `folder` (which
// exists), of so many bytes, or one that cannot be written. It goes with the process, so whoever
// wants to see it afterwards runs a shell in it. The process is not started where the kernel allows
// no such thing.
std::function<bool()> WithSmallFileSystem(const std::string& folder, int64_t bytes);
std::function<bool()> WithReadOnlyFileSystem(const std::string& folder);

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_FAULTS_H_
