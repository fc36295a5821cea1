#include "common/base/file_io.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace perennial::base {
namespace {

constexpr char kTemporaryMark[] = ".perennial-tmp.";

std::string NameOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(slash == absl::string_view::npos ? path : path.substr(slash + 1));
}

absl::Status WriteAll(int file, absl::string_view contents, absl::string_view path) {
  while (!contents.empty()) {
    const ssize_t written = write(file, contents.data(), contents.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return ErrnoError(errno, "cannot write", path);
    }
    contents.remove_prefix(written);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ErrnoError(int errno_value, absl::string_view what, absl::string_view path) {
  return absl::Status(
      absl::ErrnoToStatusCode(errno_value),
      absl::StrCat(what, " ", path, ": ", std::generic_category().message(errno_value)));
}

std::string JoinPath(absl::string_view folder, absl::string_view name) {
  if (folder.empty() || absl::StartsWith(name, "/")) return std::string(name);
  return absl::StrCat(folder, absl::EndsWith(folder, "/") ? "" : "/", name);
}

std::string FolderOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

// A signal may interrupt calls: Ctrl-C is handled.
int OpenFile(const std::string& path, int flags, mode_t mode) {
  int file;
  do {
    file = open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (file < 0 && errno == EINTR);
  return file;
}

absl::StatusOr<std::string> ReadFile(absl::string_view path, int64_t max_bytes) {
  const std::string name(path);
  const int file = OpenFile(name, O_RDONLY);
  if (file < 0) return ErrnoError(errno, "cannot open", path);
  absl::Cleanup closer = [file] { close(file); };
  struct stat info;
  if (fstat(file, &info) != 0) return ErrnoError(errno, "cannot inspect", path);
  if (S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat("cannot read ", path, ": is a folder"));
  }
  if (info.st_size > max_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot read ", path, ": it has ",
                                                     info.st_size, " bytes, more than the allowed ",
                                                     max_bytes));
  }
  // The size is a hint only: files under /proc have none, and a file may grow meanwhile.
  std::string contents;
  contents.reserve(info.st_size);
  char buffer[1 << 16];
  while (true) {
    const ssize_t got = read(file, buffer, sizeof(buffer));
    if (got < 0) {
      if (errno == EINTR) continue;
      return ErrnoError(errno, "cannot read", path);
    }
    if (got == 0) return contents;
    if (static_cast<int64_t>(contents.size()) + got > max_bytes) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "cannot read ", path, ": it has more than the allowed ", max_bytes, " bytes"));
    }
    contents.append(buffer, got);
  }
}

absl::Status SyncFolder(absl::string_view path) {
  const std::string name(path);
  const int folder = OpenFile(name, O_RDONLY | O_DIRECTORY);
  if (folder < 0) return ErrnoError(errno, "cannot open the folder", path);
  absl::Cleanup closer = [folder] { close(folder); };
  // EINVAL: a file system that cannot sync a folder; there is nothing more to be done on it.
  if (fsync(folder) != 0 && errno != EINVAL) return ErrnoError(errno, "cannot sync", path);
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(absl::string_view path, absl::string_view contents) {
  static std::atomic<uint64_t> counter{0};
  const std::string name(path);
  const std::string folder = FolderOf(path);
  const std::string temporary =
      JoinPath(folder, absl::StrCat(".", NameOf(path), kTemporaryMark, getpid(), ".", counter++));
  const int file = OpenFile(temporary, O_WRONLY | O_CREAT | O_EXCL | O_TRUNC, 0666);
  if (file < 0) return ErrnoError(errno, "cannot write", path);
  absl::Cleanup remover = [&temporary] { unlink(temporary.c_str()); };
  {
    absl::Cleanup closer = [file] { close(file); };
    PERENNIAL_RETURN_IF_ERROR(WriteAll(file, contents, path));
    if (fsync(file) != 0) return ErrnoError(errno, "cannot sync", path);
  }
  if (rename(temporary.c_str(), name.c_str()) != 0) {
    return ErrnoError(errno, "cannot replace", path);
  }
  std::move(remover).Cancel();
  return SyncFolder(folder);
}

absl::Status MakeFolders(absl::string_view path) {
  const std::string name(path);
  if (name.empty()) return absl::InvalidArgumentError("the path of a folder is empty");
  for (size_t end = 1; end <= name.size(); ++end) {
    if (end < name.size() && name[end] != '/') continue;
    const std::string part = name.substr(0, end);
    if (mkdir(part.c_str(), 0777) == 0) continue;
    const int error = errno;
    if (FolderExists(part)) continue;  // also where making it was forbidden, as for "/"
    return ErrnoError(error == EEXIST ? ENOTDIR : error, "cannot make the folder", part);
  }
  return absl::OkStatus();
}

bool FileExists(absl::string_view path) {
  struct stat info;
  return stat(std::string(path).c_str(), &info) == 0 && !S_ISDIR(info.st_mode);
}

bool FolderExists(absl::string_view path) {
  struct stat info;
  return stat(std::string(path).c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

absl::StatusOr<std::vector<std::string>> ListFolder(absl::string_view path) {
  DIR* folder = opendir(std::string(path).c_str());
  if (folder == nullptr) return ErrnoError(errno, "cannot list", path);
  absl::Cleanup closer = [folder] { closedir(folder); };
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = readdir(folder);
    if (entry == nullptr) {
      if (errno != 0) return ErrnoError(errno, "cannot list", path);
      break;
    }
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status RemoveFile(absl::string_view path) {
  if (unlink(std::string(path).c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoError(errno, "cannot remove", path);
}

bool IsTemporaryName(absl::string_view name) {
  return absl::StartsWith(name, ".") && absl::StrContains(name, kTemporaryMark);
}

absl::Status RemoveTemporaries(absl::string_view folder) {
  if (!FolderExists(folder)) return absl::OkStatus();
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(folder));
  for (const std::string& name : names) {
    if (!IsTemporaryName(name)) continue;
    PERENNIAL_RETURN_IF_ERROR(RemoveFile(JoinPath(folder, name)));
  }
  return absl::OkStatus();
}

}  // namespace perennial::base
