#include "common/testing/faults.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdio>
#include <random>

namespace perennial::testing {
namespace {

bool WriteText(const char* path, const char* text, size_t size) {
  const int file = open(path, O_WRONLY);
  if (file < 0) return false;
  const bool written = write(file, text, size) == static_cast<ssize_t>(size);
  close(file);
  return written;
}

// A mount namespace of its own; within a user namespace where this process is not root.
bool OwnMounts(const std::string& user_map) {
  if (unshare(CLONE_NEWNS) != 0) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    if (!WriteText("/proc/self/uid_map", user_map.data(), user_map.size())) return false;
  }
  return mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

std::function<bool()> WithFileSystem(const std::string& folder, const std::string& options,
                                     unsigned long flags) {
  // Made here: the child must not allocate.
  const std::string user_map = "0 " + std::to_string(getuid()) + " 1\n";
  return [folder, options, flags, user_map] {
    return OwnMounts(user_map) &&
           mount("none", folder.c_str(), "tmpfs", flags, options.c_str()) == 0;
  };
}

}  // namespace

KilledRun KillAndResume(const std::vector<std::string>& arguments, const KillOptions& options) {
  std::mt19937_64 random(options.seed);
  std::uniform_real_distribution<double> moment(0, options.latest_seconds);
  std::vector<std::string> resumed = arguments;
  resumed.push_back("--resume");
  KilledRun run;
  for (int i = 0; i < options.kills; ++i) {
    Process process(resumed, options.process);
    if (process.EndsWithin(moment(random))) {
      run.last = process.Wait();
      return run;
    }
    process.Signal(SIGKILL);
    if (process.Wait().signal == SIGKILL) ++run.kills;
  }
  run.last = RunProcess(resumed, options.process);
  return run;
}

std::function<bool()> WithSmallFileSystem(const std::string& folder, int64_t bytes) {
  return WithFileSystem(folder, "size=" + std::to_string(bytes), 0);
}

std::function<bool()> WithReadOnlyFileSystem(const std::string& folder) {
  return WithFileSystem(folder, "size=65536", MS_RDONLY);
}

}  // namespace perennial::testing
