#include "common/experiment/harness.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/available_memory.h"
#include "common/base/file_io.h"
#include "common/base/json_text.h"
#include "common/base/nearest_name.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/config/override.h"
#include "common/config/resolve.h"
#include "common/config/textproto.h"
#include "common/config/validate.h"
#include "common/experiment/command_line.h"
#include "common/experiment/progress.h"
#include "common/experiment/results.h"
#include "common/kernels/peak.h"
#include "common/population/scheduler.h"
#include "common/record/checkpoint.h"
#include "common/record/environment.h"
#include "common/record/run_folder.h"
#include "common/record/summary.h"
#include "common/report/csv.h"
#include "common/report/terminal_table.h"
#include "nlohmann/json.hpp"

namespace perennial::experiment {
namespace {

using population::Unit;
using Units = std::vector<std::unique_ptr<Unit>>;

constexpr char kSuffix[] = ".textproto";
// The share of the GEMM peak that training reaches as a rule; for estimates only.
constexpr double kUsualFloorShare = 0.7;

std::string Resolve(const std::string& path, const std::string& working_folder) {
  return path.empty() ? path : base::JoinPath(working_folder, path);
}

// As the user would type it.
std::string Shown(const std::string& path, const std::string& working_folder) {
  return std::string(absl::StripPrefix(path, absl::StrCat(working_folder, "/")));
}

// ---- Configurations ----

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

absl::StatusOr<std::string> Listing(const Line& line) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<ReadyConfig> configs, ReadyConfigs(line));
  std::string text;
  for (const ReadyConfig& config : configs) {
    PERENNIAL_ASSIGN_OR_RETURN(const std::string contents, base::ReadFile(config.path));
    const absl::string_view first = *absl::StrSplit(contents, '\n').begin();
    absl::StrAppendFormat(&text, "  %-15s %s%s\n", config.name,
                          absl::StripPrefix(absl::StripPrefix(first, "#"), " "),
                          config.name == line.default_config() ? " (default)" : "");
  }
  return text;
}

struct Configuration {
  std::string name;
  std::unique_ptr<google::protobuf::Message> message;
};

absl::StatusOr<Configuration> LoadConfiguration(const Line& line, const CommandLine& command,
                                                const std::string& working_folder) {
  const std::string wanted = command.config.empty() ? line.default_config() : command.config;
  Configuration config;
  config.message = line.NewConfig();
  std::string path = Resolve(wanted, working_folder);
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
  // Messages show the path as the user gave it.
  PERENNIAL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path));
  PERENNIAL_RETURN_IF_ERROR(
      config::ParseTextproto(text, Shown(path, working_folder), config.message.get()));
  for (const std::string& override_text : command.overrides) {
    PERENNIAL_RETURN_IF_ERROR(config::ApplyOverride(override_text, config.message.get()));
  }
  config::FillDefaults(config.message.get());
  PERENNIAL_RETURN_IF_ERROR(config::Validate(*config.message));
  PERENNIAL_RETURN_IF_ERROR(line.FinishConfig(*config.message));
  return config;
}

// ---- Plans ----

std::string PlanText(const Units& units, const std::vector<uint64_t>& seeds, int threads) {
  struct Total {
    int64_t units = 0;
    int64_t steps = 0;
    population::UnitPlan flops;
  };
  std::vector<std::pair<std::string, Total>> methods;
  double all = 0;
  double longest = 0;
  for (const auto& unit : units) {
    const std::string name = unit->key().method;
    auto total = std::ranges::find(methods, name, &std::pair<std::string, Total>::first);
    if (total == methods.end()) total = methods.insert(methods.end(), {name, {}});
    ++total->second.units;
    total->second.steps += unit->plan().steps;
    total->second.flops.training_flops += unit->plan().training_flops;
    total->second.flops.replay_flops += unit->plan().replay_flops;
    total->second.flops.evaluation_flops += unit->plan().evaluation_flops;
    all += unit->plan().total_flops();
    longest = std::max(longest, unit->plan().total_flops());
  }
  report::Table table = {.caption = "",
                         .columns = {{"method"},
                                     {"units", report::Align::kRight},
                                     {"steps", report::Align::kRight},
                                     {"training TFLOP", report::Align::kRight},
                                     {"replay", report::Align::kRight},
                                     {"evaluation", report::Align::kRight}}};
  for (const auto& [name, total] : methods) {
    table.rows.push_back({name, absl::StrCat(total.units), absl::StrCat(total.steps),
                          absl::StrFormat("%.4f", total.flops.training_flops / 1e12),
                          absl::StrFormat("%.4f", total.flops.replay_flops / 1e12),
                          absl::StrFormat("%.4f", total.flops.evaluation_flops / 1e12)});
  }
  std::vector<Unit*> pointers;
  for (const auto& unit : units) pointers.push_back(unit.get());
  const double memory = population::PlannedMemoryBytes(pointers, threads);
  const double peak = kernels::MeasureGemmPeak();
  const double floor = std::max(all / threads, longest) / peak;
  return absl::StrCat(
      report::TerminalTable(table), "\nSeeds ", SeedsText(seeds), ", ", units.size(), " units, ",
      threads, threads == 1 ? " thread" : " threads", ".\n",
      absl::StrFormat(
          "%.3f TFLOP; at the measured %.1f GFLOP/s a thread at least %s, about %s as a "
          "rule.\nUnits at work take at most %.3g GB of memory; %.3g GB are free.\n",
          all / 1e12, peak / 1e9, DurationText(floor), DurationText(floor / kUsualFloorShare),
          memory / 1e9, static_cast<double>(base::AvailableMemoryBytes()) / 1e9));
}

// ---- A run ----

class ExperimentRun {
 public:
  ExperimentRun(const Line& line, const Surroundings& surroundings, Configuration config,
                std::string fingerprint)
      : line_(line),
        surroundings_(surroundings),
        config_(std::move(config)),
        fingerprint_(std::move(fingerprint)) {}

  absl::Status Execute(const CommandLine& command, Experiment& experiment,
                       const std::string& folder, int threads);

 private:
  struct Live {
    std::unique_ptr<Unit> unit;
    double cpu_seconds = 0;  // Guarded by mutex_, like progress.
    double progress = 0;
    double since_checkpoint = 0;  // CPU seconds; used by the unit's thread alone.
    int64_t saved_steps = -1;
  };

  // Over all units.
  struct Totals {
    double flops = 0;
    double flops_done = 0;
    double units_done = 0;
    double fraction() const { return flops > 0 ? flops_done / flops : 1; }
  };

  std::string ConfigText() const {
    return absl::StrCat("# line: ", line_.name(), ", configuration: ", config_.name,
                        ", fingerprint: ", fingerprint_, "\n",
                        config::CanonicalText(*config_.message));
  }
  absl::Status CheckSameConfig(const std::string& path) const;
  absl::Status MakeUnits(Experiment& experiment);
  // Bits are promised for one CPU type and build: says so if a run goes on with another.
  void WarnOfAnotherMachine(const std::map<std::string, std::string>& earlier) const;
  absl::Status LoadCheckpoints();
  absl::Status AfterChunk(Live& live, double cpu_seconds);
  absl::Status WriteEvents(Live& live);
  absl::Status SaveUnit(Live& live);
  absl::Status WriteRunInfo(absl::string_view state);
  absl::Status Finish();
  Totals Sum();
  void Report(bool last);
  void ShowPaths(const std::string& path) const;

  const Line& line_;
  const Surroundings& surroundings_;
  const Configuration config_;
  const std::string fingerprint_;
  record::Environment environment_;
  double gemm_peak_ = 0;
  std::vector<uint64_t> seeds_;
  std::unique_ptr<record::RunFolder> folder_;
  std::vector<Live> units_;
  std::optional<Progress> progress_;
  std::mutex mutex_;
};

// What an earlier sitting wrote to run.json.
struct EarlierSitting {
  std::vector<uint64_t> seeds;
  std::map<std::string, double> cpu_seconds;
  std::map<std::string, std::string> machine;  // By kMachineKeys, as far as known.
};

// What the last bits of numbers may depend on.
constexpr const char* kMachineKeys[] = {"version",    "git_revision", "compiler",
                                        "build_mode", "cpu",          "blas"};

std::map<std::string, std::string> MachineOf(const nlohmann::json& json) {
  std::map<std::string, std::string> machine;
  for (const char* key : kMachineKeys) {
    if (json.contains(key) && json[key].is_string()) machine[key] = json[key].get<std::string>();
  }
  return machine;
}

// Damaged or missing parts are left out.
EarlierSitting ReadEarlierSitting(const std::string& run_json) {
  EarlierSitting earlier;
  const auto json = nlohmann::json::parse(run_json, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return earlier;
  earlier.machine = MachineOf(json);
  if (json.contains("seeds") && json["seeds"].is_string()) {
    const auto seeds = ParseSeeds(json["seeds"].get<std::string>());
    if (seeds.ok()) earlier.seeds = *seeds;
  }
  if (json.contains("costs") && json["costs"].is_object()) {
    for (const auto& [unit, seconds] : json["costs"].items()) {
      if (seconds.is_number()) earlier.cpu_seconds[unit] = seconds.get<double>();
    }
  }
  return earlier;
}

// The seeds that a summary has values of.
std::vector<uint64_t> SeedsOf(const record::RunSummary& summary) {
  std::vector<uint64_t> seeds;
  for (const record::SummaryResult& result : summary.results) {
    for (const auto& [replicate, value] : result.values) {
      uint64_t seed;
      if (result.over == "seed" && absl::SimpleAtoi(replicate, &seed)) seeds.push_back(seed);
    }
  }
  return seeds;
}

void SortOnce(std::vector<uint64_t>& seeds) {
  std::ranges::sort(seeds);
  seeds.erase(std::unique(seeds.begin(), seeds.end()), seeds.end());
}

absl::Status ExperimentRun::CheckSameConfig(const std::string& path) const {
  PERENNIAL_ASSIGN_OR_RETURN(const std::string theirs,
                             base::ReadFile(base::JoinPath(path, record::kConfigFile)));
  if (theirs == ConfigText()) return absl::OkStatus();
  const std::vector<std::string> old_lines = absl::StrSplit(theirs, '\n');
  const std::vector<std::string> new_lines = absl::StrSplit(ConfigText(), '\n');
  std::string why;
  // The first line holds names and fingerprint; another one says more.
  for (size_t i = 1; i < std::max(old_lines.size(), new_lines.size()) && why.empty(); ++i) {
    const std::string before = i < old_lines.size() ? old_lines[i] : "";
    const std::string now = i < new_lines.size() ? new_lines[i] : "";
    if (before == now) continue;
    why = absl::StrCat("line ", i + 1, " of its config.textproto is \"",
                       absl::StripAsciiWhitespace(before), "\", now it would be \"",
                       absl::StripAsciiWhitespace(now), "\"");
  }
  if (why.empty()) {
    why = absl::StrContains(old_lines[0], absl::StrCat("fingerprint: ", fingerprint_))
              ? absl::StrCat("the same under another name (\"",
                             absl::StripPrefix(old_lines[0], "# "), "\")")
              : "the data differs";
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "--out ", Shown(path, surroundings_.working_folder),
      " holds a run of another configuration: ", why, "; choose another --out, or leave it out"));
}

absl::Status ExperimentRun::Execute(const CommandLine& command, Experiment& experiment,
                                    const std::string& path, int threads) {
  std::ostream& out = surroundings_.out;
  const std::string shown = Shown(path, surroundings_.working_folder);
  PERENNIAL_ASSIGN_OR_RETURN(const record::RunState state, record::InspectRunFolder(path));
  EarlierSitting earlier;
  std::optional<record::RunSummary> summary;
  if (state != record::RunState::kNew) {
    PERENNIAL_RETURN_IF_ERROR(CheckSameConfig(path));
    const auto run_json = base::ReadFile(base::JoinPath(path, record::kRunInfoFile));
    if (run_json.ok()) earlier = ReadEarlierSitting(*run_json);
    if (state == record::RunState::kFinished) {
      PERENNIAL_ASSIGN_OR_RETURN(const std::string text,
                                 base::ReadFile(base::JoinPath(path, record::kSummaryFile)));
      PERENNIAL_ASSIGN_OR_RETURN(summary, record::ParseSummary(text));
      earlier.seeds = SeedsOf(*summary);
      SortOnce(earlier.seeds);
    } else if (earlier.seeds.empty() && command.seeds.empty()) {
      return absl::DataLossError(absl::StrCat(
          "the run.json of ", shown,
          " is missing or damaged, so that its seeds are not known; name them with --seeds"));
    }
  }
  seeds_ = earlier.seeds;
  if (!command.seeds.empty() || seeds_.empty()) {
    const std::vector<uint64_t> more =
        command.seeds.empty() ? line_.default_seeds() : command.seeds;
    seeds_.insert(seeds_.end(), more.begin(), more.end());
    SortOnce(seeds_);
  }

  if (state == record::RunState::kUnfinished && !command.resume) {
    return absl::FailedPreconditionError(
        absl::StrCat(shown,
                     " holds an unfinished run; add --resume to go on with it, or choose "
                     "another --out"));
  }
  if (state == record::RunState::kFinished && seeds_ == earlier.seeds) {
    PERENNIAL_ASSIGN_OR_RETURN(const report::Table table,
                               HeadlineTable(summary->results, line_.headlines()));
    out << "This run is finished; these are its results.\n\n" << report::TerminalTable(table);
    ShowPaths(path);
    return absl::OkStatus();
  }

  environment_ = record::CollectEnvironment(
      {.blas = kernels::BlasVersion(), .threads = threads, .device = command.device});
  gemm_peak_ = kernels::MeasureGemmPeak();
  PERENNIAL_RETURN_IF_ERROR(MakeUnits(experiment));
  // Before units are loaded, which the plan counts too.
  const int64_t memory_bytes = base::AvailableMemoryBytes();
  std::vector<Unit*> pointers;
  for (Live& live : units_) pointers.push_back(live.unit.get());
  if (state == record::RunState::kNew) {
    // What does not fit leaves no folder behind.
    PERENNIAL_RETURN_IF_ERROR(population::CheckMemory(pointers, threads, memory_bytes));
    PERENNIAL_ASSIGN_OR_RETURN(folder_, record::RunFolder::Create(path));
    // The seeds stand in run.json, so that it comes before what makes the folder a run.
    PERENNIAL_RETURN_IF_ERROR(WriteRunInfo("running"));
    PERENNIAL_RETURN_IF_ERROR(folder_->WriteConfig(ConfigText()));
  } else {
    PERENNIAL_ASSIGN_OR_RETURN(folder_, record::RunFolder::Open(path));
    PERENNIAL_ASSIGN_OR_RETURN(const record::RunState locked, folder_->State());
    if (locked != state) {
      return absl::FailedPreconditionError(
          absl::StrCat("another process changed ", shown, " just now; start again"));
    }
    WarnOfAnotherMachine(earlier.machine);
    if (state == record::RunState::kFinished) PERENNIAL_RETURN_IF_ERROR(folder_->Reopen());
    for (Live& live : units_) live.cpu_seconds = earlier.cpu_seconds[live.unit->key().Id()];
    PERENNIAL_RETURN_IF_ERROR(LoadCheckpoints());
    PERENNIAL_RETURN_IF_ERROR(WriteRunInfo("running"));
  }

  out << line_.name() << ", " << config_.name << ", seeds " << SeedsText(seeds_) << ", "
      << units_.size() << " units on " << threads << (threads == 1 ? " thread" : " threads")
      << " -> " << shown << "\n";
  for (Live& live : units_) live.progress = live.unit->progress();
  const Totals totals = Sum();
  progress_.emplace(surroundings_.log, surroundings_.terminal, totals.flops,
                    static_cast<int64_t>(units_.size()), totals.fraction());
  absl::Status status =
      population::RunUnits(pointers, {.threads = threads,
                                      .memory_bytes = memory_bytes,
                                      .stop = surroundings_.stop,
                                      .after_chunk = [this](int64_t index, double cpu_seconds) {
                                        return AfterChunk(units_[index], cpu_seconds);
                                      }});
  Report(/*last=*/true);
  if (status.ok()) return Finish();
  absl::Status kept;
  for (Live& live : units_) kept.Update(SaveUnit(live));
  kept.Update(WriteRunInfo(absl::IsCancelled(status) ? "interrupted" : "failed"));
  // What ended the run is what to tell first.
  if (!absl::IsCancelled(status)) return status;
  PERENNIAL_RETURN_IF_ERROR(kept);
  return absl::CancelledError(
      absl::StrCat("interrupted; everything is kept in ", shown, ", add --resume to go on"));
}

absl::Status ExperimentRun::MakeUnits(Experiment& experiment) {
  // In the order of the table: all seeds of a method one after the other.
  std::vector<std::vector<std::unique_ptr<Unit>>> by_seed;
  size_t most = 0;
  for (const uint64_t seed : seeds_) {
    PERENNIAL_ASSIGN_OR_RETURN(auto units, experiment.Units(seed));
    most = std::max(most, units.size());
    by_seed.push_back(std::move(units));
  }
  for (size_t i = 0; i < most; ++i) {
    for (auto& units : by_seed) {
      if (i < units.size()) units_.push_back({.unit = std::move(units[i])});
    }
  }
  if (units_.empty()) return absl::InvalidArgumentError("the configuration has nothing to run");
  return absl::OkStatus();
}

void ExperimentRun::WarnOfAnotherMachine(const std::map<std::string, std::string>& earlier) const {
  const auto json = nlohmann::json::parse(record::EnvironmentJson(environment_).Text());
  const std::map<std::string, std::string> now = MachineOf(json);
  for (const auto& [key, before] : earlier) {
    const auto found = now.find(key);
    if (found == now.end() || found->second == before) continue;
    surroundings_.log << "warning: this run began with " << key << " \"" << before
                      << "\" and goes on with \"" << found->second
                      << "\"; its numbers may differ in the last bits\n";
  }
}

absl::Status ExperimentRun::LoadCheckpoints() {
  std::map<std::string, int64_t> steps;
  for (Live& live : units_) {
    const std::string id = live.unit->key().Id();
    PERENNIAL_ASSIGN_OR_RETURN(const auto checkpoint,
                               record::ReadLatestCheckpoint(folder_->checkpoint_folder(), id));
    if (checkpoint.has_value()) {
      if (!checkpoint->warning.empty()) {
        surroundings_.log << "warning: " << checkpoint->warning << "\n";
      }
      PERENNIAL_RETURN_IF_ERROR(base::WithContext(live.unit->Load(checkpoint->bytes), id));
      live.saved_steps = live.unit->steps_done();
      if (live.unit->finished()) live.unit->Release();
    }
    steps[id] = live.unit->steps_done();
  }
  // What was measured after the checkpoint will be measured again.
  return folder_->metrics().KeepLines([&](absl::string_view line) {
    const auto json = nlohmann::json::parse(line.begin(), line.end(), nullptr, false);
    if (!json.is_object() || !json.contains("unit") || !json["unit"].is_string() ||
        !json.contains("step") || !json["step"].is_number_integer()) {
      return false;
    }
    const auto unit = steps.find(json["unit"].get<std::string>());
    return unit != steps.end() && json["step"].get<int64_t>() <= unit->second;
  });
}

absl::Status ExperimentRun::WriteEvents(Live& live) {
  const std::string id = live.unit->key().Id();
  for (const population::Event& event : live.unit->TakeEvents()) {
    base::JsonObject json;
    json.Add("unit", id).Add("step", event.step);
    for (const auto& [name, value] : event.values) json.Add(name, value);
    PERENNIAL_RETURN_IF_ERROR(folder_->metrics().Append(json));
  }
  return absl::OkStatus();
}

absl::Status ExperimentRun::AfterChunk(Live& live, double cpu_seconds) {
  PERENNIAL_RETURN_IF_ERROR(WriteEvents(live));
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    live.cpu_seconds += cpu_seconds;
    live.progress = live.unit->progress();
  }
  live.since_checkpoint += cpu_seconds;
  if (live.unit->finished() || live.since_checkpoint >= surroundings_.checkpoint_seconds) {
    live.since_checkpoint = 0;
    PERENNIAL_RETURN_IF_ERROR(SaveUnit(live));
    PERENNIAL_RETURN_IF_ERROR(WriteRunInfo("running"));
  }
  Report(/*last=*/false);
  return absl::OkStatus();
}

absl::Status ExperimentRun::SaveUnit(Live& live) {
  if (live.unit->steps_done() == 0 || live.unit->steps_done() == live.saved_steps) {
    return absl::OkStatus();
  }
  // A state never runs ahead of the stream: what was measured before it will not be measured again.
  PERENNIAL_RETURN_IF_ERROR(WriteEvents(live));
  PERENNIAL_RETURN_IF_ERROR(folder_->metrics().Sync());
  PERENNIAL_ASSIGN_OR_RETURN(const std::string state, live.unit->Save());
  PERENNIAL_RETURN_IF_ERROR(
      record::WriteCheckpoint(folder_->checkpoint_folder(), live.unit->key().Id(), state));
  live.saved_steps = live.unit->steps_done();
  return absl::OkStatus();
}

ExperimentRun::Totals ExperimentRun::Sum() {
  Totals totals;
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const Live& live : units_) {
    totals.flops += live.unit->plan().total_flops();
    totals.flops_done += live.unit->plan().total_flops() * live.progress;
    totals.units_done += live.progress;
  }
  return totals;
}

void ExperimentRun::Report(bool last) {
  const Totals totals = Sum();
  if (last) {
    progress_->Finish(totals.fraction(), totals.units_done);
  } else {
    progress_->Update(totals.fraction(), totals.units_done);
  }
}

absl::Status ExperimentRun::WriteRunInfo(absl::string_view state) {
  const std::lock_guard<std::mutex> lock(mutex_);
  base::JsonObject costs;
  for (const Live& live : units_) costs.Add(live.unit->key().Id(), live.cpu_seconds);
  record::FinishEnvironment(&environment_);
  base::JsonObject json = record::EnvironmentJson(environment_);
  json.Add("line", line_.name())
      .Add("config", config_.name)
      .Add("fingerprint", fingerprint_)
      .Add("seeds", SeedsText(seeds_))
      .Add("state", state)
      .Add("gemm_peak_flops", gemm_peak_)
      .AddRaw("costs", costs.Text());
  return folder_->WriteRunInfo(absl::StrCat(json.Text(), "\n"));
}

absl::Status ExperimentRun::Finish() {
  std::vector<FinishedUnit> finished;
  for (const Live& live : units_) {
    finished.push_back({.key = live.unit->key(),
                        .plan = live.unit->plan(),
                        .results = live.unit->Results(),
                        .cpu_seconds = live.cpu_seconds});
  }
  record::RunSummary summary = {.line = line_.name(),
                                .config = config_.name,
                                .fingerprint = fingerprint_,
                                .results = Summarize(finished)};
  PERENNIAL_ASSIGN_OR_RETURN(const report::Table table,
                             HeadlineTable(summary.results, line_.headlines()));
  PERENNIAL_RETURN_IF_ERROR(WriteRunInfo("finished"));
  PERENNIAL_ASSIGN_OR_RETURN(
      const std::string html,
      ReportHtml(finished, line_.headlines(),
                 {.title = line_.title(),
                  .subtitle = absl::StrCat(config_.name, ", seeds ", SeedsText(seeds_),
                                           ", fingerprint ", fingerprint_),
                  .config_text = ConfigText(),
                  .environment = record::EnvironmentRows(environment_),
                  .gemm_peak = gemm_peak_}));
  PERENNIAL_RETURN_IF_ERROR(folder_->Write(record::kReportFile, html));
  PERENNIAL_RETURN_IF_ERROR(folder_->Write("tables.csv", report::TableCsv(table)));
  PERENNIAL_ASSIGN_OR_RETURN(const std::string text, record::SummaryText(summary));
  PERENNIAL_RETURN_IF_ERROR(folder_->WriteSummary(text));

  surroundings_.out << "\n"
                    << report::TerminalTable(table) << "\n"
                    << report::TerminalTable(CostTable(Costs(finished, gemm_peak_)));
  ShowPaths(folder_->path());
  return absl::OkStatus();
}

void ExperimentRun::ShowPaths(const std::string& path) const {
  const std::string shown = Shown(path, surroundings_.working_folder);
  surroundings_.out << "\nsummary  " << base::JoinPath(shown, record::kSummaryFile) << "\nreport   "
                    << base::JoinPath(shown, record::kReportFile) << "\n";
}

// ---- main ----

std::atomic<bool> g_stop = false;

extern "C" void RequestStop(int signal_number) {
  g_stop = true;
  // A second signal ends the program at once.
  signal(signal_number, SIG_DFL);
}

}  // namespace

absl::Status CheckReadyConfigs(const Line& line) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<ReadyConfig> configs, ReadyConfigs(line));
  std::vector<std::string> errors;
  for (const ReadyConfig& config : configs) {
    const auto loaded = LoadConfiguration(line, {.config = config.path}, "");
    if (!loaded.ok()) errors.push_back(std::string(loaded.status().message()));
  }
  if (std::ranges::find(configs, line.default_config(), &ReadyConfig::name) == configs.end()) {
    errors.push_back(absl::StrCat("the default configuration ", line.default_config(),
                                  " is not in ", line.config_folder()));
  }
  if (errors.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
}

absl::Status Run(const Line& line, const std::vector<std::string>& arguments,
                 const Surroundings& surroundings) {
  PERENNIAL_ASSIGN_OR_RETURN(const CommandLine command, ParseCommandLine(arguments));
  if (command.help) {
    PERENNIAL_ASSIGN_OR_RETURN(const std::string listing, Listing(line));
    surroundings.out << line.title() << "\n\n"
                     << "tools/bazel run //" << line.name() << ":experiment -- [flags]\n\n"
                     << FlagsHelp() << "\nReady configurations:\n"
                     << listing << "\nFields of a configuration:\n"
                     << config::DescribeFields(line.NewConfig()->GetDescriptor());
    return absl::OkStatus();
  }
  if (command.list) {
    PERENNIAL_ASSIGN_OR_RETURN(const std::string listing, Listing(line));
    surroundings.out << listing;
    return absl::OkStatus();
  }
  if (command.device == "cuda") {
    return absl::UnimplementedError(
        "--device cuda: units of this line compute on the CPU; leave the flag out");
  }
  PERENNIAL_ASSIGN_OR_RETURN(Configuration config,
                             LoadConfiguration(line, command, surroundings.working_folder));
  PERENNIAL_ASSIGN_OR_RETURN(
      const std::unique_ptr<Experiment> experiment,
      line.Prepare(*config.message, Resolve(command.data, surroundings.working_folder)));
  const std::string fingerprint = config::Fingerprint(*config.message, {experiment->data_digest()});
  const int threads = command.threads > 0
                          ? command.threads
                          : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (command.dry_run) {
    const std::vector<uint64_t> seeds =
        command.seeds.empty() ? line.default_seeds() : command.seeds;
    Units all;
    for (const uint64_t seed : seeds) {
      PERENNIAL_ASSIGN_OR_RETURN(Units units, experiment->Units(seed));
      std::ranges::move(units, std::back_inserter(all));
    }
    surroundings.out << PlanText(all, seeds, threads);
    return absl::OkStatus();
  }
  const std::string folder = Resolve(
      command.out.empty() ? absl::StrCat("runs/", line.name(), "/", config.name, "-", fingerprint)
                          : command.out,
      surroundings.working_folder);
  ExperimentRun run(line, surroundings, std::move(config), fingerprint);
  return run.Execute(command, *experiment, folder, threads);
}

int Main(const Line& line, int argc, char** argv) {
  struct sigaction action = {};
  action.sa_handler = RequestStop;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);

  // `bazel run` starts programs in their runfiles; this is where the user typed the command.
  const char* typed_in = std::getenv("BUILD_WORKING_DIRECTORY");
  std::error_code ignored;
  const Surroundings surroundings = {
      .out = std::cout,
      .log = std::cerr,
      .terminal = isatty(STDERR_FILENO) != 0,
      .working_folder =
          typed_in != nullptr ? typed_in : std::filesystem::current_path(ignored).string(),
      .stop = &g_stop};
  const absl::Status status =
      Run(line, std::vector<std::string>(argv + 1, argv + argc), surroundings);
  if (status.ok()) return 0;
  std::cout.flush();
  std::cerr << (absl::IsCancelled(status) ? "" : "error: ") << status.message() << std::endl;
  return absl::IsCancelled(status) ? 130 : 1;
}

}  // namespace perennial::experiment
