#include "common/base/flags.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/base/excerpt.h"
#include "common/base/nearest_name.h"

namespace perennial::base {

absl::StatusOr<std::vector<FlagUse>> ParseFlagUses(const std::vector<FlagDescription>& flags,
                                                   const std::vector<std::string>& arguments,
                                                   std::vector<std::string>* others) {
  std::vector<FlagUse> uses;
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view argument = arguments[i];
    if (argument == "-h") argument = "--help";
    if (argument.empty()) return absl::InvalidArgumentError("an argument is empty");
    if (others != nullptr && argument[0] != '-') {
      others->emplace_back(argument);
      continue;
    }
    if (argument.substr(0, 2) != "--") {
      return absl::InvalidArgumentError(absl::StrCat("unexpected argument \"", Excerpt(argument),
                                                     "\"; flags begin with -- (try --help)"));
    }
    const std::vector<std::string> parts =
        absl::StrSplit(argument.substr(2), absl::MaxSplits('=', 1));
    const auto flag = std::ranges::find_if(
        flags, [&parts](const FlagDescription& known) { return parts[0] == known.name; });
    if (flag == flags.end()) {
      std::vector<std::string> names;
      for (const FlagDescription& known : flags) names.push_back(absl::StrCat("--", known.name));
      return absl::InvalidArgumentError(
          UnknownNameMessage("flag", absl::StrCat("--", parts[0]), names));
    }
    FlagUse use = {.flag = static_cast<size_t>(flag - flags.begin())};
    if (flag->value == nullptr) {
      if (parts.size() > 1) {
        return absl::InvalidArgumentError(absl::StrCat("--", flag->name, " takes no value"));
      }
    } else if (parts.size() > 1) {
      use.value = parts[1];
    } else if (i + 1 < arguments.size()) {
      use.value = arguments[++i];
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag->name, " needs a value: --", flag->name, " ", flag->value));
    }
    const auto same = std::ranges::find(uses, use.flag, &FlagUse::flag);
    if (flag->value != nullptr && !flag->repeatable && same != uses.end()) {
      return absl::InvalidArgumentError(absl::StrCat("--", flag->name, " stands twice, with ",
                                                     Excerpt(same->value), " and ",
                                                     Excerpt(use.value), "; give it once"));
    }
    uses.push_back(std::move(use));
  }
  return uses;
}

std::string FlagsHelpText(const std::vector<FlagDescription>& flags, int usage_columns) {
  std::string text;
  for (const FlagDescription& flag : flags) {
    std::string usage =
        absl::StrCat("--", flag.name, flag.value == nullptr ? "" : absl::StrCat(" ", flag.value));
    for (const absl::string_view line : absl::StrSplit(flag.help, '\n')) {
      absl::StrAppendFormat(&text, "  %-*s %s\n", usage_columns, usage, line);
      usage.clear();
    }
  }
  return text;
}

}  // namespace perennial::base
