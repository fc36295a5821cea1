// Programs as a user starts them: for tests of what is only true of a whole process (exit codes,
// signals, kills).
//
//   const ProcessResult result = RunProcess({binary, "--list"}, {.working_folder = folder});
//   EXPECT_EQ(result.exit_code, 0) << result.log;
#ifndef PERENNIAL_COMMON_TESTING_PROCESS_H_
#define PERENNIAL_COMMON_TESTING_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace perennial::testing {

struct ProcessOptions {
  std::string working_folder;                                    // Empty: this process's.
  std::vector<std::pair<std::string, std::string>> environment;  // On top of this process's.
  // In the child before the program starts, e.g. to take something from it. If it returns false the
  // program is not started and the exit code is kNotStarted. Async-signal-safe calls only.
  std::function<bool()> before_start;
};

inline constexpr int kNotStarted = 125;

struct ProcessResult {
  int exit_code = -1;  // -1: ended by a signal.
  int signal = 0;
  std::string out;  // Standard output.
  std::string log;  // Standard error.
};

// A program under way; its output is kept in memory files. Killed when the object goes.
class Process {
 public:
  Process(const std::vector<std::string>& arguments, const ProcessOptions& options = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t id() const { return id_; }
  void Signal(int signal_number) const;
  // True if it ends by itself within the time.
  bool EndsWithin(double seconds);
  ProcessResult Wait();

 private:
  bool Reap(int flags);

  pid_t id_ = -1;
  int out_ = -1;
  int log_ = -1;
  bool ended_ = false;
  int status_ = 0;
};

ProcessResult RunProcess(const std::vector<std::string>& arguments,
                         const ProcessOptions& options = {});

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_PROCESS_H_
