#include "common/base/runfiles.h"

#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"

namespace perennial::base {
namespace {

std::vector<std::string> Roots() {
  std::vector<std::string> roots;
  for (const char* variable : {"RUNFILES_DIR", "TEST_SRCDIR"}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0') roots.push_back(value);
  }
  char binary[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", binary, sizeof(binary));
  if (length > 0 && length < static_cast<ssize_t>(sizeof(binary))) {
    const std::string path(binary, length);
    roots.push_back(path + ".runfiles");
    // A binary that is itself a data file of another one stands inside that one's tree.
    constexpr absl::string_view kTree = ".runfiles/";
    const size_t tree = path.rfind(kTree.data(), std::string::npos, kTree.size());
    if (tree != std::string::npos) roots.push_back(path.substr(0, tree + kTree.size() - 1));
  }
  return roots;
}

}  // namespace

absl::StatusOr<std::string> FindRunfile(absl::string_view path) {
  if (path.empty() || absl::StartsWith(path, "/")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the runfile \"", path, "\" must be named as <repository>/<path in the repository>"));
  }
  const std::vector<std::string> roots = Roots();
  for (const std::string& root : roots) {
    std::string candidate = JoinPath(root, path);
    if (access(candidate.c_str(), F_OK) == 0) return candidate;
  }
  return absl::NotFoundError(absl::StrCat("cannot find the data file ", path, "; looked in ",
                                          absl::StrJoin(roots, ", "),
                                          "; start the program with Bazel (`bazel run`), or from "
                                          "where its .runfiles folder stands beside it"));
}

absl::StatusOr<std::vector<std::string>> ListRunfiles(absl::string_view folder) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::string path, FindRunfile(folder));
  return ListFolder(path);
}

std::string WorkingFolder() {
  const char* typed_in = std::getenv("BUILD_WORKING_DIRECTORY");
  std::error_code ignored;
  return typed_in != nullptr ? typed_in : std::filesystem::current_path(ignored).string();
}

}  // namespace perennial::base
