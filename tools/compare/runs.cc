#include "tools/compare/runs.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/file_io.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"
#include "common/record/run_folder.h"
#include "common/record/run_info.h"

namespace perennial::compare {
namespace {

// ---- Configurations as paths and values ----

// Deeper messages than protobuf reads are taken as plain lines.
constexpr size_t kMaxDepth = 100;
constexpr size_t kMaxDifferences = 8;

struct Field {
  std::string name;
  std::string value;  // of a scalar
  std::vector<Field> fields;
};

// Reads what config::CanonicalText writes: "name: value", "name {", "}", one a line.
Field ParseFields(absl::string_view text) {
  Field root;
  // Only the innermost message grows, so that the pointers stay.
  std::vector<Field*> open = {&root};
  for (const absl::string_view raw : absl::StrSplit(text, '\n')) {
    const absl::string_view line = absl::StripAsciiWhitespace(raw);
    if (line.empty() || line[0] == '#') continue;
    std::vector<Field>& fields = open.back()->fields;
    if (line == "}") {
      if (open.size() > 1) open.pop_back();
    } else if (absl::EndsWith(line, " {") && open.size() < kMaxDepth) {
      fields.push_back({.name = std::string(absl::StripSuffix(line, " {"))});
      open.push_back(&fields.back());
    } else if (absl::EndsWith(line, " {}")) {
      fields.push_back({.name = std::string(absl::StripSuffix(line, " {}")), .value = "{}"});
    } else {
      const std::pair<std::string, std::string> parts =
          absl::StrSplit(line, absl::MaxSplits(": ", 1));
      fields.push_back({.name = parts.first, .value = parts.second});
    }
  }
  return root;
}

// The field `name` of an element, without quotes; empty if there is none.
std::string NameOf(const Field& field) {
  const auto found = std::ranges::find(field.fields, "name", &Field::name);
  if (found == field.fields.end()) return "";
  absl::string_view name = found->value;
  absl::ConsumePrefix(&name, "\"");
  absl::ConsumeSuffix(&name, "\"");
  return std::string(name);
}

using Values = std::vector<std::pair<std::string, std::string>>;

void Flatten(const Field& message, const std::string& prefix, Values& values) {
  std::map<std::string, int> count;
  std::map<std::string, int> seen;
  std::set<std::string> used;
  for (const Field& field : message.fields) ++count[field.name];
  for (const Field& field : message.fields) {
    const int index = seen[field.name]++;
    const std::string name = NameOf(field);
    std::string path = absl::StrCat(prefix, field.name);
    if (!name.empty() && used.insert(absl::StrCat(path, "[", name)).second) {
      absl::StrAppend(&path, "[", name, "]");
    } else if (count[field.name] > 1) {
      absl::StrAppend(&path, "[", index, "]");
    }
    if (field.fields.empty()) {
      values.emplace_back(path, field.value);
    } else {
      Flatten(field, absl::StrCat(path, "."), values);
    }
  }
}

// ---- Folders ----

std::string WithoutComments(absl::string_view text) {
  std::vector<absl::string_view> lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::StartsWith(line, "#")) lines.push_back(line);
  }
  return absl::StrJoin(lines, "\n");
}

// What explains numbers and times. Costs compare only where the latter agree.
constexpr const char* kCodeKeys[] = {"version", "git_revision"};
constexpr const char* kMachineKeys[] = {"cpu",  "device",   "threads",
                                        "blas", "compiler", "build_mode"};

void ReadRunInfo(const std::string& text, FinishedRun& run) {
  record::StoredRunInfo stored = record::ParseRunInfo(text);
  run.data_digest = std::move(stored.info.data_digest);
  run.cpu_seconds = std::move(stored.info.cpu_seconds);
  run.machine = std::move(stored.machine);
  if (!stored.device.empty()) run.machine["device"] = stored.device;
  if (stored.threads > 0) run.machine["threads"] = absl::StrCat(stored.threads);
}

absl::StatusOr<FinishedRun> ReadRun(const std::string& shown, const std::string& path) {
  if (base::FileExists(path)) {
    return absl::FailedPreconditionError(
        absl::StrCat(shown, " is a file; give the folder of a run"));
  }
  if (!base::FolderExists(path)) {
    return absl::NotFoundError(absl::StrCat(shown, ": there is no such folder"));
  }
  const std::string config_path = base::JoinPath(path, record::kConfigFile);
  if (!base::FileExists(config_path)) {
    return absl::FailedPreconditionError(
        absl::StrCat(shown, " is not the folder of a run: it has no ", record::kConfigFile));
  }
  const std::string summary_path = base::JoinPath(path, record::kSummaryFile);
  if (!base::FileExists(summary_path)) {
    return absl::FailedPreconditionError(absl::StrCat(
        shown, " holds an unfinished run; finish it with the experiment's --resume first"));
  }
  FinishedRun run;
  PERENNIAL_ASSIGN_OR_RETURN(const std::string config, base::ReadFile(config_path));
  run.config_text = WithoutComments(config);
  PERENNIAL_ASSIGN_OR_RETURN(const std::string summary, base::ReadFile(summary_path));
  auto parsed = record::ParseSummary(summary);
  if (!parsed.ok()) {
    return base::WithContext(parsed.status(), base::JoinPath(shown, record::kSummaryFile));
  }
  run.summary = *std::move(parsed);
  const auto run_info = base::ReadFile(base::JoinPath(path, record::kRunInfoFile));
  if (run_info.ok()) ReadRunInfo(*run_info, run);
  return run;
}

// The last `depth` names of a path.
std::string Tail(const std::vector<std::string>& names, size_t depth) {
  depth = std::min(depth, names.size());
  return absl::StrJoin(names.end() - static_cast<std::ptrdiff_t>(depth), names.end(), "/");
}

// The shortest ends of the paths that tell all of them apart.
std::vector<std::string> Labels(const std::vector<std::string>& paths) {
  std::vector<std::vector<std::string>> names;
  for (const std::string& path : paths)
    names.push_back(absl::StrSplit(path, '/', absl::SkipEmpty()));
  std::vector<size_t> depths(paths.size(), 1);
  for (;;) {
    std::map<std::string, std::vector<size_t>> by_label;
    for (size_t i = 0; i < paths.size(); ++i) by_label[Tail(names[i], depths[i])].push_back(i);
    bool longer = false;
    for (const auto& [label, same] : by_label) {
      if (same.size() < 2) continue;
      for (const size_t i : same) {
        if (depths[i] < names[i].size()) {
          ++depths[i];
          longer = true;
        }
      }
    }
    if (!longer) break;
  }
  std::vector<std::string> labels;
  for (size_t i = 0; i < paths.size(); ++i) labels.push_back(Tail(names[i], depths[i]));
  return labels;
}

absl::Status Rename(const std::vector<std::string>& renames, std::vector<FinishedRun>& runs) {
  std::vector<std::string> labels;
  for (const FinishedRun& run : runs) labels.push_back(run.label);
  for (const std::string& rename : renames) {
    const std::vector<std::string> parts = absl::StrSplit(rename, absl::MaxSplits('=', 1));
    if (parts.size() != 2 || parts[1].empty() ||
        std::ranges::any_of(parts[1], [](char c) { return absl::ascii_iscntrl(c); })) {
      return absl::InvalidArgumentError(
          absl::StrCat("--label ", rename, ": write --label ", labels[0], "=NAME"));
    }
    const auto found = std::ranges::find(labels, parts[0]);
    if (found == labels.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--label ", rename, ": ", base::UnknownNameMessage("run", parts[0], labels)));
    }
    runs[found - labels.begin()].label = parts[1];
  }
  std::set<std::string> seen;
  for (const FinishedRun& run : runs) {
    if (!seen.insert(run.label).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("two runs are called \"", run.label, "\"; choose another --label"));
    }
  }
  return absl::OkStatus();
}

// "x (a, b), y (c)": the values of one key and who has them; empty if all agree.
std::string Disagreement(const std::vector<FinishedRun>& runs, const std::string& key) {
  std::vector<std::string> values;
  std::map<std::string, std::vector<std::string>> labels;
  for (const FinishedRun& run : runs) {
    const auto found = run.machine.find(key);
    const std::string value = found == run.machine.end() ? "unknown" : found->second;
    if (std::ranges::find(values, value) == values.end()) values.push_back(value);
    labels[value].push_back(run.label);
  }
  if (values.size() < 2) return "";
  std::vector<std::string> texts;
  for (const std::string& value : values) {
    texts.push_back(absl::StrCat(value, " (", absl::StrJoin(labels[value], ", "), ")"));
  }
  return absl::StrJoin(texts, ", ");
}

}  // namespace

std::vector<std::string> ConfigDifferences(absl::string_view before, absl::string_view after) {
  Values old_values;
  Values new_values;
  Flatten(ParseFields(before), "", old_values);
  Flatten(ParseFields(after), "", new_values);
  const std::map<std::string, std::string> old_by_path(old_values.begin(), old_values.end());
  const std::map<std::string, std::string> new_by_path(new_values.begin(), new_values.end());
  std::vector<std::string> differences;
  for (const auto& [path, value] : old_values) {
    const auto now = new_by_path.find(path);
    if (now == new_by_path.end()) {
      differences.push_back(absl::StrCat(path, ": ", value, " -> (absent)"));
    } else if (now->second != value) {
      differences.push_back(absl::StrCat(path, ": ", value, " -> ", now->second));
    }
  }
  for (const auto& [path, value] : new_values) {
    if (!old_by_path.contains(path)) {
      differences.push_back(absl::StrCat(path, ": (absent) -> ", value));
    }
  }
  return differences;
}

absl::StatusOr<std::vector<FinishedRun>> ReadRuns(const std::vector<std::string>& folders,
                                                  const std::vector<std::string>& renames,
                                                  const std::string& working_folder) {
  std::vector<FinishedRun> runs;
  std::vector<std::string> paths;
  std::set<std::string> seen;
  for (const std::string& folder : folders) {
    const std::filesystem::path path =
        std::filesystem::path(base::JoinPath(working_folder, folder)).lexically_normal();
    PERENNIAL_ASSIGN_OR_RETURN(FinishedRun run, ReadRun(folder, path.string()));
    std::error_code error;
    const std::filesystem::path real = std::filesystem::canonical(path, error);
    if (!seen.insert(error ? path.string() : real.string()).second) {
      return absl::InvalidArgumentError(absl::StrCat(folder, " is given twice"));
    }
    runs.push_back(std::move(run));
    paths.push_back(path.string());
  }
  const std::vector<std::string> labels = Labels(paths);
  for (size_t i = 0; i < runs.size(); ++i) runs[i].label = labels[i];
  PERENNIAL_RETURN_IF_ERROR(Rename(renames, runs));
  return runs;
}

std::vector<std::string> ComparabilityWarnings(const std::vector<FinishedRun>& runs) {
  std::vector<std::string> warnings;
  for (const FinishedRun& run : runs) {
    const std::vector<record::FailedUnit>& failed = run.summary.failed;
    if (failed.empty()) continue;
    warnings.push_back(absl::StrCat(
        run.label, ": ", failed.size(),
        failed.size() == 1 ? " unit failed and has" : " units failed and have", " no values (",
        failed[0].unit, ": ", failed[0].message, failed.size() > 1 ? ", ..." : "",
        "); what is left of their methods is no fair sample"));
  }
  for (size_t i = 1; i < runs.size(); ++i) {
    const FinishedRun& first = runs[0];
    const FinishedRun& other = runs[i];
    if (first.summary.line != other.summary.line) {
      warnings.push_back(absl::StrCat(first.label, " is a run of //", first.summary.line, ", ",
                                      other.label, " one of //", other.summary.line));
      continue;
    }
    const std::vector<std::string> differences =
        ConfigDifferences(first.config_text, other.config_text);
    if (!differences.empty()) {
      std::string warning =
          absl::StrCat("configurations differ, ", first.label, " -> ", other.label, ":");
      for (size_t d = 0; d < std::min(differences.size(), kMaxDifferences); ++d) {
        absl::StrAppend(&warning, d == 0 ? " " : "; ", differences[d]);
      }
      if (differences.size() > kMaxDifferences) {
        absl::StrAppend(&warning, "; and ", differences.size() - kMaxDifferences, " more");
      }
      warnings.push_back(std::move(warning));
    }
    const bool known = !first.data_digest.empty() && !other.data_digest.empty();
    if (known ? first.data_digest != other.data_digest
              : differences.empty() && first.summary.fingerprint != other.summary.fingerprint) {
      warnings.push_back(absl::StrCat(first.label, " and ", other.label, " have other data"));
    }
  }
  for (const char* key : kCodeKeys) {
    const std::string values = Disagreement(runs, key);
    if (values.empty()) continue;
    warnings.push_back(
        absl::StrCat(key, " differs: ", values, "; a difference may come from the code"));
  }
  for (const char* key : kMachineKeys) {
    const std::string values = Disagreement(runs, key);
    if (values.empty()) continue;
    warnings.push_back(absl::StrCat(key, " differs: ", values, "; do not compare CPU seconds"));
  }
  return warnings;
}

}  // namespace perennial::compare
