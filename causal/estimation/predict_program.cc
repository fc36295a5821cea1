#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "causal/estimation/encoding.h"
#include "causal/estimation/model_file.h"
#include "causal/estimation/output.h"
#include "causal/estimation/program_flags.h"
#include "causal/estimation/programs.h"
#include "common/base/file_io.h"
#include "common/base/flags.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"
#include "common/data/csv.h"
#include "common/report/table.h"
#include "common/report/terminal_table.h"
#include "nlohmann/json.hpp"

namespace perennial::causal {
namespace {

constexpr int kShownRows = 5;
constexpr size_t kFingerprint = 12;
constexpr char kSettingsFile[] = "settings.json";  // Of an estimate's folder, from its begin.

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
      {"out", "FILE",
       "The CSV that is written; else\nruns/causal/<data>-effects-<fingerprint>.csv.",
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

// The model file of what --model names. Messages hold the path as given here.
absl::StatusOr<std::string> ModelPath(const std::string& given) {
  if (!base::FolderExists(given)) return given;
  std::string path = base::JoinPath(given, kModelFile);
  if (base::FileExists(path)) return path;
  return absl::NotFoundError(
      absl::StrCat(given, ": holds no ", kModelFile,
                   base::FileExists(base::JoinPath(given, kSettingsFile))
                       ? ": its estimate is not finished; --resume goes on with it"
                       : "; --model takes the folder of an estimate, or that file"));
}

// Of what --out may not be: a folder, or what is read.
absl::Status CheckOut(const std::string& path, const std::vector<std::string>& inputs,
                      const std::string& shown) {
  if (base::FolderExists(path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--out ", shown, " is a folder; name a file, as predicted.csv"));
  }
  for (const std::string& input : inputs) {
    std::error_code not_there;
    if (std::filesystem::equivalent(path, input, not_there)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--out ", shown, " is what is read itself; name another file"));
    }
  }
  return absl::OkStatus();
}

// Other rows or another model have another name.
std::string DefaultOut(const std::string& data, const std::string& csv) {
  return absl::StrCat("runs/causal/", StemOf(data), "-effects-",
                      base::Sha256Hex(csv).substr(0, kFingerprint), ".csv");
}

// Over what rows, and what it is for each arm.
void PrintMeans(const EncodingSchema& schema, const Scored& scored, std::ostream& out) {
  const auto n = std::ssize(scored.outside);
  const auto inside =
      std::ranges::count_if(scored.outside, [](const auto& reason) { return reason.empty(); });
  const bool many = schema.arms.size() > 2;
  report::Table table = {.caption = absl::StrCat("Mean predicted effect of ", schema.treatment,
                                                 " on ", schema.outcome)};
  if (many) table.columns.push_back({"arm"});
  table.columns.push_back({"over the rows"});
  table.columns.push_back({"rows", report::Align::kRight});
  table.columns.push_back({"mean effect", report::Align::kRight});
  for (size_t a = 1; a < schema.arms.size(); ++a) {
    const std::vector<double>& effect = scored.predictions.effect[a - 1];
    const auto add = [&](const char* which, int64_t rows, double mean) {
      std::vector<std::string> row = {which, CountText(rows), rows == 0 ? "" : NumberText(mean)};
      if (many) row.insert(row.begin(), schema.arms[a]);
      table.rows.push_back(std::move(row));
    };
    double mean = 0;
    double mean_inside = 0;
    for (int64_t i = 0; i < n; ++i) {
      mean += effect[i] / static_cast<double>(n);
      if (scored.outside[i].empty()) mean_inside += effect[i] / static_cast<double>(inside);
    }
    if (inside < n) add("inside the support of the fit", inside, mean_inside);
    add("all", n, mean);
  }
  out << report::TerminalTable(table, kTerminalWidth) << "\n";
}

void PrintOutside(const Scored& scored, std::ostream& out) {
  const auto n = std::ssize(scored.outside);
  const auto outside =
      std::ranges::count_if(scored.outside, [](const auto& reason) { return !reason.empty(); });
  out << CountText(outside) << " of " << CountText(n) << " rows lie outside the support of the fit"
      << (outside == 0 ? ".\n" : "; their effects are guesses:\n");
  int shown_rows = 0;
  for (int64_t i = 0; i < n && shown_rows < kShownRows; ++i) {
    if (scored.outside[i].empty()) continue;
    ++shown_rows;
    PrintItem(absl::StrCat("row ", i + 1, ": ", scored.outside[i]), out);
  }
  if (outside > shown_rows) out << "- and " << CountText(outside - shown_rows) << " more\n";
}

// What the estimate in the model's folder says of the average effect over the units of the fit, a
// line an arm; empty if there is none, or one of other columns.
std::vector<std::string> AveragesOfTheFit(const EncodingSchema& schema, const std::string& folder) {
  const auto json =
      nlohmann::json::parse(base::ReadFile(base::JoinPath(folder, kMarkFile)).value_or(""), nullptr,
                            /*allow_exceptions=*/false);
  const auto of = [](const nlohmann::json& object, const char* key) {
    return object.is_object() ? object.value(key, nlohmann::json()) : nlohmann::json();
  };
  if (of(json, "treatment") != schema.treatment || of(json, "outcome") != schema.outcome ||
      !of(json, "level").is_number() || !of(json, "effects").is_array()) {
    return {};
  }
  std::vector<std::string> lines;
  for (const nlohmann::json& effect : json["effects"]) {
    if (of(effect, "chosen") != true || of(effect, "estimand") != "ate" ||
        !of(effect, "arm").is_string() || !of(effect, "estimator").is_string() ||
        !of(effect, "value").is_number() || !of(effect, "low").is_number() ||
        !of(effect, "high").is_number()) {
      continue;
    }
    lines.push_back(absl::StrCat(
        schema.arms.size() > 2 ? absl::StrCat(effect["arm"].get<std::string>(), ": ") : "",
        NumberText(effect["value"].get<double>()), ", ", LevelText(json["level"].get<double>()),
        " ", NumberText(effect["low"].get<double>()), " .. ",
        NumberText(effect["high"].get<double>()), " (", effect["estimator"].get<std::string>(),
        ")"));
  }
  return lines;
}

// Why there are no intervals, and what is known of the average.
void PrintErrors(const EncodingSchema& schema, const std::string& folder, std::ostream& out) {
  out << "\nThese are predictions without intervals: the file holds one fit, which does not\n"
         "tell how another sample would have changed it. (For the rows of the fit,\n"
         "estimate --bootstrap has errors.)\n";
  const std::vector<std::string> averages = AveragesOfTheFit(schema, folder);
  if (averages.empty()) return;
  out << "The average effect over the units of the fit, as it was estimated:\n";
  for (const std::string& average : averages) out << "  " << average << "\n";
}

}  // namespace

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
  const std::string given = base::JoinPath(terminal.working_folder, line.model);
  const absl::StatusOr<std::string> model_path = ModelPath(given);
  if (!model_path.ok()) return AsTyped(model_path.status(), given, line.model);
  const absl::StatusOr<ModelFile> read = ModelFile::Read(*model_path);
  if (!read.ok()) return AsTyped(read.status(), given, line.model);
  const ModelFile& model = *read;
  const std::string data_path = base::JoinPath(terminal.working_folder, line.data);
  if (!line.out.empty()) {
    PERENNIAL_RETURN_IF_ERROR(CheckOut(base::JoinPath(terminal.working_folder, line.out),
                                       {data_path, *model_path}, line.out));
  }
  const absl::StatusOr<data::CsvTable> taken = model.ReadTable(data_path, line.csv);
  if (!taken.ok()) return AsTyped(taken.status(), data_path, line.data);
  const data::CsvTable& table = *taken;
  const absl::StatusOr<Scored> scored = model.Score(table);
  if (!scored.ok()) return base::WithContext(scored.status(), line.data);
  const std::string csv = ScoredCsv(model.schema, *scored);
  const std::string shown = line.out.empty() ? DefaultOut(line.data, csv) : line.out;
  const std::string path = base::JoinPath(terminal.working_folder, shown);
  if (base::FileExists(path) && base::ReadFile(path).value_or("") != csv) {
    return absl::FailedPreconditionError(
        absl::StrCat(line.out.empty() ? "" : "--out ", shown,
                     " is there and holds something else, which is kept: give another --out, or "
                     "remove that file"));
  }
  PERENNIAL_RETURN_IF_ERROR(base::MakeFolders(base::FolderOf(path)));
  PERENNIAL_RETURN_IF_ERROR(base::WriteFileAtomically(path, csv));

  PrintMeans(model.schema, *scored, terminal.out);
  PrintOutside(*scored, terminal.out);
  PrintErrors(model.schema, base::FolderOf(*model_path), terminal.out);
  terminal.out << "\nWritten, a line a row (effect, whether outside, why):\n  " << shown << "\n";
  return absl::OkStatus();
}

}  // namespace perennial::causal
