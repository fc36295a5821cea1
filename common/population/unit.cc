#include "common/population/unit.h"

#include "absl/strings/str_cat.h"

namespace perennial::population {

std::string UnitKey::Id() const {
  return absl::StrCat(method, ".", group, ".", over, ".", replicate);
}

}  // namespace perennial::population
