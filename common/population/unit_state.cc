#include "common/population/unit_state.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace perennial::population {
namespace {

constexpr char kUnit[] = "unit";

}  // namespace

void MarkUnitState(const UnitKey& key, record::SafetensorsWriter& writer) {
  writer.SetMetadata(kUnit, key.Id());
}

absl::StatusOr<record::SafetensorsFile> ParseUnitState(absl::string_view bytes,
                                                       const UnitKey& key) {
  PERENNIAL_ASSIGN_OR_RETURN(record::SafetensorsFile file,
                             record::SafetensorsFile::Parse(std::string(bytes)));
  const auto unit = file.metadata().find(kUnit);
  if (unit == file.metadata().end() || unit->second != key.Id()) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a state of ", key.Id(),
                     unit == file.metadata().end() ? "" : absl::StrCat(" but of ", unit->second)));
  }
  return file;
}

}  // namespace perennial::population
