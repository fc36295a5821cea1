#include "tools/claims/measure.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <ostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/file_io.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"
#include "common/experiment/run.h"
#include "common/record/run_folder.h"

namespace perennial::claims {
namespace {

using record::RunSummary;
using record::SummaryResult;

void AddOnce(std::vector<std::string>& names, const std::string& name) {
  if (std::ranges::find(names, name) == names.end()) names.push_back(name);
}

// ---- Runs ----

// One run, of one or more experiments.
struct PlannedRun {
  const LineClaims* claims = nullptr;
  const ClaimedExperiment* first = nullptr;
  std::vector<const ClaimedExperiment*> experiments;
  std::shared_ptr<experiment::Experiment> experiment;
  std::string fingerprint;
  std::string folder;
  std::vector<uint64_t> seeds;
};

void AddSeeds(const ClaimedExperiment& experiment, Extent extent, std::vector<uint64_t>& seeds) {
  const std::vector<uint64_t>& more = experiment.seeds(extent);
  seeds.insert(seeds.end(), more.begin(), more.end());
  std::ranges::sort(seeds);
  seeds.erase(std::unique(seeds.begin(), seeds.end()), seeds.end());
}

// A contrast to be answered, and where its answer goes.
struct Question {
  std::string experiment;
  std::string where;  // "claim x, control y"
  const ContrastConfig* contrast = nullptr;
  Answer* answer = nullptr;
};

// What a run is to answer.
std::vector<Question> QuestionsOf(const PlannedRun& run, LineResults& results) {
  std::vector<Question> questions;
  const auto add = [&](const Question& question) {
    const bool ours = std::ranges::any_of(run.experiments, [&](const auto* experiment) {
      return experiment->name == question.experiment;
    });
    if (ours) questions.push_back(question);
  };
  for (ClaimAnswer& claim : results.claims) {
    if (!claim.answer) continue;
    const std::string where = absl::StrCat("claim ", claim.claim.name());
    add({claim.claim.experiment(), where, &claim.claim.contrast(), &*claim.answer});
    for (ControlAnswer& control : claim.controls) {
      add({control.control.has_experiment() ? control.control.experiment()
                                            : claim.claim.experiment(),
           absl::StrCat(where, ", control ", control.control.name()), &control.control.contrast(),
           &control.answer});
    }
  }
  return questions;
}

// The groups of a run stand in its units: a name that is wrong is told before hours of work.
absl::Status CheckGroups(const PlannedRun& run, LineResults& results) {
  PERENNIAL_ASSIGN_OR_RETURN(const auto units, run.experiment->Units(run.seeds.front()));
  std::vector<std::string> groups;
  for (const auto& unit : units) AddOnce(groups, unit->key().group);
  for (const Question& question : QuestionsOf(run, results)) {
    const std::string& group = question.contrast->group();
    if (std::ranges::find(groups, group) != groups.end()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(question.where, ": ", base::UnknownNameMessage("group", group, groups)));
  }
  return absl::OkStatus();
}

// All runs of all files, with their data loaded: runs of equal configuration once.
absl::StatusOr<std::vector<PlannedRun>> PlanRuns(absl::Span<const LineClaims> claims,
                                                 const MeasureOptions& options,
                                                 const experiment::Surroundings& surroundings) {
  std::vector<PlannedRun> runs;
  for (const LineClaims& of_line : claims) {
    for (const ClaimedExperiment& claimed : of_line.experiments) {
      PERENNIAL_ASSIGN_OR_RETURN(
          std::unique_ptr<experiment::Experiment> prepared,
          of_line.line->Prepare(*claimed.config.message, surroundings.Resolve(options.data)));
      const std::string fingerprint = experiment::RunFingerprint(claimed.config, *prepared);
      const std::string folder = surroundings.Resolve(absl::StrCat(
          options.runs, "/", of_line.line->name(), "/", claimed.config.name, "-", fingerprint));
      auto run = std::ranges::find(runs, folder, &PlannedRun::folder);
      if (run == runs.end()) {
        run = runs.insert(run, {.claims = &of_line,
                                .first = &claimed,
                                .experiment = std::move(prepared),
                                .fingerprint = fingerprint,
                                .folder = folder});
      }
      run->experiments.push_back(&claimed);
      AddSeeds(claimed, options.extent, run->seeds);
    }
  }
  return runs;
}

std::string RunText(const PlannedRun& run) {
  std::vector<std::string> names;
  for (const ClaimedExperiment* experiment : run.experiments) names.push_back(experiment->name);
  return absl::StrCat(run.claims->line->name(), ": ", absl::StrJoin(names, ", "), " (",
                      run.first->config.name, "), seeds ", experiment::SeedsText(run.seeds));
}

// Runs what is missing, and reads the summary.
absl::StatusOr<RunSummary> Execute(const PlannedRun& run, const MeasureOptions& options,
                                   const experiment::Surroundings& surroundings) {
  surroundings.log << RunText(run) << "\n" << std::flush;
  // The run's own tables stand in its report.
  std::ostream nowhere(nullptr);
  const experiment::Surroundings quiet = {.out = nowhere,
                                          .log = surroundings.log,
                                          .terminal = surroundings.terminal,
                                          .columns = surroundings.columns,
                                          .working_folder = surroundings.working_folder,
                                          .stop = surroundings.stop,
                                          .checkpoint_seconds = surroundings.checkpoint_seconds};
  experiment::CommandLine command = run.first->command;
  command.seeds = run.seeds;
  command.resume = options.resume;
  const absl::Status status =
      experiment::RunExperiment(*run.claims->line, quiet, run.first->config, command,
                                *run.experiment, run.folder, options.threads);
  if (absl::IsCancelled(status)) return status;
  const auto text = base::ReadFile(base::JoinPath(run.folder, record::kSummaryFile));
  if (!text.ok()) return status.ok() ? text.status() : status;
  auto summary = record::ParseSummary(*text);
  if (!summary.ok()) return base::WithContext(summary.status(), surroundings.Shown(run.folder));
  // Units that failed are the claims' business, and stand in the message by name; what else is
  // wrong is the run's.
  const bool only_units =
      !summary->failed.empty() && absl::StrContains(status.message(), summary->failed[0].unit);
  if (!status.ok() && !only_units) return status;
  return summary;
}

// ---- Answers ----

absl::StatusOr<const SummaryResult*> Find(const RunSummary& summary, const std::string& group,
                                          const std::string& method, const std::string& metric) {
  std::vector<std::string> groups;
  std::vector<std::string> methods;
  std::vector<std::string> metrics;
  for (const SummaryResult& result : summary.results) {
    AddOnce(groups, result.group);
    if (result.group == group) AddOnce(methods, result.method);
    if (result.group != group || result.method != method) continue;
    AddOnce(metrics, result.metric);
    if (result.metric == metric) return &result;
  }
  if (methods.empty()) {
    return absl::InvalidArgumentError(base::UnknownNameMessage("group", group, groups));
  }
  if (metrics.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "in group ", group, ": ", base::UnknownNameMessage("method", method, methods)));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "of method ", method, ": ", base::UnknownNameMessage("metric", metric, metrics)));
}

// What became of a replicate without a value.
std::string WhyMissing(const RunSummary& summary, const std::string& method,
                       const std::string& group, const std::string& replicate) {
  // An id is method.group.over.replicate. A study's unit stands for methods of other names.
  for (const std::string& start : {absl::StrCat(method, ".", group, "."), std::string()}) {
    for (const record::FailedUnit& failed : summary.failed) {
      if (absl::StartsWith(failed.unit, start) &&
          absl::StrContains(failed.unit, absl::StrCat(".", group, ".")) &&
          absl::EndsWith(failed.unit, absl::StrCat(".", replicate))) {
        return absl::StrCat(failed.unit, " failed: ", failed.message);
      }
    }
  }
  return absl::StrCat(method, " has no value of ", replicate);
}

Answer NothingButFailures(const ContrastConfig& contrast, const RunSummary& summary) {
  return {.contrast = contrast,
          .missing = absl::StrCat(summary.failed[0].unit, " failed: ", summary.failed[0].message)};
}

// A file's results before anything is run.
LineResults Unanswered(const LineClaims& claims, Extent extent) {
  LineResults results = {.line = claims.line->name(), .paper = claims.config.paper()};
  for (const ClaimedExperiment& experiment : claims.experiments) {
    results.experiments.push_back({.name = experiment.name,
                                   .config_path = experiment.config_path,
                                   .overrides = experiment.command.overrides,
                                   .seeds = experiment::SeedsText(experiment.seeds(extent))});
  }
  for (const ClaimConfig& claim : claims.config.claims()) {
    ClaimAnswer& answer = results.claims.emplace_back(
        ClaimAnswer{.claim = claim,
                    .paper = claim.has_paper() ? claim.paper() : claims.config.paper(),
                    .family = claim.has_family() ? claim.family() : claim.name()});
    if (!claim.has_contrast()) continue;
    answer.answer.emplace();
    for (const ControlConfig& control : claim.controls()) {
      answer.controls.push_back({.control = control});
    }
  }
  return results;
}

// Verdicts, once all is answered.
absl::Status JudgeAll(LineResults& results) {
  std::map<std::string, std::vector<Finding*>> families;
  for (ClaimAnswer& claim : results.claims) {
    if (claim.answer && claim.answer->finding) {
      families[claim.family].push_back(&*claim.answer->finding);
    }
  }
  for (const auto& [name, family] : families) PERENNIAL_RETURN_IF_ERROR(AdjustFamily(family));
  for (ClaimAnswer& claim : results.claims) {
    if (!claim.answer) continue;
    if (claim.answer->finding) claim.answer->verdict = Judge(*claim.answer->finding);
    claim.verdict = claim.answer->verdict;
    for (ControlAnswer& control : claim.controls) {
      if (control.answer.finding) {
        Finding* const alone = &*control.answer.finding;
        PERENNIAL_RETURN_IF_ERROR(AdjustFamily({&alone, 1}));
        control.answer.verdict = Judge(*alone);
      }
      control.as_expected = (control.answer.verdict == Verdict::kSeen) == control.control.holds();
    }
  }
  return absl::OkStatus();
}

// Fills in the answers to a run's questions.
absl::Status AnswerAll(const PlannedRun& run, const RunSummary& summary, Extent extent,
                       LineResults& results) {
  for (const Question& question : QuestionsOf(run, results)) {
    const auto experiment = std::ranges::find_if(run.experiments, [&](const auto* candidate) {
      return candidate->name == question.experiment;
    });
    auto answer = AnswerOf(*question.contrast, summary, (*experiment)->seeds(extent));
    if (!answer.ok()) return base::WithContext(answer.status(), question.where);
    *question.answer = *std::move(answer);
    question.answer->experiment = question.experiment;
  }
  for (ExperimentRecord& record : results.experiments) {
    const bool ours = std::ranges::any_of(
        run.experiments, [&](const auto* experiment) { return experiment->name == record.name; });
    if (ours) record.fingerprint = run.fingerprint;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Answer> AnswerOf(const ContrastConfig& contrast, const RunSummary& summary,
                                absl::Span<const uint64_t> seeds) {
  auto ours = Find(summary, contrast.group(), contrast.method(), contrast.metric());
  auto theirs = ours;
  if (contrast.has_baseline()) {
    theirs = Find(summary, contrast.group(), contrast.baseline(), contrast.metric());
  }
  if (!ours.ok() || !theirs.ok()) {
    // With no unit left there is no name, either.
    if (!summary.failed.empty()) return NothingButFailures(contrast, summary);
    return ours.ok() ? theirs.status() : ours.status();
  }
  Answer answer = {.contrast = contrast, .unit = (*ours)->unit, .over = (*ours)->over};
  if ((*ours)->unit != (*theirs)->unit || (*ours)->over != (*theirs)->over) {
    return absl::InvalidArgumentError(absl::StrCat(contrast.metric(), " of ", contrast.method(),
                                                   " and of ", contrast.baseline(),
                                                   " have not the same unit and replicates"));
  }
  for (const uint64_t seed : seeds) {
    const std::string replicate = absl::StrCat(seed);
    const auto a = (*ours)->values.find(replicate);
    const auto b = (*theirs)->values.find(replicate);
    const bool no_a = a == (*ours)->values.end();
    if (no_a || b == (*theirs)->values.end()) {
      answer.missing = WhyMissing(summary, no_a ? contrast.method() : contrast.baseline(),
                                  contrast.group(), replicate);
      continue;
    }
    answer.replicates.push_back(replicate);
    answer.values.push_back(a->second);
    answer.against.push_back(contrast.has_baseline() ? b->second : contrast.constant());
  }
  if (answer.replicates.empty() && summary.failed.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(contrast.metric(), " of ", contrast.method(),
                     ": its replicates are not seeds, nor called like them"));
  }
  if (!answer.missing.empty()) return answer;
  PERENNIAL_ASSIGN_OR_RETURN(answer.finding,
                             Measure(ContrastOf(contrast), answer.values, answer.against));
  return answer;
}

absl::StatusOr<std::vector<LineResults>> MeasureClaims(
    absl::Span<const LineClaims> claims, const MeasureOptions& options,
    const experiment::Surroundings& surroundings) {
  PERENNIAL_ASSIGN_OR_RETURN(std::vector<PlannedRun> runs, PlanRuns(claims, options, surroundings));
  std::vector<LineResults> all;
  for (const LineClaims& of_line : claims) all.push_back(Unanswered(of_line, options.extent));
  const auto results_of = [&](const PlannedRun& run) -> LineResults& {
    return all[static_cast<size_t>(run.claims - claims.data())];
  };
  for (const PlannedRun& run : runs) {
    PERENNIAL_RETURN_IF_ERROR(CheckGroups(run, results_of(run)));
  }
  for (PlannedRun& run : runs) {
    PERENNIAL_ASSIGN_OR_RETURN(const RunSummary summary, Execute(run, options, surroundings));
    PERENNIAL_RETURN_IF_ERROR(AnswerAll(run, summary, options.extent, results_of(run)));
    run.experiment.reset();  // Its data.
  }
  for (LineResults& results : all) PERENNIAL_RETURN_IF_ERROR(JudgeAll(results));
  return all;
}

absl::StatusOr<std::string> PlanOf(absl::Span<const LineClaims> claims,
                                   const MeasureOptions& options,
                                   const experiment::Surroundings& surroundings) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<PlannedRun> runs,
                             PlanRuns(claims, options, surroundings));
  std::string text;
  for (const PlannedRun& run : runs) {
    PERENNIAL_ASSIGN_OR_RETURN(const record::RunState state, record::InspectRunFolder(run.folder));
    absl::StrAppend(&text, RunText(run), ": ", surroundings.Shown(run.folder), ", ",
                    state == record::RunState::kNew          ? "new"
                    : state == record::RunState::kUnfinished ? "unfinished"
                                                             : "finished or to be extended",
                    "\n");
  }
  return text;
}

}  // namespace perennial::claims
