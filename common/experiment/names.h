// Names that a configuration gives to what it compares: they become names of files, results and
// columns, so each is lower_snake_case and stands once.
//
//   NameSet names;
//   PERENNIAL_RETURN_IF_ERROR(names.Add("methods[0].name", "mc_sgd"));
#ifndef PERENNIAL_COMMON_EXPERIMENT_NAMES_H_
#define PERENNIAL_COMMON_EXPERIMENT_NAMES_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace perennial::experiment {

class NameSet {
 public:
  // InvalidArgument that says where the name stands and what is wrong with it.
  absl::Status Add(absl::string_view where, const std::string& name);

  bool contains(const std::string& name) const { return names_.contains(name); }
  std::vector<std::string> sorted() const { return {names_.begin(), names_.end()}; }

 private:
  std::set<std::string> names_;
};

}  // namespace perennial::experiment

#endif  // PERENNIAL_COMMON_EXPERIMENT_NAMES_H_
