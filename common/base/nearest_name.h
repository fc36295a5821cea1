// Names that users write: "did you mean ...?" with the nearest of a list of valid ones, and the
// form that names of methods and metrics have.
//
//   NearestName("mcsgd", {"er", "mc_sgd", "naive"});            // "mc_sgd"
//   UnknownNameMessage("method", "mcsgd", {"er", "mc_sgd"});
//   // unknown method "mcsgd"; did you mean "mc_sgd"? Allowed: er, mc_sgd
#ifndef PERENNIAL_COMMON_BASE_NEAREST_NAME_H_
#define PERENNIAL_COMMON_BASE_NEAREST_NAME_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace perennial::base {

// The candidate of least edit distance (insert, delete, replace, swap of neighbours; letter case,
// '-' and '_' cost nothing), the first in the list among equals. Empty if none is nearer than a
// third of the longer name, since a far-fetched suggestion misleads.
std::string NearestName(absl::string_view name, absl::Span<const std::string> candidates);

// `unknown <kind> "<name>"; did you mean "<nearest>"? Allowed: a, b, c` in one line.
std::string UnknownNameMessage(absl::string_view kind, absl::string_view name,
                               absl::Span<const std::string> candidates);

// A letter, then letters, digits and underscores, all lower case: how methods and metrics are
// named.
bool IsLowerSnakeCase(absl::string_view name);

}  // namespace perennial::base

#endif  // PERENNIAL_COMMON_BASE_NEAREST_NAME_H_
