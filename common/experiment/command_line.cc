#include "common/experiment/command_line.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/excerpt.h"
#include "common/base/flags.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"

namespace perennial::experiment {
namespace {

constexpr size_t kMaxSeeds = 100000;
constexpr int kMaxThreads = 4096;

absl::Status Set(std::string& target, const std::string& value, absl::string_view flag) {
  if (value.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag, ": the value is empty"));
  }
  target = value;
  return absl::OkStatus();
}

const base::FlagSet<CommandLine>& Flags() {
  static const auto* const flags = new base::FlagSet<CommandLine>({
      {"config", "FILE", "A file, or a ready configuration's name (see --list).",
       [](const auto& v, auto& line) { return Set(line.config, v, "config"); }},
      {"set", "PATH=VALUE",
       "Changes a field of the configuration; repeatable.\nAn element of a list by number or name: "
       "list[2].x=1,\nlist[name].x=1.",
       [](const auto& v, auto& line) {
         line.overrides.push_back(v);
         return absl::OkStatus();
       },
       base::kRepeatable},
      {"seeds", "A..B",
       "Seeds, both ends included; also 3 or 0..2,7.\nElse the line's own, as --dry_run shows.",
       [](const auto& v, auto& line) -> absl::Status {
         PERENNIAL_ASSIGN_OR_RETURN(line.seeds, ParseSeeds(v));
         return absl::OkStatus();
       }},
      {"out", "DIR", "The run's folder; else\nruns/<line>/<configuration>-<fingerprint>.",
       [](const auto& v, auto& line) { return Set(line.out, v, "out"); }},
      {"data", "DIR", "The data set's files, instead of those of the build.",
       [](const auto& v, auto& line) { return Set(line.data, v, "data"); }},
      {"device", "cpu|cuda", "Where to compute; cpu if not given.",
       [](const auto& v, auto& line) {
         if (v != "cpu" && v != "cuda") {
           return absl::InvalidArgumentError(
               base::UnknownNameMessage("device", v, {"cpu", "cuda"}));
         }
         line.device = v;
         return absl::OkStatus();
       }},
      {"threads", "N", "Units at the same time, else one a core; numbers\ndo not depend on it.",
       [](const auto& v, auto& line) {
         if (!absl::SimpleAtoi(v, &line.threads) || line.threads < 1 ||
             line.threads > kMaxThreads) {
           return absl::InvalidArgumentError(absl::StrCat(
               "--threads ", base::Excerpt(v), ": must be a number in 1 .. ", kMaxThreads));
         }
         return absl::OkStatus();
       }},
      {"resume", nullptr,
       "Goes on with an unfinished run, bit for bit; begins\none where there is none.",
       [](const auto&, auto& line) {
         line.resume = true;
         return absl::OkStatus();
       }},
      {"list", nullptr, "Lists the ready configurations.",
       [](const auto&, auto& line) {
         line.list = true;
         return absl::OkStatus();
       }},
      {"dry_run", nullptr,
       "Prints what would run and what it would cost; tries\neach method for a moment.",
       [](const auto&, auto& line) {
         line.dry_run = true;
         return absl::OkStatus();
       }},
      {"help", nullptr, "Prints this and the fields of the configuration.",
       [](const auto&, auto& line) {
         line.help = true;
         return absl::OkStatus();
       }},
  });
  return *flags;
}

absl::StatusOr<uint64_t> ParseSeed(absl::string_view text, absl::string_view whole) {
  uint64_t seed;
  if (!absl::SimpleAtoi(text, &seed)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--seeds ", base::Excerpt(whole), ": \"", base::Excerpt(text),
                     "\" is not a seed (a whole number from 0); write 0..4, 3 or 0..2,7"));
  }
  return seed;
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments) {
  CommandLine line;
  PERENNIAL_RETURN_IF_ERROR(Flags().Parse(arguments, line));
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
          absl::StrCat("--seeds ", base::Excerpt(text), ": ", base::Excerpt(range),
                       " is empty; write the smaller seed first: ", last, "..", first));
    }
    if (last - first >= kMaxSeeds || seeds.size() + (last - first) >= kMaxSeeds) {
      return absl::InvalidArgumentError(
          absl::StrCat("--seeds ", base::Excerpt(text), ": more than ", kMaxSeeds, " seeds"));
    }
    for (uint64_t i = 0; i <= last - first; ++i) seeds.push_back(first + i);
  }
  std::ranges::sort(seeds);
  const auto repeated = std::ranges::adjacent_find(seeds);
  if (repeated != seeds.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--seeds ", base::Excerpt(text), ": seed ", *repeated, " stands twice"));
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

std::string FlagsHelp() { return Flags().Help(19); }

}  // namespace perennial::experiment
