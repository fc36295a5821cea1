// A file that one process at a time holds, to say that what stands beside it is in use.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, FileLock::Take("run/lock"));
//
// The lock is the kernel's (flock): it ends with the process, however that ends. The file stays,
// and names the last process that held it.
#ifndef PERENNIAL_COMMON_BASE_FILE_LOCK_H_
#define PERENNIAL_COMMON_BASE_FILE_LOCK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace perennial::base {

class FileLock {
 public:
  // Makes the file if there is none. Aborted, `in use by process 123`, if it is held; other errors
  // name the file.
  static absl::StatusOr<std::unique_ptr<FileLock>> Take(const std::string& path);

  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int file) : file_(file) {}

  int file_;
};

}  // namespace perennial::base

#endif  // PERENNIAL_COMMON_BASE_FILE_LOCK_H_
