#include "common/experiment/surroundings.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/file_io.h"

namespace perennial::experiment {

std::string Surroundings::Resolve(const std::string& path) const {
  return path.empty() ? path : base::JoinPath(working_folder, path);
}

std::string Surroundings::Shown(const std::string& path) const {
  return std::string(absl::StripPrefix(path, absl::StrCat(working_folder, "/")));
}

}  // namespace perennial::experiment
