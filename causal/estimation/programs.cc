#include "causal/estimation/programs.h"

#include <malloc.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "causal/estimation/analysis.h"
#include "causal/estimation/column_names.h"
#include "causal/estimation/effect_model.h"
#include "causal/estimation/encoding.h"
#include "causal/estimation/estimate_folder.h"
#include "causal/estimation/model_file.h"
#include "causal/estimation/output.h"
#include "causal/estimation/program_flags.h"
#include "causal/estimation/report.h"
#include "common/base/available_memory.h"
#include "common/base/excerpt.h"
#include "common/base/file_io.h"
#include "common/base/flags.h"
#include "common/base/json_text.h"
#include "common/base/nearest_name.h"
#include "common/base/runfiles.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"
#include "common/base/wrapped_text.h"
#include "common/data/csv.h"
#include "common/experiment/progress.h"
#include "common/report/plotly.h"
#include "common/report/terminal_table.h"

namespace perennial::causal {
namespace {

std::atomic<bool> g_stop = false;

extern "C" void RequestStop(int signal_number) {
  g_stop = true;
  // A second signal ends the program at once.
  signal(signal_number, SIG_DFL);
}

constexpr char kSummaryFile[] = "summary.txt";
constexpr size_t kShownNotes = 12;
constexpr int64_t kSampledBytes = 1 << 20;
constexpr int64_t kHeaderBytes = 1 << 16;
// Folds leave four fifths of an arm to fit it to; of fewer units a standard error is no more than a
// guess, and what leaks.h looks for may be chance.
constexpr int64_t kLeastOfArm = 5;
constexpr int64_t kLeastUnits = 20;
// A fold without an arm's only cluster has nobody to learn from.
constexpr int64_t kLeastClustersOfArm = 2;
constexpr char kNamesHelp[] =
    "\n"
    "A,B are names of columns; one with a comma in it stands in quotes, as in a CSV:\n"
    "--ignore '\"bmi, kg/m2\",name'. Such a flag may be given several times.\n";
constexpr char kMemoryHelp[] =
    "\n"
    "Memory, of a table of R rows that becomes C covariates, and P parts at a time\n"
    "(--threads): 8 R C (1 + 2 P) bytes with --model linear, 8 R C (1 + 3.5 P) with\n"
    "net, 8 R C (1 + 4 P) and 16 C P for each of the first 200,000 rows with\n"
    "boosting; 8 R C P more with --bootstrap or --refute; 700 R P, 60 R for each of\n"
    "more than five --repeats, and 300 MB.\n"
    "Fewer parts run at a time where memory is short; what does not fit is refused\n"
    "beforehand.\n";

absl::Status AddNames(const char* flag, const std::string& value, std::vector<std::string>& names) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::string> more, ParseNames(flag, value));
  names.insert(names.end(), more.begin(), more.end());
  return absl::OkStatus();
}

template <typename T>
absl::Status SetWhole(const char* flag, const std::string& value, T low, T high, T& number) {
  if (absl::SimpleAtoi(value, &number) && number >= low && number <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "--", flag, " ", base::Excerpt(value), ": must be a whole number in ", low, " .. ", high));
}

struct EstimateLine {
  std::string data;
  EncodingOptions encoding;
  AnalysisOptions analysis;
  data::CsvOptions csv;
  int threads = 0;  // 0: one a core.
  std::string out;
  bool resume = false;
  bool help = false;
};

absl::Status SetEstimator(const std::string& value, EffectMethod& method) {
  const std::vector<std::string> names = {"aipw", "tmle", "hajek"};
  for (const EffectMethod known :
       {EffectMethod::kAipw, EffectMethod::kTmle, EffectMethod::kHajek}) {
    if (value == EstimatorName(known)) {
      method = known;
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(base::UnknownNameMessage("estimator", value, names));
}

const base::FlagSet<EstimateLine>& EstimateFlags() {
  static const auto* const flags = new base::FlagSet<EstimateLine>({
      {"data", "FILE", "A table: CSV with a header, or Stata (.dta).",
       [](const auto& v, auto& line) { return SetText("data", v, line.data); }},
      {"treatment", "COLUMN", "Who was treated: 0/1, 1/2, no/yes, or words;\nup to ten arms.",
       [](const auto& v, auto& line) { return SetText("treatment", v, line.encoding.treatment); }},
      {"outcome", "COLUMN", "What came of it: numbers, 0/1, no/yes, or two words.",
       [](const auto& v, auto& line) { return SetText("outcome", v, line.encoding.outcome); }},
      {"outcome_value", "WORD", "Which of two words (or numbers) of the outcome\ncounts as 1.",
       [](const auto& v, auto& line) {
         return SetText("outcome_value", v, line.encoding.outcome_value);
       }},
      {"lower_is_better", nullptr, "Lower outcomes are the better ones: costs, deaths,\nsymptoms. "
                                   "Else higher ones are.",
       [](const auto&, auto& line) {
         line.analysis.lower_is_better = true;
         return absl::OkStatus();
       }},
      {"covariates", "A,B", "What else is known of units from before the\ntreatment; else all "
                            "other columns.",
       [](const auto& v, auto& line) {
         return AddNames("covariates", v, line.encoding.covariates);
       },
       base::kRepeatable},
      {"ignore", "A,B", "Columns that are no covariates: identifiers, what\ncame after the "
                        "treatment.",
       [](const auto& v, auto& line) { return AddNames("ignore", v, line.encoding.ignore); },
       base::kRepeatable},
      {"categorical", "A,B", "Columns whose numbers are names of categories.",
       [](const auto& v, auto& line) {
         return AddNames("categorical", v, line.encoding.categorical);
       },
       base::kRepeatable},
      {"cluster", "COLUMN", "Units of equal value are not independent.",
       [](const auto& v, auto& line) { return SetText("cluster", v, line.encoding.cluster); }},
      {"treated_value", "WORD", "What of two values of the treatment means treated.",
       [](const auto& v, auto& line) {
         return SetText("treated_value", v, line.encoding.treated_value);
       }},
      {"control_value", "WORD", "What value of the treatment means control.",
       [](const auto& v, auto& line) {
         return SetText("control_value", v, line.encoding.control_value);
       }},
      {"model", "NAME", "boosting (if not given), linear or net.",
       [](const auto& v, auto& line) -> absl::Status {
         PERENNIAL_ASSIGN_OR_RETURN(line.analysis.model, EffectModelKindOf(v));
         return absl::OkStatus();
       }},
      {"estimator", "NAME", "Of average effects: aipw (if not given), tmle or\nhajek.",
       [](const auto& v, auto& line) { return SetEstimator(v, line.analysis.estimator); }},
      {"folds", "N", "Of cross-fitting; 5 if not given.",
       [](const auto& v, auto& line) {
         return SetWhole("folds", v, 2, 100, line.analysis.folds);
       }},
      {"repeats", "N", "Draws of folds, of which estimates are medians; if not\ngiven 5 for up to "
                       "10,000 units, 1 for more.",
       [](const auto& v, auto& line) {
         return SetWhole("repeats", v, 1, 100, line.analysis.repeats);
       }},
      {"bootstrap", "N", "Repeats all on N halves of the units, or of the\nclusters, drawn by chance: "
                         "intervals that count every\nstep, and errors of units' effects.",
       [](const auto& v, auto& line) {
         return SetWhole("bootstrap", v, 20, 100000, line.analysis.bootstrap);
       }},
      {"refute", nullptr, "Repeats the estimate where the answer is known.",
       [](const auto&, auto& line) {
         line.analysis.refute = true;
         return absl::OkStatus();
       }},
      {"seed", "N", "Of folds and draws; 0 if not given.",
       [](const auto& v, auto& line) {
         return SetWhole<uint64_t>("seed", v, 0, uint64_t{1} << 53, line.analysis.seed);
       }},
      {"level", "X", "Of intervals; 0.95 if not given.",
       [](const auto& v, auto& line) {
         if (absl::SimpleAtod(v, &line.analysis.level) && line.analysis.level >= 0.5 &&
             line.analysis.level <= 0.9999) {
           return absl::OkStatus();
         }
         return absl::InvalidArgumentError(absl::StrCat(
             "--level ", base::Excerpt(v), ": must be a number from 0.5 to 0.9999"));
       }},
      {"delimiter", "C", "Between cells of a CSV: , ; | or tab.",
       [](const auto& v, auto& line) { return SetDelimiter(v, line.csv); }},
      {"decimal_mark", "C", "Of numbers in a CSV: . or ,",
       [](const auto& v, auto& line) { return SetDecimalMark(v, line.csv); }},
      {"threads", "N", "Parts that are fitted at a time; one a core if not\ngiven, fewer where "
                       "memory is short; numbers do not\ndepend on it.",
       [](const auto& v, auto& line) { return SetWhole("threads", v, 1, 4096, line.threads); }},
      {"out", "DIR", "Where results go; else\nruns/causal/<data>-<fingerprint>.",
       [](const auto& v, auto& line) { return SetText("out", v, line.out); }},
      {"resume", nullptr, "Goes on with an estimate that was interrupted.",
       [](const auto&, auto& line) {
         line.resume = true;
         return absl::OkStatus();
       }},
      {"help", nullptr, "Prints this.",
       [](const auto&, auto& line) {
         line.help = true;
         return absl::OkStatus();
       }},
  });
  return *flags;
}

std::string PathsText(const std::string& folder) {
  return absl::StrCat(folder, ":\n  estimate.json\n  effects.csv\n  report.html\n  ", kModelFile,
                      "\n  ", kSummaryFile, "\n");
}

void PrintItems(const char* title, const std::vector<std::string>& items, size_t most,
                std::ostream& out) {
  if (items.empty()) return;
  out << "\n" << title << "\n";
  for (size_t i = 0; i < std::min(most, items.size()); ++i) PrintItem(items[i], out);
  if (items.size() > most) out << "- and " << items.size() - most << " more in the report\n";
}

// What a terminal shows.
std::string SummaryText(const Output& output) {
  const EncodingSchema& schema = output.schema;
  const Analysis& analysis = output.analysis;
  std::ostringstream out;
  std::vector<std::string> arms;
  for (size_t a = 0; a < schema.arms.size(); ++a) {
    arms.push_back(absl::StrCat(base::Excerpt(schema.arms[a]), a == 0 ? " (control) " : " ",
                                CountText(analysis.overlap[a].inside.units)));
  }
  const std::string first = absl::StrCat(
      CountText(output.observations.size()), " units, ", output.observations.features(),
      output.observations.features() == 1 ? " covariate; " : " covariates; ",
      base::Excerpt(schema.treatment), ": ", absl::StrJoin(arms, ", "));
  out << base::WrappedText(absl::StrSplit(first, ' '), kTerminalWidth) << "\n";
  for (const report::Table& table : EffectTables(output)) {
    out << report::TerminalTable(table, kTerminalWidth) << "\n";
  }
  out << "* is the estimate to read. Baselines: naive compares the arms as they are, ols_1\n"
         "and ols_2 by least squares, one regression or one an arm. plug_in is the mean\n"
         "of what the model predicts, whose error is not known.\n";
  bool apart = false;
  for (int arm = 1; arm < output.observations.arms; ++arm) {
    const Estimate& aipw = analysis.Of(arm, Estimand::kAte, EffectMethod::kAipw);
    const Estimate& hajek = analysis.Of(arm, Estimand::kAte, EffectMethod::kHajek);
    apart = apart || std::abs(hajek.value - aipw.value) > aipw.standard_error;
  }
  if (apart && output.options.model == EffectModelKind::kBoosting) {
    out << "hajek trusts in propensities alone, which boosting draws to the middle: here\n"
           "it is far from aipw, and confounding may be left in it.\n";
  }
  if (output.options.bootstrap > 0) {
    out << "bootstrap: " << output.options.bootstrap - analysis.failed_replicates
        << " halves of the " << (output.observations.cluster.empty() ? "units" : "clusters")
        << ", drawn by chance.\n";
  }
  const size_t repeats = analysis.diagnostics[0].by_repeat.size();
  if (repeats > 1) {
    out << "Folds were drawn " << repeats
        << " times; estimates are medians. The ATE by single draws:\n";
    for (const ArmDiagnostics& of_arm : analysis.diagnostics) {
      const auto [least, most] = std::ranges::minmax(of_arm.by_repeat);
      out << (schema.arms.size() > 2 ? absl::StrCat(base::Excerpt(schema.arms[of_arm.arm]), ": ")
                                     : "")
          << NumberText(least) << " to " << NumberText(most) << "\n";
    }
  } else {
    out << "Folds were drawn once; --repeats 5 says what another draw would change.\n";
  }
  for (const ArmDiagnostics& of_arm : analysis.diagnostics) {
    const Estimate& excess = of_arm.effect_loss.back().excess;
    const std::string compared = absl::StrCat(
        schema.arms.size() > 2 ? absl::StrCat(base::Excerpt(schema.arms[of_arm.arm]), ": p") : "P",
        "redicted effects of units are ",
        excess.high < 0  ? "nearer to the truth than one effect for all."
        : excess.low > 0 ? "further from the truth than one effect for all."
                         : "not told apart from one effect for all.");
    out << base::WrappedText(absl::StrSplit(compared, ' '), kTerminalWidth);
  }
  std::vector<std::string> refutations;
  for (const RefutationRow& row : analysis.refutations) {
    refutations.push_back(absl::StrCat(
        row.name, schema.arms.size() > 2 ? absl::StrCat(", arm ", schema.arms[row.arm]) : "",
        row.holds ? " holds. " : " FAILS. ", row.verdict));
  }
  PrintItems("Refutations:", refutations, refutations.size(), out);
  if (!refutations.empty()) {
    double widest = 0;
    for (const RefutationRow& row : analysis.refutations) {
      const double error =
          analysis.Of(row.arm, Estimand::kAte, output.options.estimator).standard_error;
      widest = std::max(widest, (row.test.high - row.test.low) / 2 / error);
    }
    PrintItem(absl::StrFormat("None of them sees a hidden confounder, and a bias of less than "
                              "about %.1f standard errors may pass them all.",
                              kMostOff + widest),
              out);
  }
  PrintItems("Data:", output.notes, kShownNotes, out);
  PrintItems("Warnings:", output.warnings, kShownNotes, out);
  return out.str();
}

template <typename T>
absl::string_view BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// Of how numbers come about: another where the same settings would give others.
constexpr absl::string_view kModelVersion = "3";

// Of all that the numbers depend on.
std::string FingerprintOf(const Encoded& encoded, const AnalysisOptions& options) {
  base::Sha256 digest;
  digest.Update(kModelVersion);
  digest.Update(encoded.schema.Json());
  digest.Update(BytesOf(encoded.observations.covariates));
  digest.Update(BytesOf(encoded.observations.treatment));
  digest.Update(BytesOf(encoded.observations.outcome));
  digest.Update(BytesOf(encoded.observations.cluster));
  digest.Update(BytesOf(encoded.rows));
  digest.Update(absl::StrCat(EffectModelName(options.model), " ", EstimatorName(options.estimator),
                             " ", options.folds, " ", options.repeats, " ", options.bootstrap, " ",
                             options.refute, " ", options.seed, " ", options.level, " ",
                             options.sensitivity, " ", options.lower_is_better));
  return digest.FinishHex().substr(0, 12);
}

// What the numbers depend on, for people who look why a folder is of another estimate.
EstimateFolder::Settings SettingsOf(const Encoded& encoded, const AnalysisOptions& options,
                                    const std::string& fingerprint) {
  const auto text = [](const auto& value) { return absl::StrCat(value); };
  // Not of the numbers that the schema keeps, which change with the data.
  base::Sha256 columns;
  columns.Update(absl::StrJoin(encoded.observations.covariate_names, "\n"));
  columns.Update(absl::StrCat("\n\n", absl::StrJoin(encoded.schema.arms, "\n"), "\n\n",
                              encoded.observations.cluster.empty()));
  return {{"treatment", encoded.schema.treatment},
          {"outcome", encoded.schema.outcome},
          {"model", std::string(EffectModelName(options.model))},
          {"estimator", std::string(EstimatorName(options.estimator))},
          {"folds", text(options.folds)},
          {"repeats", text(options.repeats)},
          {"bootstrap", text(options.bootstrap)},
          {"refute", options.refute ? "yes" : "no"},
          {"lower_is_better", options.lower_is_better ? "yes" : "no"},
          {"seed", text(options.seed)},
          {"level", text(options.level)},
          {"the choice or encoding of columns", columns.FinishHex()},
          {"the data", fingerprint}};
}

// How far it is: a line that is redrawn on a terminal, now and then a line in a log.
class EstimateProgress {
 public:
  explicit EstimateProgress(const Terminal& terminal)
      : terminal_(terminal), start_(std::chrono::steady_clock::now()) {}
  ~EstimateProgress() {
    if (drawn_) terminal_.log << std::endl;
  }

  void operator()(const AnalysisProgress& progress) {
    if (!terminal_.is_terminal) {
      if (progress.worth_a_line) terminal_.log << progress.text << std::endl;
      return;
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    if (drawn_ && !progress.worth_a_line && seconds - last_drawn_ < 0.1) return;
    last_drawn_ = seconds;
    if (!drawn_) before_ = progress.fraction;
    const double gained = progress.fraction - before_;
    const int filled = static_cast<int>(progress.fraction * kBar);
    std::string line =
        absl::StrFormat("[%s%s] %3.0f %%  %s", std::string(filled, '#'),
                        std::string(kBar - filled, '-'), 100 * progress.fraction, progress.text);
    if (seconds >= 1 && gained > 0 && progress.fraction < 1) {
      absl::StrAppend(&line, "  ",
                      experiment::DurationText(seconds * (1 - progress.fraction) / gained),
                      " left");
    }
    // A line that wraps could not be drawn over.
    line.resize(std::min(line.size(), static_cast<size_t>(std::max(terminal_.columns - 1, 0))));
    terminal_.log << "\r" << line << "\x1b[K" << std::flush;
    drawn_ = true;
  }

 private:
  static constexpr int kBar = 20;

  const Terminal& terminal_;
  const std::chrono::steady_clock::time_point start_;
  bool drawn_ = false;
  double last_drawn_ = 0;
  double before_ = 0;  // Of a run that was resumed.
};

// Refuses a CSV of which the table and its encoding, 16 bytes a cell, will not fit, by the number
// of cells in its first bytes.
absl::Status CheckReading(const std::string& path, const data::CsvOptions& csv,
                          int64_t memory_bytes) {
  std::error_code unknown;
  const auto size = static_cast<double>(std::filesystem::file_size(path, unknown));
  // What is no file says so when it is read.
  if (unknown || absl::EndsWith(absl::AsciiStrToLower(path), ".dta")) return absl::OkStatus();
  std::ifstream stream(path, std::ios::binary);
  std::string start(kSampledBytes, '\0');
  stream.read(start.data(), kSampledBytes);
  start.resize(stream.gcount());
  const size_t header = start.find('\n');
  const size_t last = start.rfind('\n');
  if (header == std::string::npos || last <= header) return absl::OkStatus();
  const auto columns = static_cast<double>(
      1 + std::count(start.begin(), start.begin() + static_cast<int64_t>(header), csv.delimiter));
  const auto lines = static_cast<double>(
      std::count(start.begin() + static_cast<int64_t>(header) + 1, start.end(), '\n'));
  const double rows = size / (static_cast<double>(last - header) / lines);
  const double bytes = 16 * rows * columns;
  if (bytes <= static_cast<double>(memory_bytes)) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrFormat("%s: its about %.2g rows of %.0f columns need %.3g GB of memory, and %.3g GB "
                      "are free; give fewer rows, or only the columns that count",
                      path, rows, columns, bytes / 1e9, static_cast<double>(memory_bytes) / 1e9));
}

// The first line of a CSV; empty if it is very long.
std::string HeaderOf(const std::string& path) {
  if (absl::EndsWith(absl::AsciiStrToLower(path), ".dta")) return "";
  std::error_code ignored;
  // A pipe can be read once only.
  if (!std::filesystem::is_regular_file(path, ignored)) return "";
  std::ifstream stream(path, std::ios::binary);
  std::string header(kHeaderBytes, '\0');
  stream.read(header.data(), kHeaderBytes);
  header.resize(stream.gcount());
  const size_t end = header.find('\n');
  if (end == std::string::npos && header.size() == kHeaderBytes) return "";
  return header.substr(0, end);
}

// What to give instead, where the header has more of another delimiter than of the one in use.
std::string DelimiterHint(const std::string& header, char delimiter) {
  char best = delimiter;
  for (const char other : {';', '\t', '|', ','}) {
    if (std::ranges::count(header, other) > std::ranges::count(header, best)) best = other;
  }
  if (best == delimiter) return "";
  const auto shown = [](char c) {
    return c == '\t' ? std::string("tab") : absl::StrCat("'", std::string(1, c), "'");
  };
  return absl::StrCat("the first line has ", std::ranges::count(header, best), " ", shown(best),
                      " and ", std::ranges::count(header, delimiter), " ", shown(delimiter),
                      ": give --delimiter ", shown(best));
}

absl::StatusOr<Encoded> ReadAndEncode(const EstimateLine& line, const std::string& path) {
  data::CsvOptions csv = line.csv;
  const std::string header = HeaderOf(path);
  if (!base::IsUtf8(header) || header.find('\0') != std::string::npos) {
    // What it is, before its bytes are taken for delimiters.
    PERENNIAL_RETURN_IF_ERROR(
        data::ParseCsv(absl::StrCat(header, "\n", header), path, csv).status());
  }
  const std::string hint = DelimiterHint(header, csv.delimiter);
  const auto with_hint = [&](const absl::Status& status) {
    return hint.empty() ? status
                        : absl::Status(status.code(), absl::StrCat(status.message(), "; ", hint));
  };
  // Of fewer than three columns there is nothing to estimate.
  if (!hint.empty() && std::ranges::count(header, csv.delimiter) < 2) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", hint));
  }
  if (!line.encoding.categorical.empty() && !header.empty()) {
    // Names first, so that a wrong one is told as what it is.
    const auto names = data::ParseCsv(absl::StrCat(header, "\n", header), path, csv);
    for (const std::string& name : line.encoding.categorical) {
      if (!names.ok()) break;
      const absl::Status known = ColumnOfFlag(*names, "categorical", name).status();
      if (!known.ok()) return base::WithContext(with_hint(known), path);
    }
  }
  for (const std::string& name : line.encoding.categorical) {
    csv.types[name] = data::CsvType::kText;
  }
  PERENNIAL_RETURN_IF_ERROR(CheckReading(path, csv, base::AvailableMemoryBytes()));
  const absl::StatusOr<data::CsvTable> table = ReadTableFile(path, csv);
  if (!table.ok()) return with_hint(table.status());
  EncodingOptions encoding = line.encoding;
  encoding.decimal_mark = csv.decimal_mark;
  encoding.least_of_arm = kLeastOfArm;
  encoding.least_units = kLeastUnits;
  encoding.least_clusters_of_arm = kLeastClustersOfArm;
  absl::StatusOr<Encoded> encoded = Encode(*table, encoding);
  if (absl::IsNotFound(encoded.status())) {
    return base::WithContext(with_hint(encoded.status()), path);
  }
  if (!encoded.ok()) return base::WithContext(encoded.status(), path);
  return encoded;
}

}  // namespace

absl::Status RunEstimate(const std::vector<std::string>& arguments, const Terminal& terminal) {
  EstimateLine line;
  PERENNIAL_RETURN_IF_ERROR(EstimateFlags().Parse(arguments, line));
  if (line.help) {
    terminal.out << "Average and individual effects of a treatment, from a table.\n\n"
                    "tools/bazel run //causal:estimate -- --data my.csv --treatment t --outcome y\n"
                    "\n"
                 << EstimateFlags().Help(kUsageColumns) << kNamesHelp << kMemoryHelp;
    return absl::OkStatus();
  }
  PERENNIAL_RETURN_IF_ERROR(Required("data", line.data, "the table, as --data my.csv"));
  PERENNIAL_RETURN_IF_ERROR(
      Required("treatment", line.encoding.treatment, "the column that tells who was treated"));
  PERENNIAL_RETURN_IF_ERROR(
      Required("outcome", line.encoding.outcome, "the column of what came of it"));
  PERENNIAL_RETURN_IF_ERROR(CheckCsv(line.csv));

  terminal.log << "reading " << line.data << std::endl;
  const std::string data_path = base::JoinPath(terminal.working_folder, line.data);
  const absl::StatusOr<Encoded> read = ReadAndEncode(line, data_path);
  if (!read.ok()) return AsTyped(read.status(), data_path, line.data);
  const Encoded& encoded = *read;
  const Observations& observations = encoded.observations;
  const int64_t memory_bytes = base::AvailableMemoryBytes();
  if (const absl::Status can =
          CheckAnalysis(observations, line.analysis, memory_bytes, encoded.schema.arms);
      !can.ok()) {
    return base::WithContext(can, line.data);
  }
  const std::string fingerprint = FingerprintOf(encoded, line.analysis);
  const std::string shown = line.out.empty()
                                ? absl::StrCat("runs/causal/", StemOf(line.data), "-", fingerprint)
                                : line.out;
  if (terminal.stop != nullptr && terminal.stop->load()) {
    return absl::CancelledError("interrupted before anything began");
  }
  PERENNIAL_ASSIGN_OR_RETURN(
      const std::unique_ptr<EstimateFolder> folder,
      EstimateFolder::Open(base::JoinPath(terminal.working_folder, shown), shown,
                           SettingsOf(encoded, line.analysis, fingerprint), line.resume));
  if (folder->finished()) {
    PERENNIAL_ASSIGN_OR_RETURN(const std::string summary, folder->Read(kSummaryFile));
    terminal.out << "This estimate is finished; these are its results.\n\n"
                 << summary << "\n"
                 << PathsText(shown);
    return absl::OkStatus();
  }
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  absl::StatusOr<Analysis> analysis = [&] {
    EstimateProgress progress(terminal);
    return Analyze(observations, line.analysis,
                   {.threads = line.threads > 0 ? line.threads : static_cast<int>(cores),
                    .memory_bytes = memory_bytes,
                    .stop = terminal.stop,
                    .progress = std::ref(progress),
                    .find = [&](const std::string& name) { return folder->Find(name); },
                    .keep = [&](const std::string& name,
                                const std::string& bytes) { return folder->Keep(name, bytes); },
                    .arms = encoded.schema.arms});
  }();
  if (absl::IsCancelled(analysis.status())) {
    return absl::CancelledError(
        absl::StrCat("interrupted; what has ended is kept in ", shown, ", add --resume to go on"));
  }
  if (!analysis.ok()) {
    folder->Discard();
    return base::WithContext(analysis.status(), line.data);
  }

  std::vector<std::string> warnings = encoded.warnings;
  for (std::string& warning :
       WarningsOf(*analysis, observations, encoded.schema.arms, line.analysis)) {
    warnings.push_back(std::move(warning));
  }
  const size_t slash = line.data.rfind('/');
  const Output output = {
      .observations = observations,
      .schema = encoded.schema,
      .rows = encoded.rows,
      .notes = encoded.notes,
      .warnings = warnings,
      .options = line.analysis,
      .analysis = *analysis,
      .fingerprint = fingerprint,
      .data_name = slash == std::string::npos ? line.data : line.data.substr(slash + 1)};
  PERENNIAL_ASSIGN_OR_RETURN(
      const std::string model,
      (ModelFile{encoded.schema, analysis->model, ModelFile::RangesOf(analysis->predictions)})
          .Bytes());
  const absl::StatusOr<std::string> plotly = report::LoadPlotly();
  const std::string summary = SummaryText(output);
  PERENNIAL_RETURN_IF_ERROR(
      folder->Finish({{"effects.csv", EffectsCsv(output)},
                      {kModelFile, model},
                      {"report.html", ReportHtml(output, plotly.value_or(""))},
                      {kSummaryFile, summary},
                      {kMarkFile, EstimateJson(output)}}));
  terminal.out << summary << "\n" << PathsText(shown);
  return absl::OkStatus();
}

int ProgramMain(int argc, char** argv,
                absl::Status (*run)(const std::vector<std::string>&, const Terminal&), bool keeps) {
  // Columns of a large table go back to the system when they are freed, not into the heap.
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  if (keeps) {
    struct sigaction action = {};
    action.sa_handler = RequestStop;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
  }
  Terminal terminal = {.out = std::cout,
                       .log = std::cerr,
                       .working_folder = base::WorkingFolder(),
                       .is_terminal = isatty(STDERR_FILENO) != 0,
                       .stop = &g_stop};
  winsize window = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) {
    terminal.columns = window.ws_col;
  }
  const absl::Status status = run(std::vector<std::string>(argv + 1, argv + argc), terminal);
  std::cout.flush();
  if (status.ok() && !std::cout) {
    std::cerr << "error: the standard output cannot be written" << std::endl;
    return 1;
  }
  if (status.ok()) return 0;
  std::cerr << (absl::IsCancelled(status) ? "" : "error: ") << status.message() << std::endl;
  return absl::IsCancelled(status) ? 130 : 1;
}

}  // namespace perennial::causal
