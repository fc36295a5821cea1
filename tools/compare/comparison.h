// The numbers of a comparison: methods of finished runs, paired by replicate and tested.
//
// What is compared is an entity: a method of a run within a group (stream, data set). Each but the
// baseline is tested against it, metric by metric, over the replicates (seeds ...) that both have,
// since replicates of one key share initialisation and stream. p values are Holm-adjusted over all
// tests of the comparison (every group, metric and entity), those of equivalence as a family of
// their own; verdicts rest on the adjusted ones.
//
//   PERENNIAL_ASSIGN_OR_RETURN(Comparison comparison, Compare(runs, {.baseline = "a/naive"}));
//   for (const Block& block : comparison.blocks)
//     for (const Row& row : block.rows) ... row.cell.summary.mean, row.test->difference.mean
#ifndef PERENNIAL_TOOLS_COMPARE_COMPARISON_H_
#define PERENNIAL_TOOLS_COMPARE_COMPARISON_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/record/summary.h"
#include "common/stats/equivalence.h"
#include "common/stats/paired.h"
#include "common/stats/summary.h"
#include "tools/compare/runs.h"

namespace perennial::compare {

enum class TestKind { kT, kWilcoxon };

struct CompareOptions {
  // Empty: those that all entities of a group have, but for costs (see IsCost), in the order of the
  // first run, whose headline stands first.
  std::vector<std::string> metrics;
  std::vector<std::string> groups;  // empty: those that all runs have
  // "run/method"; "method", if one run has it; "run": each method against the same of that run.
  // Empty: the first run if it shares a method with another, otherwise the first method of the
  // first run. It is never picked by its numbers, as the best of several would win by luck.
  std::string baseline;
  TestKind test = TestKind::kT;
  double confidence = 0.95;      // of intervals; 1 - confidence is the level of the tests
  std::optional<double> margin;  // of equivalence, in the metrics' unit
  std::vector<std::string> lower_is_better;
  std::vector<std::string> higher_is_better;
};

struct Entity {
  size_t run = 0;  // index
  std::string group;
  std::string method;
  std::string name;  // the method; "run/method" where several runs have it
  // Mean over the replicates that run.json has; absent if it has none.
  std::optional<double> cpu_seconds;
};

// An entity's values of one metric.
struct Cell {
  size_t entity = 0;
  record::SummaryResult result;
  stats::Summary summary;
  std::optional<stats::Interval> interval;  // of the mean, by Student's t
};

enum class Verdict {
  kBetter,
  kWorse,
  kEquivalent,
  kBetterWithinMargin,  // different from the baseline, yet equivalent within the margin
  kWorseWithinMargin,
  kInconclusive,
  kIdentical,  // every replicate is the baseline's
  kConstant,   // every difference is the same, not zero: nothing to test
  kFailures,   // units of the entity or its baseline failed: what is left is no fair sample
};
// "better" ... "better, within 0.01".
std::string VerdictText(Verdict verdict, std::optional<double> margin);

// entity - baseline over the shared replicates.
struct PairedTest {
  size_t baseline = 0;                  // entity
  std::vector<std::string> replicates;  // shared
  std::vector<double> differences;      // by replicate
  stats::PairedDifference difference;   // its `p` and `wins` count greater values
  double hodges_lehmann = 0;
  // Of the chosen test; absent where it is undefined.
  std::optional<double> p;
  std::optional<double> p_holm;
  double win_rate = 0;  // share of the replicates in which the entity is better; ties count half
  double wins = 0;      // better replicates, ties count half
  // That the paired t test finds with 80 % power at the level of one test; absent if all
  // differences are equal.
  std::optional<double> minimum_detectable;
  std::optional<stats::Equivalence> equivalence;
  std::optional<double> p_equivalence_holm;
  Verdict verdict = Verdict::kInconclusive;
};

struct Row {
  Cell cell;
  bool is_baseline = false;
  std::optional<PairedTest> test;
  std::string untested;  // why there is no test of one that is no baseline
};

// One metric within one group.
struct Block {
  std::string group;
  std::string metric;
  std::string unit;
  bool lower_is_better = false;
  std::vector<Row> rows;  // in the order of the entities
};

struct Comparison {
  CompareOptions options;
  std::vector<std::string> runs;  // labels
  std::string baseline;           // as resolved: "a/naive", or "a" for method by method
  bool by_method = false;
  std::vector<Entity> entities;
  std::vector<Cell> cells;  // every entity and metric, compared or not
  std::vector<Block> blocks;
  size_t tests = 0;              // in the Holm family
  size_t equivalence_tests = 0;  // in theirs
  std::vector<std::string> notes;
};

// InvalidArgument for unknown names (with the nearest) and for what is out of range;
// FailedPrecondition if the runs have no group or metric in common.
absl::StatusOr<Comparison> Compare(const std::vector<FinishedRun>& runs,
                                   const CompareOptions& options);

// By a word of its name: loss, error, forgetting, seconds ...
bool LowerIsBetterByName(absl::string_view metric);

// What a method uses up, by its unit: counts, floating-point operations, seconds, bytes. Shown
// beside the results; compared only if asked for.
bool IsCost(const record::SummaryResult& result);

}  // namespace perennial::compare

#endif  // PERENNIAL_TOOLS_COMPARE_COMPARISON_H_
