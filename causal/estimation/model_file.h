// The file of a fitted model: what rows of a later table need, and nothing of the data it was
// fitted to but names, levels and ranges of columns.
//
// A safetensors file (common/record/safetensors.h): tensors "model.*" of EffectModel,
// "support.propensity" [arms, 2]; metadata "format" ("perennial causal model 1"), "schema" (JSON),
// "sha256" of all the rest, so that a damaged file is refused. What was forged on purpose is
// another matter: see models/boosting.h.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::Read("model.safetensors"));
//   PERENNIAL_ASSIGN_OR_RETURN(const data::CsvTable table, file.ReadTable("new.csv", {}));
//   PERENNIAL_ASSIGN_OR_RETURN(const Scored scored, file.Score(table));
#ifndef PERENNIAL_CAUSAL_ESTIMATION_MODEL_FILE_H_
#define PERENNIAL_CAUSAL_ESTIMATION_MODEL_FILE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "causal/estimation/effect_model.h"
#include "causal/estimation/encoding.h"
#include "causal/models/model.h"
#include "common/data/csv.h"

namespace perennial::causal {

// Of the units that the model was fitted to, for an arm.
struct PropensityRange {
  double low;
  double high;
};

// Of the rows of a table.
struct Scored {
  Predictions predictions;
  // [n], why a row lies outside the support of the model ("" if it does not): what Apply says, or
  // a propensity beyond the fitted ones.
  std::vector<std::string> outside;
};

struct ModelFile {
  EncodingSchema schema;
  std::shared_ptr<const EffectModel> model;
  std::vector<PropensityRange> propensity;  // [arms]

  // [arms] of the predictions for all units of the fit.
  static std::vector<PropensityRange> RangesOf(const Predictions& predictions);

  absl::StatusOr<std::string> Bytes() const;
  // Untrusted: DataLoss or InvalidArgument.
  static absl::StatusOr<ModelFile> Parse(std::string bytes);
  static absl::StatusOr<ModelFile> Read(const std::string& path);

  // A table of a CSV or Stata (.dta) file, its columns of the types of the fit. NotFound names a
  // column that the model needs and the file lacks.
  absl::StatusOr<data::CsvTable> ReadTable(const std::string& path, data::CsvOptions options) const;
  absl::StatusOr<Scored> Score(const data::CsvTable& table) const;
};

// Either kind of file, by its name.
absl::StatusOr<data::CsvTable> ReadTableFile(const std::string& path,
                                             const data::CsvOptions& options);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_MODEL_FILE_H_
