#include "causal/estimation/model_file.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/file_io.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"
#include "common/data/stata.h"
#include "common/record/safetensors.h"

namespace perennial::causal {
namespace {

constexpr char kFormat[] = "perennial causal model 1";
constexpr char kModel[] = "model.";
constexpr char kPropensity[] = "support.propensity";

constexpr char kOther[] =
    "this is no model of //causal:estimate; give its folder, or the model.safetensors in it";

constexpr char kAgain[] = "copy it again or run //causal:estimate again";

// Whether bytes begin as a safetensors file does: the size of a header (of 100 MB at most), and
// "{". What does not is another file; what does may be a damaged one.
bool MayBeSafetensors(absl::string_view bytes) {
  return bytes.size() > 8 && bytes[8] == '{' &&
         bytes.substr(5, 3) == absl::string_view("\0\0\0", 3);
}

bool IsStata(const std::string& path) {
  return absl::EndsWith(absl::AsciiStrToLower(path), ".dta");
}

// Of a file without "sha256" in its metadata.
absl::StatusOr<std::string> Digest(const ModelFile& file, record::SafetensorsWriter& writer) {
  PERENNIAL_RETURN_IF_ERROR(file.model->Save(kModel, writer));
  std::vector<double> ranges;
  for (const PropensityRange& range : file.propensity) {
    ranges.push_back(range.low);
    ranges.push_back(range.high);
  }
  PERENNIAL_RETURN_IF_ERROR(
      writer.Add<double>(kPropensity, {std::ssize(file.propensity), 2}, ranges));
  writer.SetMetadata("format", kFormat);
  writer.SetMetadata("schema", file.schema.Json());
  PERENNIAL_ASSIGN_OR_RETURN(const std::string bytes, writer.Finish());
  return base::Sha256Hex(bytes);
}

}  // namespace

std::vector<PropensityRange> ModelFile::RangesOf(const Predictions& predictions) {
  std::vector<PropensityRange> ranges;
  for (const std::vector<double>& of_arm : predictions.propensity) {
    const auto [low, high] = std::ranges::minmax(of_arm);
    ranges.push_back({low, high});
  }
  return ranges;
}

absl::StatusOr<std::string> ModelFile::Bytes() const {
  record::SafetensorsWriter writer;
  PERENNIAL_ASSIGN_OR_RETURN(const std::string digest, Digest(*this, writer));
  writer.SetMetadata("sha256", digest);
  return writer.Finish();
}

absl::StatusOr<ModelFile> ModelFile::Parse(std::string bytes) {
  if (!MayBeSafetensors(bytes)) return absl::InvalidArgumentError(kOther);
  const auto parsed = record::SafetensorsFile::Parse(std::move(bytes));
  if (!parsed.ok()) {
    return absl::DataLossError(absl::StrCat("the file is damaged or was cut short, ", kAgain, " (",
                                            parsed.status().message(), ")"));
  }
  const record::SafetensorsFile& read = *parsed;
  const auto text = [&](const char* key) {
    const auto place = read.metadata().find(key);
    return place == read.metadata().end() ? std::string() : place->second;
  };
  if (text("format") != kFormat) {
    return absl::InvalidArgumentError(kOther);
  }
  ModelFile file;
  PERENNIAL_ASSIGN_OR_RETURN(file.schema, EncodingSchema::FromJson(text("schema")));
  PERENNIAL_ASSIGN_OR_RETURN(EffectModel model, EffectModel::Load(kModel, read));
  file.model = std::make_shared<const EffectModel>(std::move(model));
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<double> ranges, read.Read<double>(kPropensity));
  if (std::ssize(file.schema.arms) != file.model->arms() ||
      std::ssize(file.schema.features) != file.model->features() ||
      ranges.size() != 2 * file.schema.arms.size()) {
    return absl::DataLossError("the model and its encoding of columns do not fit");
  }
  for (size_t k = 0; k < ranges.size(); k += 2) {
    file.propensity.push_back({ranges[k], ranges[k + 1]});
  }
  record::SafetensorsWriter again;
  PERENNIAL_ASSIGN_OR_RETURN(const std::string digest, Digest(file, again));
  if (digest != text("sha256")) {
    return absl::DataLossError(
        absl::StrCat("the file is damaged, ", kAgain, " (its checksum does not fit its contents)"));
  }
  return file;
}

absl::StatusOr<ModelFile> ModelFile::Read(const std::string& path) {
  PERENNIAL_ASSIGN_OR_RETURN(std::string bytes, base::ReadFile(path));
  absl::StatusOr<ModelFile> file = Parse(std::move(bytes));
  if (!file.ok()) return base::WithContext(file.status(), path);
  return file;
}

absl::StatusOr<data::CsvTable> ReadTableFile(const std::string& path,
                                             const data::CsvOptions& options) {
  if (IsStata(path)) return data::ReadStata(path);
  return data::ReadCsv(path, options);
}

absl::StatusOr<data::CsvTable> ModelFile::ReadTable(const std::string& path,
                                                    data::CsvOptions options) const {
  if (IsStata(path)) return data::ReadStata(path);
  // The columns first, so that a missing one is named as what it is.
  std::ifstream stream(path, std::ios::binary);
  std::string header;
  std::string row;
  if (stream && std::getline(stream, header) && std::getline(stream, row)) {
    const auto columns = data::ParseCsv(absl::StrCat(header, "\n", row, "\n"), path, options);
    if (columns.ok()) {
      for (const auto& [name, type] : schema.Types()) {
        const absl::Status found = columns->Column(name).status();
        if (!found.ok()) return base::WithContext(found, "the model needs a column");
      }
    }
  }
  options.types = schema.Types();
  return data::ReadCsv(path, options);
}

absl::StatusOr<Scored> ModelFile::Score(const data::CsvTable& table) const {
  PERENNIAL_ASSIGN_OR_RETURN(Applied applied, Apply(schema, table));
  Scored scored = {.outside = std::move(applied.outside)};
  const auto p = static_cast<int64_t>(schema.features.size());
  PERENNIAL_ASSIGN_OR_RETURN(scored.predictions,
                             model->Predict({applied.covariates.data(), table.rows(), p, p}));
  // Of two arms one says it all.
  for (size_t arm = propensity.size() == 2 ? 1 : 0; arm < propensity.size(); ++arm) {
    for (int64_t i = 0; i < table.rows(); ++i) {
      const double own = scored.predictions.propensity[arm][i];
      if (own >= propensity[arm].low && own <= propensity[arm].high) continue;
      std::string& text = scored.outside[i];
      absl::StrAppend(
          &text, text.empty() ? "" : "; ",
          absl::StrFormat("propensity for %s is %.3g, beyond the fitted %.3g to %.3g",
                          schema.arms[arm], own, propensity[arm].low, propensity[arm].high));
    }
  }
  return scored;
}

}  // namespace perennial::causal
