#include "tools/compare/comparison.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/logging.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"
#include "common/population/unit.h"
#include "common/stats/multiple.h"
#include "common/stats/student_t.h"
#include "common/stats/wilcoxon.h"

namespace perennial::compare {
namespace {

using record::SummaryResult;

constexpr double kPower = 0.8;
constexpr int64_t kFewestPairs = 2;

template <typename T>
bool Contains(const std::vector<T>& values, const T& value) {
  return std::ranges::find(values, value) != values.end();
}

template <typename T>
void AddOnce(std::vector<T>& values, const T& value) {
  if (!Contains(values, value)) values.push_back(value);
}

absl::Status CheckOptions(const CompareOptions& options) {
  if (!(options.confidence > 0.5 && options.confidence < 1)) {
    return absl::InvalidArgumentError(absl::StrCat("--confidence ", options.confidence,
                                                   ": must lie between 0.5 and 1, such as 0.95"));
  }
  if (options.margin && !(*options.margin > 0 && std::isfinite(*options.margin))) {
    return absl::InvalidArgumentError(
        absl::StrCat("--equivalence ", *options.margin, ": the margin must be a number above 0"));
  }
  for (const std::string& metric : options.lower_is_better) {
    if (Contains(options.higher_is_better, metric)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", metric, "\" is given as both lower and higher is better"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckNames(const char* flag, const char* kind, const std::vector<std::string>& names,
                        const std::vector<std::string>& allowed) {
  for (const std::string& name : names) {
    if (Contains(allowed, name)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--", flag, ": ", base::UnknownNameMessage(kind, name, allowed)));
  }
  return absl::OkStatus();
}

// ---- What there is ----

std::vector<std::string> GroupsOf(const FinishedRun& run) {
  std::vector<std::string> groups;
  for (const SummaryResult& result : run.summary.results) AddOnce(groups, result.group);
  return groups;
}

// The groups to compare within, in the order of first appearance.
absl::StatusOr<std::vector<std::string>> ChooseGroups(const std::vector<FinishedRun>& runs,
                                                      const CompareOptions& options,
                                                      std::vector<std::string>& notes) {
  std::vector<std::string> all;
  std::map<std::string, std::vector<std::string>> labels;
  std::vector<std::string> texts;
  for (const FinishedRun& run : runs) {
    const std::vector<std::string> groups = GroupsOf(run);
    for (const std::string& group : groups) {
      AddOnce(all, group);
      labels[group].push_back(run.label);
    }
    texts.push_back(absl::StrCat(run.label, " has ",
                                 groups.empty() ? "no results" : absl::StrJoin(groups, ", ")));
  }
  PERENNIAL_RETURN_IF_ERROR(CheckNames("group", "group", options.groups, all));
  std::vector<std::string> chosen;
  for (const std::string& group : all) {
    if (!options.groups.empty()) {
      if (Contains(options.groups, group)) chosen.push_back(group);
    } else if (labels[group].size() == runs.size()) {
      chosen.push_back(group);
    } else {
      notes.push_back(absl::StrCat(
          "group ", group, " is left out, as only ", absl::StrJoin(labels[group], ", "),
          labels[group].size() == 1 ? " has it" : " have it", "; --group shows it"));
    }
  }
  if (chosen.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the runs have no group in common: ", absl::StrJoin(texts, "; ")));
  }
  return chosen;
}

std::optional<double> CpuSeconds(const FinishedRun& run,
                                 const std::vector<const SummaryResult*>& results) {
  std::set<std::string> units;
  for (const SummaryResult* result : results) {
    for (const auto& [replicate, value] : result->values) {
      units.insert(population::UnitKey{.method = result->method,
                                       .group = result->group,
                                       .over = result->over,
                                       .replicate = replicate}
                       .Id());
    }
  }
  double sum = 0;
  int found = 0;
  for (const std::string& unit : units) {
    const auto cost = run.cpu_seconds.find(unit);
    if (cost == run.cpu_seconds.end()) continue;
    sum += cost->second;
    ++found;
  }
  if (found == 0) return std::nullopt;
  return sum / found;
}

absl::StatusOr<Cell> MakeCell(size_t entity, const SummaryResult& result, double confidence) {
  Cell cell = {.entity = entity, .result = result};
  PERENNIAL_ASSIGN_OR_RETURN(cell.summary, record::Statistics(result));
  if (cell.summary.standard_deviation) {
    const double n = static_cast<double>(cell.summary.n);
    const double half = stats::StudentTQuantile(0.5 + confidence / 2, n - 1) *
                        *cell.summary.standard_deviation / std::sqrt(n);
    cell.interval = stats::Interval{cell.summary.mean - half, cell.summary.mean + half};
  }
  return cell;
}

// Entities and all their cells: group by group, run by run, methods in the order of the run.
absl::Status Collect(const std::vector<FinishedRun>& runs, const std::vector<std::string>& groups,
                     Comparison& comparison) {
  std::map<std::string, std::set<size_t>> runs_of_method;
  for (const std::string& group : groups) {
    for (size_t r = 0; r < runs.size(); ++r) {
      std::vector<std::string> methods;
      std::map<std::string, std::vector<const SummaryResult*>> results;
      for (const SummaryResult& result : runs[r].summary.results) {
        if (result.group != group) continue;
        AddOnce(methods, result.method);
        results[result.method].push_back(&result);
      }
      for (const std::string& method : methods) {
        runs_of_method[method].insert(r);
        comparison.entities.push_back({.run = r,
                                       .group = group,
                                       .method = method,
                                       .cpu_seconds = CpuSeconds(runs[r], results[method])});
        for (const SummaryResult* result : results[method]) {
          PERENNIAL_ASSIGN_OR_RETURN(Cell cell, MakeCell(comparison.entities.size() - 1, *result,
                                                         comparison.options.confidence));
          comparison.cells.push_back(std::move(cell));
        }
      }
    }
  }
  for (Entity& entity : comparison.entities) {
    entity.name = runs_of_method[entity.method].size() > 1
                      ? absl::StrCat(runs[entity.run].label, "/", entity.method)
                      : entity.method;
  }
  return absl::OkStatus();
}

// The metrics of a group in the order of first appearance, with the number of entities that have
// them.
struct MetricUse {
  std::string metric;
  std::string unit;
  size_t entities = 0;
  bool cost = false;
};

std::vector<MetricUse> MetricsOf(const Comparison& comparison, const std::string& group) {
  std::vector<MetricUse> metrics;
  for (const Cell& cell : comparison.cells) {
    if (comparison.entities[cell.entity].group != group) continue;
    auto found = std::ranges::find(metrics, cell.result.metric, &MetricUse::metric);
    if (found == metrics.end()) {
      found = metrics.insert(
          found,
          {.metric = cell.result.metric, .unit = cell.result.unit, .cost = IsCost(cell.result)});
    }
    ++found->entities;
  }
  return metrics;
}

absl::StatusOr<std::vector<std::string>> ChooseMetrics(const Comparison& comparison,
                                                       const std::string& group,
                                                       std::vector<std::string>& notes) {
  const std::vector<MetricUse> all = MetricsOf(comparison, group);
  std::vector<std::string> names;
  for (const MetricUse& use : all) names.push_back(use.metric);
  if (!comparison.options.metrics.empty()) {
    std::vector<std::string> chosen;
    for (const std::string& metric : comparison.options.metrics) {
      if (Contains(names, metric)) AddOnce(chosen, metric);
    }
    return chosen;
  }
  const size_t entities = std::ranges::count(comparison.entities, group, &Entity::group);
  std::vector<std::string> shared;
  std::vector<std::string> costs;
  std::vector<std::string> others;
  for (const MetricUse& use : all) {
    if (use.cost) {
      if (use.entities == entities) costs.push_back(use.metric);
    } else {
      (use.entities == entities ? shared : others).push_back(use.metric);
    }
  }
  if (shared.empty()) shared = costs;
  if (shared.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the methods of group ", group, " have no metric in common; choose with ",
                     "--metric among: ", absl::StrJoin(names, ", ")));
  }
  if (!others.empty()) {
    notes.push_back(absl::StrCat("group ", group, ": not every method has ",
                                 absl::StrJoin(others, ", "), "; --metric shows them"));
  }
  return shared;
}

// ---- The baseline ----

struct Baseline {
  std::optional<size_t> run;
  std::string method;  // empty: the entity's own
};

std::string FullName(const Comparison& comparison, const Entity& entity) {
  return absl::StrCat(comparison.runs[entity.run], "/", entity.method);
}

absl::StatusOr<Baseline> ResolveBaseline(const Comparison& comparison) {
  const std::string& wanted = comparison.options.baseline;
  const std::vector<Entity>& entities = comparison.entities;
  if (wanted.empty()) {
    const size_t first = entities[0].run;
    for (const Entity& entity : entities) {
      if (entity.run == first) continue;
      for (const Entity& mine : entities) {
        if (mine.run == first && mine.group == entity.group && mine.method == entity.method) {
          return Baseline{.run = first};
        }
      }
    }
    return Baseline{.run = first, .method = entities[0].method};
  }
  // In the order of the forms: run/method, method, run.
  std::vector<std::string> names;
  for (const Entity& entity : entities) {
    if (FullName(comparison, entity) == wanted) {
      return Baseline{.run = entity.run, .method = entity.method};
    }
    AddOnce(names, FullName(comparison, entity));
  }
  std::vector<std::string> with_method;
  std::set<size_t> runs;
  for (const Entity& entity : entities) {
    AddOnce(names, entity.method);
    if (entity.method != wanted) continue;
    AddOnce(with_method, FullName(comparison, entity));
    runs.insert(entity.run);
  }
  if (runs.size() == 1) return Baseline{.run = *runs.begin(), .method = wanted};
  if (runs.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat("--baseline ", wanted,
                                                   ": several runs have this method; choose among ",
                                                   absl::StrJoin(with_method, ", ")));
  }
  const auto run = std::ranges::find(comparison.runs, wanted);
  if (run != comparison.runs.end() && comparison.runs.size() > 1) {
    return Baseline{.run = static_cast<size_t>(run - comparison.runs.begin())};
  }
  if (comparison.runs.size() > 1) {
    for (const std::string& label : comparison.runs) AddOnce(names, label);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--baseline: ", base::UnknownNameMessage("method", wanted, names)));
}

// ---- Tests ----

// By number of pairs: the minimum detectable effect in standard deviations, which takes
// milliseconds each.
using DetectableEffects = std::map<int64_t, double>;

// Neither a test nor an error: `row.untested` says why.
absl::Status Test(const Comparison& comparison, const Cell& baseline, bool lower_is_better,
                  DetectableEffects& detectable, Row& row) {
  const CompareOptions& options = comparison.options;
  const SummaryResult& ours = row.cell.result;
  const SummaryResult& theirs = baseline.result;
  const std::string& name = comparison.entities[baseline.entity].name;
  if (ours.over != theirs.over) {
    row.untested = absl::StrCat("its replicates are over ", ours.over, ", those of ", name,
                                " over ", theirs.over);
    return absl::OkStatus();
  }
  if (ours.unit != theirs.unit) {
    row.untested = absl::StrCat("its unit is ", ours.unit, ", that of ", name, " is ", theirs.unit);
    return absl::OkStatus();
  }
  PairedTest test = {.baseline = baseline.entity};
  std::vector<double> a;
  std::vector<double> b;
  for (const auto& [replicate, value] : ours.values) {
    const auto pair = theirs.values.find(replicate);
    if (pair == theirs.values.end()) continue;
    test.replicates.push_back(replicate);
    a.push_back(value);
    b.push_back(pair->second);
  }
  const int64_t n = std::ssize(a);
  if (n < kFewestPairs) {
    row.untested =
        absl::StrCat("it shares ", n == 0 ? "no" : "only one", " ", ours.over, " with ", name);
    return absl::OkStatus();
  }
  PERENNIAL_ASSIGN_OR_RETURN(test.difference, stats::ComparePaired(a, b, options.confidence));
  PERENNIAL_ASSIGN_OR_RETURN(test.differences, stats::Differences(a, b));
  PERENNIAL_ASSIGN_OR_RETURN(const stats::WilcoxonResult wilcoxon,
                             stats::WilcoxonSignedRank(test.differences));
  test.hodges_lehmann = wilcoxon.hodges_lehmann;
  test.p = options.test == TestKind::kT ? test.difference.p : wilcoxon.p;
  const stats::WinRate& wins = test.difference.wins;
  test.wins = static_cast<double>(lower_is_better ? wins.losses : wins.wins) +
              static_cast<double>(wins.ties) / 2;
  test.win_rate = test.wins / static_cast<double>(n);
  const double alpha = 1 - options.confidence;
  if (test.difference.p) {
    auto effect = detectable.find(n);
    if (effect == detectable.end()) {
      PERENNIAL_ASSIGN_OR_RETURN(const double standardized,
                                 stats::MinimumDetectableEffect(n, 1, alpha, kPower));
      effect = detectable.emplace(n, standardized).first;
    }
    test.minimum_detectable = effect->second * *test.difference.standard_deviation;
  }
  if (options.margin) {
    PERENNIAL_ASSIGN_OR_RETURN(
        test.equivalence, stats::TestEquivalence(a, b, -*options.margin, *options.margin, alpha));
  }
  row.test = std::move(test);
  return absl::OkStatus();
}

bool HasFailures(const std::vector<FinishedRun>& runs, const Entity& entity) {
  // An id is method.group.over.replicate; names hold no dot.
  const std::string prefix = absl::StrCat(entity.method, ".", entity.group, ".");
  return std::ranges::any_of(
      runs[entity.run].summary.failed,
      [&](const record::FailedUnit& failed) { return absl::StartsWith(failed.unit, prefix); });
}

Verdict Judge(const PairedTest& test, const CompareOptions& options, bool lower_is_better) {
  const double alpha = 1 - options.confidence;
  bool equivalent = false;
  if (test.equivalence) {
    equivalent =
        test.p_equivalence_holm ? *test.p_equivalence_holm < alpha : test.equivalence->equivalent;
  }
  if (test.p_holm && *test.p_holm < alpha) {
    // By the test's own estimate.
    const double shift = options.test == TestKind::kT ? test.difference.mean : test.hodges_lehmann;
    const bool better = lower_is_better ? shift < 0 : shift > 0;
    if (equivalent) return better ? Verdict::kBetterWithinMargin : Verdict::kWorseWithinMargin;
    return better ? Verdict::kBetter : Verdict::kWorse;
  }
  if (test.difference.wins.ties == test.difference.n) return Verdict::kIdentical;
  if (equivalent) return Verdict::kEquivalent;
  return test.p_holm ? Verdict::kInconclusive : Verdict::kConstant;
}

// Adjusts the p values that `get` finds, in all tests, and hands them to `set`; the family's size.
template <typename Get, typename Set>
absl::StatusOr<size_t> Adjust(Comparison& comparison, Get get, Set set) {
  std::vector<double> p;
  std::vector<PairedTest*> tests;
  for (Block& block : comparison.blocks) {
    for (Row& row : block.rows) {
      if (!row.test) continue;
      const std::optional<double> value = get(*row.test);
      if (!value) continue;
      p.push_back(*value);
      tests.push_back(&*row.test);
    }
  }
  if (p.empty()) return 0;
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<double> adjusted, stats::HolmAdjust(p));
  for (size_t i = 0; i < tests.size(); ++i) set(*tests[i], adjusted[i]);
  return p.size();
}

// Few pairs leave Wilcoxon's test without any small p value; better to know than to wonder.
void NoteUnreachableLevel(Comparison& comparison) {
  if (comparison.options.test != TestKind::kWilcoxon || comparison.tests == 0) return;
  int64_t most = 0;
  for (const Block& block : comparison.blocks) {
    for (const Row& row : block.rows) {
      if (row.test && row.test->p) most = std::max(most, row.test->difference.n);
    }
  }
  const double least = std::ldexp(1.0, static_cast<int>(1 - std::min<int64_t>(most, 1000)));
  const double adjusted = std::min(1.0, least * static_cast<double>(comparison.tests));
  if (adjusted < 1 - comparison.options.confidence) return;
  comparison.notes.push_back(absl::StrFormat(
      "Wilcoxon's p of %d pairs is at least %.4g (%.4g after Holm's adjustment of %d tests): no "
      "difference can be found, however large",
      most, least, adjusted, comparison.tests));
}

}  // namespace

std::string VerdictText(Verdict verdict, std::optional<double> margin) {
  const std::string within = absl::StrCat("within ", margin.value_or(0));
  switch (verdict) {
    case Verdict::kBetter:
      return "better";
    case Verdict::kWorse:
      return "worse";
    case Verdict::kEquivalent:
      return absl::StrCat("equivalent ", within);
    case Verdict::kBetterWithinMargin:
      return absl::StrCat("better, ", within);
    case Verdict::kWorseWithinMargin:
      return absl::StrCat("worse, ", within);
    case Verdict::kInconclusive:
      return "inconclusive";
    case Verdict::kIdentical:
      return "identical";
    case Verdict::kFailures:
      return "none, units failed";
    case Verdict::kConstant:
      return "constant";
  }
  LOG(FATAL) << "not a verdict: " << static_cast<int>(verdict);
  return "";
}

bool LowerIsBetterByName(absl::string_view metric) {
  static const auto& words = *new std::set<std::string>{
      "loss",       "error",      "errors", "forgetting", "pehe",   "seconds", "second",
      "mse",        "rmse",       "mae",    "nll",        "ece",    "brier",   "regret",
      "perplexity", "divergence", "flop",   "flops",      "passes", "stored",  "copies",
      "bytes",      "memory",     "time",   "cost",       "costs",  "latency", "drop"};
  for (const absl::string_view word : absl::StrSplit(metric, '_')) {
    if (words.contains(std::string(word))) return true;
  }
  return false;
}

bool IsCost(const record::SummaryResult& result) {
  static const auto& units =
      *new std::set<std::string>{"count", "flop", "flops", "second", "seconds", "byte", "bytes"};
  return units.contains(result.unit);
}

absl::StatusOr<Comparison> Compare(const std::vector<FinishedRun>& runs,
                                   const CompareOptions& options) {
  PERENNIAL_RETURN_IF_ERROR(CheckOptions(options));
  Comparison comparison = {.options = options};
  for (const FinishedRun& run : runs) comparison.runs.push_back(run.label);
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::string> groups,
                             ChooseGroups(runs, options, comparison.notes));
  PERENNIAL_RETURN_IF_ERROR(Collect(runs, groups, comparison));

  std::vector<std::string> metrics;
  for (const Cell& cell : comparison.cells) AddOnce(metrics, cell.result.metric);
  PERENNIAL_RETURN_IF_ERROR(CheckNames("metric", "metric", options.metrics, metrics));
  PERENNIAL_RETURN_IF_ERROR(
      CheckNames("lower_is_better", "metric", options.lower_is_better, metrics));
  PERENNIAL_RETURN_IF_ERROR(
      CheckNames("higher_is_better", "metric", options.higher_is_better, metrics));

  PERENNIAL_ASSIGN_OR_RETURN(const Baseline baseline, ResolveBaseline(comparison));
  comparison.by_method = baseline.method.empty();
  comparison.baseline = comparison.runs[*baseline.run];
  if (!comparison.by_method) {
    comparison.baseline =
        runs.size() > 1 ? absl::StrCat(comparison.baseline, "/", baseline.method) : baseline.method;
  }

  DetectableEffects detectable;
  for (const std::string& group : groups) {
    PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::string> chosen,
                               ChooseMetrics(comparison, group, comparison.notes));
    for (const std::string& metric : chosen) {
      Block block = {.group = group,
                     .metric = metric,
                     .lower_is_better = Contains(options.lower_is_better, metric) ||
                                        (!Contains(options.higher_is_better, metric) &&
                                         LowerIsBetterByName(metric))};
      std::vector<const Cell*> cells;
      for (const Cell& cell : comparison.cells) {
        if (cell.result.metric == metric && comparison.entities[cell.entity].group == group) {
          cells.push_back(&cell);
        }
      }
      block.unit = cells[0]->result.unit;
      for (const Cell* cell : cells) {
        const Entity& entity = comparison.entities[cell->entity];
        const std::string& wanted = baseline.method.empty() ? entity.method : baseline.method;
        const auto theirs = std::ranges::find_if(cells, [&](const Cell* candidate) {
          const Entity& other = comparison.entities[candidate->entity];
          return other.run == *baseline.run && other.method == wanted;
        });
        Row row = {.cell = *cell};
        if (theirs == cells.end()) {
          row.untested =
              absl::StrCat(comparison.runs[*baseline.run], "/", wanted, " has no such result");
        } else if ((*theirs)->entity == cell->entity) {
          row.is_baseline = true;
        } else {
          PERENNIAL_RETURN_IF_ERROR(
              Test(comparison, **theirs, block.lower_is_better, detectable, row));
        }
        block.rows.push_back(std::move(row));
      }
      comparison.blocks.push_back(std::move(block));
    }
  }

  PERENNIAL_ASSIGN_OR_RETURN(comparison.tests,
                             Adjust(
                                 comparison, [](const PairedTest& test) { return test.p; },
                                 [](PairedTest& test, double p) { test.p_holm = p; }));
  PERENNIAL_ASSIGN_OR_RETURN(comparison.equivalence_tests,
                             Adjust(
                                 comparison,
                                 [](const PairedTest& test) {
                                   return test.equivalence ? test.equivalence->p : std::nullopt;
                                 },
                                 [](PairedTest& test, double p) { test.p_equivalence_holm = p; }));
  for (Block& block : comparison.blocks) {
    for (Row& row : block.rows) {
      if (!row.test) continue;
      const bool failures = HasFailures(runs, comparison.entities[row.cell.entity]) ||
                            HasFailures(runs, comparison.entities[row.test->baseline]);
      row.test->verdict =
          failures ? Verdict::kFailures : Judge(*row.test, options, block.lower_is_better);
    }
  }

  // What was not tested, and which replicates stand alone.
  for (const Block& block : comparison.blocks) {
    for (const Row& row : block.rows) {
      const std::string name = comparison.entities[row.cell.entity].name;
      if (!row.untested.empty()) {
        comparison.notes.push_back(absl::StrCat(block.metric, " of ", name, " (", block.group,
                                                ") is not tested: ", row.untested));
      } else if (row.test && row.test->difference.n < row.cell.summary.n) {
        comparison.notes.push_back(absl::StrCat(block.metric, " of ", name, " (", block.group,
                                                "): ", row.test->difference.n, " of ",
                                                row.cell.summary.n, " replicates are shared with ",
                                                comparison.entities[row.test->baseline].name));
      }
    }
  }
  NoteUnreachableLevel(comparison);
  std::vector<std::string> units;
  for (const Block& block : comparison.blocks) AddOnce(units, block.unit);
  if (options.margin && units.size() > 1) {
    comparison.notes.push_back(
        absl::StrCat("the margin ", *options.margin,
                     " is applied to metrics of different units: ", absl::StrJoin(units, ", ")));
  }
  return comparison;
}

}  // namespace perennial::compare
