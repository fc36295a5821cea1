// What the states of units share: they are safetensors files that name their unit.
//
//   MarkUnitState(key, writer);                          // in Save
//   PERENNIAL_ASSIGN_OR_RETURN(const record::SafetensorsFile file, ParseUnitState(bytes, key));
#ifndef PERENNIAL_COMMON_POPULATION_UNIT_STATE_H_
#define PERENNIAL_COMMON_POPULATION_UNIT_STATE_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/population/unit.h"
#include "common/record/safetensors.h"

namespace perennial::population {

void MarkUnitState(const UnitKey& key, record::SafetensorsWriter& writer);

// DataLoss if the bytes are no safetensors file; InvalidArgument if they are not a state of the
// unit, with the name of the one that they are of.
absl::StatusOr<record::SafetensorsFile> ParseUnitState(absl::string_view bytes, const UnitKey& key);

}  // namespace perennial::population

#endif  // PERENNIAL_COMMON_POPULATION_UNIT_STATE_H_
