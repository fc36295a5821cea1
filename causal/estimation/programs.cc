#include "causal/estimation/programs.h"

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "causal/estimation/analysis.h"
#include "causal/estimation/effect_model.h"
#include "causal/estimation/encoding.h"
#include "causal/estimation/model_file.h"
#include "causal/estimation/output.h"
#include "common/base/excerpt.h"
#include "common/base/file_io.h"
#include "common/base/flags.h"
#include "common/base/nearest_name.h"
#include "common/base/runfiles.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"
#include "common/data/csv.h"
#include "common/report/plotly.h"
#include "common/report/terminal_table.h"
#include "nlohmann/json.hpp"

namespace perennial::causal {
namespace {

constexpr size_t kWidth = 80;
constexpr int kUsageColumns = 22;
constexpr char kMarkFile[] = "estimate.json";
constexpr char kModelFile[] = "model.safetensors";
constexpr size_t kShownNotes = 12;
constexpr int kShownRows = 5;

absl::Status SetText(const char* flag, const std::string& value, std::string& text) {
  if (value.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag, ": the value is empty"));
  }
  text = value;
  return absl::OkStatus();
}

absl::Status AddNames(const char* flag, const std::string& value, std::vector<std::string>& names) {
  for (const absl::string_view name : absl::StrSplit(value, ',')) {
    if (name.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag, " ", base::Excerpt(value), ": a name is empty; write a,b"));
    }
    names.emplace_back(name);
  }
  return absl::OkStatus();
}

template <typename T>
absl::Status SetWhole(const char* flag, const std::string& value, T low, T high, T& number) {
  if (absl::SimpleAtoi(value, &number) && number >= low && number <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "--", flag, " ", base::Excerpt(value), ": must be a whole number in ", low, " .. ", high));
}

absl::Status SetCharacter(const char* flag, const std::string& value, absl::string_view allowed,
                          char& character) {
  const std::string text = value == "tab" || value == "\\t" ? "\t" : value;
  if (text.size() == 1 && allowed.find(text[0]) != absl::string_view::npos) {
    character = text[0];
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, " ", base::Excerpt(value), ": must be one of ",
                   allowed.find('\t') == absl::string_view::npos ? "\".\" and \",\""
                                                                 : "\",\", \";\", \"|\" and tab"));
}

absl::Status SetDelimiter(const std::string& value, data::CsvOptions& csv) {
  return SetCharacter("delimiter", value, ",;|\t", csv.delimiter);
}

absl::Status SetDecimalMark(const std::string& value, data::CsvOptions& csv) {
  return SetCharacter("decimal_mark", value, ".,", csv.decimal_mark);
}

absl::Status Required(absl::string_view flag, const std::string& value, absl::string_view what) {
  if (!value.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, " is missing: ", what, "; --help shows all flags"));
}

absl::Status CheckCsv(const data::CsvOptions& csv) {
  if (csv.delimiter != csv.decimal_mark) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--delimiter and --decimal_mark are both \",\": give another --delimiter");
}

struct EstimateLine {
  std::string data;
  EncodingOptions encoding;
  AnalysisOptions analysis;
  data::CsvOptions csv;
  int threads = 0;  // 0: one a core.
  std::string out;
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
      {"treatment", "COLUMN", "Who was treated: 0/1, 1/2, false/true, or words;\nup to ten arms.",
       [](const auto& v, auto& line) { return SetText("treatment", v, line.encoding.treatment); }},
      {"outcome", "COLUMN", "What came of it: numbers, 0/1 or false/true.",
       [](const auto& v, auto& line) { return SetText("outcome", v, line.encoding.outcome); }},
      {"covariates", "A,B", "What else is known of units from before the\ntreatment; else all "
                            "other columns.",
       [](const auto& v, auto& line) {
         return AddNames("covariates", v, line.encoding.covariates);
       }},
      {"ignore", "A,B", "Columns that are no covariates: identifiers, what\ncame after the "
                        "treatment.",
       [](const auto& v, auto& line) { return AddNames("ignore", v, line.encoding.ignore); }},
      {"categorical", "A,B", "Columns whose numbers are names of categories.",
       [](const auto& v, auto& line) {
         return AddNames("categorical", v, line.encoding.categorical);
       }},
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
      {"bootstrap", "N", "Repeats all on N resamples: intervals that count\nevery step, and errors "
                         "of units' effects.",
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
      {"threads", "N", "For bootstrap and refutations, else one a core;\nnumbers do not depend on "
                       "it.",
       [](const auto& v, auto& line) { return SetWhole("threads", v, 1, 4096, line.threads); }},
      {"out", "DIR", "Where results go; else\nruns/causal/<data>-<fingerprint>.",
       [](const auto& v, auto& line) { return SetText("out", v, line.out); }},
      {"help", nullptr, "Prints this.",
       [](const auto&, auto& line) {
         line.help = true;
         return absl::OkStatus();
       }},
  });
  return *flags;
}

struct PredictLine {
  std::string model;
  std::string data;
  std::string out;
  data::CsvOptions csv;
  bool help = false;
};

const base::FlagSet<PredictLine>& PredictFlags() {
  static const auto* const flags = new base::FlagSet<PredictLine>({
      {"model", "FILE", "model.safetensors of //causal:estimate, or its folder.",
       [](const auto& v, auto& line) { return SetText("model", v, line.model); }},
      {"data", "FILE", "A table with the covariates: CSV or Stata (.dta).",
       [](const auto& v, auto& line) { return SetText("data", v, line.data); }},
      {"out", "FILE", "The CSV that is written; else <data>-effects.csv.",
       [](const auto& v, auto& line) { return SetText("out", v, line.out); }},
      {"delimiter", "C", "Between cells of a CSV: , ; | or tab.",
       [](const auto& v, auto& line) { return SetDelimiter(v, line.csv); }},
      {"decimal_mark", "C", "Of numbers in a CSV: . or ,",
       [](const auto& v, auto& line) { return SetDecimalMark(v, line.csv); }},
      {"help", nullptr, "Prints this.",
       [](const auto&, auto& line) {
         line.help = true;
         return absl::OkStatus();
       }},
  });
  return *flags;
}

// "my" of "a/my.csv".
std::string StemOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const size_t dot = name.rfind('.');
  if (dot != std::string::npos && dot > 0) name.resize(dot);
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') c = '_';
  }
  return name;
}

// "- text", continued under the text.
void PrintItem(absl::string_view text, std::ostream& out) {
  std::string line = "-";
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (line.size() > 2 && line.size() + 1 + word.size() > kWidth) {
      out << line << "\n";
      line.assign(1, ' ');
    }
    absl::StrAppend(&line, " ", word);
  }
  out << line << "\n";
}

void PrintItems(const char* title, const std::vector<std::string>& items, size_t most,
                std::ostream& out) {
  if (items.empty()) return;
  out << "\n" << title << "\n";
  for (size_t i = 0; i < std::min(most, items.size()); ++i) PrintItem(items[i], out);
  if (items.size() > most) out << "- and " << items.size() - most << " more in the report\n";
}

template <typename T>
absl::string_view BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// Of all that the numbers depend on.
std::string FingerprintOf(const Encoded& encoded, const AnalysisOptions& options) {
  base::Sha256 digest;
  digest.Update(encoded.schema.Json());
  digest.Update(BytesOf(encoded.observations.covariates));
  digest.Update(BytesOf(encoded.observations.treatment));
  digest.Update(BytesOf(encoded.observations.outcome));
  digest.Update(BytesOf(encoded.observations.cluster));
  digest.Update(BytesOf(encoded.rows));
  digest.Update(absl::StrCat(EffectModelName(options.model), " ", EstimatorName(options.estimator),
                             " ", options.folds, " ", options.bootstrap, " ", options.refute, " ",
                             options.seed, " ", options.level, " ", options.sensitivity));
  return digest.FinishHex().substr(0, 12);
}

// New, empty, or of the same analysis.
absl::Status CheckOut(const std::string& folder, const std::string& shown,
                      const std::string& fingerprint) {
  const std::string mark = base::JoinPath(folder, kMarkFile);
  if (base::FileExists(mark)) {
    PERENNIAL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(mark));
    const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (json.is_object() && json.value("fingerprint", nlohmann::json()) == fingerprint) {
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(
        absl::StrCat("--out ", shown, " holds another estimate; choose another folder"));
  }
  if (!base::FolderExists(folder)) {
    if (!base::FileExists(folder)) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("--out ", shown, " is a file; choose a folder"));
  }
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::string> names, base::ListFolder(folder));
  if (std::ranges::all_of(names, base::IsTemporaryName)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("--out ", shown, " holds other files (",
                                                    names[0], "); choose a new or empty folder"));
}

// An error that names a file as the user did.
absl::Status AsTyped(const absl::Status& status, const std::string& path,
                     const std::string& typed) {
  return absl::Status(status.code(), absl::StrReplaceAll(status.message(), {{path, typed}}));
}

absl::StatusOr<Encoded> ReadAndEncode(const EstimateLine& line, const std::string& path) {
  data::CsvOptions csv = line.csv;
  for (const std::string& name : line.encoding.categorical) {
    csv.types[name] = data::CsvType::kText;
  }
  PERENNIAL_ASSIGN_OR_RETURN(const data::CsvTable table, ReadTableFile(path, csv));
  if (table.columns().size() == 1) {
    const std::string& name = table.columns()[0].name;
    const size_t place = name.find_first_of(";\t|");
    if (place != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": has a single column; are its cells parted by another character? --delimiter ",
          name[place] == '\t' ? "tab" : absl::StrCat("'", std::string(1, name[place]), "'")));
    }
  }
  absl::StatusOr<Encoded> encoded = Encode(table, line.encoding);
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
                 << EstimateFlags().Help(kUsageColumns);
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
  const std::string fingerprint = FingerprintOf(encoded, line.analysis);
  const std::string shown = line.out.empty()
                                ? absl::StrCat("runs/causal/", StemOf(line.data), "-", fingerprint)
                                : line.out;
  const std::string folder = base::JoinPath(terminal.working_folder, shown);
  PERENNIAL_RETURN_IF_ERROR(CheckOut(folder, shown, fingerprint));

  const Observations& observations = encoded.observations;
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  absl::StatusOr<Analysis> analysis =
      Analyze(observations, line.analysis,
              {.threads = line.threads > 0 ? line.threads : static_cast<int>(cores),
               .progress = [&](const std::string& text) { terminal.log << text << std::endl; }});
  if (!analysis.ok()) return base::WithContext(analysis.status(), line.data);

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
  PERENNIAL_RETURN_IF_ERROR(base::MakeFolders(folder));
  // First what marks the folder as this estimate's, so that a run that is killed may be repeated.
  PERENNIAL_RETURN_IF_ERROR(
      base::WriteFileAtomically(base::JoinPath(folder, kMarkFile), EstimateJson(output)));
  PERENNIAL_RETURN_IF_ERROR(
      base::WriteFileAtomically(base::JoinPath(folder, "effects.csv"), EffectsCsv(output)));
  PERENNIAL_RETURN_IF_ERROR(base::WriteFileAtomically(base::JoinPath(folder, kModelFile), model));
  PERENNIAL_RETURN_IF_ERROR(base::WriteFileAtomically(base::JoinPath(folder, "report.html"),
                                                      ReportHtml(output, plotly.value_or(""))));

  std::vector<std::string> arms;
  for (size_t a = 0; a < encoded.schema.arms.size(); ++a) {
    arms.push_back(absl::StrCat(encoded.schema.arms[a], a == 0 ? " (control) " : " ",
                                CountText(analysis->overlap[a].inside.units)));
  }
  terminal.out << CountText(observations.size()) << " units, " << observations.features()
               << " covariates; " << encoded.schema.treatment << ": " << absl::StrJoin(arms, ", ")
               << "\n\n";
  for (const report::Table& table : EffectTables(output)) {
    terminal.out << report::TerminalTable(table, kWidth) << "\n";
  }
  terminal.out << "* is the estimate to read; naive compares the arms as they are.\n";
  for (const RefutationRow& row : analysis->refutations) {
    terminal.out << "refutation " << row.name
                 << (encoded.schema.arms.size() > 2
                         ? absl::StrCat(", arm ", encoded.schema.arms[row.arm])
                         : "")
                 << ": mean " << NumberText(row.mean) << ", " << (row.holds ? "holds" : "fails")
                 << "\n";
  }
  PrintItems("Data:", encoded.notes, kShownNotes, terminal.out);
  PrintItems("Warnings:", warnings, kShownNotes, terminal.out);
  terminal.out << "\n"
               << shown << ":\n  estimate.json\n  effects.csv\n  report.html\n  " << kModelFile
               << "\n";
  return absl::OkStatus();
}

absl::Status RunPredict(const std::vector<std::string>& arguments, const Terminal& terminal) {
  PredictLine line;
  PERENNIAL_RETURN_IF_ERROR(PredictFlags().Parse(arguments, line));
  if (line.help) {
    terminal.out << "Effects for the rows of another table, by a model of //causal:estimate.\n\n"
                    "tools/bazel run //causal:predict -- --model DIR --data new.csv\n\n"
                 << PredictFlags().Help(kUsageColumns);
    return absl::OkStatus();
  }
  PERENNIAL_RETURN_IF_ERROR(
      Required("model", line.model, "the folder that //causal:estimate has written"));
  PERENNIAL_RETURN_IF_ERROR(Required("data", line.data, "the table, as --data new.csv"));
  PERENNIAL_RETURN_IF_ERROR(CheckCsv(line.csv));
  std::string model_path = base::JoinPath(terminal.working_folder, line.model);
  if (base::FolderExists(model_path)) model_path = base::JoinPath(model_path, kModelFile);
  const absl::StatusOr<ModelFile> read = ModelFile::Read(model_path);
  if (!read.ok()) {
    return AsTyped(read.status(), base::JoinPath(terminal.working_folder, line.model), line.model);
  }
  const ModelFile& model = *read;
  const std::string data_path = base::JoinPath(terminal.working_folder, line.data);
  const absl::StatusOr<data::CsvTable> taken = model.ReadTable(data_path, line.csv);
  if (!taken.ok()) return AsTyped(taken.status(), data_path, line.data);
  const data::CsvTable& table = *taken;
  const absl::StatusOr<Scored> scored = model.Score(table);
  if (!scored.ok()) return base::WithContext(scored.status(), line.data);
  const std::string csv = ScoredCsv(model.schema, *scored);
  const std::string shown =
      line.out.empty() ? absl::StrCat(StemOf(line.data), "-effects.csv") : line.out;
  const std::string path = base::JoinPath(terminal.working_folder, shown);
  if (base::FileExists(path) && base::ReadFile(path).value_or("") != csv) {
    return absl::FailedPreconditionError(
        absl::StrCat("--out ", shown, " is there and holds something else; choose another file"));
  }
  PERENNIAL_RETURN_IF_ERROR(base::MakeFolders(base::FolderOf(path)));
  PERENNIAL_RETURN_IF_ERROR(base::WriteFileAtomically(path, csv));

  const int64_t n = table.rows();
  for (size_t a = 1; n > 0 && a < model.schema.arms.size(); ++a) {
    double mean = 0;
    for (const double effect : scored->predictions.effect[a - 1]) {
      mean += effect / static_cast<double>(n);
    }
    terminal.out << "effect of " << model.schema.treatment << " = " << model.schema.arms[a]
                 << " on " << model.schema.outcome << ": mean " << NumberText(mean) << " over "
                 << CountText(n) << " rows\n";
  }
  const auto outside = std::ranges::count_if(
      scored->outside, [](const std::string& reason) { return !reason.empty(); });
  terminal.out << CountText(outside) << " of " << CountText(n)
               << " rows lie outside what the model was fitted to"
               << (outside == 0 ? ".\n" : "; their effects are guesses:\n");
  int shown_rows = 0;
  for (int64_t i = 0; i < n && shown_rows < kShownRows; ++i) {
    if (scored->outside[i].empty()) continue;
    ++shown_rows;
    PrintItem(absl::StrCat("row ", i + 1, ": ", scored->outside[i]), terminal.out);
  }
  terminal.out << shown << "\n";
  return absl::OkStatus();
}

int ProgramMain(int argc, char** argv,
                absl::Status (*run)(const std::vector<std::string>&, const Terminal&)) {
  const absl::Status status =
      run(std::vector<std::string>(argv + 1, argv + argc),
          {.out = std::cout, .log = std::cerr, .working_folder = base::WorkingFolder()});
  std::cout.flush();
  if (status.ok()) return 0;
  std::cerr << "error: " << status.message() << std::endl;
  return 1;
}

}  // namespace perennial::causal
