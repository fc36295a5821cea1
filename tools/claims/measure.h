// Runs what claims need and reads the answers.
//
// Experiments of equal configuration are one run, in the folder
// <runs>/<line>/<configuration>-<fingerprint>. A run goes on where it stands: what is finished is
// read, more seeds extend it. Whatever else a folder holds, a claim is decided by the seeds that
// its file names.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const std::vector<LineResults> results,
//                              MeasureClaims(claims, options, surroundings));
#ifndef PERENNIAL_TOOLS_CLAIMS_MEASURE_H_
#define PERENNIAL_TOOLS_CLAIMS_MEASURE_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/experiment/surroundings.h"
#include "common/record/summary.h"
#include "tools/claims/claims.pb.h"
#include "tools/claims/claims_file.h"
#include "tools/claims/verdict.h"

namespace perennial::claims {

struct MeasureOptions {
  Extent extent = Extent::kQuick;
  std::string runs = "runs/claims";  // Relative to the working folder, if not absolute.
  std::string data;                  // As --data of experiments.
  int threads = 1;
  bool resume = false;
};

// What a contrast's replicates say.
struct Answer {
  ContrastConfig contrast;
  std::string experiment;
  std::string unit;                     // Of the metric.
  std::string over;                     // "seed", "realisation"
  std::vector<std::string> replicates;  // Those that both sides have.
  std::vector<double> values;           // Of the metric.
  std::vector<double> against;
  // Why there is no finding: replicates that are missing.
  std::string missing;
  std::optional<Finding> finding;
  Verdict verdict = Verdict::kInconclusive;
};

struct ControlAnswer {
  ControlConfig control;
  // Its p values are not adjusted: a control that should fail is to fail as easily as it can.
  Answer answer;
  bool as_expected = false;
};

struct ClaimAnswer {
  ClaimConfig claim;
  std::string paper;
  std::string family;
  std::optional<Answer> answer;  // Absent for what is not testable here.
  Verdict verdict = Verdict::kNotTestableHere;
  std::vector<ControlAnswer> controls;
};

struct ExperimentRecord {
  std::string name;
  std::string config_path;
  std::vector<std::string> overrides;
  std::string seeds;  // "100..104"
  std::string fingerprint;
};

struct LineResults {
  std::string line;
  std::string paper;
  std::vector<ExperimentRecord> experiments;
  std::vector<ClaimAnswer> claims;
};

// Cancelled if interrupted, with everything kept. Units that fail make their claims inconclusive;
// other errors of a run, and names that its summary does not hold, end it: runs are kept.
absl::StatusOr<std::vector<LineResults>> MeasureClaims(
    absl::Span<const LineClaims> claims, const MeasureOptions& options,
    const experiment::Surroundings& surroundings);

// What MeasureClaims would run and where it stands, one run a line. Loads data.
absl::StatusOr<std::string> PlanOf(absl::Span<const LineClaims> claims,
                                   const MeasureOptions& options,
                                   const experiment::Surroundings& surroundings);

// The contrast's values among `seeds`, and what they say before any adjustment. InvalidArgument
// names a group, method or metric that the summary does not hold, and the nearest that it does.
absl::StatusOr<Answer> AnswerOf(const ContrastConfig& contrast, const record::RunSummary& summary,
                                absl::Span<const uint64_t> seeds);

}  // namespace perennial::claims

#endif  // PERENNIAL_TOOLS_CLAIMS_MEASURE_H_
