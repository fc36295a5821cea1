#include "common/testing/process.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "common/base/logging.h"

namespace perennial::testing {
namespace {

std::string Contents(int file) {
  std::string text;
  char buffer[4096];
  ssize_t got;
  while ((got = pread(file, buffer, sizeof(buffer), static_cast<off_t>(text.size()))) > 0) {
    text.append(buffer, got);
  }
  return text;
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  CHECK(!arguments.empty());
  out_ = memfd_create("out", MFD_CLOEXEC);
  log_ = memfd_create("log", MFD_CLOEXEC);
  CHECK(out_ >= 0 && log_ >= 0) << "no memory file";
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  // The environment is made before the fork: another thread may hold a lock of the allocator.
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    bool replaced = false;
    for (const auto& [name, value] : options.environment) {
      replaced = replaced || text.compare(0, name.size() + 1, name + "=") == 0;
    }
    if (!replaced) variables.push_back(text);
  }
  for (const auto& [name, value] : options.environment) variables.push_back(name + "=" + value);
  std::vector<char*> envp;
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);

  id_ = fork();
  CHECK_GE(id_, 0) << "no process";
  if (id_ > 0) return;
  if (options.before_start && !options.before_start()) _exit(kNotStarted);
  if (!options.working_folder.empty() && chdir(options.working_folder.c_str()) != 0) {
    _exit(kNotStarted);
  }
  dup2(out_, STDOUT_FILENO);
  dup2(log_, STDERR_FILENO);
  execve(argv[0], argv.data(), envp.data());
  _exit(kNotStarted);
}

Process::~Process() {
  if (!ended_) {
    kill(id_, SIGKILL);
    Reap(0);
  }
  close(out_);
  close(log_);
}

bool Process::Reap(int flags) {
  while (!ended_) {
    const pid_t got = waitpid(id_, &status_, flags);
    if (got == id_) {
      ended_ = true;
    } else if (got == 0) {
      break;
    } else {
      CHECK_EQ(errno, EINTR);
    }
  }
  return ended_;
}

void Process::Signal(int signal_number) const { kill(id_, signal_number); }

bool Process::EndsWithin(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!Reap(WNOHANG)) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

ProcessResult Process::Wait() {
  Reap(0);
  return {.exit_code = WIFEXITED(status_) ? WEXITSTATUS(status_) : -1,
          .signal = WIFSIGNALED(status_) ? WTERMSIG(status_) : 0,
          .out = Contents(out_),
          .log = Contents(log_)};
}

ProcessResult RunProcess(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  return Process(arguments, options).Wait();
}

}  // namespace perennial::testing
