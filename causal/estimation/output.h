// What an estimation writes and prints. All of it is a function of the numbers alone.
//
//   effects.csv    a line a row: row (of the table, from 1), arm, effect ("effect of B" with more
//                  arms); with a bootstrap its standard error and interval
//   estimate.json  all numbers under stable names; null: there is none, or it is infinite
//
// report.html is of report.h.
#ifndef PERENNIAL_CAUSAL_ESTIMATION_OUTPUT_H_
#define PERENNIAL_CAUSAL_ESTIMATION_OUTPUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "causal/data/observations.h"
#include "causal/diagnostics/sensitivity.h"
#include "causal/estimation/analysis.h"
#include "causal/estimation/encoding.h"
#include "causal/estimation/model_file.h"
#include "common/report/table.h"

namespace perennial::causal {

// Somebody else owns what it points to.
struct Output {
  const Observations& observations;
  const EncodingSchema& schema;
  const std::vector<int64_t>& rows;
  const std::vector<std::string>& notes;
  const std::vector<std::string>& warnings;
  const AnalysisOptions& options;
  const Analysis& analysis;
  std::string fingerprint;
  std::string data_name;
};

std::string EffectsCsv(const Output& output);
std::string EstimateJson(const Output& output);
// Average effects, one table an estimand.
std::vector<report::Table> EffectTables(const Output& output);
// "95 % interval" of 0.95.
std::string LevelText(double level);
// The bounds under hidden confounding with their sampling error, at the level of all intervals.
Bounds BoundsInterval(const Output& output, const ArmDiagnostics& of_arm);

// effects.csv of //causal:predict: row, effects, outside_support (0 or 1), reason.
std::string ScoredCsv(const EncodingSchema& schema, const Scored& scored);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_OUTPUT_H_
