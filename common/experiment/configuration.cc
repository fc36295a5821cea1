#include "common/experiment/configuration.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/excerpt.h"
#include "common/base/file_io.h"
#include "common/base/nearest_name.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/base/wrapped_text.h"
#include "common/config/override.h"
#include "common/config/resolve.h"
#include "common/config/textproto.h"
#include "common/config/validate.h"

namespace perennial::experiment {
namespace {

constexpr char kSuffix[] = ".textproto";
constexpr char kSetFlag[] = "--set ";
constexpr size_t kTerminalWidth = 80;

// As messages name it.
std::string OverrideText(absl::string_view override_text) {
  return absl::StrCat(kSetFlag, base::Excerpt(override_text));
}

struct ReadyConfig {
  std::string name;
  std::string path;
};

absl::StatusOr<std::vector<ReadyConfig>> ReadyConfigs(const Line& line) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::string> files,
                             base::ListRunfiles(line.config_folder()));
  std::vector<ReadyConfig> configs;
  for (const std::string& file : files) {
    if (!absl::EndsWith(file, kSuffix)) continue;
    ReadyConfig config = {.name = std::string(absl::StripSuffix(file, kSuffix))};
    PERENNIAL_ASSIGN_OR_RETURN(config.path,
                               base::FindRunfile(absl::StrCat(line.config_folder(), "/", file)));
    configs.push_back(std::move(config));
  }
  return configs;
}

}  // namespace

absl::StatusOr<Configuration> LoadConfiguration(const Line& line, const CommandLine& command,
                                                const Surroundings& surroundings) {
  const std::string wanted = command.config.empty() ? line.default_config() : command.config;
  Configuration config;
  config.message = line.NewConfig();
  std::string path = surroundings.Resolve(wanted);
  if (!base::FileExists(path)) {
    // Not a file: the name of a ready one?
    PERENNIAL_ASSIGN_OR_RETURN(const std::vector<ReadyConfig> ready, ReadyConfigs(line));
    const auto found = std::ranges::find(ready, wanted, &ReadyConfig::name);
    if (found == ready.end()) {
      std::vector<std::string> names;
      for (const ReadyConfig& candidate : ready) names.push_back(candidate.name);
      return absl::NotFoundError(
          absl::StrCat("--config ", wanted, ": no such file, and ",
                       base::UnknownNameMessage("ready configuration", wanted, names)));
    }
    path = found->path;
  }
  config.name = std::filesystem::path(path).stem().string();
  PERENNIAL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path));
  // That of a run folder says in its first line what it is called.
  const absl::string_view first = absl::string_view(text).substr(0, text.find('\n'));
  std::vector<absl::string_view> words = absl::StrSplit(first, ", ");
  if (words.size() > 1 && absl::StartsWith(words[0], "# line: ") &&
      absl::ConsumePrefix(&words[1], "configuration: ")) {
    config.name = std::string(words[1]);
  }
  const auto check = [&line](google::protobuf::Message& message) {
    config::FillDefaults(&message);
    absl::Status valid = config::Validate(message);
    if (valid.ok()) valid = line.FinishConfig(message);
    return valid;
  };
  // Messages show the path as the user gave it.
  const std::string shown = surroundings.Shown(path);
  config::FieldPlaces places;
  PERENNIAL_RETURN_IF_ERROR(config::ParseTextproto(text, shown, config.message.get(), &places));
  for (const std::string& override_text : command.overrides) {
    PERENNIAL_RETURN_IF_ERROR(config::ApplyOverride(override_text, config.message.get()));
    // What it has set stands there from now on.
    const std::string field(absl::StripAsciiWhitespace(
        absl::string_view(override_text).substr(0, override_text.find('='))));
    std::erase_if(places, [&](const auto& place) { return absl::StartsWith(place.first, field); });
    places[field] = OverrideText(override_text);
  }
  const absl::Status valid = check(*config.message);
  if (valid.ok()) return config;
  // Whether the first `count` overrides do it, too.
  const auto happens_with = [&](absl::string_view error, size_t count) {
    const std::unique_ptr<google::protobuf::Message> message = line.NewConfig();
    if (!config::ParseTextproto(text, shown, message.get()).ok()) return false;
    for (size_t i = 0; i < count; ++i) {
      if (!config::ApplyOverride(command.overrides[i], message.get()).ok()) return false;
    }
    const absl::Status status = check(*message);
    const std::vector<absl::string_view> same = absl::StrSplit(status.message(), '\n');
    return std::ranges::find(same, error) != same.end();
  };
  // All that is wrong, in one line, each with its place: where the field stands, or the override
  // that made what stands there wrong.
  std::vector<std::string> errors;
  for (const absl::string_view error : absl::StrSplit(valid.message(), '\n')) {
    std::string place = config::PlaceOf(error, places);
    if (!absl::StartsWith(place, kSetFlag)) {
      size_t count = command.overrides.size();
      while (count > 0 && happens_with(error, count - 1)) --count;
      if (count > 0) place = OverrideText(command.overrides[count - 1]);
    }
    errors.push_back(absl::StrCat(place.empty() ? shown : place, ": ", error));
  }
  return absl::Status(valid.code(), absl::StrJoin(errors, "; "));
}

absl::StatusOr<std::string> ListingText(const Line& line) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<ReadyConfig> configs, ReadyConfigs(line));
  std::string text;
  for (const ReadyConfig& config : configs) {
    PERENNIAL_ASSIGN_OR_RETURN(const std::string contents, base::ReadFile(config.path));
    const absl::string_view first = *absl::StrSplit(contents, '\n').begin();
    const std::string what = absl::StrCat(absl::StripPrefix(absl::StripPrefix(first, "#"), " "),
                                          config.name == line.default_config() ? " (default)" : "");
    text += base::WrappedText(absl::StrSplit(what, ' '), kTerminalWidth,
                              absl::StrFormat("  %-15s ", config.name), std::string(18, ' '));
  }
  return text;
}

absl::Status CheckReadyConfigs(const Line& line) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<ReadyConfig> configs, ReadyConfigs(line));
  const Surroundings nowhere = {.out = std::cout, .log = std::cerr};
  std::vector<std::string> errors;
  for (const ReadyConfig& config : configs) {
    const auto loaded = LoadConfiguration(line, {.config = config.path}, nowhere);
    if (!loaded.ok()) errors.push_back(std::string(loaded.status().message()));
  }
  if (std::ranges::find(configs, line.default_config(), &ReadyConfig::name) == configs.end()) {
    errors.push_back(absl::StrCat("the default configuration ", line.default_config(),
                                  " is not in ", line.config_folder()));
  }
  if (errors.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
}

}  // namespace perennial::experiment
