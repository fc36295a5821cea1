#include "common/experiment/names.h"

#include "absl/strings/str_cat.h"
#include "common/base/nearest_name.h"

namespace perennial::experiment {

absl::Status NameSet::Add(absl::string_view where, const std::string& name) {
  if (!base::IsLowerSnakeCase(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, " = \"", name,
                     "\": must be lower_snake_case (a-z, 0-9, _), beginning with a letter"));
  }
  if (!names_.insert(name).second) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, " = \"", name, "\": stands twice; give each method of a kind a name of its own"));
  }
  return absl::OkStatus();
}

}  // namespace perennial::experiment
