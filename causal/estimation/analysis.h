// The whole of an estimation: average effects with intervals, effects of units, and what tells
// whether to believe them.
//
// Average effects come from nuisances predicted out of fold (cross-fitting), by several estimators
// (estimators/average_effect.h), one of which is asked for: medians over some draws of folds, with
// errors that count how draws differ (Chernozhukov et al., Econometrics Journal 21, 2018, section
// 3.4). Baselines that need no folds stand beside them. Diagnostics are of the draw whose ATE of
// arm 1, by that estimator, is the median; effects of units from the model fitted to all units
// (effect_model.h). The bootstrap redoes all of it, with one draw of folds, on half-samples
// (models/bootstrap.h), whose spread is the standard error of average effects and of units'.
//
// Refutations, ten runs each, of arm against control (Sharma and Kiciman, arXiv:2011.04216):
//   placebo        arms are shuffled, between clusters where each is of one arm: the effect should
//                  be 0
//   dummy_outcome  outcomes are shuffled: the effect should be 0
//   random_cause   a covariate of noise is added: the estimate should stay
//   subset         80 % of the units, or clusters: the estimate should stay
// (Arms that vary within clusters are shuffled among all units: kept within them, a shuffled arm
// would still tell how many of its cluster were treated, and so of their outcomes.)
// One holds unless the whole interval of the mean of its runs (diagnostics/refutation.h) lies
// further than kMostOff standard errors of the estimate from what is right: so much bias would
// matter, and chance alone does not show it.
//
// The parts (estimate_units.h) run in parallel: folds and the model first, then replicates and
// refutations. Equal data, options and seed give equal bits, for any number of threads, and also
// where parts were kept and the work went on later.
//
// Memory: EstimateBytes of estimate_units.h. Fewer parts run at a time where memory is short; what
// does not fit with one is refused before it begins.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const Analysis analysis, Analyze(observations, {.folds = 5}, {}));
//   analysis.Of(1, Estimand::kAte, EffectMethod::kAipw).low;
#ifndef PERENNIAL_CAUSAL_ESTIMATION_ANALYSIS_H_
#define PERENNIAL_CAUSAL_ESTIMATION_ANALYSIS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "causal/data/observations.h"
#include "causal/diagnostics/covariate_balance.h"
#include "causal/diagnostics/overlap.h"
#include "causal/diagnostics/refutation.h"
#include "causal/diagnostics/risk_ratio.h"
#include "causal/diagnostics/sensitivity.h"
#include "causal/diagnostics/uplift.h"
#include "causal/estimation/effect_model.h"
#include "causal/estimators/average_effect.h"
#include "causal/estimators/baseline_effects.h"
#include "causal/models/model.h"
#include "common/base/available_memory.h"

namespace perennial::causal {

struct AnalysisOptions {
  EffectModelKind model = EffectModelKind::kBoosting;
  EffectMethod estimator = EffectMethod::kAipw;  // AIPW, TMLE or Hajek.
  int folds = 5;
  // Draws of folds, of whose estimates the median is taken: which units share a fold is chance, and
  // moves estimates. (Averages of predictions smooth more, which boosting pays for in bias.) 0:
  // five for up to 10,000 units, one for more; at most 100.
  int repeats = 0;
  int bootstrap = 0;  // Half-samples (models/bootstrap.h), one draw of folds each; 0, or 20 on.
  bool refute = false;
  uint64_t seed = 0;
  double level = 0.95;
  bool lower_is_better = false;  // Of outcomes: whom to treat.
  double sensitivity = 1.5;      // Lambda of the bounds, diagnostics/sensitivity.h.
};
// The draws of folds of so many units, where options.repeats may be 0.
int RepeatsOf(const AnalysisOptions& options, int64_t units);

struct AnalysisProgress {
  std::string text;   // "bootstrap: 40 of 200 replicates"
  double fraction;    // Of all, in [0, 1].
  bool worth_a_line;  // Also in a log, which holds few of them.
};

// How it is carried out; has no say in the numbers.
struct AnalysisRun {
  int threads = 1;
  int64_t memory_bytes = base::AvailableMemoryBytes();  // Beyond the observations.
  const std::atomic<bool>* stop = nullptr;              // True: Cancelled, soon.
  // Called from one thread at a time.
  std::function<void(const AnalysisProgress&)> progress = [](const AnalysisProgress&) {};
  // Bytes of a part that ended in an earlier run of the same estimate, by its name; "" of others.
  std::function<std::string(const std::string&)> find = [](const std::string&) { return ""; };
  // Keeps them; from one thread at a time. An error ends the run.
  std::function<absl::Status(const std::string& name, const std::string& bytes)> keep =
      [](const std::string&, const std::string&) { return absl::OkStatus(); };
  std::vector<std::string> arms = {};  // Their names, for errors; empty: numbers.
};

using EffectEstimator = std::variant<Baseline, EffectMethod>;
// "naive", "ols_1", "ols_2", "plug_in", "hajek", "aipw", "tmle".
absl::string_view EstimatorName(const EffectEstimator& estimator);

struct EffectRow {
  int arm;  // Against control.
  Estimand estimand;
  EffectEstimator estimator;
  Estimate estimate;

  // Else there is none to show: the plug-in's formula counts the spread of units and not the
  // model's error; regressions may have no rows to spare.
  bool error_known() const;
};

// An error of an estimate by so many of its standard errors leaves a 95 % interval a coverage of
// 92 %.
inline constexpr double kMostOff = 0.5;

struct BootstrapRow {
  int arm;
  Estimand estimand;
  double standard_error;
  double low;  // Of the estimate, by this error and the normal distribution, or with clusters t.
  double high;
};

struct RefutationRow {
  int arm;
  std::string name;
  bool of_nothing;  // The effect should be 0; else the estimate.
  std::vector<Estimate> runs;
  RefutationTest test;
  // How far the interval of their mean lies from what is right, in standard errors of the estimate;
  // 0 where it holds that.
  double off;
  bool holds;           // off is at most kMostOff.
  std::string verdict;  // A sentence.
};

// Judges the runs of a row of that name and kind by the estimate: fills in what follows its runs.
// InvalidArgument as TestOfMean's.
absl::Status Judge(const Estimate& estimate, double level, RefutationRow& row);

// How far effects of units, predicted out of fold, are from the truth, beside one effect for all
// (diagnostics/effect_loss.h).
struct EffectLossRow {
  std::string name;  // "null", "ols_2", "model".
  Estimate excess;
};

// Of an arm against control.
struct ArmDiagnostics {
  int arm;
  std::vector<Balance> before;  // [p]
  std::vector<Balance> after;   // Weighted by the inverse of propensities, for the ATE.
  // As these, of the representation that the model makes of all units; empty if it makes none.
  std::vector<Balance> representation_before;
  std::vector<Balance> representation_after;
  std::optional<RiskRatio> risk_ratio;  // Of a binary outcome, where both risks are above 0.
  // Of the risk ratio, else of the difference in deviations within the two arms.
  EValue e_value;
  // Of the ATE by Hajek if that is the estimator, else by AIPW, at options.sensitivity.
  Bounds bounds;
  double critical_lambda;         // At which they hold 0.
  double critical_lambda_limit;   // At which their interval does, at options.level.
  std::vector<double> by_repeat;  // The ATE, by the estimator, of each draw of folds alone.
  // Gains are increases of the outcome, or decreases if lower is better.
  PolicyValue policy;  // Treats where the effect, predicted out of fold, is a gain.
  Rate rate;
  std::vector<EffectLossRow> effect_loss;
  std::vector<GainPoint> gain;  // The Qini curve, in twentieths.
};

struct Analysis {
  std::shared_ptr<const EffectModel> model;  // Fitted to all units.
  Predictions predictions;                   // Its, for all units.
  Predictions out_of_fold;                   // Of the draw of folds whose ATE is the median.
  std::vector<EffectRow> effects;
  std::vector<ArmOverlap> overlap;          // [arms]
  std::vector<Calibration> calibration;     // [arms]
  std::vector<ArmDiagnostics> diagnostics;  // [arms - 1]
  std::vector<BootstrapRow> bootstrap;
  int failed_replicates = 0;
  std::vector<std::vector<double>> effect_error;  // [arms - 1][n], or empty.
  std::vector<RefutationRow> refutations;

  const Estimate& Of(int arm, Estimand estimand, const EffectEstimator& estimator) const;
};

// Whether it can begin: options out of range, fewer units than folds, arms that folds or draws of
// the bootstrap lack (CheckDraws), and memory (AnalysisRun::memory_bytes); arms as there.
absl::Status CheckAnalysis(const Observations& observations, const AnalysisOptions& options,
                           int64_t memory_bytes, std::span<const std::string> arms = {});

// Errors: as of CheckAnalysis, what the folds and fits say of the data, ResourceExhausted for what
// does not fit into memory, Cancelled.
absl::StatusOr<Analysis> Analyze(const Observations& observations, const AnalysisOptions& options,
                                 const AnalysisRun& run);

// What a reader of the numbers should know, in sentences. `arms` are the arms' names.
std::vector<std::string> WarningsOf(const Analysis& analysis, const Observations& observations,
                                    const std::vector<std::string>& arms,
                                    const AnalysisOptions& options);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_ANALYSIS_H_
