#include "common/base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/file_io.h"

namespace perennial::base {

absl::StatusOr<std::unique_ptr<FileLock>> FileLock::Take(const std::string& path) {
  const int file = OpenFile(path, O_RDWR | O_CREAT);
  if (file < 0) return ErrnoError(errno, "cannot open", path);
  // Closes the file on every way out.
  std::unique_ptr<FileLock> lock(new FileLock(file));
  int held;
  do {
    held = flock(file, LOCK_EX | LOCK_NB);
  } while (held != 0 && errno == EINTR);
  if (held != 0) {
    if (errno != EWOULDBLOCK) return ErrnoError(errno, "cannot lock", path);
    const std::string owner = ReadFile(path, 100).value_or("");
    return absl::AbortedError(absl::StrCat(
        "in use by process ", owner.empty() ? "(unknown)" : absl::StripSuffix(owner, "\n")));
  }
  // For that message only.
  const std::string owner = absl::StrCat(getpid(), "\n");
  if (ftruncate(file, 0) != 0 ||
      pwrite(file, owner.data(), owner.size(), 0) != static_cast<ssize_t>(owner.size())) {
    return ErrnoError(errno, "cannot write", path);
  }
  return lock;
}

FileLock::~FileLock() { close(file_); }

}  // namespace perennial::base
