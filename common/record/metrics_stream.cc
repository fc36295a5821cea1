#include "common/record/metrics_stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "common/base/file_io.h"
#include "common/base/status_macros.h"

namespace perennial::record {
namespace {

int OpenForAppending(const std::string& path) {
  return base::OpenFile(path, O_RDWR | O_CREAT | O_APPEND);
}

// Removes what follows the last newline.
absl::Status DropPartialLine(int file, const std::string& path) {
  struct stat info;
  if (fstat(file, &info) != 0) return base::ErrnoError(errno, "cannot inspect", path);
  off_t end = info.st_size;
  char buffer[4096];
  while (end > 0) {
    const off_t begin =
        end > static_cast<off_t>(sizeof(buffer)) ? end - static_cast<off_t>(sizeof(buffer)) : 0;
    const ssize_t got = pread(file, buffer, end - begin, begin);
    if (got < 0 && errno == EINTR) continue;
    if (got != end - begin) return base::ErrnoError(got < 0 ? errno : EIO, "cannot read", path);
    const size_t newline = absl::string_view(buffer, got).rfind('\n');
    if (newline != absl::string_view::npos) {
      end = begin + static_cast<off_t>(newline) + 1;
      break;
    }
    end = begin;
  }
  if (end < info.st_size && ftruncate(file, end) != 0) {
    return base::ErrnoError(errno, "cannot shorten", path);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsStream>> MetricsStream::Open(absl::string_view path) {
  const std::string name(path);
  const int file = OpenForAppending(name);
  if (file < 0) return base::ErrnoError(errno, "cannot open", path);
  std::unique_ptr<MetricsStream> stream(new MetricsStream(name, file));
  PERENNIAL_RETURN_IF_ERROR(DropPartialLine(file, name));
  return stream;
}

MetricsStream::~MetricsStream() {
  if (file_ >= 0) close(file_);
}

absl::Status MetricsStream::Append(const base::JsonObject& object) {
  const std::string line = object.Text() + "\n";
  absl::MutexLock lock(&mutex_);
  ssize_t written;
  do {
    written = write(file_, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(line.size())) return absl::OkStatus();
  // A part of a line would spoil the next one (the disk is full, say).
  const int error = written < 0 ? errno : ENOSPC;
  if (written > 0) PERENNIAL_RETURN_IF_ERROR(DropPartialLine(file_, path_));
  return base::ErrnoError(error, "cannot append to", path_);
}

absl::Status MetricsStream::Sync() {
  absl::MutexLock lock(&mutex_);
  if (fdatasync(file_) != 0) return base::ErrnoError(errno, "cannot sync", path_);
  return absl::OkStatus();
}

absl::Status MetricsStream::KeepLines(absl::FunctionRef<bool(absl::string_view)> keep) {
  absl::MutexLock lock(&mutex_);
  PERENNIAL_ASSIGN_OR_RETURN(const std::string text,
                             base::ReadFile(path_, std::numeric_limits<int64_t>::max()));
  std::string kept;
  for (absl::string_view rest = text; !rest.empty();) {
    const size_t newline = rest.find('\n');
    if (newline == absl::string_view::npos) break;
    if (keep(rest.substr(0, newline))) kept.append(rest.data(), newline + 1);
    rest.remove_prefix(newline + 1);
  }
  if (kept.size() == text.size()) return absl::OkStatus();
  PERENNIAL_RETURN_IF_ERROR(base::WriteFileAtomically(path_, kept));
  const int file = OpenForAppending(path_);
  if (file < 0) return base::ErrnoError(errno, "cannot open", path_);
  close(std::exchange(file_, file));
  return absl::OkStatus();
}

}  // namespace perennial::record
