// Finds the data files that a Bazel target names in `data`, in `bazel test`, in `bazel run` and
// when the built binary is started by hand, also when perennial is an external repository.
//
// A path begins with the name of its repository: "fashion_mnist/..." or "perennial/...". Folders
// looked at, in this order: $RUNFILES_DIR, $TEST_SRCDIR, <binary>.runfiles, and the runfiles tree
// that the binary itself stands in. A miss is NotFound and names them all.
//
//   PERENNIAL_ASSIGN_OR_RETURN(
//       std::string path,
//       base::FindRunfile("perennial/continual/configs/smoke.textproto"));
#ifndef PERENNIAL_COMMON_BASE_RUNFILES_H_
#define PERENNIAL_COMMON_BASE_RUNFILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace perennial::base {

// The path in the file system of a file or folder of the runfiles.
absl::StatusOr<std::string> FindRunfile(absl::string_view path);

// Names (not paths) of the entries of a folder of the runfiles, sorted.
absl::StatusOr<std::vector<std::string>> ListRunfiles(absl::string_view folder);

// Where the user typed the command: `bazel run` starts programs in their runfiles and tells it in
// $BUILD_WORKING_DIRECTORY; otherwise the current folder.
std::string WorkingFolder();

}  // namespace perennial::base

#endif  // PERENNIAL_COMMON_BASE_RUNFILES_H_
