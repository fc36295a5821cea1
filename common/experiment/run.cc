#include "common/experiment/run.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/available_memory.h"
#include "common/base/excerpt.h"
#include "common/base/file_io.h"
#include "common/base/json_text.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"
#include "common/config/resolve.h"
#include "common/experiment/progress.h"
#include "common/experiment/results.h"
#include "common/kernels/peak.h"
#include "common/population/scheduler.h"
#include "common/record/checkpoint.h"
#include "common/record/environment.h"
#include "common/record/event_file.h"
#include "common/record/run_folder.h"
#include "common/record/run_info.h"
#include "common/record/summary.h"
#include "common/report/csv.h"
#include "common/report/terminal_table.h"
#include "nlohmann/json.hpp"

namespace perennial::experiment {
namespace {

using population::Unit;

// The seeds that a summary has values of.
std::vector<uint64_t> SeedsOf(const record::RunSummary& summary) {
  std::vector<uint64_t> seeds;
  for (const record::SummaryResult& result : summary.results) {
    for (const auto& [replicate, value] : result.values) {
      uint64_t seed;
      if (result.over == "seed" && absl::SimpleAtoi(replicate, &seed)) seeds.push_back(seed);
    }
  }
  for (const record::FailedUnit& failed : summary.failed) {
    const std::vector<absl::string_view> parts = absl::StrSplit(failed.unit, '.');
    uint64_t seed;
    if (parts.size() == 4 && parts[2] == "seed" && absl::SimpleAtoi(parts[3], &seed)) {
      seeds.push_back(seed);
    }
  }
  return seeds;
}

void SortOnce(std::vector<uint64_t>& seeds) {
  std::ranges::sort(seeds);
  seeds.erase(std::unique(seeds.begin(), seeds.end()), seeds.end());
}

// The step of a line of metrics.jsonl and its unit; nothing if it is not such a line.
std::optional<std::pair<std::string, int64_t>> UnitAndStep(absl::string_view line) {
  const auto json = nlohmann::json::parse(line.begin(), line.end(), nullptr, false);
  if (!json.is_object() || !json.contains("unit") || !json["unit"].is_string() ||
      !json.contains("step") || !json["step"].is_number_integer()) {
    return std::nullopt;
  }
  return std::pair(json["unit"].get<std::string>(), json["step"].get<int64_t>());
}

// A unit's id names files, and its parts stand in the summary.
absl::Status CheckKey(const population::UnitKey& key) {
  for (const std::string& name : {key.method, key.group, key.over}) {
    if (!base::IsLowerSnakeCase(name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", base::Excerpt(name),
                       "\" is no name of a method or group: it must be "
                       "lower_snake_case (a-z, 0-9, _), beginning with a letter"));
    }
  }
  const bool sound =
      !key.replicate.empty() && std::ranges::all_of(key.replicate, [](unsigned char c) {
        return absl::ascii_isalnum(c) || c == '_' || c == '-';
      });
  if (sound) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", base::Excerpt(key.replicate),
                   "\" is no name of a replicate: use a-z, A-Z, 0-9, _ and -"));
}

int64_t Milliseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

class ExperimentRun {
 public:
  ExperimentRun(const Line& line, const Surroundings& surroundings, const Configuration& config,
                std::string fingerprint, std::string data_digest)
      : line_(line),
        surroundings_(surroundings),
        config_(config),
        fingerprint_(std::move(fingerprint)),
        data_digest_(std::move(data_digest)) {}

  absl::Status Execute(const CommandLine& command, Experiment& experiment,
                       const std::string& folder, int threads);

 private:
  struct Live {
    std::unique_ptr<Unit> unit;
    record::EventFile events;
    double weight = 0;       // In the progress of the run.
    double cpu_seconds = 0;  // Guarded by mutex_, like progress and failure.
    double progress = 0;
    std::optional<std::string> failure;
    double since_checkpoint =
        0;  // CPU seconds; used by the unit's thread alone, like what follows.
    int64_t saved_steps = -1;
    bool events_lost = false;  // Some could not be written: a state after them must not be kept.
  };

  // What a folder tells of the run that stands there.
  struct Earlier {
    record::RunState state = record::RunState::kNew;
    std::string run_json;
    record::StoredRunInfo info;
    std::optional<record::RunSummary> summary;
    std::vector<uint64_t> seeds;
  };

  std::string ConfigText() const {
    return absl::StrCat("# line: ", line_.name(), ", configuration: ", config_.name,
                        ", fingerprint: ", fingerprint_, "\n",
                        config::CanonicalText(*config_.message));
  }
  absl::Status CheckSameConfig(const std::string& path) const;
  absl::StatusOr<Earlier> ReadEarlier(const std::string& path, const CommandLine& command) const;
  absl::Status ShowAgain(const std::string& path, const record::RunSummary& summary) const;
  absl::Status MakeUnits(Experiment& experiment, const std::string& path);
  // Bits are promised for one CPU type and build: says so if a run goes on with another. Refuses
  // another device.
  absl::Status CheckMachine(const record::StoredRunInfo& earlier) const;
  absl::Status LoadCheckpoints();
  // What they hold, as a sentence; empty if that is nothing.
  std::string KeptText() const;
  // Back to the checkpoints: what was measured after them will be measured again.
  absl::Status CutStreams();
  absl::Status RunUnits(int threads, int64_t memory_bytes);
  absl::Status AfterChunk(Live& live, double cpu_seconds);
  absl::Status AfterFailure(Live& live, const absl::Status& error);
  absl::Status WriteEvents(Live& live);
  absl::Status SaveUnit(Live& live);
  absl::Status WriteRunInfo(absl::string_view state);
  // Of all units that have ended; one with a result that is not finite has failed.
  std::vector<FinishedUnit> TakeResults();
  absl::Status Finish(const std::vector<FinishedUnit>& finished,
                      const std::vector<record::FailedUnit>& failed);
  // How the units count in the progress: by their operations, and where they tell none, as a
  // quarter of those that do, for want of better.
  void WeighUnits();
  // Over all units.
  Progress::Done Sum() const;
  // Of a unit, and its share in done_; mutex_ held.
  void SetProgress(Live& live, double progress);
  std::vector<Unit*> Units() const;
  std::vector<record::FailedUnit> Failures() const;
  // Of a run that has ended, with the failures of its units.
  absl::Status FailureOf(const std::vector<record::FailedUnit>& failed,
                         const std::string& path) const;
  void ShowTables(const std::vector<report::Table>& tables) const;
  void ShowPaths(const std::string& path) const;

  const Line& line_;
  const Surroundings& surroundings_;
  const Configuration& config_;
  const std::string fingerprint_;
  const std::string data_digest_;
  record::Environment environment_;
  record::EarlierSittings sittings_;
  double gemm_peak_ = 0;
  std::vector<uint64_t> seeds_;
  std::unique_ptr<record::RunFolder> folder_;
  std::optional<record::Checkpoints> checkpoints_;  // In the folder.
  std::vector<Live> units_;
  std::optional<Progress> progress_;
  std::atomic<int64_t> next_info_ = 0;  // When run.json is due, in milliseconds.
  std::mutex mutex_;
  double weight_ = 0;    // Of all units.
  Progress::Done done_;  // Kept by SetProgress.
};

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
  return absl::FailedPreconditionError(absl::StrCat("--out ", surroundings_.Shown(path),
                                                    " holds a run of another configuration: ", why,
                                                    "; choose another --out, or leave it out"));
}

absl::StatusOr<ExperimentRun::Earlier> ExperimentRun::ReadEarlier(
    const std::string& path, const CommandLine& command) const {
  Earlier earlier;
  PERENNIAL_ASSIGN_OR_RETURN(earlier.state, record::InspectRunFolder(path));
  if (earlier.state == record::RunState::kNew) return earlier;
  PERENNIAL_RETURN_IF_ERROR(CheckSameConfig(path));
  const auto run_json = base::ReadFile(base::JoinPath(path, record::kRunInfoFile));
  if (run_json.ok()) {
    earlier.run_json = *run_json;
    earlier.info = record::ParseRunInfo(*run_json);
    const auto seeds = ParseSeeds(earlier.info.info.seeds);
    if (seeds.ok()) earlier.seeds = *seeds;
  }
  if (earlier.state == record::RunState::kFinished) {
    PERENNIAL_ASSIGN_OR_RETURN(const std::string text,
                               base::ReadFile(base::JoinPath(path, record::kSummaryFile)));
    auto summary = record::ParseSummary(text);
    if (!summary.ok()) return base::WithContext(summary.status(), surroundings_.Shown(path));
    earlier.summary = *std::move(summary);
    if (earlier.seeds.empty()) earlier.seeds = SeedsOf(*earlier.summary);
    SortOnce(earlier.seeds);
  }
  if (earlier.seeds.empty() && command.seeds.empty()) {
    return absl::DataLossError(absl::StrCat(
        "the run.json of ", surroundings_.Shown(path),
        " is missing or damaged, so that its seeds are not known; name them with --seeds"));
  }
  return earlier;
}

absl::Status ExperimentRun::FailureOf(const std::vector<record::FailedUnit>& failed,
                                      const std::string& path) const {
  if (failed.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      failed.size(), failed.size() == 1 ? " unit" : " units", " failed: ", failed[0].unit, ": ",
      failed[0].message,
      failed.size() > 1 ? absl::StrCat(" (the others stand in ",
                                       surroundings_.Shown(base::JoinPath(path, "run.json")), ")")
                        : ""));
}

absl::Status ExperimentRun::ShowAgain(const std::string& path,
                                      const record::RunSummary& summary) const {
  PERENNIAL_ASSIGN_OR_RETURN(std::vector<report::Table> tables,
                             HeadlineTables(summary.results, line_.headlines(), summary.failed));
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<Finding> findings,
                             line_.Findings(*config_.message, summary.results));
  for (const Finding& finding : findings) tables.push_back(finding.table);
  surroundings_.out << "This run is finished; these are its results.\n";
  ShowTables(tables);
  ShowPaths(path);
  return FailureOf(summary.failed, path);
}

absl::Status ExperimentRun::Execute(const CommandLine& command, Experiment& experiment,
                                    const std::string& path, int threads) {
  const std::string shown = surroundings_.Shown(path);
  PERENNIAL_ASSIGN_OR_RETURN(const Earlier earlier, ReadEarlier(path, command));
  seeds_ = earlier.seeds;
  if (!command.seeds.empty() || seeds_.empty()) {
    const std::vector<uint64_t> more =
        command.seeds.empty() ? line_.default_seeds() : command.seeds;
    seeds_.insert(seeds_.end(), more.begin(), more.end());
    SortOnce(seeds_);
  }

  if (earlier.state == record::RunState::kUnfinished && !command.resume) {
    // In use, or to be resumed?
    PERENNIAL_RETURN_IF_ERROR(record::RunFolder::Open(path).status());
    return absl::FailedPreconditionError(
        absl::StrCat(shown,
                     " holds an unfinished run; add --resume to go on with it, or choose "
                     "another --out"));
  }
  if (earlier.state == record::RunState::kFinished && seeds_ == earlier.seeds) {
    // --resume tries again what has failed.
    const bool again = command.resume && !earlier.summary->failed.empty();
    // A report that was removed is made again from the checkpoints.
    const bool whole = base::FileExists(base::JoinPath(path, record::kReportFile));
    if (whole && !again) return ShowAgain(path, *earlier.summary);
  }

  environment_ = record::CollectEnvironment({.libtorch = kernels::LibTorchVersion(),
                                             .blas = kernels::BlasVersion(),
                                             .threads = threads,
                                             .device = command.device});
  PERENNIAL_RETURN_IF_ERROR(CheckMachine(earlier.info));
  gemm_peak_ = kernels::MeasureGemmPeak();
  PERENNIAL_RETURN_IF_ERROR(MakeUnits(experiment, path));
  // Before units are loaded, which the plan counts too.
  const int64_t memory_bytes = base::AvailableMemoryBytes();
  if (earlier.state == record::RunState::kNew) {
    // What does not fit leaves no folder behind.
    PERENNIAL_RETURN_IF_ERROR(population::CheckMemory(Units(), threads, memory_bytes));
    PERENNIAL_ASSIGN_OR_RETURN(folder_, record::RunFolder::Create(path));
    checkpoints_.emplace(folder_->checkpoint_folder());
    // The seeds stand in run.json, so that it comes before what makes the folder a run.
    PERENNIAL_RETURN_IF_ERROR(WriteRunInfo("running"));
    PERENNIAL_RETURN_IF_ERROR(folder_->WriteConfig(ConfigText()));
  } else {
    if (!base::FileExists(base::JoinPath(path, record::kMetricsFile))) {
      surroundings_.log << "warning: the " << record::kMetricsFile << " of " << shown
                        << " is gone; what was measured on the way so far is missing from the new "
                           "one (results are not concerned)\n";
    }
    PERENNIAL_ASSIGN_OR_RETURN(folder_, record::RunFolder::Open(path));
    checkpoints_.emplace(folder_->checkpoint_folder());
    // What was read before the lock was held may have changed.
    PERENNIAL_ASSIGN_OR_RETURN(const Earlier locked, ReadEarlier(path, command));
    if (locked.state != earlier.state || locked.run_json != earlier.run_json) {
      return absl::FailedPreconditionError(
          absl::StrCat("another process changed ", shown, " just now; start again"));
    }
    sittings_ = earlier.info.sittings;
    for (Live& live : units_) {
      const auto cost = earlier.info.info.cpu_seconds.find(live.unit->key().Id());
      if (cost != earlier.info.info.cpu_seconds.end()) live.cpu_seconds = cost->second;
    }
    // What cannot go on leaves a finished run as it is.
    PERENNIAL_RETURN_IF_ERROR(LoadCheckpoints());
    PERENNIAL_RETURN_IF_ERROR(population::CheckMemory(Units(), threads, memory_bytes));
    if (earlier.state == record::RunState::kFinished) PERENNIAL_RETURN_IF_ERROR(folder_->Reopen());
    PERENNIAL_RETURN_IF_ERROR(CutStreams());
    PERENNIAL_RETURN_IF_ERROR(WriteRunInfo("running"));
  }

  surroundings_.out << line_.name() << ", " << config_.name << ", seeds " << SeedsText(seeds_)
                    << ", " << units_.size() << " units on " << threads
                    << (threads == 1 ? " thread" : " threads") << " -> " << shown << "\n"
                    << KeptText() << std::flush;
  if (command.resume && earlier.state == record::RunState::kNew) {
    surroundings_.log << "--resume: there is nothing in " << shown
                      << " to go on with; a new run begins" << std::endl;
  }
  absl::Status status = RunUnits(threads, memory_bytes);
  if (status.ok()) {
    const std::vector<FinishedUnit> finished = TakeResults();
    const std::vector<record::FailedUnit> failed = Failures();
    // Where no unit has results the run stays unfinished.
    status = finished.empty() ? WriteRunInfo("failed") : Finish(finished, failed);
    if (status.ok()) return FailureOf(failed, path);
  }
  absl::Status kept;
  for (Live& live : units_) kept.Update(SaveUnit(live));
  kept.Update(WriteRunInfo(absl::IsCancelled(status) ? "interrupted" : "failed"));
  // What ended the run is what to tell first.
  if (!absl::IsCancelled(status)) {
    return absl::Status(
        status.code(),
        absl::StrCat(status.message(), kept.ok() ? "; what was done is kept in " : "; see ", shown,
                     kept.ok() ? ", add --resume to go on" : ""));
  }
  PERENNIAL_RETURN_IF_ERROR(kept);
  return absl::CancelledError(
      absl::StrCat("interrupted; everything is kept in ", shown, ", add --resume to go on"));
}

absl::Status ExperimentRun::MakeUnits(Experiment& experiment, const std::string& path) {
  // In the order of the table: all seeds of a method one after the other.
  std::vector<std::vector<std::unique_ptr<Unit>>> by_seed;
  size_t most = 0;
  for (const uint64_t seed : seeds_) {
    if (surroundings_.stopped()) {
      return absl::CancelledError("interrupted before anything began");
    }
    PERENNIAL_ASSIGN_OR_RETURN(auto units, experiment.Units(seed));
    most = std::max(most, units.size());
    by_seed.push_back(std::move(units));
  }
  std::set<std::string> ids;
  for (size_t i = 0; i < most; ++i) {
    for (auto& units : by_seed) {
      if (i >= units.size()) continue;
      const std::string id = units[i]->key().Id();
      PERENNIAL_RETURN_IF_ERROR(CheckKey(units[i]->key()));
      if (!ids.insert(id).second) {
        return absl::InvalidArgumentError(
            absl::StrCat("two units are called ", id, "; give each method a name of its own"));
      }
      units_.push_back({.unit = std::move(units[i]),
                        .events = record::EventFile(record::EventFilePath(path, id))});
    }
  }
  if (units_.empty()) return absl::InvalidArgumentError("the configuration has nothing to run");
  return absl::OkStatus();
}

absl::Status ExperimentRun::CheckMachine(const record::StoredRunInfo& earlier) const {
  if (!earlier.device.empty() && earlier.device != environment_.device) {
    return absl::FailedPreconditionError(
        absl::StrCat("this run began with --device ", earlier.device, " and does not go on with ",
                     environment_.device, "; choose another --out"));
  }
  const std::map<std::string, std::string> now = record::Machine(environment_);
  for (const auto& [key, before] : earlier.machine) {
    const auto found = now.find(key);
    if (found == now.end() || found->second == before) continue;
    surroundings_.log << "warning: this run began with " << key << " \"" << before
                      << "\" and goes on with \"" << found->second
                      << "\"; its numbers may differ in the last bits\n";
  }
  return absl::OkStatus();
}

absl::Status ExperimentRun::LoadCheckpoints() {
  for (Live& live : units_) {
    const std::string id = live.unit->key().Id();
    PERENNIAL_ASSIGN_OR_RETURN(const auto checkpoint, checkpoints_->ReadLatest(id));
    if (!checkpoint.has_value()) continue;
    if (!checkpoint->warning.empty()) {
      surroundings_.log << "warning: " << checkpoint->warning << "\n";
    }
    PERENNIAL_RETURN_IF_ERROR(base::WithContext(live.unit->Load(checkpoint->bytes), id));
    live.saved_steps = live.unit->steps_done();
    if (live.unit->finished()) live.unit->Release();
  }
  return absl::OkStatus();
}

std::string ExperimentRun::KeptText() const {
  int64_t whole = 0;
  int64_t in_part = 0;
  for (const Live& live : units_) {
    const bool ended = live.saved_steps >= live.unit->plan().steps;
    whole += ended ? 1 : 0;
    in_part += !ended && live.saved_steps > 0 ? 1 : 0;
  }
  if (whole + in_part == 0) return "";
  return absl::StrCat("kept from the earlier run: ", whole, " of ", units_.size(), " units",
                      in_part > 0 ? absl::StrCat(", and parts of ", in_part, " more") : "", "\n");
}

absl::Status ExperimentRun::CutStreams() {
  std::map<std::string, int64_t> steps;
  for (Live& live : units_) {
    steps[live.unit->key().Id()] = live.saved_steps;
    PERENNIAL_RETURN_IF_ERROR(live.events.Cut(live.saved_steps));
  }
  return folder_->metrics().KeepLines([&](absl::string_view line) {
    const auto event = UnitAndStep(line);
    if (!event.has_value()) return false;
    const auto unit = steps.find(event->first);
    // Others may come back with their checkpoints.
    return unit == steps.end() || event->second <= unit->second;
  });
}

std::vector<Unit*> ExperimentRun::Units() const {
  std::vector<Unit*> units;
  for (const Live& live : units_) units.push_back(live.unit.get());
  return units;
}

absl::Status ExperimentRun::RunUnits(int threads, int64_t memory_bytes) {
  for (Live& live : units_) live.progress = live.unit->progress();
  WeighUnits();
  done_ = Sum();
  progress_.emplace(surroundings_.log, surroundings_.terminal, static_cast<int64_t>(units_.size()),
                    done_, surroundings_.columns);
  const absl::Status status = population::RunUnits(
      Units(),
      {.threads = threads,
       .memory_bytes = memory_bytes,
       .stop = surroundings_.stop,
       .after_chunk = [this](int64_t index,
                             double cpu_seconds) { return AfterChunk(units_[index], cpu_seconds); },
       .after_failure =
           [this](int64_t index, const absl::Status& error) {
             return AfterFailure(units_[index], error);
           }});
  progress_->Finish(Sum());
  return status;
}

absl::Status ExperimentRun::WriteEvents(Live& live) {
  const std::string id = live.unit->key().Id();
  const std::vector<population::Event> events = live.unit->TakeEvents();
  if (events.empty()) return absl::OkStatus();
  live.events_lost = true;  // Until they are written.
  std::vector<record::ScalarEvent> scalars;
  for (const population::Event& event : events) {
    base::JsonObject json;
    json.Add("unit", id).Add("step", event.step);
    for (const auto& [name, value] : event.values) json.Add(name, value);
    PERENNIAL_RETURN_IF_ERROR(folder_->metrics().Append(json));
    scalars.push_back({.wall_time = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()),
                       .step = event.step,
                       .values = event.values});
  }
  PERENNIAL_RETURN_IF_ERROR(live.events.Append(scalars));
  live.events_lost = false;
  return absl::OkStatus();
}

absl::Status ExperimentRun::AfterChunk(Live& live, double cpu_seconds) {
  PERENNIAL_RETURN_IF_ERROR(WriteEvents(live));
  Progress::Done done;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    live.cpu_seconds += cpu_seconds;
    SetProgress(live, live.unit->progress());
    done = done_;
  }
  live.since_checkpoint += cpu_seconds;
  if (live.unit->finished() || live.since_checkpoint >= surroundings_.checkpoint_seconds) {
    live.since_checkpoint = 0;
    PERENNIAL_RETURN_IF_ERROR(SaveUnit(live));
    // It names all units, and nothing depends on it: once a second, and a hundredth of the time,
    // will do.
    const int64_t now = Milliseconds();
    if (int64_t due = next_info_; now >= due && next_info_.compare_exchange_strong(
                                                    due, std::numeric_limits<int64_t>::max())) {
      const absl::Status written = WriteRunInfo("running");
      const int64_t end = Milliseconds();
      next_info_ = end + std::max<int64_t>(1000, 100 * (end - now));
      PERENNIAL_RETURN_IF_ERROR(written);
    }
  }
  progress_->Update(done);
  return absl::OkStatus();
}

absl::Status ExperimentRun::AfterFailure(Live& live, const absl::Status& error) {
  // What led to it is worth seeing; the state is not worth keeping.
  PERENNIAL_RETURN_IF_ERROR(WriteEvents(live));
  const std::string id = live.unit->key().Id();
  progress_->Note(absl::StrCat("failed: ", id, ": ", error.message()));
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    live.failure = std::string(error.message());
    SetProgress(live, 1);
  }
  return WriteRunInfo("running");
}

absl::Status ExperimentRun::SaveUnit(Live& live) {
  if (live.failure.has_value() || live.events_lost || live.unit->steps_done() == 0 ||
      live.unit->steps_done() == live.saved_steps) {
    return absl::OkStatus();
  }
  if (!live.unit->Settle().ok()) return absl::OkStatus();  // The next step tells it.
  // A state never runs ahead of the stream: what was measured before it will not be measured again.
  PERENNIAL_RETURN_IF_ERROR(WriteEvents(live));
  PERENNIAL_RETURN_IF_ERROR(folder_->metrics().Sync());
  PERENNIAL_RETURN_IF_ERROR(live.events.Sync());
  PERENNIAL_ASSIGN_OR_RETURN(const std::string state, live.unit->Save());
  PERENNIAL_RETURN_IF_ERROR(checkpoints_->Write(live.unit->key().Id(), state));
  live.saved_steps = live.unit->steps_done();
  return absl::OkStatus();
}

void ExperimentRun::WeighUnits() {
  double flops = 0;
  int64_t counted = 0;
  for (const Live& live : units_) {
    flops += live.unit->plan().total_flops();
    counted += live.unit->plan().total_flops() > 0 ? 1 : 0;
  }
  const double otherwise = counted == 0 ? 1 : flops / static_cast<double>(4 * counted);
  for (Live& live : units_) {
    live.weight = live.unit->plan().total_flops();
    if (live.weight <= 0) live.weight = otherwise;
    weight_ += live.weight;
  }
}

Progress::Done ExperimentRun::Sum() const {
  Progress::Done done;
  for (const Live& live : units_) {
    done.fraction += live.weight * live.progress;
    done.units += live.progress;
    done.flops += live.unit->plan().total_flops() * live.progress;
  }
  // Summed as weight_ is: what is whole is 1 to the last bit.
  done.fraction /= weight_;
  return done;
}

void ExperimentRun::SetProgress(Live& live, double progress) {
  const double more = progress - live.progress;
  live.progress = progress;
  done_.fraction += live.weight * more / weight_;
  done_.units += more;
  done_.flops += live.unit->plan().total_flops() * more;
}

std::vector<record::FailedUnit> ExperimentRun::Failures() const {
  std::vector<record::FailedUnit> failed;
  for (const Live& live : units_) {
    if (!live.failure.has_value()) continue;
    failed.push_back({.unit = live.unit->key().Id(), .message = *live.failure});
  }
  return failed;
}

absl::Status ExperimentRun::WriteRunInfo(absl::string_view state) {
  const std::lock_guard<std::mutex> lock(mutex_);
  record::RunInfo info = {.line = line_.name(),
                          .config = config_.name,
                          .fingerprint = fingerprint_,
                          .data_digest = data_digest_,
                          .seeds = SeedsText(seeds_),
                          .state = std::string(state),
                          .gemm_peak_flops = gemm_peak_};
  for (const Live& live : units_) {
    info.cpu_seconds[live.unit->key().Id()] = live.cpu_seconds;
    if (live.failure.has_value()) {
      info.failures[live.unit->key().Id()] = *live.failure;
    } else {
      info.flops += live.unit->plan().total_flops() * live.progress;
    }
  }
  record::FinishEnvironment(&environment_);
  return folder_->WriteRunInfo(record::RunInfoText(info, environment_, sittings_));
}

std::vector<FinishedUnit> ExperimentRun::TakeResults() {
  std::vector<FinishedUnit> finished;
  for (Live& live : units_) {
    if (live.failure.has_value()) continue;
    population::UnitResults results = live.unit->Results();
    for (const population::Measurement& measurement : results.measurements) {
      if (std::isfinite(measurement.value)) continue;
      live.failure = absl::StrCat(measurement.metric, " is ", measurement.value);
    }
    if (live.failure.has_value()) continue;
    finished.push_back({.key = live.unit->key(),
                        .plan = live.unit->plan(),
                        .results = std::move(results),
                        .cpu_seconds = live.cpu_seconds});
  }
  return finished;
}

absl::Status ExperimentRun::Finish(const std::vector<FinishedUnit>& finished,
                                   const std::vector<record::FailedUnit>& failed) {
  record::RunSummary summary = {.line = line_.name(),
                                .config = config_.name,
                                .fingerprint = fingerprint_,
                                .results = Summarize(finished),
                                .failed = failed};
  PERENNIAL_ASSIGN_OR_RETURN(std::vector<report::Table> tables,
                             HeadlineTables(summary.results, line_.headlines(), failed));
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<Finding> findings,
                             line_.Findings(*config_.message, summary.results));
  PERENNIAL_ASSIGN_OR_RETURN(const report::Table numbers, ResultsTable(summary.results));
  PERENNIAL_RETURN_IF_ERROR(WriteRunInfo("finished"));
  PERENNIAL_ASSIGN_OR_RETURN(
      const RunReport report,
      MakeReport(finished, line_.headlines(),
                 {.title = line_.title(),
                  .subtitle = absl::StrCat(config_.name, ", seeds ", SeedsText(seeds_),
                                           ", fingerprint ", fingerprint_),
                  .config_text = ConfigText(),
                  .environment = record::EnvironmentRows(environment_),
                  .gemm_peak = gemm_peak_,
                  .counts = line_.counts(),
                  .failed = failed,
                  .findings = findings,
                  .add_plots = [&](report::Document& document) {
                    return line_.AddPlots(*config_.message, finished, document);
                  }}));
  PERENNIAL_RETURN_IF_ERROR(folder_->Write(record::kReportFile, report.html));
  PERENNIAL_RETURN_IF_ERROR(WritePlots(report.plots, folder_->path()));
  PERENNIAL_RETURN_IF_ERROR(folder_->Write(record::kTablesFile, report::TableCsv(numbers)));
  PERENNIAL_ASSIGN_OR_RETURN(const std::string text, record::SummaryText(summary));
  PERENNIAL_RETURN_IF_ERROR(folder_->WriteSummary(text));

  const std::vector<MethodCost> costs = Costs(finished, gemm_peak_);
  PERENNIAL_ASSIGN_OR_RETURN(
      const report::Table replicate_costs,
      ReplicateCostTable(summary.results, line_.headlines(), line_.counts(), costs));
  if (replicate_costs.columns.size() > 1) tables.push_back(replicate_costs);
  tables.push_back(CostTable(costs));
  for (const Finding& finding : findings) tables.push_back(finding.table);
  ShowTables(tables);
  ShowPaths(folder_->path());
  return absl::OkStatus();
}

void ExperimentRun::ShowTables(const std::vector<report::Table>& tables) const {
  for (const report::Table& table : tables) {
    if (table.rows.empty()) continue;  // No unit has a metric of its.
    surroundings_.out << "\n" << report::TerminalTable(table);
  }
}

void ExperimentRun::ShowPaths(const std::string& path) const {
  const std::string shown = surroundings_.Shown(path);
  surroundings_.out << "\nsummary  " << base::JoinPath(shown, record::kSummaryFile) << "\nreport   "
                    << base::JoinPath(shown, record::kReportFile) << "\n";
}

}  // namespace

std::string RunFingerprint(const Configuration& config, const Experiment& experiment) {
  return config::Fingerprint(*config.message, {experiment.data_digest()});
}

absl::Status RunExperiment(const Line& line, const Surroundings& surroundings,
                           const Configuration& config, const CommandLine& command,
                           Experiment& experiment, const std::string& folder, int threads) {
  ExperimentRun run(line, surroundings, config, RunFingerprint(config, experiment),
                    experiment.data_digest());
  return run.Execute(command, experiment, folder, threads);
}

}  // namespace perennial::experiment
