#include "tools/claims/page.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/base/json_text.h"

namespace perennial::claims {
namespace {

// Of more, the page gives none: claims.json has all.
constexpr int64_t kMaxReplicatesShown = 32;

constexpr char kNone[] = "–";
// Of the lines of replicates.
constexpr size_t kColumns = 100;

constexpr char kHowToRead[] =
    "A claim is stated with its protocol and the smallest effect of interest before it is "
    "measured\n"
    "(`<line>/claims.textproto`). An effect is the mean over replicates of the paired difference\n"
    "*method - against*, with its 95 % interval by Student's t. It is tested for a difference "
    "(two-\n"
    "sided paired t test) and for equivalence within the smallest effect of interest (TOST), both "
    "at\n"
    "0.05; claims of a family share that level by Holm's method.\n"
    "\n"
    "Variances over replicates and squared biases, the squares of means over replicates less what\n"
    "chance adds to them, are compared by the jackknife: pairs are then of pseudo-values, whose "
    "means\n"
    "they are.\n"
    "\n"
    "- **seen**: different in the claimed direction, and at least as large as what is of interest; "
    "of a\n"
    "  claim of sameness: equivalent.\n"
    "- **contradicted**: the same in the other direction; of a claim of sameness: different, and "
    "at\n"
    "  least as large as what is of interest.\n"
    "- **equivalent**: a difference is claimed, and there is none of interest.\n"
    "- **inconclusive**: neither shown. The minimum detectable effect says what such a test finds "
    "with\n"
    "  80 % power, unadjusted.\n"
    "- **not testable here**: with the reason.\n"
    "\n"
    "A control is a statement whose answer is known or expected beforehand; its tests are not\n"
    "adjusted. Where all replicates show the same difference there is nothing to test: it is what "
    "it\n"
    "is. Up to 32 replicates are listed one by one; `claims.json` has all.\n";

const char* ExtentName(Extent extent) { return extent == Extent::kQuick ? "quick" : "full"; }

std::string Number(double value) { return absl::StrFormat("%.4g", value); }

std::string Number(const std::optional<double>& value) { return value ? Number(*value) : kNone; }

// As p values are told.
std::string P(const std::optional<double>& p) {
  if (!p) return kNone;
  return *p < 0.001 ? absl::StrFormat("%.1e", *p) : absl::StrFormat("%.3f", *p);
}

// "-0.012 [-0.02, -0.004]"
std::string EffectText(const Finding& finding) {
  std::string text = Number(finding.effect);
  if (finding.interval) {
    absl::StrAppend(&text, " [", Number(finding.interval->low), ", ",
                    Number(finding.interval->high), "]");
  }
  return text;
}

std::string EffectText(const Answer& answer) {
  return answer.finding ? EffectText(*answer.finding) : kNone;
}

// A cell of a table, or a line of text, of somebody's words.
std::string Plain(const std::string& text) {
  return absl::StrReplaceAll(text, {{"\n", " "}, {"|", "\\|"}, {"<", "&lt;"}});
}

std::string AgainstText(const ContrastConfig& contrast) {
  return contrast.has_baseline() ? absl::StrCat("`", contrast.baseline(), "`")
                                 : Number(contrast.constant());
}

// What stands before the metric's name.
const char* QuantityText(ContrastConfig::Quantity quantity) {
  switch (quantity) {
    case ContrastConfig::VALUE:
      return "";
    case ContrastConfig::DEVIATION:
      return "distance from the median of ";
    case ContrastConfig::SQUARED_BIAS:
      return "squared mean of ";
    case ContrastConfig::VARIANCE:
      return "variance of ";
  }
  return "";
}

// "`average_accuracy` of `mc_sgd` is higher than that of `er`"
std::string ContrastText(const ContrastConfig& contrast) {
  const std::string what =
      absl::StrCat(QuantityText(contrast.quantity()), "`", contrast.metric(), "`");
  std::string relation;
  switch (contrast.direction()) {
    case ContrastConfig::HIGHER:
      relation = "is higher than";
      break;
    case ContrastConfig::LOWER:
      relation = "is lower than";
      break;
    case ContrastConfig::SAME:
      relation = "is the same as";
      break;
    case ContrastConfig::DIFFERENT:
      relation = "is another than";
      break;
  }
  return absl::StrCat(what, " of `", contrast.method(), "` (`", contrast.group(), "`) ", relation,
                      contrast.has_baseline() ? " that of " : " ", AgainstText(contrast));
}

// The unit that effects are in.
std::string ScaleText(const Answer& answer) {
  if (answer.contrast.scale() == ContrastConfig::LOG_RATIO) return "log ratio";
  const bool squared = answer.contrast.quantity() == ContrastConfig::SQUARED_BIAS ||
                       answer.contrast.quantity() == ContrastConfig::VARIANCE;
  return absl::StrCat(answer.unit, squared ? "²" : "");
}

// As a shell reads it back.
std::string Quoted(const std::string& argument) {
  const bool plain = std::ranges::all_of(argument, [](unsigned char c) {
    return absl::ascii_isalnum(c) || absl::StrContains("_-./=,:+@%", std::string(1, c));
  });
  if (plain && !argument.empty()) return argument;
  return absl::StrCat("'", absl::StrReplaceAll(argument, {{"'", "'\\''"}}), "'");
}

std::string CommandText(const LineResults& line, const ExperimentRecord& experiment) {
  std::string text = absl::StrCat("tools/bazel run //", line.line, ":experiment -- --config ",
                                  Quoted(experiment.config_path));
  for (const std::string& set : experiment.overrides)
    absl::StrAppend(&text, " --set ", Quoted(set));
  return absl::StrCat(text, " --seeds ", experiment.seeds);
}

// A table's row.
std::string Row(const std::vector<std::string>& cells) {
  return absl::StrCat("| ", absl::StrJoin(cells, " | "), " |\n");
}

std::string Header(const std::vector<std::string>& names) {
  return Row(names) + Row(std::vector<std::string>(names.size(), "---"));
}

// "100: 0.625, 0.614; 101: ..." in lines of at most kColumns, four digits each.
std::string ReplicatesText(const Answer& answer) {
  std::string text;
  std::string line;
  for (size_t i = 0; i < answer.replicates.size(); ++i) {
    std::string item = absl::StrCat(answer.replicates[i], ": ", Number(answer.values[i]));
    if (answer.contrast.has_baseline()) absl::StrAppend(&item, ", ", Number(answer.against[i]));
    if (!line.empty() && line.size() + item.size() + 2 > kColumns) {
      absl::StrAppend(&text, line, "\n");
      line.clear();
    }
    absl::StrAppend(&line, line.empty() ? "" : "; ", item);
  }
  return absl::StrCat(text, line, "\n");
}

// What became of a claim in numbers.
std::string NumbersText(const Answer& answer) {
  if (!answer.finding) return absl::StrCat("No test: ", Plain(answer.missing), ".\n");
  const Finding& finding = *answer.finding;
  std::string text = Header({"effect, " + ScaleText(answer), "smallest of interest", "n",
                             "greater : smaller : equal", "p, difference (Holm)",
                             "p, equivalence (Holm)", "minimum detectable"});
  absl::StrAppend(
      &text,
      Row({EffectText(finding), Number(finding.contrast.smallest_effect), absl::StrCat(finding.n),
           absl::StrCat(finding.greater, " : ", finding.n - finding.greater - finding.ties, " : ",
                        finding.ties),
           absl::StrCat(P(finding.p), " (", P(finding.p_holm), ")"),
           absl::StrCat(P(finding.p_equivalence), " (", P(finding.p_equivalence_holm), ")"),
           Number(finding.minimum_detectable)}));
  return text;
}

std::string ControlsText(const ClaimAnswer& claim) {
  std::string text =
      Header({"control", "statement", "expected", "found", "effect", "smallest of interest"});
  for (const ControlAnswer& control : claim.controls) {
    const Answer& answer = control.answer;
    absl::StrAppend(
        &text,
        Row({absl::StrCat("`", control.control.name(), "`"),
             absl::StrCat(Plain(control.control.text()), " (", ContrastText(answer.contrast), ")"),
             control.control.holds() ? "seen" : "not seen",
             absl::StrCat(VerdictText(answer.verdict),
                          control.as_expected ? ", as expected" : ", **not as expected**"),
             answer.finding ? EffectText(answer) : Plain(answer.missing),
             Number(control.control.contrast().smallest_effect())}));
  }
  return text;
}

std::string ClaimText(const LineResults& line, const ClaimAnswer& claim) {
  std::string text = absl::StrCat("### `", claim.claim.name(), "`: ", VerdictText(claim.verdict),
                                  "\n\n", Plain(claim.claim.text()), "\n\n");
  if (claim.paper != line.paper) {
    absl::StrAppend(&text, "Source: ",
                    claim.paper == "ours" ? claim.paper : absl::StrCat("arXiv:", claim.paper),
                    ".\n\n");
  }
  if (!claim.answer) {
    absl::StrAppend(&text, "Not testable here: ", Plain(claim.claim.not_testable_here()), "\n\n");
    return text;
  }
  const Answer& answer = *claim.answer;
  absl::StrAppend(&text, "Protocol: ", ContrastText(answer.contrast), ", experiment `",
                  answer.experiment, "`");
  if (claim.family != claim.claim.name()) {
    absl::StrAppend(&text, ", family `", claim.family, "`");
  }
  absl::StrAppend(&text, ". ", Plain(claim.claim.protocol()), "\n\n", NumbersText(answer), "\n");
  if (!claim.controls.empty()) absl::StrAppend(&text, ControlsText(claim), "\n");
  if (answer.finding && std::ssize(answer.replicates) <= kMaxReplicatesShown) {
    absl::StrAppend(&text, "<details><summary>Every ", answer.over, "</summary>\n\n```\n",
                    ReplicatesText(answer));
    for (const ControlAnswer& control : claim.controls) {
      if (!control.answer.finding) continue;
      absl::StrAppend(&text, "control ", control.control.name(), "\n",
                      ReplicatesText(control.answer));
    }
    absl::StrAppend(&text, "```\n\n</details>\n\n");
  }
  return text;
}

// ---- JSON ----

std::string JsonOrNull(const std::optional<double>& value) {
  return value ? base::JsonNumber(*value) : "null";
}

void AddAnswer(const Answer& answer, base::JsonObject& json) {
  const ContrastConfig& contrast = answer.contrast;
  json.Add("experiment", answer.experiment)
      .Add("group", contrast.group())
      .Add("metric", contrast.metric())
      .Add("method", contrast.method());
  if (contrast.has_baseline()) {
    json.Add("baseline", contrast.baseline());
  } else {
    json.Add("constant", contrast.constant());
  }
  const auto lower = [](const std::string& name) { return absl::AsciiStrToLower(name); };
  json.Add("direction", lower(ContrastConfig::Direction_Name(contrast.direction())))
      .Add("quantity", lower(ContrastConfig::Quantity_Name(contrast.quantity())))
      .Add("scale", lower(ContrastConfig::Scale_Name(contrast.scale())))
      .Add("smallest_effect", contrast.smallest_effect())
      .Add("unit", answer.unit)
      .Add("over", answer.over);
  if (answer.finding) {
    const Finding& finding = *answer.finding;
    json.Add("n", finding.n)
        .Add("effect", finding.effect)
        .AddRaw("ci95", finding.interval
                            ? base::JsonArray({finding.interval->low, finding.interval->high})
                            : "null")
        .Add("greater", finding.greater)
        .Add("ties", finding.ties)
        .AddRaw("p", JsonOrNull(finding.p))
        .AddRaw("p_holm", JsonOrNull(finding.p_holm))
        .AddRaw("p_equivalence", JsonOrNull(finding.p_equivalence))
        .AddRaw("p_equivalence_holm", JsonOrNull(finding.p_equivalence_holm))
        .AddRaw("minimum_detectable", JsonOrNull(finding.minimum_detectable));
  } else {
    json.Add("missing", answer.missing);
  }
  json.AddRaw("replicates", base::JsonArray(answer.replicates))
      .AddRaw("values", base::JsonArray(answer.values))
      .AddRaw("against", base::JsonArray(answer.against));
}

std::string ClaimJson(const LineResults& line, const ClaimAnswer& claim) {
  base::JsonObject json;
  json.Add("line", line.line)
      .Add("name", claim.claim.name())
      .Add("paper", claim.paper)
      .Add("text", claim.claim.text())
      .Add("verdict", absl::StrReplaceAll(VerdictText(claim.verdict), {{" ", "_"}}))
      .Add("family", claim.family);
  if (!claim.answer) return json.Add("reason", claim.claim.not_testable_here()).Text();
  AddAnswer(*claim.answer, json);
  std::vector<std::string> controls;
  for (const ControlAnswer& control : claim.controls) {
    base::JsonObject below;
    below.Add("name", control.control.name())
        .Add("text", control.control.text())
        .Add("holds", control.control.holds())
        .Add("verdict", absl::StrReplaceAll(VerdictText(control.answer.verdict), {{" ", "_"}}))
        .Add("as_expected", control.as_expected);
    AddAnswer(control.answer, below);
    controls.push_back(below.Text());
  }
  return json.AddRaw("controls", absl::StrCat("[", absl::StrJoin(controls, ","), "]")).Text();
}

// "12 claims: 7 seen, 5 inconclusive. Of 9 controls 8 are as expected."
std::string CountsText(absl::Span<const LineResults> results) {
  constexpr Verdict kAll[] = {Verdict::kSeen, Verdict::kContradicted, Verdict::kEquivalent,
                              Verdict::kInconclusive, Verdict::kNotTestableHere};
  std::map<Verdict, int> verdicts;
  int claims = 0;
  int controls = 0;
  int as_expected = 0;
  for (const LineResults& line : results) {
    for (const ClaimAnswer& claim : line.claims) {
      ++claims;
      ++verdicts[claim.verdict];
      for (const ControlAnswer& control : claim.controls) {
        ++controls;
        as_expected += control.as_expected;
      }
    }
  }
  std::vector<std::string> parts;
  for (const Verdict verdict : kAll) {
    if (verdicts[verdict] == 0) continue;
    parts.push_back(absl::StrCat(verdicts[verdict], " ", VerdictText(verdict)));
  }
  return absl::StrCat(claims, claims == 1 ? " claim: " : " claims: ", absl::StrJoin(parts, ", "),
                      ". Controls as expected: ", as_expected, " of ", controls, ".\n\n");
}

std::string ExperimentJson(const LineResults& line, const ExperimentRecord& experiment) {
  return base::JsonObject()
      .Add("line", line.line)
      .Add("name", experiment.name)
      .Add("config", experiment.config_path)
      .AddRaw("set", base::JsonArray(experiment.overrides))
      .Add("seeds", experiment.seeds)
      .Add("fingerprint", experiment.fingerprint)
      .Text();
}

}  // namespace

std::string PageText(absl::Span<const LineResults> results, const std::string& command) {
  std::string text =
      absl::StrCat("# Claims\n\nWritten by `", command, "`.\n\n", CountsText(results));
  absl::StrAppend(&text, Header({"claim", "line", "verdict", "effect [95 %]", "unit",
                                 "smallest of interest", "n", "controls"}));
  for (const LineResults& line : results) {
    for (const ClaimAnswer& claim : line.claims) {
      std::vector<std::string> cells = {
          absl::StrCat("`", claim.claim.name(), "`: ", Plain(claim.claim.text())), line.line,
          absl::StrCat("**", VerdictText(claim.verdict), "**")};
      if (!claim.answer) {
        cells.insert(cells.end(), 5, kNone);
      } else {
        const Answer& answer = *claim.answer;
        const auto expected = std::ranges::count_if(
            claim.controls, [](const ControlAnswer& control) { return control.as_expected; });
        cells.insert(
            cells.end(),
            {EffectText(answer), ScaleText(answer), Number(answer.contrast.smallest_effect()),
             absl::StrCat(answer.replicates.size()),
             claim.controls.empty()
                 ? kNone
                 : absl::StrCat(expected, " of ", claim.controls.size(), " as expected")});
      }
      absl::StrAppend(&text, Row(cells));
    }
  }
  absl::StrAppend(&text, "\n## How to read this\n\n", kHowToRead, "\n");
  for (const LineResults& line : results) {
    absl::StrAppend(&text, "## ", line.line, " (arXiv:", line.paper, ")\n\nIts runs:\n\n```\n");
    for (const ExperimentRecord& experiment : line.experiments) {
      absl::StrAppend(&text, "# ", experiment.name, ", fingerprint ", experiment.fingerprint, "\n",
                      CommandText(line, experiment), "\n");
    }
    absl::StrAppend(&text, "```\n\n");
    for (const ClaimAnswer& claim : line.claims) absl::StrAppend(&text, ClaimText(line, claim));
  }
  while (absl::EndsWith(text, "\n\n")) text.pop_back();
  return text;
}

std::string JsonText(absl::Span<const LineResults> results, Extent extent) {
  std::vector<std::string> experiments;
  std::vector<std::string> claims;
  for (const LineResults& line : results) {
    for (const ExperimentRecord& experiment : line.experiments) {
      experiments.push_back(ExperimentJson(line, experiment));
    }
    for (const ClaimAnswer& claim : line.claims) claims.push_back(ClaimJson(line, claim));
  }
  return absl::StrCat("{\"schema\":1,\"extent\":\"", ExtentName(extent), "\",\"experiments\":[\n",
                      absl::StrJoin(experiments, ",\n"), "\n],\"claims\":[\n",
                      absl::StrJoin(claims, ",\n"), "\n]}\n");
}

report::Table VerdictTable(absl::Span<const LineResults> results) {
  report::Table table = {.columns = {{"claim"},
                                     {"verdict"},
                                     {"effect [95 %]", report::Align::kRight},
                                     {"n", report::Align::kRight}}};
  for (const LineResults& line : results) {
    for (const ClaimAnswer& claim : line.claims) {
      std::vector<std::string> row = {claim.claim.name(), VerdictText(claim.verdict)};
      if (claim.answer) {
        row.push_back(EffectText(*claim.answer));
        row.push_back(absl::StrCat(claim.answer->replicates.size()));
      }
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

}  // namespace perennial::claims
