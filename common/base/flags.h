// Flags of a program: `--name value`, `--name=value`, or `--name` alone. A second value of a flag
// is a mistake, since one of the two would be lost, unless the flag collects them.
//
//   struct Options { std::string out; bool quiet = false; };
//   const FlagSet<Options> flags({
//       {"out", "DIR", "Where files go.",
//        [](const std::string& value, Options& o) { o.out = value; return absl::OkStatus(); }},
//       {"quiet", nullptr, "Says less.",
//        [](const std::string&, Options& o) { o.quiet = true; return absl::OkStatus(); }}});
//   Options options;
//   PERENNIAL_RETURN_IF_ERROR(flags.Parse(arguments, options));
#ifndef PERENNIAL_COMMON_BASE_FLAGS_H_
#define PERENNIAL_COMMON_BASE_FLAGS_H_

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/status_macros.h"

namespace perennial::base {

struct FlagDescription {
  const char* name;         // Without the dashes.
  const char* value;        // What follows it, for --help; null for a flag that stands alone.
  const char* help;         // Lines; the first follows the usage.
  bool repeatable = false;  // Its values are collected.
};

inline constexpr bool kRepeatable = true;

struct FlagUse {
  size_t flag;        // Index of its description.
  std::string value;  // Empty for one that stands alone.
};

// The flags among `arguments`, in their order; -h is --help. InvalidArgument names an unknown flag
// and the nearest known one, a value that is missing or too much, or one that is given twice and
// not repeatable. Other arguments go to `others`, or are refused if that is null.
absl::StatusOr<std::vector<FlagUse>> ParseFlagUses(const std::vector<FlagDescription>& flags,
                                                   const std::vector<std::string>& arguments,
                                                   std::vector<std::string>* others);

// One line a flag: two spaces, the usage in so many columns, the help.
std::string FlagsHelpText(const std::vector<FlagDescription>& flags, int usage_columns);

template <typename Values>
class FlagSet {
 public:
  using Setter = std::function<absl::Status(const std::string& value, Values& values)>;
  struct Flag {
    const char* name;
    const char* value;
    const char* help;
    Setter set;
    bool repeatable = false;
  };

  explicit FlagSet(std::vector<Flag> flags) {
    for (Flag& flag : flags) {
      descriptions_.push_back({flag.name, flag.value, flag.help, flag.repeatable});
      setters_.push_back(std::move(flag.set));
    }
  }

  // As ParseFlagUses; and the first error of a flag's own.
  absl::Status Parse(const std::vector<std::string>& arguments, Values& values,
                     std::vector<std::string>* others = nullptr) const {
    PERENNIAL_ASSIGN_OR_RETURN(const std::vector<FlagUse> uses,
                               ParseFlagUses(descriptions_, arguments, others));
    for (const FlagUse& use : uses) {
      PERENNIAL_RETURN_IF_ERROR(setters_[use.flag](use.value, values));
    }
    return absl::OkStatus();
  }

  std::string Help(int usage_columns) const { return FlagsHelpText(descriptions_, usage_columns); }

 private:
  std::vector<FlagDescription> descriptions_;
  std::vector<Setter> setters_;
};

}  // namespace perennial::base

#endif  // PERENNIAL_COMMON_BASE_FLAGS_H_
