// Whole files in and out, with errors that name the path and the system's reason.
//
// Codes follow errno: NotFound, PermissionDenied, AlreadyExists, ResourceExhausted (disk full) ...
// Thread-safe: nothing here keeps state.
//
//   PERENNIAL_ASSIGN_OR_RETURN(std::string text, base::ReadFile("config.textproto"));
//   PERENNIAL_RETURN_IF_ERROR(base::MakeFolders("runs/a"));
//   PERENNIAL_RETURN_IF_ERROR(base::WriteFileAtomically("runs/a/summary.json", text));
#ifndef PERENNIAL_COMMON_BASE_FILE_IO_H_
#define PERENNIAL_COMMON_BASE_FILE_IO_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace perennial::base {

inline constexpr int64_t kDefaultMaxFileBytes = int64_t{1} << 30;

// The bytes of a regular file; ResourceExhausted if it is larger than max_bytes (nothing is
// allocated then).
absl::StatusOr<std::string> ReadFile(absl::string_view path,
                                     int64_t max_bytes = kDefaultMaxFileBytes);

// Replaces the file's contents so that any reader, and a machine that stops at any moment, sees
// either the old bytes or the new ones: a temporary file in the same folder, fsync, rename, fsync
// of the folder. The temporary file is removed on failure.
absl::Status WriteFileAtomically(absl::string_view path, absl::string_view contents);

// Makes the folder and its missing parents; OK if it is there.
absl::Status MakeFolders(absl::string_view path);

bool FileExists(absl::string_view path);
bool FolderExists(absl::string_view path);

// Names (not paths) of a folder's entries, sorted, without "." and "..".
absl::StatusOr<std::vector<std::string>> ListFolder(absl::string_view path);

// Removes a file; OK if there was none.
absl::Status RemoveFile(absl::string_view path);

// Flushes a folder's entries to disk, so that a rename or removal in it survives a power cut.
absl::Status SyncFolder(absl::string_view path);

// "folder/name"; name alone if folder is empty or name is absolute.
std::string JoinPath(absl::string_view folder, absl::string_view name);

// The folder that a path's last name stands in: "a" of "a/b", "." of "b", "/" of "/b".
std::string FolderOf(absl::string_view path);

// open(2) with O_CLOEXEC, not stopped by a signal; -1 and errno on failure. The caller closes.
int OpenFile(const std::string& path, int flags, mode_t mode = 0666);

// The error of `errno_value` as "<what> <path>: <reason>".
absl::Status ErrnoError(int errno_value, absl::string_view what, absl::string_view path);

// True for the names that WriteFileAtomically gives its temporary files.
bool IsTemporaryName(absl::string_view name);

// Removes what killed WriteFileAtomically calls have left in a folder; OK if there is no folder.
absl::Status RemoveTemporaries(absl::string_view folder);

}  // namespace perennial::base

#endif  // PERENNIAL_COMMON_BASE_FILE_IO_H_
