#include "causal/estimation/analysis.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <mutex>
#include <numeric>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "causal/diagnostics/effect_loss.h"
#include "causal/estimation/estimate_units.h"
#include "causal/estimators/baselines.h"
#include "causal/models/bootstrap.h"
#include "causal/models/cluster_draw.h"
#include "causal/models/cross_fit.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/population/scheduler.h"
#include "common/random/stream.h"
#include "common/stats/robust.h"

namespace perennial::causal {
namespace {

constexpr int kRefutationRuns = 10;
constexpr int64_t kFewUnits = 10000;
constexpr int kRepeatsOfFew = 5;
constexpr int kGainPoints = 20;
// Of a standard error, by which the chance of the folds may move an estimate without a word.
constexpr double kMostChance = 0.25;
// Of the outcome's standard deviation, by which effects of units may be further off than one for
// all.
constexpr double kMostOffOfUnits = 0.25;
// What is worth a warning: a share of clipped propensities, events and units of an arm; weights are
// nearly equal where the effective sample is this share of the units.
constexpr double kMostClipped = 0.01;
constexpr int64_t kFewEvents = 10;
constexpr int64_t kFewForBoosting = 100;
constexpr double kEqualWeights = 0.9;

constexpr PartKind kRefutations[] = {PartKind::kPlacebo, PartKind::kDummyOutcome,
                                     PartKind::kRandomCause, PartKind::kSubset};

absl::StatusOr<std::vector<Estimate>> EstimatesOf(const Observations& observations,
                                                  const Predictions& predictions,
                                                  EffectMethod method, Estimand estimand,
                                                  double level) {
  PERENNIAL_ASSIGN_OR_RETURN(const auto effects,
                             AverageEffects(SampleOf(observations), predictions, method,
                                            {.estimand = estimand, .level = level}));
  std::vector<Estimate> estimates;
  for (const AverageEffect& effect : effects) estimates.push_back(effect.estimate);
  return estimates;
}

absl::Status CheckOptions(const Observations& observations, const AnalysisOptions& options) {
  if (options.folds < 2 || options.folds > 100) {
    return absl::InvalidArgumentError(
        absl::StrCat("folds is ", options.folds, ", must be 2 to 100"));
  }
  if (options.repeats < 0 || options.repeats > 100) {
    return absl::InvalidArgumentError(
        absl::StrCat("repeats is ", options.repeats, ", must be 0 to 100"));
  }
  if (options.bootstrap != 0 && (options.bootstrap < 20 || options.bootstrap > 100000)) {
    return absl::InvalidArgumentError(
        absl::StrCat("bootstrap is ", options.bootstrap, ", must be 0, or 20 to 100,000"));
  }
  if (options.estimator != EffectMethod::kAipw && options.estimator != EffectMethod::kTmle &&
      options.estimator != EffectMethod::kHajek) {
    return absl::InvalidArgumentError("the estimator must be aipw, tmle or hajek");
  }
  if (observations.size() < options.folds) {
    return absl::InvalidArgumentError(absl::StrCat("there are ", observations.size(), " rows for ",
                                                   options.folds,
                                                   " folds; give more rows, or fewer --folds"));
  }
  return absl::OkStatus();
}

constexpr EffectMethod kMethods[] = {EffectMethod::kPlugIn, EffectMethod::kHajek,
                                     EffectMethod::kAipw, EffectMethod::kTmle};

// Of a draw of folds.
absl::StatusOr<std::vector<EffectRow>> EffectsOf(const Observations& observations,
                                                 const Predictions& out_of_fold,
                                                 const AnalysisOptions& options) {
  std::vector<EffectRow> effects;
  for (const Estimand estimand : {Estimand::kAte, Estimand::kAtt}) {
    for (const EffectMethod method : kMethods) {
      const absl::StatusOr<std::vector<Estimate>> estimates =
          EstimatesOf(observations, out_of_fold, method, estimand, options.level);
      if (!estimates.ok()) return base::WithContext(estimates.status(), EstimatorName(method));
      for (int arm = 1; arm < observations.arms; ++arm) {
        effects.push_back({arm, estimand, method, (*estimates)[arm - 1]});
      }
    }
  }
  return effects;
}

// What needs no folds.
absl::StatusOr<std::vector<EffectRow>> BaselinesOf(const Observations& observations, double level) {
  std::vector<EffectRow> effects;
  for (const Baseline baseline : {Baseline::kNaive, Baseline::kOls1, Baseline::kOls2}) {
    const absl::StatusOr<BaselineEstimates> estimates =
        BaselineEffects(observations, baseline, level);
    if (!estimates.ok()) return base::WithContext(estimates.status(), BaselineName(baseline));
    for (const Estimand estimand : {Estimand::kAte, Estimand::kAtt}) {
      for (int arm = 1; arm < observations.arms; ++arm) {
        effects.push_back({arm, estimand, baseline, estimates->Of(estimand)[arm - 1]});
      }
    }
  }
  return effects;
}

// By a regression in each arm of the other folds.
absl::StatusOr<Predictions> LinearOutOfFold(const Observations& observations,
                                            std::span<const int32_t> fold_of, int folds,
                                            const random::Stream& stream) {
  Predictions out_of_fold;
  for (int fold = 0; fold < folds; ++fold) {
    PERENNIAL_ASSIGN_OR_RETURN(
        const auto fit,
        Ols2()({.observations = Select(observations, RowsOfFold(fold_of, fold, false)),
                .stream = stream}));
    PERENNIAL_RETURN_IF_ERROR(fit->Advance(1));
    const Observations units = Select(observations, RowsOfFold(fold_of, fold, true));
    PERENNIAL_ASSIGN_OR_RETURN(const Predictions predictions, fit->Predict(units.x()));
    ScatterFold(predictions, fold_of, fold, out_of_fold);
  }
  return out_of_fold;
}

double DeviationOf(std::span<const double> values) {
  double mean = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

// fold_of: of the draw that they are of.
absl::Status TakeDiagnostics(const Observations& observations, const AnalysisOptions& options,
                             std::span<const int32_t> fold_of, const random::Stream& stream,
                             Analysis& analysis) {
  const auto& propensity = analysis.out_of_fold.propensity;
  PERENNIAL_ASSIGN_OR_RETURN(analysis.overlap, OverlapOf(observations.treatment, propensity));
  std::vector<uint8_t> is_arm(observations.size());
  for (int arm = 0; arm < observations.arms; ++arm) {
    for (size_t i = 0; i < is_arm.size(); ++i) is_arm[i] = observations.treatment[i] == arm;
    PERENNIAL_ASSIGN_OR_RETURN(Calibration calibration, CalibrationOf(propensity[arm], is_arm));
    analysis.calibration.push_back(std::move(calibration));
  }
  const Sample sample = SampleOf(observations);
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<float> representation,
                             analysis.model->Representation(observations.x()));
  PERENNIAL_ASSIGN_OR_RETURN(const Predictions linear,
                             LinearOutOfFold(observations, fold_of, options.folds, stream));
  const std::vector<double> none(observations.size());
  for (int arm = 1; arm < observations.arms; ++arm) {
    ArmDiagnostics of_arm = {.arm = arm};
    PERENNIAL_ASSIGN_OR_RETURN(
        const std::vector<double> weights,
        InversePropensityWeights(observations.treatment, propensity, arm, Estimand::kAte));
    PERENNIAL_ASSIGN_OR_RETURN(of_arm.before,
                               CovariateBalance(observations.x(), observations.treatment, arm, {}));
    PERENNIAL_ASSIGN_OR_RETURN(
        of_arm.after, CovariateBalance(observations.x(), observations.treatment, arm, weights));
    PERENNIAL_ASSIGN_OR_RETURN(
        of_arm.representation_before,
        RepresentationBalance(representation, observations.treatment, arm, {}));
    PERENNIAL_ASSIGN_OR_RETURN(
        of_arm.representation_after,
        RepresentationBalance(representation, observations.treatment, arm, weights));
    if (observations.binary_outcome) {
      PERENNIAL_ASSIGN_OR_RETURN(of_arm.risk_ratio,
                                 RiskRatioOf(sample, analysis.out_of_fold, arm, options.level));
    }
    if (of_arm.risk_ratio) {
      PERENNIAL_ASSIGN_OR_RETURN(of_arm.e_value,
                                 EValueOfRiskRatio(of_arm.risk_ratio->value, of_arm.risk_ratio->low,
                                                   of_arm.risk_ratio->high));
    } else {
      PERENNIAL_ASSIGN_OR_RETURN(const double deviation, WithinArmDeviation(sample, arm));
      PERENNIAL_ASSIGN_OR_RETURN(
          of_arm.e_value,
          EValueOfDifference(analysis.Of(arm, Estimand::kAte, options.estimator), deviation));
    }
    if (options.estimator == EffectMethod::kHajek) {
      PERENNIAL_ASSIGN_OR_RETURN(
          of_arm.bounds, HajekBounds(sample, propensity, arm, Estimand::kAte, options.sensitivity));
      PERENNIAL_ASSIGN_OR_RETURN(of_arm.critical_lambda,
                                 HajekCriticalLambda(sample, propensity, arm, Estimand::kAte));
      PERENNIAL_ASSIGN_OR_RETURN(
          of_arm.critical_lambda_limit,
          HajekCriticalLambda(sample, propensity, arm, Estimand::kAte, options.level));
    } else {
      PERENNIAL_ASSIGN_OR_RETURN(of_arm.bounds, AipwBounds(sample, analysis.out_of_fold, arm,
                                                           Estimand::kAte, options.sensitivity));
      PERENNIAL_ASSIGN_OR_RETURN(
          of_arm.critical_lambda,
          AipwCriticalLambda(sample, analysis.out_of_fold, arm, Estimand::kAte));
      PERENNIAL_ASSIGN_OR_RETURN(
          of_arm.critical_lambda_limit,
          AipwCriticalLambda(sample, analysis.out_of_fold, arm, Estimand::kAte, options.level));
    }
    PERENNIAL_ASSIGN_OR_RETURN(std::vector<double> scores,
                               AipwScores(sample, analysis.out_of_fold, arm));
    std::vector<double> effect = analysis.out_of_fold.effect[arm - 1];
    for (const auto& [name, predicted] :
         {std::pair("null", std::span(none)),
          std::pair("ols_2", std::span<const double>(linear.effect[arm - 1])),
          std::pair("model", std::span<const double>(effect))}) {
      PERENNIAL_ASSIGN_OR_RETURN(
          const Estimate excess,
          ExcessEffectLoss(predicted, scores, fold_of, observations.cluster, options.level));
      of_arm.effect_loss.push_back({name, excess});
    }
    if (options.lower_is_better) {
      for (double& score : scores) score = -score;
      for (double& gain : effect) gain = -gain;
    }
    PERENNIAL_ASSIGN_OR_RETURN(
        of_arm.policy, PolicyValueOf(effect, scores, observations.cluster, 0, options.level));
    PERENNIAL_ASSIGN_OR_RETURN(
        of_arm.rate, RateOf(effect, scores, observations.cluster, {.level = options.level},
                            stream.Split("rate").Split(static_cast<uint64_t>(arm))));
    PERENNIAL_ASSIGN_OR_RETURN(
        of_arm.gain, GainCurve(effect, scores, observations.cluster, kGainPoints, options.level));
    analysis.diagnostics.push_back(std::move(of_arm));
  }
  return absl::OkStatus();
}

// Runs parts, or takes them from an earlier run, and tells how far it is.
class PartRunner {
 public:
  PartRunner(const PartSetting& setting, const AnalysisRun& run) : setting_(setting), run_(run) {}

  // The parts of all calls of Run.
  void Add(PartKind kind, int count) {
    for (int i = 0; i < count; ++i) {
      auto part = std::make_unique<EstimatePart>(kind, i, setting_);
      cost_ += part->plan().total_flops();
      ++count_[LikeOf(kind)];
      parts_.push_back(std::move(part));
    }
  }

  // Those of some kinds. `take` gets each that has ended, from one thread at a time; `failed` says
  // of an error whether the others go on.
  absl::Status Run(const std::vector<PartKind>& kinds,
                   const std::function<void(int64_t, EstimatePart&)>& take,
                   const std::function<absl::Status(EstimatePart&, const absl::Status&)>& failed) {
    std::vector<population::Unit*> units;
    std::vector<EstimatePart*> parts;
    int loaded = 0;
    for (const auto& part : parts_) {
      if (std::ranges::find(kinds, part->kind()) == kinds.end()) continue;
      const std::string kept = run_.find(part->key().Id());
      // What cannot be read is done again.
      if (!kept.empty() && part->Load(kept).ok()) {
        Count(*part);
        ++loaded;
        take(std::ssize(parts), *part);
      }
      parts.push_back(part.get());
      units.push_back(part.get());
    }
    if (loaded > 0) {
      text_ = absl::StrCat(loaded, " of ", parts.size(), " parts are kept from an earlier run");
      Tell(true);
    }
    const auto memory = static_cast<double>(run_.memory_bytes);
    int threads = run_.threads;
    while (threads > 1 && population::PlannedMemoryBytes(units, threads) > memory) --threads;
    absl::Status error;
    const absl::Status status = population::RunUnits(
        units, {.threads = threads,
                .memory_bytes = run_.memory_bytes,
                .stop = run_.stop,
                .after_chunk = [&](int64_t index, double) -> absl::Status {
                  EstimatePart& part = *parts[index];
                  if (!part.finished()) {
                    const std::lock_guard lock(mutex_);
                    Tell(false);
                    return absl::OkStatus();
                  }
                  PERENNIAL_ASSIGN_OR_RETURN(const std::string bytes, part.Save());
                  const std::lock_guard lock(mutex_);
                  if (absl::Status kept = run_.keep(part.key().Id(), bytes); !kept.ok()) {
                    error.Update(kept);
                    return kept;
                  }
                  CountAndTell(part);
                  take(index, part);
                  return absl::OkStatus();
                },
                .after_failure = [&](int64_t index, const absl::Status& failure) -> absl::Status {
                  const std::lock_guard lock(mutex_);
                  const absl::Status end =
                      absl::IsCancelled(failure) ? failure : failed(*parts[index], failure);
                  if (end.ok()) CountAndTell(*parts[index]);
                  error.Update(end);
                  return end;
                }});
    // Without the name of a unit.
    return error.ok() ? status : error;
  }

 private:
  // One part more has ended.
  void Count(const EstimatePart& part) {
    done_cost_ += part.plan().total_flops();
    ++done_[LikeOf(part.kind())];
  }
  void CountAndTell(const EstimatePart& part) {
    Count(part);
    const int done = done_[LikeOf(part.kind())];
    const int count = count_[LikeOf(part.kind())];
    const auto text = [&](const char* what, const char* things) {
      return absl::StrCat(what, ": ", done, " of ", count, " ", things);
    };
    switch (part.kind()) {
      case PartKind::kFold:
        text_ = text("cross-fitting", "folds");
        break;
      case PartKind::kModel:
        text_ = "fitted the model to all units";
        break;
      case PartKind::kReplicate:
        text_ = text("bootstrap", "replicates");
        break;
      default:
        text_ = text("refutations", "runs");
    }
    Tell(count <= 10 || done % (count / 10) == 0 || done == count);
  }
  // What is counted together: all refutations.
  static PartKind LikeOf(PartKind kind) {
    return std::ranges::find(kRefutations, kind) == std::end(kRefutations) ? kind : kRefutations[0];
  }
  void Tell(bool worth_a_line) { run_.progress({text_, done_cost_ / cost_, worth_a_line}); }

  const PartSetting& setting_;
  const AnalysisRun& run_;
  std::vector<std::unique_ptr<EstimatePart>> parts_;
  double cost_ = 0;
  std::map<PartKind, int> count_;
  std::mutex mutex_;
  double done_cost_ = 0;
  std::map<PartKind, int> done_;
  std::string text_ = "cross-fitting";
};

random::Stream StreamOf(const AnalysisOptions& options) {
  return random::Stream(options.seed).Split("estimate");
}

// [repeats][n]
absl::StatusOr<std::vector<std::vector<int32_t>>> FoldsOf(const Observations& observations,
                                                          const AnalysisOptions& options,
                                                          std::span<const std::string> arms) {
  std::vector<std::vector<int32_t>> fold_of;
  for (int repeat = 0; repeat < RepeatsOf(options, observations.size()); ++repeat) {
    const random::Stream stream = CrossFitStream(StreamOf(options), repeat);
    PERENNIAL_ASSIGN_OR_RETURN(fold_of.emplace_back(),
                               Folds(observations.treatment, options.folds, observations.cluster,
                                     stream.Split("folds"), arms));
  }
  return fold_of;
}

// Medians over draws of folds, rows of each in the same order; the variance is the median of
// se^2 + (estimate - median)^2 (Chernozhukov et al., Econometrics Journal 21, 2018, section 3.4).
std::vector<EffectRow> MedianOver(const std::vector<std::vector<EffectRow>>& draws) {
  std::vector<EffectRow> medians = draws[0];
  for (size_t row = 0; row < medians.size(); ++row) {
    std::vector<double> values;
    for (const auto& draw : draws) values.push_back(draw[row].estimate.value);
    const double value = stats::MedianOf(values);
    std::vector<double> variances;
    for (const auto& draw : draws) {
      const Estimate& estimate = draw[row].estimate;
      const double distance = estimate.value - value;
      variances.push_back(estimate.standard_error * estimate.standard_error + distance * distance);
    }
    // Intervals are so many errors wide, whichever draw it is.
    const Estimate& first = draws[0][row].estimate;
    const double quantile =
        first.standard_error > 0 ? (first.high - first.value) / first.standard_error : 0;
    const double error = std::sqrt(stats::MedianOf(variances));
    medians[row].estimate = {value, error, value - quantile * error, value + quantile * error};
  }
  return medians;
}

// The draw whose estimate is the median, the lower one of two.
size_t MiddleOf(const std::vector<double>& by_repeat) {
  std::vector<size_t> order(by_repeat.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t draw) { return by_repeat[draw]; });
  return order[(order.size() - 1) / 2];
}

// Refuses before anything is done what one part at a time does not fit.
absl::Status CheckMemory(const Observations& observations, const AnalysisOptions& options,
                         int64_t memory_bytes) {
  const bool own_data = options.bootstrap > 0 || options.refute;
  const double data =
      8.0 * static_cast<double>(observations.size()) * static_cast<double>(observations.features());
  const auto needed = [&](EffectModelKind model, bool own) {
    return EstimateBytes(model, observations.size(), observations.features(), observations.arms,
                         RepeatsOf(options, observations.size()), 1, own) -
           data;
  };
  const double bytes = needed(options.model, own_data);
  if (bytes <= static_cast<double>(memory_bytes)) return absl::OkStatus();
  std::string advice = "give fewer rows or covariates";
  if (options.model != EffectModelKind::kLinear) {
    absl::StrAppendFormat(&advice, ", or --model linear (%.3g GB)",
                          needed(EffectModelKind::kLinear, own_data) / 1e9);
  } else if (own_data) {
    absl::StrAppendFormat(&advice, ", or leave out --bootstrap and --refute (%.3g GB)",
                          needed(options.model, false) / 1e9);
  }
  return absl::ResourceExhaustedError(absl::StrFormat(
      "%d rows of %d covariates need %.3g GB of memory beyond the table itself, and %.3g GB are "
      "free; %s",
      observations.size(), observations.features(), bytes / 1e9,
      static_cast<double>(memory_bytes) / 1e9, advice));
}

absl::Status TakeBootstrap(const std::vector<std::optional<std::vector<std::vector<Estimate>>>>& of,
                           const absl::Status& failure, const Observations& observations,
                           const AnalysisOptions& options, const EffectSpread& spread,
                           Analysis& analysis) {
  for (const auto& replicate : of) analysis.failed_replicates += !replicate.has_value();
  if (10 * analysis.failed_replicates > options.bootstrap) {
    return base::WithContext(failure,
                             absl::StrCat(analysis.failed_replicates, " of ", options.bootstrap,
                                          " bootstrap replicates failed, one so"));
  }
  const double factor = HalfSampleFactor(observations);
  const double z = IntervalQuantile(options.level,
                                    observations.cluster.empty() ? 0 : ClusterCount(observations));
  for (const Estimand estimand : {Estimand::kAte, Estimand::kAtt}) {
    for (int arm = 1; arm < observations.arms; ++arm) {
      std::vector<double> values;
      for (const auto& replicate : of) {
        if (!replicate) continue;
        values.push_back((*replicate)[estimand == Estimand::kAte ? 0 : 1][arm - 1].value);
      }
      const double error = factor * DeviationOf(values);
      const double value = analysis.Of(arm, estimand, options.estimator).value;
      analysis.bootstrap.push_back({arm, estimand, error, value - z * error, value + z * error});
    }
  }
  analysis.effect_error = spread.Errors(factor);
  return absl::OkStatus();
}

std::string VerdictOf(const RefutationRow& row) {
  const RefutationTest& test = row.test;
  const auto runs = static_cast<int>(row.runs.size());
  const std::string change = row.name == "placebo"         ? "arms shuffled"
                             : row.name == "dummy_outcome" ? "outcomes shuffled"
                             : row.name == "subset"        ? "four fifths of the data"
                                                           : "a covariate of noise more";
  const std::string off =
      row.off == 0
          ? std::string("the interval holds it")
          : absl::StrFormat("the interval is %.2g standard errors of the estimate off", row.off);
  std::string verdict;
  if (row.of_nothing) {
    verdict = row.holds ? "nothing is found where there is nothing"
                        : "an effect is found where there is none, so the estimate is not to be "
                          "trusted";
  } else {
    verdict = row.holds ? "the estimate stays" : "the estimate hangs on what should not matter";
  }
  return absl::StrFormat(
      "With %s, the mean of %d estimates is %.3g (%.3g to %.3g) where %s is right; %s: %s.", change,
      runs, test.mean, test.low, test.high, row.of_nothing ? "0" : "the estimate", off, verdict);
}

// estimates: [kind * kRefutationRuns + run][arm - 1].
absl::Status TakeRefutations(const std::vector<std::vector<Estimate>>& estimates,
                             const Observations& observations, const AnalysisOptions& options,
                             Analysis& analysis) {
  for (int arm = 1; arm < observations.arms; ++arm) {
    const Estimate& estimate = analysis.Of(arm, Estimand::kAte, options.estimator);
    for (size_t k = 0; k < std::size(kRefutations); ++k) {
      RefutationRow row = {.arm = arm,
                           .name = PartName(kRefutations[k]),
                           .of_nothing = kRefutations[k] == PartKind::kPlacebo ||
                                         kRefutations[k] == PartKind::kDummyOutcome};
      for (int r = 0; r < kRefutationRuns; ++r) {
        row.runs.push_back(estimates[k * kRefutationRuns + r][arm - 1]);
      }
      PERENNIAL_RETURN_IF_ERROR(Judge(estimate, options.level, row));
      analysis.refutations.push_back(std::move(row));
    }
  }
  return absl::OkStatus();
}

std::string Percent(double share) {
  return share < 0.1 ? absl::StrFormat("%.1f %%", 100 * share)
                     : absl::StrFormat("%.0f %%", 100 * share);
}

// Of all units.
void WarnOfSample(const Analysis& analysis, const Observations& observations, bool boosting,
                  std::vector<std::string>& warnings) {
  const auto n = static_cast<double>(observations.size());
  if (!observations.cluster.empty()) {
    std::vector<int32_t> clusters = observations.cluster;
    std::ranges::sort(clusters);
    const auto count = std::ranges::unique(clusters).begin() - clusters.begin();
    if (count < 20) {
      warnings.push_back(absl::StrCat("There are only ", count,
                                      " clusters: standard errors from so few are rough."));
    }
  }
  int64_t clipped = 0;
  for (int64_t i = 0; i < observations.size(); ++i) {
    bool at_edge = false;
    for (const std::vector<double>& e : analysis.out_of_fold.propensity) {
      at_edge = at_edge || e[i] <= kPropensityClip * (1 + 1e-9);
    }
    clipped += at_edge ? 1 : 0;
  }
  if (static_cast<double>(clipped) > kMostClipped * n) {
    warnings.push_back(absl::StrFormat(
        "%s of the units have a propensity below %g for an arm, which is taken as %g so that no "
        "weight is beyond %g: errors are then too small, and intervals not to be trusted.",
        Percent(static_cast<double>(clipped) / n), kPropensityClip, kPropensityClip,
        1 / kPropensityClip));
  }
  int64_t fewest = observations.size();
  for (const ArmOverlap& overlap : analysis.overlap) {
    fewest = std::min(fewest, overlap.inside.units);
  }
  if (boosting && fewest < kFewForBoosting) {
    warnings.push_back(absl::StrCat("An arm has ", fewest,
                                    " units: from so few, boosting leaves some of the confounding "
                                    "in the estimate. Compare --model linear."));
  }
}

// Of the units of an arm.
void WarnOfArm(const Analysis& analysis, const Observations& observations, int arm,
               const std::string& name, std::vector<std::string>& warnings) {
  const auto n = static_cast<double>(observations.size());
  const ArmOverlap& overlap = analysis.overlap[arm];
  if (overlap.inside.units < 50) {
    warnings.push_back(absl::StrCat("Arm \"", name, "\" has only ", overlap.inside.units,
                                    " units: its effects are rough, and errors may be larger "
                                    "than stated."));
  }
  double low = 0;
  for (const double p : analysis.out_of_fold.propensity[arm]) low += p < 0.05 ? 1 : 0;
  if (low / n > 0.01) {
    warnings.push_back(absl::StrCat(
        Percent(low / n), " of the units have a propensity below 0.05 for arm \"", name,
        "\": hardly any unit like them was in it, so that effects for them rest on the model "
        "alone.",
        arm > 0 ? " The effect on the treated (ATT) may be the better question."
                : " Of arms that are like nobody in control even the ATT is such a guess: leave "
                  "rows out that have no like in the other arm, and ask of the rest."));
  }
  if (overlap.effective_sample_size &&
      *overlap.effective_sample_size < 0.5 * static_cast<double>(overlap.inside.units)) {
    warnings.push_back(absl::StrFormat(
        "The weighted units of arm \"%s\" are worth %.0f of its %d: few units weigh much, and "
        "the estimates hang on them.",
        name, *overlap.effective_sample_size, overlap.inside.units));
  }
  if (observations.binary_outcome) {
    int64_t ones = 0;
    for (int64_t i = 0; i < observations.size(); ++i) {
      ones += observations.treatment[i] == arm && observations.outcome[i] == 1 ? 1 : 0;
    }
    const int64_t rarer = std::min(ones, analysis.overlap[arm].inside.units - ones);
    if (rarer < kFewEvents) {
      warnings.push_back(absl::StrCat(
          "Arm \"", name, "\" has the rarer outcome only ", rarer, rarer == 1 ? " time" : " times",
          ": intervals lean on many events, and are too narrow or too wide with so few."));
    }
  }
}

// Of an arm against control.
void WarnOfContrast(const Analysis& analysis, const Observations& observations,
                    const ArmDiagnostics& of_arm, const std::string& name,
                    const AnalysisOptions& options, std::vector<std::string>& warnings) {
  const bool boosting = options.model == EffectModelKind::kBoosting;
  const Calibration& calibration = analysis.calibration[of_arm.arm];
  // Where weights are nearly equal, as by lot, there is no slope to speak of.
  const auto light = [&](int arm) {
    const ArmOverlap& overlap = analysis.overlap[arm];
    return overlap.effective_sample_size &&
           *overlap.effective_sample_size <
               kEqualWeights * static_cast<double>(overlap.inside.units);
  };
  if ((light(0) || light(of_arm.arm)) && calibration.slope &&
      (*calibration.slope < 0.7 || *calibration.slope > 1.5)) {
    warnings.push_back(absl::StrFormat(
        "Propensities for arm \"%s\" %s (calibration slope %.2f, should be near 1): weights "
        "may be off%s.",
        name,
        *calibration.slope <= 0  ? "do not follow who was in it"
        : *calibration.slope < 1 ? "are too extreme"
                                 : "are too cautious",
        *calibration.slope, boosting ? "; --model linear may predict them better" : ""));
  }
  if (const BalanceSummary balance = SummaryOf(of_arm.after); balance.unbalanced > 0) {
    const Balance& worst = of_arm.after[balance.worst];
    warnings.push_back(absl::StrFormat(
        "After weighting, %d of %d covariates still %s between arm \"%s\" and control by "
        "more than %g standard deviations, most of all \"%s\" (%s)%s.",
        balance.unbalanced, of_arm.after.size(), balance.unbalanced == 1 ? "differs" : "differ",
        name, kBalancedDifference, observations.covariate_names[balance.worst],
        worst.standardized_difference ? absl::StrFormat("%.2f", DifferenceOf(worst))
                                      : absl::StrFormat("%.4g against %.4g, without variation",
                                                        worst.treated_mean, worst.control_mean),
        boosting ? "; --model linear may weight them better" : ""));
  }
  const Estimate& estimate = analysis.Of(of_arm.arm, Estimand::kAte, options.estimator);
  if (of_arm.by_repeat.size() > 1) {
    // The error of a median.
    const double chance = 1.25 * DeviationOf(of_arm.by_repeat) /
                          std::sqrt(static_cast<double>(of_arm.by_repeat.size()));
    if (chance > kMostChance * estimate.standard_error) {
      warnings.push_back(absl::StrFormat(
          "The ATE of arm \"%s\" may move by %.2g with another --seed, which draws other folds: "
          "give more --repeats.",
          name, chance));
    }
  }
  const Estimate& excess = of_arm.effect_loss.back().excess;
  if (excess.low > 0 &&
      std::sqrt(excess.value) > kMostOffOfUnits * DeviationOf(observations.outcome)) {
    warnings.push_back(absl::StrFormat(
        "Effects predicted for units, of arm \"%s\", are further from the truth than one effect "
        "for all: read the average, not them (excess of the mean squared error %.3g, %.3g to "
        "%.3g).",
        name, excess.value, excess.low, excess.high));
  }
  const bool beyond = estimate.low > 0 || estimate.high < 0;
  if (beyond && of_arm.critical_lambda < 1.2) {
    warnings.push_back(absl::StrFormat(
        "A hidden confounder that changes the odds of arm \"%s\" by a factor of %.2f would be "
        "enough for an effect of 0, and one of %.2f for an interval that holds 0.",
        name, of_arm.critical_lambda, of_arm.critical_lambda_limit));
  }
}

}  // namespace

absl::Status Judge(const Estimate& estimate, double level, RefutationRow& row) {
  std::vector<double> values;
  for (const Estimate& run : row.runs) values.push_back(run.value);
  const double right = row.of_nothing ? 0 : estimate.value;
  PERENNIAL_ASSIGN_OR_RETURN(row.test, TestOfMean(values, right, level));
  const double away = std::max({row.test.low - right, right - row.test.high, 0.0});
  row.off = away == 0 ? 0 : away / estimate.standard_error;
  row.holds = row.off <= kMostOff;
  row.verdict = VerdictOf(row);
  return absl::OkStatus();
}

absl::string_view EstimatorName(const EffectEstimator& estimator) {
  if (const auto* const baseline = std::get_if<Baseline>(&estimator)) {
    return BaselineName(*baseline);
  }
  switch (std::get<EffectMethod>(estimator)) {
    case EffectMethod::kPlugIn:
      return "plug_in";
    case EffectMethod::kHorvitzThompson:
      return "horvitz_thompson";
    case EffectMethod::kHajek:
      return "hajek";
    case EffectMethod::kAipw:
      return "aipw";
    case EffectMethod::kTmle:
      break;
  }
  return "tmle";
}

bool EffectRow::error_known() const {
  return estimator != EffectEstimator(EffectMethod::kPlugIn) &&
         std::isfinite(estimate.standard_error);
}

int RepeatsOf(const AnalysisOptions& options, int64_t units) {
  if (options.repeats > 0) return options.repeats;
  return units <= kFewUnits ? kRepeatsOfFew : 1;
}

const Estimate& Analysis::Of(int arm, Estimand estimand, const EffectEstimator& estimator) const {
  const auto row = std::ranges::find_if(effects, [&](const EffectRow& effect) {
    return effect.arm == arm && effect.estimand == estimand && effect.estimator == estimator;
  });
  CHECK(row != effects.end());
  return row->estimate;
}

absl::Status CheckAnalysis(const Observations& observations, const AnalysisOptions& options,
                           int64_t memory_bytes, std::span<const std::string> arms) {
  PERENNIAL_RETURN_IF_ERROR(Validate(observations));
  PERENNIAL_RETURN_IF_ERROR(CheckOptions(observations, options));
  PERENNIAL_RETURN_IF_ERROR(FoldsOf(observations, options, arms).status());
  PERENNIAL_RETURN_IF_ERROR(
      CheckDraws(observations, options.folds, options.bootstrap > 0, options.refute, arms));
  return CheckMemory(observations, options, memory_bytes);
}

absl::StatusOr<Analysis> Analyze(const Observations& observations, const AnalysisOptions& options,
                                 const AnalysisRun& run) {
  PERENNIAL_RETURN_IF_ERROR(CheckAnalysis(observations, options, run.memory_bytes, run.arms));
  const random::Stream stream = StreamOf(options);
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::vector<int32_t>> fold_of,
                             FoldsOf(observations, options, run.arms));
  const PartSetting setting = {.observations = observations,
                               .fold_of = fold_of,
                               .model = options.model,
                               .estimator = options.estimator,
                               .folds = options.folds,
                               .level = options.level,
                               .stream = stream,
                               .stop = run.stop,
                               .arms = run.arms};
  PartRunner runner(setting, run);
  runner.Add(PartKind::kFold, static_cast<int>(fold_of.size()) * options.folds);
  runner.Add(PartKind::kModel, 1);
  runner.Add(PartKind::kReplicate, options.bootstrap);
  for (const PartKind kind : kRefutations) runner.Add(kind, options.refute ? kRefutationRuns : 0);

  Analysis analysis;
  std::vector<Predictions> draws(fold_of.size());
  PERENNIAL_RETURN_IF_ERROR(runner.Run(
      {PartKind::kFold, PartKind::kModel},
      [&](int64_t, EstimatePart& part) {
        PartResult result = part.TakeResult();
        if (part.kind() == PartKind::kModel) {
          analysis.model = std::move(result.model);
        } else {
          const int draw = part.index() / options.folds;
          ScatterFold(result.predictions, fold_of[draw], part.index() % options.folds, draws[draw]);
        }
      },
      [](EstimatePart&, const absl::Status& error) { return error; }));
  std::vector<std::vector<EffectRow>> by_repeat;
  std::vector<std::vector<double>> ates(observations.arms);  // [arm][repeats]
  for (const Predictions& draw : draws) {
    PERENNIAL_ASSIGN_OR_RETURN(by_repeat.emplace_back(), EffectsOf(observations, draw, options));
    for (const EffectRow& row : by_repeat.back()) {
      if (row.estimand == Estimand::kAte && row.estimator == EffectEstimator(options.estimator)) {
        ates[row.arm].push_back(row.estimate.value);
      }
    }
  }
  PERENNIAL_ASSIGN_OR_RETURN(analysis.effects, BaselinesOf(observations, options.level));
  std::ranges::copy(MedianOver(by_repeat), std::back_inserter(analysis.effects));
  const size_t middle = MiddleOf(ates[1]);
  analysis.out_of_fold = std::move(draws[middle]);
  PERENNIAL_ASSIGN_OR_RETURN(analysis.predictions, analysis.model->Predict(observations.x()));
  PERENNIAL_RETURN_IF_ERROR(
      TakeDiagnostics(observations, options, fold_of[middle], stream, analysis));
  for (ArmDiagnostics& of_arm : analysis.diagnostics) of_arm.by_repeat = ates[of_arm.arm];

  std::vector<std::optional<std::vector<std::vector<Estimate>>>> replicates(options.bootstrap);
  EffectSpread spread(options.bootstrap > 0 ? observations.arms - 1 : 0, observations.size());
  std::vector<std::vector<Estimate>> refutations(std::size(kRefutations) * kRefutationRuns);
  absl::Status failure;
  std::vector<PartKind> kinds = {PartKind::kReplicate};
  kinds.insert(kinds.end(), std::begin(kRefutations), std::end(kRefutations));
  PERENNIAL_RETURN_IF_ERROR(runner.Run(
      kinds,
      [&](int64_t, EstimatePart& part) {
        PartResult result = part.TakeResult();
        if (part.kind() == PartKind::kReplicate) {
          replicates[part.index()] = std::move(result.average);
          spread.Take(part.index(), std::move(result.effect));
        } else {
          const auto kind = std::ranges::find(kRefutations, part.kind()) - kRefutations;
          refutations[kind * kRefutationRuns + part.index()] = std::move(result.average[0]);
        }
      },
      [&](EstimatePart& part, const absl::Status& error) {
        if (part.kind() != PartKind::kReplicate) {
          return base::WithContext(error, PartName(part.kind()));
        }
        failure = error;
        spread.Take(part.index(), {});
        return absl::OkStatus();
      }));
  if (options.bootstrap > 0) {
    PERENNIAL_RETURN_IF_ERROR(
        TakeBootstrap(replicates, failure, observations, options, spread, analysis));
  }
  if (options.refute) {
    PERENNIAL_RETURN_IF_ERROR(TakeRefutations(refutations, observations, options, analysis));
  }
  return analysis;
}

std::vector<std::string> WarningsOf(const Analysis& analysis, const Observations& observations,
                                    const std::vector<std::string>& arms,
                                    const AnalysisOptions& options) {
  const bool boosting = options.model == EffectModelKind::kBoosting;
  std::vector<std::string> warnings;
  WarnOfSample(analysis, observations, boosting, warnings);
  for (int arm = 0; arm < observations.arms; ++arm) {
    WarnOfArm(analysis, observations, arm, arms[arm], warnings);
  }
  for (const ArmDiagnostics& of_arm : analysis.diagnostics) {
    WarnOfContrast(analysis, observations, of_arm, arms[of_arm.arm], options, warnings);
  }
  if (analysis.failed_replicates > 0) {
    warnings.push_back(absl::StrCat(analysis.failed_replicates, " of ", options.bootstrap,
                                    " bootstrap replicates failed and are left out."));
  }
  for (const RefutationRow& row : analysis.refutations) {
    if (row.holds) continue;
    warnings.push_back(absl::StrCat("The refutation ", row.name, " of arm \"", arms[row.arm],
                                    "\" fails. ", row.verdict));
  }
  return warnings;
}

}  // namespace perennial::causal
