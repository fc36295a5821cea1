#include "tools/compare/output.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/base/json_text.h"
#include "common/report/csv.h"
#include "common/report/latex.h"
#include "common/report/svg.h"
#include "common/report/table.h"
#include "common/report/terminal_table.h"

namespace perennial::compare {
namespace {

using report::Align;

constexpr char kNone[] = "–";
constexpr int kMaxDecimals = 8;

std::string Words(const std::string& name) { return absl::StrReplaceAll(name, {{"_", " "}}); }

std::string Percent(double share) { return absl::StrFormat("%g %%", share * 100); }

std::string LevelText(const Comparison& comparison) {
  return Percent(comparison.options.confidence);
}

// ---- Digits of the numbers that people read ----

struct Digits {
  int decimals = 3;
  int exponent = 0;  // shown divided by ten to this
};

int Magnitude(double value) { return static_cast<int>(std::floor(std::log10(value))); }

int ExponentOf(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  if (largest == 0) return 0;
  const int magnitude = Magnitude(largest);
  return magnitude >= 6 || magnitude <= -4 ? magnitude : 0;
}

// Two significant digits of the least half-width, at most three of the greatest; without any, whole
// numbers as they are and four digits of others.
Digits ChooseDigits(const std::vector<double>& values, const std::vector<double>& half_widths,
                    int exponent) {
  double largest = 0;
  double least = 0;
  for (const double half : half_widths) {
    if (!(half > 0)) continue;
    largest = std::max(largest, half);
    least = least == 0 ? half : std::min(least, half);
  }
  Digits digits = {.exponent = exponent};
  if (largest > 0) {
    digits.decimals = exponent + std::min(1 - Magnitude(least), 2 - Magnitude(largest));
  } else {
    double greatest = 0;
    bool whole = exponent == 0;
    for (const double value : values) {
      greatest = std::max(greatest, std::abs(value));
      whole = whole && value == std::floor(value);
    }
    digits.decimals = whole || greatest == 0 ? 0 : exponent - Magnitude(greatest) + 3;
  }
  digits.decimals = std::clamp(digits.decimals, 0, kMaxDecimals);
  return digits;
}

// Three significant digits of the greatest.
std::string Seconds(const Comparison& comparison, const Entity& entity, const char* none) {
  if (!entity.cpu_seconds) return none;
  double greatest = 0;
  for (const Entity& other : comparison.entities) {
    greatest = std::max(greatest, other.cpu_seconds.value_or(0));
  }
  const int decimals = greatest > 0 ? std::clamp(2 - Magnitude(greatest), 0, kMaxDecimals) : 0;
  return absl::StrFormat("%.*f", decimals, *entity.cpu_seconds);
}

double HalfWidth(const stats::Interval& interval) { return (interval.high - interval.low) / 2; }

Digits MeanDigits(const Block& block) {
  std::vector<double> values;
  std::vector<double> halves;
  for (const Row& row : block.rows) {
    values.push_back(row.cell.summary.mean);
    if (row.cell.interval) halves.push_back(HalfWidth(*row.cell.interval));
  }
  return ChooseDigits(values, halves, ExponentOf(values));
}

Digits DifferenceDigits(const Block& block, int exponent) {
  std::vector<double> values;
  std::vector<double> halves;
  for (const Row& row : block.rows) {
    if (!row.test) continue;
    values.push_back(row.test->difference.mean);
    if (row.test->difference.interval) halves.push_back(HalfWidth(*row.test->difference.interval));
  }
  return ChooseDigits(values, halves, exponent);
}

std::string Number(double value, const Digits& digits) {
  std::string text =
      absl::StrFormat("%.*f", digits.decimals, value / std::pow(10.0, digits.exponent));
  if (text[0] == '-' && text.find_first_not_of("-0.") == std::string::npos) text.erase(0, 1);
  return text;
}

std::string WithInterval(double value, const std::optional<stats::Interval>& interval,
                         const Digits& digits) {
  if (!interval) return Number(value, digits);
  return absl::StrCat(Number(value, digits), " [", Number(interval->low, digits), ", ",
                      Number(interval->high, digits), "]");
}

std::string PText(const std::optional<double>& p) {
  if (!p) return kNone;
  if (*p < 1e-4) return "<0.0001";
  return absl::StrFormat("%.4f", *p);
}

// ---- Terminal ----

bool SeveralGroups(const Comparison& comparison) {
  return std::ranges::any_of(comparison.entities, [&](const Entity& entity) {
    return entity.group != comparison.entities[0].group;
  });
}

std::string BaselineText(const Comparison& comparison) {
  return comparison.by_method ? absl::StrCat("the same method of ", comparison.baseline)
                              : comparison.baseline;
}

report::Table BlockTable(const Comparison& comparison, const Block& block) {
  const Digits digits = MeanDigits(block);
  const Digits difference_digits = DifferenceDigits(block, digits.exponent);
  std::string unit = block.unit;
  if (digits.exponent != 0) unit = absl::StrCat("10^", digits.exponent, " ", unit);
  report::Table table = {
      .caption = absl::StrCat(block.group, ": ", block.metric, " (", unit, "; ",
                              block.lower_is_better ? "lower" : "higher",
                              " is better), mean and difference to ", BaselineText(comparison),
                              ", with ", LevelText(comparison), " t-intervals"),
      .columns = {{"method"},
                  {"mean", Align::kRight},
                  {"difference", Align::kRight},
                  {"Holm p", Align::kRight},
                  {"verdict"},
                  {"pairs", Align::kRight},
                  {"wins", Align::kRight},
                  {"p", Align::kRight},
                  {"MDE", Align::kRight}}};
  if (comparison.options.margin) table.columns.push_back({"TOST p", Align::kRight});
  for (const Row& row : block.rows) {
    std::vector<std::string> cells = {
        comparison.entities[row.cell.entity].name,
        WithInterval(row.cell.summary.mean, row.cell.interval, digits)};
    if (row.is_baseline) {
      cells.push_back("baseline");
    } else if (!row.test) {
      cells.insert(cells.end(), {kNone, kNone, "not tested"});
    } else {
      const PairedTest& test = *row.test;
      cells.insert(
          cells.end(),
          {WithInterval(test.difference.mean, test.difference.interval, difference_digits),
           PText(test.p_holm), VerdictText(test.verdict, comparison.options.margin),
           absl::StrCat(test.difference.n), absl::StrFormat("%g/%d", test.wins, test.difference.n),
           PText(test.p),
           test.minimum_detectable ? Number(*test.minimum_detectable, difference_digits) : kNone});
      if (comparison.options.margin) cells.push_back(PText(test.p_equivalence_holm));
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

std::vector<std::string> Groups(const Comparison& comparison) {
  std::vector<std::string> groups;
  for (const Entity& entity : comparison.entities) {
    if (std::ranges::find(groups, entity.group) == groups.end()) groups.push_back(entity.group);
  }
  return groups;
}

const Cell* FindCell(const Comparison& comparison, size_t entity, const std::string& metric) {
  for (const Cell& cell : comparison.cells) {
    if (cell.entity == entity && cell.result.metric == metric) return &cell;
  }
  return nullptr;
}

// CPU seconds and the metrics that are costs, each the mean over replicates; without columns but
// the first if there are none.
report::Table CostTable(const Comparison& comparison, const std::string& group) {
  report::Table table = {.caption = absl::StrCat(group, ": what one replicate used up (mean)"),
                         .columns = {{"method"}}};
  const bool seconds = std::ranges::any_of(comparison.entities, [&](const Entity& entity) {
    return entity.group == group && entity.cpu_seconds;
  });
  if (seconds) table.columns.push_back({"CPU seconds", Align::kRight});
  std::vector<std::string> metrics;
  for (const Cell& cell : comparison.cells) {
    const std::string& metric = cell.result.metric;
    if (comparison.entities[cell.entity].group != group || !IsCost(cell.result) ||
        std::ranges::find(metrics, metric) != metrics.end()) {
      continue;
    }
    metrics.push_back(metric);
    table.columns.push_back({Words(metric), Align::kRight});
  }
  for (size_t e = 0; e < comparison.entities.size(); ++e) {
    const Entity& entity = comparison.entities[e];
    if (entity.group != group) continue;
    std::vector<std::string> row = {entity.name};
    if (seconds) row.push_back(Seconds(comparison, entity, kNone));
    for (const std::string& metric : metrics) {
      const Cell* cell = FindCell(comparison, e, metric);
      row.push_back(cell == nullptr ? kNone : absl::StrFormat("%.4g", cell->summary.mean));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string Paragraph(const std::string& text) { return report::TerminalTable({.caption = text}); }

// What stands under the tables, and above the LaTeX table.
std::vector<std::string> HowToRead(const Comparison& comparison) {
  const double alpha = 1 - comparison.options.confidence;
  std::vector<std::string> lines;
  if (comparison.tests > 0) {
    lines.push_back(absl::StrCat(
        "p: ",
        comparison.options.test == TestKind::kT ? "paired t-test" : "Wilcoxon's signed-rank test",
        ", two-sided, of replicates with the same key. Holm p: adjusted over all ",
        comparison.tests, comparison.tests == 1 ? " test" : " tests",
        " of this comparison; verdicts rest on it, at ", absl::StrFormat("%.4g", alpha),
        " (intervals are of one mean each, not adjusted)",
        ". wins: pairs in which the method is better, ties count half. MDE: the difference that a "
        "single paired t-test at this level finds with 80 % power."));
  }
  const auto any = [&](Verdict verdict) {
    return std::ranges::any_of(comparison.blocks, [&](const Block& block) {
      return std::ranges::any_of(
          block.rows, [&](const Row& row) { return row.test && row.test->verdict == verdict; });
    });
  };
  if (any(Verdict::kIdentical)) lines.push_back("identical: no pair differs, nothing to test.");
  if (any(Verdict::kConstant)) {
    lines.push_back("constant: the difference is the same in all pairs, nothing to test.");
  }
  if (comparison.options.margin) {
    lines.push_back(absl::StrCat("TOST p: of equivalence within ", *comparison.options.margin,
                                 " (two one-sided t-tests), Holm-adjusted over ",
                                 comparison.equivalence_tests,
                                 comparison.equivalence_tests == 1 ? " test." : " tests."));
  }
  return lines;
}

// ---- CSV ----

std::string Full(double value) { return base::JsonNumber(value); }
std::string Full(const std::optional<double>& value) { return value ? Full(*value) : ""; }

// ---- LaTeX ----

// The best mean of a block; its rows may share it.
std::optional<double> Best(const Block& block) {
  std::optional<double> best;
  for (const Row& row : block.rows) {
    const double mean = row.cell.summary.mean;
    if (!best || (block.lower_is_better ? mean < *best : mean > *best)) best = mean;
  }
  return best;
}

bool Different(const Row& row) {
  if (!row.test) return false;
  switch (row.test->verdict) {
    case Verdict::kBetter:
    case Verdict::kWorse:
    case Verdict::kBetterWithinMargin:
    case Verdict::kWorseWithinMargin:
      return true;
    default:
      return false;
  }
}

// ---- Figures ----

// Letters, digits, '.', '-' and '_' stay; a name is used once.
std::string FileName(const std::string& wanted, std::set<std::string>& used) {
  std::string name = wanted;
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') {
      c = '_';
    }
  }
  std::string unique = name;
  for (int i = 2; !used.insert(unique).second; ++i) unique = absl::StrCat(name, "-", i);
  return unique;
}

std::string AxisText(const Block& block) {
  std::string text = Words(block.metric);
  if (block.unit != "fraction" && !absl::StrContains(block.metric, block.unit)) {
    absl::StrAppend(&text, " in ", block.unit);
  }
  return text;
}

}  // namespace

std::string TerminalText(const Comparison& comparison) {
  std::string text;
  for (const Block& block : comparison.blocks) {
    absl::StrAppend(&text, report::TerminalTable(BlockTable(comparison, block)), "\n");
  }
  for (const std::string& group : Groups(comparison)) {
    const report::Table costs = CostTable(comparison, group);
    if (costs.columns.size() > 1) absl::StrAppend(&text, report::TerminalTable(costs), "\n");
  }
  for (const std::string& line : HowToRead(comparison)) text += Paragraph(line);
  for (const std::string& note : comparison.notes) {
    text += Paragraph(absl::StrCat("note: ", note));
  }
  return text;
}

std::string ResultsCsv(const Comparison& comparison) {
  report::Table table;
  for (const char* name :
       {"run", "group", "method", "metric", "unit", "over", "n", "mean", "median",
        "standard_deviation", "confidence", "interval_low", "interval_high", "cpu_seconds"}) {
    table.columns.push_back({name});
  }
  for (const Cell& cell : comparison.cells) {
    const Entity& entity = comparison.entities[cell.entity];
    table.rows.push_back(
        {comparison.runs[entity.run], entity.group, entity.method, cell.result.metric,
         cell.result.unit, cell.result.over, absl::StrCat(cell.summary.n), Full(cell.summary.mean),
         Full(cell.summary.median), Full(cell.summary.standard_deviation),
         Full(comparison.options.confidence), cell.interval ? Full(cell.interval->low) : "",
         cell.interval ? Full(cell.interval->high) : "", Full(entity.cpu_seconds)});
  }
  return report::TableCsv(table);
}

std::string PairsCsv(const Comparison& comparison) {
  report::Table table;
  for (const char* name : {"run",
                           "group",
                           "method",
                           "metric",
                           "unit",
                           "better",
                           "baseline_run",
                           "baseline_method",
                           "over",
                           "pairs",
                           "mean_difference",
                           "standard_deviation",
                           "confidence",
                           "interval_low",
                           "interval_high",
                           "hodges_lehmann",
                           "cohens_dz",
                           "test",
                           "p",
                           "p_holm",
                           "family",
                           "win_rate",
                           "greater",
                           "less",
                           "equal",
                           "minimum_detectable",
                           "margin",
                           "p_equivalence",
                           "p_equivalence_holm",
                           "equivalence_family",
                           "verdict",
                           "not_tested_because"}) {
    table.columns.push_back({name});
  }
  const CompareOptions& options = comparison.options;
  for (const Block& block : comparison.blocks) {
    for (const Row& row : block.rows) {
      if (row.is_baseline) continue;
      const Entity& entity = comparison.entities[row.cell.entity];
      std::vector<std::string> cells = {comparison.runs[entity.run],
                                        entity.group,
                                        entity.method,
                                        block.metric,
                                        row.cell.result.unit,
                                        block.lower_is_better ? "lower" : "higher"};
      if (row.test) {
        const PairedTest& test = *row.test;
        const stats::PairedDifference& difference = test.difference;
        const Entity& baseline = comparison.entities[test.baseline];
        cells.insert(cells.end(), {comparison.runs[baseline.run],
                                   baseline.method,
                                   row.cell.result.over,
                                   absl::StrCat(difference.n),
                                   Full(difference.mean),
                                   Full(difference.standard_deviation),
                                   Full(difference.level),
                                   difference.interval ? Full(difference.interval->low) : "",
                                   difference.interval ? Full(difference.interval->high) : "",
                                   Full(test.hodges_lehmann),
                                   Full(difference.cohens_dz),
                                   options.test == TestKind::kT ? "t" : "wilcoxon",
                                   Full(test.p),
                                   Full(test.p_holm),
                                   absl::StrCat(comparison.tests),
                                   Full(test.win_rate),
                                   absl::StrCat(difference.wins.wins),
                                   absl::StrCat(difference.wins.losses),
                                   absl::StrCat(difference.wins.ties),
                                   Full(test.minimum_detectable),
                                   Full(options.margin),
                                   test.equivalence ? Full(test.equivalence->p) : "",
                                   Full(test.p_equivalence_holm),
                                   options.margin ? absl::StrCat(comparison.equivalence_tests) : "",
                                   VerdictText(test.verdict, options.margin)});
      } else {
        cells.resize(table.columns.size());
        cells.back() = row.untested;
      }
      table.rows.push_back(std::move(cells));
    }
  }
  return report::TableCsv(table);
}

std::string ValuesCsv(const Comparison& comparison) {
  report::Table table;
  for (const char* name :
       {"run", "group", "method", "metric", "unit", "over", "replicate", "value"}) {
    table.columns.push_back({name});
  }
  for (const Cell& cell : comparison.cells) {
    const Entity& entity = comparison.entities[cell.entity];
    for (const auto& [replicate, value] : cell.result.values) {
      table.rows.push_back({comparison.runs[entity.run], entity.group, entity.method,
                            cell.result.metric, cell.result.unit, cell.result.over, replicate,
                            Full(value)});
    }
  }
  return report::TableCsv(table);
}

std::string LatexTable(const Comparison& comparison, const std::vector<std::string>& comments) {
  report::LatexTabular tabular = {.comments = comments};
  tabular.comments.push_back("Needs \\usepackage{booktabs}.");
  tabular.comments.push_back(
      absl::StrCat("Mean, and half the width of its ", LevelText(comparison),
                   " t-interval; bold: best mean; *: differs from ", BaselineText(comparison),
                   " by the Holm-adjusted test. CPU s: mean seconds of a replicate."));
  for (std::string& line : HowToRead(comparison)) tabular.comments.push_back(std::move(line));
  for (const std::string& note : comparison.notes) {
    tabular.comments.push_back(absl::StrCat("Note: ", note));
  }

  std::vector<std::string> metrics;
  for (const Block& block : comparison.blocks) {
    if (std::ranges::find(metrics, block.metric) == metrics.end()) metrics.push_back(block.metric);
  }
  tabular.columns.push_back({"method"});
  for (const std::string& metric : metrics) {
    const auto block = std::ranges::find(comparison.blocks, metric, &Block::metric);
    tabular.columns.push_back(
        {absl::StrCat(report::LatexText(Words(metric)),
                      block->lower_is_better ? " $\\downarrow$" : " $\\uparrow$"),
         Align::kRight});
  }
  const bool costs = std::ranges::any_of(
      comparison.entities, [](const Entity& entity) { return entity.cpu_seconds.has_value(); });
  if (costs) tabular.columns.push_back({"CPU s", Align::kRight});

  for (const std::string& group : Groups(comparison)) {
    report::LatexSection section = {.title = SeveralGroups(comparison) ? group : ""};
    for (size_t e = 0; e < comparison.entities.size(); ++e) {
      const Entity& entity = comparison.entities[e];
      if (entity.group != group) continue;
      std::vector<std::string> cells = {report::LatexText(entity.name)};
      for (const std::string& metric : metrics) {
        std::string cell = "--";
        for (const Block& block : comparison.blocks) {
          if (block.group != group || block.metric != metric) continue;
          const auto row = std::ranges::find_if(
              block.rows, [&](const Row& candidate) { return candidate.cell.entity == e; });
          if (row == block.rows.end()) continue;
          const Digits digits = MeanDigits(block);
          const double mean = row->cell.summary.mean;
          cell = report::LatexUncertain(
              {.value = mean,
               .half_width = row->cell.interval
                                 ? std::optional<double>(HalfWidth(*row->cell.interval))
                                 : std::nullopt,
               .decimals = digits.decimals,
               .exponent = digits.exponent,
               .bold = mean == *Best(block)});
          if (Different(*row)) cell += "\\rlap{$^{*}$}";
        }
        cells.push_back(std::move(cell));
      }
      if (costs) cells.push_back(Seconds(comparison, entity, "--"));
      section.rows.push_back(std::move(cells));
    }
    tabular.sections.push_back(std::move(section));
  }
  return report::LatexTabularText(tabular);
}

std::vector<std::pair<std::string, std::string>> Figures(const Comparison& comparison) {
  std::vector<std::pair<std::string, std::string>> figures;
  std::set<std::string> used;
  // A method keeps its colour in all figures, whatever its run.
  std::vector<std::string> methods;
  std::vector<int> colors;
  for (const Entity& entity : comparison.entities) {
    const auto found = std::ranges::find(methods, entity.method);
    colors.push_back(static_cast<int>(found - methods.begin()));
    if (found == methods.end()) methods.push_back(entity.method);
  }
  for (const Block& block : comparison.blocks) {
    const std::string title = SeveralGroups(comparison) ? block.group : "";
    const std::string direction = block.lower_is_better ? " (lower is better)" : "";
    report::DotPlot means = {.title = title, .x_label = absl::StrCat(AxisText(block), direction)};
    std::vector<const Row*> tested;
    for (const Row& row : block.rows) {
      const Cell& cell = row.cell;
      report::DotRow dots = {.label = comparison.entities[cell.entity].name,
                             .value = cell.summary.mean,
                             .color = colors[cell.entity]};
      if (cell.interval) {
        dots.low = cell.interval->low;
        dots.high = cell.interval->high;
      }
      for (const auto& [replicate, value] : cell.result.values) dots.points.push_back(value);
      means.rows.push_back(std::move(dots));
      if (row.test) tested.push_back(&row);
    }
    const std::string place = absl::StrCat(block.group, "-", block.metric);
    figures.emplace_back(FileName(absl::StrCat("means-", place), used) + ".svg",
                         report::DotPlotSvg(means));
    if (tested.empty()) continue;

    std::ranges::stable_sort(tested, [&](const Row* a, const Row* b) {
      const double x = a->test->difference.mean;
      const double y = b->test->difference.mean;
      return block.lower_is_better ? x < y : x > y;
    });
    report::DotPlot differences = {
        .title = title,
        .x_label =
            absl::StrCat("difference in ", AxisText(block),
                         comparison.by_method ? "" : " to " + comparison.baseline, direction),
        .reference = 0,
        .margin = comparison.options.margin};
    for (const Row* row : tested) {
      const PairedTest& test = *row->test;
      std::string label = comparison.entities[row->cell.entity].name;
      if (comparison.by_method) {
        absl::StrAppend(&label, " − ", comparison.entities[test.baseline].name);
      }
      report::DotRow dots = {.label = std::move(label),
                             .value = test.difference.mean,
                             .points = test.differences,
                             .color = colors[row->cell.entity]};
      if (test.difference.interval) {
        dots.low = test.difference.interval->low;
        dots.high = test.difference.interval->high;
      }
      differences.rows.push_back(std::move(dots));
    }
    figures.emplace_back(FileName(absl::StrCat("differences-", place), used) + ".svg",
                         report::DotPlotSvg(differences));
  }
  return figures;
}

}  // namespace perennial::compare
