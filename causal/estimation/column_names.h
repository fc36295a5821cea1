// Names of columns on a command line. In a list a name that holds a comma or a quote stands in
// quotes, as in a CSV; blanks around names do not count.
//
//   PERENNIAL_ASSIGN_OR_RETURN(names, ParseNames("ignore", "\"bmi, kg/m2\",age"));  // Two.
//   FlagWithName("ignore", "bmi, kg/m2");   // --ignore '"bmi, kg/m2"', as a shell takes it.
#ifndef PERENNIAL_CAUSAL_ESTIMATION_COLUMN_NAMES_H_
#define PERENNIAL_CAUSAL_ESTIMATION_COLUMN_NAMES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/data/csv.h"

namespace perennial::causal {

// InvalidArgument that names the flag, for an empty name and a quote that is not closed.
absl::StatusOr<std::vector<std::string>> ParseNames(absl::string_view flag, absl::string_view list);

// How to give one name to a flag that takes a list.
std::string FlagWithName(absl::string_view flag, absl::string_view name);

// NotFound that names the flag (not the table), the nearest name, and how a name with a comma is
// given.
absl::StatusOr<const data::CsvColumn*> ColumnOfFlag(const data::CsvTable& table,
                                                    absl::string_view flag, absl::string_view name);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_COLUMN_NAMES_H_
