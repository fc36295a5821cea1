#include "common/experiment/command_line.h"

#include <algorithm>
#include <functional>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"

namespace perennial::experiment {
namespace {

constexpr size_t kMaxSeeds = 100000;
constexpr int kMaxThreads = 4096;

struct Flag {
  const char* name;
  const char* value;  // How help shows the value; null for a switch.
  const char* help;
  std::function<absl::Status(const std::string& value, CommandLine& line)> set;
};

absl::Status Set(std::string& target, const std::string& value, absl::string_view flag) {
  if (value.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag, ": the value is empty"));
  }
  target = value;
  return absl::OkStatus();
}

const std::vector<Flag>& Flags() {
  static const auto* const flags = new std::vector<Flag>{
      {"config", "FILE", "A file, or a ready configuration's name (see --list).",
       [](const auto& v, auto& line) { return Set(line.config, v, "config"); }},
      {"set", "PATH=VALUE", "Changes a field of the configuration; repeatable.",
       [](const auto& v, auto& line) {
         line.overrides.push_back(v);
         return absl::OkStatus();
       }},
      {"seeds", "A..B", "Seeds, both ends included; also 3 or 0..2,7.",
       [](const auto& v, auto& line) -> absl::Status {
         PERENNIAL_ASSIGN_OR_RETURN(line.seeds, ParseSeeds(v));
         return absl::OkStatus();
       }},
      {"out", "DIR", "The run's folder.",
       [](const auto& v, auto& line) { return Set(line.out, v, "out"); }},
      {"data", "DIR", "The data set's files, instead of those of the build.",
       [](const auto& v, auto& line) { return Set(line.data, v, "data"); }},
      {"device", "cpu|cuda", "Where to compute.",
       [](const auto& v, auto& line) {
         if (v != "cpu" && v != "cuda") {
           return absl::InvalidArgumentError(
               base::UnknownNameMessage("device", v, {"cpu", "cuda"}));
         }
         line.device = v;
         return absl::OkStatus();
       }},
      {"threads", "N", "Units at the same time; numbers do not depend on it.",
       [](const auto& v, auto& line) {
         if (!absl::SimpleAtoi(v, &line.threads) || line.threads < 1 ||
             line.threads > kMaxThreads) {
           return absl::InvalidArgumentError(
               absl::StrCat("--threads ", v, ": must be a number in 1 .. ", kMaxThreads));
         }
         return absl::OkStatus();
       }},
      {"resume", nullptr, "Goes on with an unfinished run, bit for bit.",
       [](const auto&, auto& line) {
         line.resume = true;
         return absl::OkStatus();
       }},
      {"list", nullptr, "Lists the ready configurations.",
       [](const auto&, auto& line) {
         line.list = true;
         return absl::OkStatus();
       }},
      {"dry_run", nullptr, "Prints what would run and what it would cost.",
       [](const auto&, auto& line) {
         line.dry_run = true;
         return absl::OkStatus();
       }},
      {"help", nullptr, "Prints this and the fields of the configuration.",
       [](const auto&, auto& line) {
         line.help = true;
         return absl::OkStatus();
       }},
  };
  return *flags;
}

absl::StatusOr<uint64_t> ParseSeed(absl::string_view text, absl::string_view whole) {
  uint64_t seed;
  if (!absl::SimpleAtoi(text, &seed)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--seeds ", whole, ": \"", text,
                     "\" is not a seed (a whole number from 0); write 0..4, 3 or 0..2,7"));
  }
  return seed;
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments) {
  CommandLine line;
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view argument = arguments[i];
    if (argument == "-h") argument = "--help";
    if (argument.substr(0, 2) != "--") {
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected argument \"", argument, "\"; flags begin with -- (try --help)"));
    }
    const std::vector<std::string> parts =
        absl::StrSplit(argument.substr(2), absl::MaxSplits('=', 1));
    const auto flag = std::ranges::find(Flags(), absl::string_view(parts[0]), &Flag::name);
    if (flag == Flags().end()) {
      std::vector<std::string> names;
      for (const Flag& known : Flags()) names.push_back(absl::StrCat("--", known.name));
      return absl::InvalidArgumentError(
          base::UnknownNameMessage("flag", absl::StrCat("--", parts[0]), names));
    }
    std::string value;
    if (flag->value == nullptr) {
      if (parts.size() > 1) {
        return absl::InvalidArgumentError(absl::StrCat("--", flag->name, " takes no value"));
      }
    } else if (parts.size() > 1) {
      value = parts[1];
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag->name, " needs a value: --", flag->name, " ", flag->value));
    }
    PERENNIAL_RETURN_IF_ERROR(flag->set(value, line));
  }
  return line;
}

absl::StatusOr<std::vector<uint64_t>> ParseSeeds(absl::string_view text) {
  std::vector<uint64_t> seeds;
  for (const absl::string_view range : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> ends = absl::StrSplit(range, absl::MaxSplits("..", 1));
    PERENNIAL_ASSIGN_OR_RETURN(const uint64_t first, ParseSeed(ends[0], text));
    uint64_t last = first;
    if (ends.size() > 1) {
      PERENNIAL_ASSIGN_OR_RETURN(last, ParseSeed(ends[1], text));
    }
    if (last < first) {
      return absl::InvalidArgumentError(
          absl::StrCat("--seeds ", text, ": ", range,
                       " is empty; write the smaller seed first: ", last, "..", first));
    }
    if (last - first >= kMaxSeeds || seeds.size() + (last - first) >= kMaxSeeds) {
      return absl::InvalidArgumentError(
          absl::StrCat("--seeds ", text, ": more than ", kMaxSeeds, " seeds"));
    }
    for (uint64_t i = 0; i <= last - first; ++i) seeds.push_back(first + i);
  }
  std::ranges::sort(seeds);
  const auto repeated = std::ranges::adjacent_find(seeds);
  if (repeated != seeds.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--seeds ", text, ": seed ", *repeated, " stands twice"));
  }
  return seeds;
}

std::string SeedsText(const std::vector<uint64_t>& seeds) {
  std::vector<std::string> ranges;
  for (size_t begin = 0; begin < seeds.size();) {
    size_t end = begin;
    while (end + 1 < seeds.size() && seeds[end + 1] == seeds[end] + 1) ++end;
    ranges.push_back(begin == end ? absl::StrCat(seeds[begin])
                                  : absl::StrCat(seeds[begin], "..", seeds[end]));
    begin = end + 1;
  }
  return absl::StrJoin(ranges, ",");
}

std::string FlagsHelp() {
  std::string text;
  for (const Flag& flag : Flags()) {
    const std::string usage =
        absl::StrCat("--", flag.name, flag.value == nullptr ? "" : absl::StrCat(" ", flag.value));
    absl::StrAppendFormat(&text, "  %-19s %s\n", usage, flag.help);
  }
  return text;
}

}  // namespace perennial::experiment
