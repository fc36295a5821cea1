#include "causal/estimation/analysis.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <span>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "causal/models/cross_fit.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/stats/robust.h"

namespace perennial::causal {
namespace {

constexpr int kRefutationRuns = 5;
constexpr double kSubset = 0.8;

// Work [0, count) on some threads; the error of the least index.
absl::Status ForEach(int count, int threads, const std::function<absl::Status(int)>& work) {
  std::vector<absl::Status> statuses(count);
  std::atomic<int> next = 0;
  const auto loop = [&] {
    for (int i = next++; i < count; i = next++) statuses[i] = work(i);
  };
  std::vector<std::thread> others;
  for (int t = 1; t < std::min(threads, count); ++t) others.emplace_back(loop);
  loop();
  for (std::thread& other : others) other.join();
  for (const absl::Status& status : statuses) PERENNIAL_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

absl::StatusOr<Predictions> OutOfFold(const Observations& observations,
                                      const AnalysisOptions& options, const random::Stream& stream,
                                      const std::function<void(int)>& fold_done = {}) {
  PERENNIAL_ASSIGN_OR_RETURN(const ModelFactory factory,
                             EffectModelFactory(options.model, observations.size()));
  FitData data = {.observations = observations, .stream = stream};
  data.observations.truth.reset();
  PERENNIAL_ASSIGN_OR_RETURN(const auto cross_fit,
                             CrossFit::Create(factory, std::move(data), options.folds));
  for (int fold = 0; fold < options.folds; ++fold) {
    PERENNIAL_RETURN_IF_ERROR(cross_fit->Advance(cross_fit->steps() / options.folds));
    if (fold_done) fold_done(fold);
  }
  return cross_fit->out_of_fold();
}

// The difference of means of an arm and control, as an estimate of both estimands.
absl::StatusOr<Estimate> NaiveDifference(const Observations& observations, int arm, double level) {
  const int64_t n = observations.size();
  double sum[2] = {};
  double units[2] = {};
  for (int64_t i = 0; i < n; ++i) {
    const int32_t own = observations.treatment[i];
    if (own != 0 && own != arm) continue;
    sum[own == arm] += observations.outcome[i];
    ++units[own == arm];
  }
  std::vector<double> influence(n);
  for (int64_t i = 0; i < n; ++i) {
    const int32_t own = observations.treatment[i];
    if (own != 0 && own != arm) continue;
    const int side = own == arm ? 1 : 0;
    influence[i] = (side == 1 ? 1 : -1) * static_cast<double>(n) / units[side] *
                   (observations.outcome[i] - sum[side] / units[side]);
  }
  return EstimateFromInfluence(sum[1] / units[1] - sum[0] / units[0], influence,
                               observations.cluster, level);
}

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

absl::Status TakeEffects(const Observations& observations, const AnalysisOptions& options,
                         Analysis& analysis) {
  for (const Estimand estimand : {Estimand::kAte, Estimand::kAtt}) {
    for (int arm = 1; arm < observations.arms; ++arm) {
      PERENNIAL_ASSIGN_OR_RETURN(const Estimate naive,
                                 NaiveDifference(observations, arm, options.level));
      analysis.effects.push_back({arm, estimand, std::nullopt, naive});
    }
    for (const EffectMethod method :
         {EffectMethod::kPlugIn, EffectMethod::kHajek, EffectMethod::kAipw, EffectMethod::kTmle}) {
      const absl::StatusOr<std::vector<Estimate>> estimates =
          EstimatesOf(observations, analysis.out_of_fold, method, estimand, options.level);
      if (!estimates.ok()) return base::WithContext(estimates.status(), EstimatorName(method));
      for (int arm = 1; arm < observations.arms; ++arm) {
        analysis.effects.push_back({arm, estimand, method, (*estimates)[arm - 1]});
      }
    }
  }
  return absl::OkStatus();
}

double DeviationOf(std::span<const double> values) {
  double mean = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

absl::Status TakeDiagnostics(const Observations& observations, const AnalysisOptions& options,
                             const random::Stream& stream, Analysis& analysis) {
  const auto& propensity = analysis.out_of_fold.propensity;
  PERENNIAL_ASSIGN_OR_RETURN(analysis.overlap, OverlapOf(observations.treatment, propensity));
  std::vector<uint8_t> is_arm(observations.size());
  for (int arm = 0; arm < observations.arms; ++arm) {
    for (size_t i = 0; i < is_arm.size(); ++i) is_arm[i] = observations.treatment[i] == arm;
    PERENNIAL_ASSIGN_OR_RETURN(Calibration calibration, CalibrationOf(propensity[arm], is_arm));
    analysis.calibration.push_back(std::move(calibration));
  }
  const Sample sample = SampleOf(observations);
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
        of_arm.e_value, EValueOfDifference(analysis.Of(arm, Estimand::kAte, options.estimator),
                                           DeviationOf(observations.outcome)));
    PERENNIAL_ASSIGN_OR_RETURN(
        of_arm.bounds, HajekBounds(sample, propensity, arm, Estimand::kAte, options.sensitivity));
    PERENNIAL_ASSIGN_OR_RETURN(of_arm.critical_lambda,
                               HajekCriticalLambda(sample, propensity, arm, Estimand::kAte));
    PERENNIAL_ASSIGN_OR_RETURN(const std::vector<double> scores,
                               AipwScores(sample, analysis.out_of_fold, arm));
    const std::vector<double>& effect = analysis.out_of_fold.effect[arm - 1];
    PERENNIAL_ASSIGN_OR_RETURN(
        of_arm.policy, PolicyValueOf(effect, scores, observations.cluster, 0, options.level));
    PERENNIAL_ASSIGN_OR_RETURN(
        of_arm.rate, RateOf(effect, scores, observations.cluster, {.level = options.level},
                            stream.Split("rate").Split(static_cast<uint64_t>(arm))));
    analysis.diagnostics.push_back(std::move(of_arm));
  }
  return absl::OkStatus();
}

struct Replicate {
  // [estimand][arm - 1]
  std::vector<std::vector<Estimate>> average;
  std::vector<std::vector<double>> effect;  // [arms - 1][n]
};

absl::StatusOr<Replicate> RunReplicate(const Observations& observations,
                                       const AnalysisOptions& options,
                                       const random::Stream& stream) {
  const Observations sample = BootstrapSample(observations, stream.Split("draw"));
  Replicate replicate;
  PERENNIAL_ASSIGN_OR_RETURN(const Predictions nuisances,
                             OutOfFold(sample, options, stream.Split("cross_fit")));
  for (const Estimand estimand : {Estimand::kAte, Estimand::kAtt}) {
    PERENNIAL_ASSIGN_OR_RETURN(
        auto estimates, EstimatesOf(sample, nuisances, options.estimator, estimand, options.level));
    replicate.average.push_back(std::move(estimates));
  }
  PERENNIAL_ASSIGN_OR_RETURN(const EffectModel model,
                             EffectModel::Fit(options.model, sample, stream.Split("model")));
  PERENNIAL_ASSIGN_OR_RETURN(Predictions predictions, model.Predict(observations.x()));
  replicate.effect = std::move(predictions.effect);
  return replicate;
}

// Means and squares of units' effects, taken in the order of the replicates, whichever ends first.
class EffectSpread {
 public:
  EffectSpread(int contrasts, int64_t units)
      : mean_(contrasts, std::vector<double>(units)), squares_(mean_) {}

  // Empty for one that failed.
  void Take(int replicate, std::vector<std::vector<double>> effect) {
    waiting_.emplace(replicate, std::move(effect));
    for (auto first = waiting_.begin(); first != waiting_.end() && first->first == next_;
         first = waiting_.erase(first), ++next_) {
      if (first->second.empty()) continue;
      ++count_;
      for (size_t a = 0; a < mean_.size(); ++a) {
        for (size_t i = 0; i < mean_[a].size(); ++i) {
          const double distance = first->second[a][i] - mean_[a][i];
          mean_[a][i] += distance / static_cast<double>(count_);
          squares_[a][i] += distance * (first->second[a][i] - mean_[a][i]);
        }
      }
    }
  }
  std::vector<std::vector<double>> Deviations() const {
    std::vector<std::vector<double>> deviations = squares_;
    for (std::vector<double>& of_arm : deviations) {
      for (double& value : of_arm) value = std::sqrt(value / static_cast<double>(count_ - 1));
    }
    return deviations;
  }

 private:
  std::vector<std::vector<double>> mean_;
  std::vector<std::vector<double>> squares_;
  std::map<int, std::vector<std::vector<double>>> waiting_;
  int next_ = 0;
  int count_ = 0;
};

absl::Status TakeBootstrap(const Observations& observations, const AnalysisOptions& options,
                           const AnalysisRun& run, const random::Stream& stream,
                           Analysis& analysis) {
  std::mutex mutex;
  std::vector<std::optional<Replicate>> replicates(options.bootstrap);
  EffectSpread spread(observations.arms - 1, observations.size());
  absl::Status failure;
  int done = 0;
  PERENNIAL_RETURN_IF_ERROR(ForEach(options.bootstrap, run.threads, [&](int r) {
    absl::StatusOr<Replicate> replicate =
        RunReplicate(observations, options, stream.Split(static_cast<uint64_t>(r)));
    const std::lock_guard lock(mutex);
    if (!replicate.ok()) failure = replicate.status();
    spread.Take(r,
                replicate.ok() ? std::move(replicate->effect) : std::vector<std::vector<double>>());
    if (replicate.ok()) replicates[r] = *std::move(replicate);
    if (++done % std::max(1, options.bootstrap / 10) == 0) {
      run.progress(absl::StrCat("bootstrap: ", done, " of ", options.bootstrap, " replicates"));
    }
    return absl::OkStatus();
  }));
  for (const auto& replicate : replicates) analysis.failed_replicates += !replicate.has_value();
  if (10 * analysis.failed_replicates > options.bootstrap) {
    return base::WithContext(failure,
                             absl::StrCat(analysis.failed_replicates, " of ", options.bootstrap,
                                          " bootstrap replicates failed, one so"));
  }
  for (const Estimand estimand : {Estimand::kAte, Estimand::kAtt}) {
    for (int arm = 1; arm < observations.arms; ++arm) {
      std::vector<double> values;
      for (const auto& replicate : replicates) {
        if (!replicate) continue;
        values.push_back(replicate->average[estimand == Estimand::kAte ? 0 : 1][arm - 1].value);
      }
      std::ranges::sort(values);
      const double tail = (1 - options.level) / 2;
      analysis.bootstrap.push_back({arm, estimand, DeviationOf(values),
                                    stats::QuantileOfSorted(values, tail),
                                    stats::QuantileOfSorted(values, 1 - tail)});
    }
  }
  analysis.effect_error = spread.Deviations();
  return absl::OkStatus();
}

constexpr const char* kRefutations[] = {"placebo", "dummy_outcome", "random_cause", "subset"};

// What a refutation changes.
Observations Refuted(const Observations& observations, int refutation, random::Stream stream) {
  Observations changed = observations;
  const int64_t n = observations.size();
  switch (refutation) {
    case 0:
      stream.Shuffle(std::span<int32_t>(changed.treatment));
      break;
    case 1:
      stream.Shuffle(std::span<double>(changed.outcome));
      break;
    case 2: {
      const int64_t p = observations.features();
      changed.covariates.clear();
      changed.covariate_names.emplace_back("random cause");
      for (int64_t i = 0; i < n; ++i) {
        const double* row = observations.x().row(i);
        changed.covariates.insert(changed.covariates.end(), row, row + p);
        changed.covariates.push_back(stream.Normal());
      }
      break;
    }
    default: {
      std::vector<int32_t> rows =
          stream.Sample(static_cast<int32_t>(n),
                        static_cast<int32_t>(std::ceil(kSubset * static_cast<double>(n))));
      std::ranges::sort(rows);
      changed = Select(observations, rows);
    }
  }
  return changed;
}

absl::Status TakeRefutations(const Observations& observations, const AnalysisOptions& options,
                             const AnalysisRun& run, const random::Stream& stream,
                             Analysis& analysis) {
  constexpr int kKinds = std::size(kRefutations);
  std::mutex mutex;
  int done = 0;
  std::vector<std::vector<Estimate>> estimates(kKinds * kRefutationRuns);  // [run][arm - 1]
  PERENNIAL_RETURN_IF_ERROR(
      ForEach(kKinds * kRefutationRuns, run.threads, [&](int index) -> absl::Status {
        const int kind = index / kRefutationRuns;
        const random::Stream own =
            stream.Split(kRefutations[kind]).Split(static_cast<uint64_t>(index % kRefutationRuns));
        const Observations changed = Refuted(observations, kind, own.Split("change"));
        const absl::StatusOr<Predictions> nuisances = OutOfFold(changed, options, own);
        if (!nuisances.ok()) return base::WithContext(nuisances.status(), kRefutations[kind]);
        PERENNIAL_ASSIGN_OR_RETURN(
            estimates[index],
            EstimatesOf(changed, *nuisances, options.estimator, Estimand::kAte, options.level));
        const std::lock_guard lock(mutex);
        if (++done % kRefutationRuns == 0) {
          run.progress(
              absl::StrCat("refutations: ", done, " of ", kKinds * kRefutationRuns, " runs"));
        }
        return absl::OkStatus();
      }));
  for (int arm = 1; arm < observations.arms; ++arm) {
    const Estimate& estimate = analysis.Of(arm, Estimand::kAte, options.estimator);
    for (int kind = 0; kind < kKinds; ++kind) {
      RefutationRow row = {.arm = arm, .name = kRefutations[kind], .mean = 0};
      int missed = 0;
      for (int r = 0; r < kRefutationRuns; ++r) {
        const Estimate& of_run = estimates[kind * kRefutationRuns + r][arm - 1];
        row.runs.push_back(of_run);
        row.mean += of_run.value / kRefutationRuns;
        missed += of_run.low > 0 || of_run.high < 0 ? 1 : 0;
      }
      row.holds =
          kind < 2 ? missed <= 1 : std::abs(row.mean - estimate.value) <= estimate.standard_error;
      analysis.refutations.push_back(std::move(row));
    }
  }
  return absl::OkStatus();
}

std::string Percent(double share) {
  return share < 0.1 ? absl::StrFormat("%.1f %%", 100 * share)
                     : absl::StrFormat("%.0f %%", 100 * share);
}

}  // namespace

absl::string_view EstimatorName(std::optional<EffectMethod> method) {
  if (!method) return "naive";
  switch (*method) {
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

const Estimate& Analysis::Of(int arm, Estimand estimand, std::optional<EffectMethod> method) const {
  const auto row = std::ranges::find_if(effects, [&](const EffectRow& effect) {
    return effect.arm == arm && effect.estimand == estimand && effect.method == method;
  });
  CHECK(row != effects.end());
  return row->estimate;
}

Observations BootstrapSample(const Observations& observations, random::Stream stream) {
  std::vector<std::vector<int32_t>> groups;
  for (int32_t i = 0; i < observations.size(); ++i) {
    const auto group =
        static_cast<size_t>(observations.cluster.empty() ? i : observations.cluster[i]);
    if (group >= groups.size()) groups.resize(group + 1);
    groups[group].push_back(i);
  }
  std::erase_if(groups, [](const std::vector<int32_t>& group) { return group.empty(); });
  std::vector<int32_t> rows;
  std::vector<int32_t> cluster;
  for (size_t draw = 0; draw < groups.size(); ++draw) {
    const uint64_t group = stream.Below(groups.size());
    for (const int32_t row : groups[group]) {
      rows.push_back(row);
      cluster.push_back(static_cast<int32_t>(group));
    }
  }
  Observations resampled = Select(observations, rows);
  resampled.cluster = std::move(cluster);
  return resampled;
}

absl::StatusOr<Analysis> Analyze(const Observations& observations, const AnalysisOptions& options,
                                 const AnalysisRun& run) {
  PERENNIAL_RETURN_IF_ERROR(Validate(observations));
  PERENNIAL_RETURN_IF_ERROR(CheckOptions(observations, options));
  const random::Stream stream = random::Stream(options.seed).Split("estimate");
  Analysis analysis;
  PERENNIAL_ASSIGN_OR_RETURN(
      analysis.out_of_fold,
      OutOfFold(observations, options, stream.Split("cross_fit"), [&](int fold) {
        run.progress(absl::StrCat("cross-fitting: fold ", fold + 1, " of ", options.folds));
      }));
  PERENNIAL_RETURN_IF_ERROR(TakeEffects(observations, options, analysis));
  run.progress("fitting the model to all units");
  PERENNIAL_ASSIGN_OR_RETURN(EffectModel model,
                             EffectModel::Fit(options.model, observations, stream.Split("model")));
  PERENNIAL_ASSIGN_OR_RETURN(analysis.predictions, model.Predict(observations.x()));
  analysis.model = std::make_shared<const EffectModel>(std::move(model));
  PERENNIAL_RETURN_IF_ERROR(TakeDiagnostics(observations, options, stream, analysis));
  if (options.bootstrap > 0) {
    PERENNIAL_RETURN_IF_ERROR(
        TakeBootstrap(observations, options, run, stream.Split("bootstrap"), analysis));
  }
  if (options.refute) {
    PERENNIAL_RETURN_IF_ERROR(
        TakeRefutations(observations, options, run, stream.Split("refutation"), analysis));
  }
  return analysis;
}

std::vector<std::string> WarningsOf(const Analysis& analysis, const Observations& observations,
                                    const std::vector<std::string>& arms,
                                    const AnalysisOptions& options) {
  std::vector<std::string> warnings;
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
  for (int arm = 0; arm < observations.arms; ++arm) {
    const ArmOverlap& overlap = analysis.overlap[arm];
    if (overlap.inside.units < 50) {
      warnings.push_back(absl::StrCat("Arm \"", arms[arm], "\" has only ", overlap.inside.units,
                                      " units: its effects are rough, and errors may be larger "
                                      "than stated."));
    }
    double low = 0;
    for (const double p : analysis.out_of_fold.propensity[arm]) low += p < 0.05 ? 1 : 0;
    if (low / n > 0.01) {
      warnings.push_back(absl::StrCat(
          Percent(low / n), " of the units have a propensity below 0.05 for arm \"", arms[arm],
          "\": hardly any unit like them was in it, so that effects for them rest on the model "
          "alone. An effect of the treated, or of fewer units, may be the better question."));
    }
    if (overlap.effective_sample_size &&
        *overlap.effective_sample_size < 0.5 * static_cast<double>(overlap.inside.units)) {
      warnings.push_back(absl::StrFormat(
          "The weighted units of arm \"%s\" are worth %.0f of its %d: few units weigh much, and "
          "the estimates hang on them.",
          arms[arm], *overlap.effective_sample_size, overlap.inside.units));
    }
  }
  for (const ArmDiagnostics& of_arm : analysis.diagnostics) {
    const Calibration& calibration = analysis.calibration[of_arm.arm];
    // Propensities that hardly differ have weights that hardly do, and no slope to speak of.
    const double spread = DeviationOf(analysis.out_of_fold.propensity[of_arm.arm]);
    if (spread > 0.05 && calibration.slope &&
        (*calibration.slope < 0.7 || *calibration.slope > 1.5)) {
      warnings.push_back(absl::StrFormat(
          "Propensities for arm \"%s\" are %s (calibration slope %.2f, should be near 1): weights "
          "may be off; --model linear may predict them better.",
          arms[of_arm.arm], *calibration.slope < 1 ? "too extreme" : "too cautious",
          *calibration.slope));
    }
    int unbalanced = 0;
    size_t worst = 0;
    double largest = 0;
    for (size_t j = 0; j < of_arm.after.size(); ++j) {
      const double difference = std::abs(of_arm.after[j].standardized_difference.value_or(0));
      unbalanced += difference > 0.1 ? 1 : 0;
      if (difference > largest) {
        largest = difference;
        worst = j;
      }
    }
    if (unbalanced > 0) {
      warnings.push_back(absl::StrFormat(
          "After weighting, %d of %d covariates still %s between arm \"%s\" and control by "
          "more than 0.1 standard deviations, most of all \"%s\" (%.2f).",
          unbalanced, static_cast<int>(of_arm.after.size()), unbalanced == 1 ? "differs" : "differ",
          arms[of_arm.arm], observations.covariate_names[worst], largest));
    }
    const Estimate& estimate = analysis.Of(of_arm.arm, Estimand::kAte, options.estimator);
    const bool beyond = estimate.low > 0 || estimate.high < 0;
    if (beyond && of_arm.critical_lambda < 1.2) {
      warnings.push_back(absl::StrFormat(
          "A hidden confounder that changes the odds of arm \"%s\" by a factor of %.2f would be "
          "enough for an effect of 0.",
          arms[of_arm.arm], of_arm.critical_lambda));
    }
  }
  if (analysis.failed_replicates > 0) {
    warnings.push_back(absl::StrCat(analysis.failed_replicates, " of ", options.bootstrap,
                                    " bootstrap replicates failed and are left out."));
  }
  for (const RefutationRow& row : analysis.refutations) {
    if (row.holds) continue;
    warnings.push_back(absl::StrFormat(
        "The refutation %s of arm \"%s\" fails: its estimates have the mean %.4g%s.", row.name,
        arms[row.arm], row.mean,
        row.name == "placebo" || row.name == "dummy_outcome" ? " where 0 is right" : ""));
  }
  return warnings;
}

}  // namespace perennial::causal
