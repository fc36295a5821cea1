#include "causal/estimators/baselines.h"

#include <cmath>
#include <cstddef>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

// Of each arm.
using ArmFits = std::vector<LinearFit>;
using FitArms = std::function<absl::StatusOr<ArmFits>(const Observations& observations)>;

LinearFit ConstantFit(const Observations& observations, double value) {
  const size_t p = static_cast<size_t>(observations.features());
  return {.center = std::vector<double>(p), .coefficients = std::vector<double>(p), .mean = value};
}

absl::StatusOr<ArmFits> FitNull(const Observations& observations) {
  double sum = 0;
  for (const double y : observations.outcome) sum += y;
  return ArmFits(observations.arms,
                 ConstantFit(observations, sum / static_cast<double>(observations.size())));
}

absl::StatusOr<ArmFits> FitNaive(const Observations& observations) {
  ArmFits fits;
  for (int32_t arm = 0; arm < observations.arms; ++arm) {
    double sum = 0;
    const std::vector<int32_t> units = UnitsOf(observations, arm);
    for (const int32_t i : units) sum += observations.outcome[i];
    fits.push_back(ConstantFit(observations, sum / static_cast<double>(units.size())));
  }
  return fits;
}

absl::StatusOr<ArmFits> FitOne(const Observations& observations, const RidgeOptions& options) {
  const int64_t p = observations.features();
  const int64_t width = p + observations.arms - 1;
  const std::vector<double> design = WithIndicators(observations);
  PERENNIAL_ASSIGN_OR_RETURN(const LinearFit fit,
                             FitRidge({design.data(), observations.size(), width, width},
                                      observations.outcome, {}, options, observations.cluster));
  ArmFits fits;
  for (int32_t arm = 0; arm < observations.arms; ++arm) {
    LinearFit& own = fits.emplace_back(fit);
    for (int64_t j = p; j < width; ++j) {
      own.mean += fit.coefficients[j] * ((j - p + 1 == arm ? 1 : 0) - fit.center[j]);
    }
    own.center.resize(p);
    own.coefficients.resize(p);
  }
  return fits;
}

absl::StatusOr<ArmFits> FitEach(const Observations& observations, const RidgeOptions& options) {
  ArmFits fits;
  for (int32_t arm = 0; arm < observations.arms; ++arm) {
    const Observations own = Select(observations, UnitsOf(observations, arm));
    absl::StatusOr<LinearFit> fit = FitRidge(own.x(), own.outcome, {}, options, own.cluster);
    if (!fit.ok()) return base::WithContext(fit.status(), absl::StrCat("arm ", arm));
    fits.push_back(*std::move(fit));
  }
  return fits;
}

class LinearModel : public ModelFit {
 public:
  LinearModel(Observations observations, FitArms fit_arms, bool standard_errors)
      : observations_(std::move(observations)),
        fit_arms_(std::move(fit_arms)),
        standard_errors_(standard_errors) {}

  int64_t steps() const override { return 1; }
  int64_t steps_done() const override { return fits_.empty() ? 0 : 1; }

  absl::Status Advance(int64_t steps) override {
    if (steps <= 0 || !fits_.empty()) return absl::OkStatus();
    PERENNIAL_ASSIGN_OR_RETURN(fits_, fit_arms_(observations_));
    return absl::OkStatus();
  }

  absl::StatusOr<Predictions> Predict(kernels::MatrixView<const double> x) const override {
    CHECK(!fits_.empty()) << "asked before the last step";
    if (x.columns != observations_.features()) {
      return absl::InvalidArgumentError(absl::StrCat("the units have ", x.columns,
                                                     " covariates, the model was fitted to ",
                                                     observations_.features()));
    }
    Predictions predictions;
    for (const LinearFit& fit : fits_) {
      std::vector<double>& outcome = predictions.outcome.emplace_back(x.rows);
      for (int64_t i = 0; i < x.rows; ++i) outcome[i] = fit.Predict(x.row(i));
    }
    SetEffects(predictions);
    if (standard_errors_) SetErrors(x, predictions);
    return predictions;
  }

  absl::Status Save(absl::string_view prefix, record::SafetensorsWriter& writer) const override {
    const int64_t done = steps_done();
    PERENNIAL_RETURN_IF_ERROR(
        writer.Add(absl::StrCat(prefix, "steps"), {}, std::span<const int64_t>(&done, 1)));
    for (size_t arm = 0; arm < fits_.size(); ++arm) {
      PERENNIAL_RETURN_IF_ERROR(fits_[arm].Save(absl::StrCat(prefix, "arm", arm, "."), writer));
    }
    return absl::OkStatus();
  }

  absl::Status Load(absl::string_view prefix, const record::SafetensorsFile& file) override {
    PERENNIAL_ASSIGN_OR_RETURN(const std::vector<int64_t> done,
                               file.Read<int64_t>(absl::StrCat(prefix, "steps")));
    if (done.size() != 1 || done[0] < 0 || done[0] > 1) {
      return absl::DataLossError("a linear model has done neither 0 steps nor 1");
    }
    ArmFits fits;
    for (int32_t arm = 0; arm < (done[0] == 1 ? observations_.arms : 0); ++arm) {
      PERENNIAL_ASSIGN_OR_RETURN(LinearFit fit,
                                 LinearFit::Load(absl::StrCat(prefix, "arm", arm, "."), file));
      if (static_cast<int64_t>(fit.center.size()) != observations_.features()) {
        return absl::InvalidArgumentError(absl::StrCat("a saved linear model has ",
                                                       fit.center.size(), " covariates, expected ",
                                                       observations_.features()));
      }
      fits.push_back(std::move(fit));
    }
    fits_ = std::move(fits);
    return absl::OkStatus();
  }

 private:
  // Arms are fitted apart, so that the variances of their values add up.
  void SetErrors(kernels::MatrixView<const double> x, Predictions& predictions) const {
    std::vector<double> of_control;
    for (int32_t arm = 0; arm < observations_.arms; ++arm) {
      const Observations own = Select(observations_, UnitsOf(observations_, arm));
      const RobustCovariance covariance(own.x(), own.outcome, fits_[arm]);
      std::vector<double> variance(x.rows);
      for (int64_t i = 0; i < x.rows; ++i) variance[i] = covariance.Variance(x.row(i));
      if (arm == 0) {
        of_control = std::move(variance);
        continue;
      }
      for (int64_t i = 0; i < x.rows; ++i) variance[i] = std::sqrt(variance[i] + of_control[i]);
      predictions.effect_error.push_back(std::move(variance));
    }
  }

  Observations observations_;
  FitArms fit_arms_;
  bool standard_errors_;  // For arms that are fitted apart.
  ArmFits fits_;          // Empty before the step.
};

ModelFactory FactoryOf(FitArms fit_arms, bool standard_errors = false) {
  return [fit_arms = std::move(fit_arms),
          standard_errors](FitData data) -> absl::StatusOr<std::unique_ptr<ModelFit>> {
    PERENNIAL_RETURN_IF_ERROR(Validate(data.observations));
    return std::make_unique<LinearModel>(std::move(data.observations), fit_arms, standard_errors);
  };
}

}  // namespace

std::vector<double> WithIndicators(const Observations& observations) {
  const int64_t p = observations.features();
  std::vector<double> design;
  design.reserve(observations.size() * (p + observations.arms - 1));
  for (int64_t i = 0; i < observations.size(); ++i) {
    const double* const row = observations.x().row(i);
    design.insert(design.end(), row, row + p);
    for (int32_t arm = 1; arm < observations.arms; ++arm) {
      design.push_back(observations.treatment[i] == arm ? 1 : 0);
    }
  }
  return design;
}

std::vector<int32_t> UnitsOf(const Observations& observations, int32_t arm) {
  std::vector<int32_t> units;
  for (int64_t i = 0; i < observations.size(); ++i) {
    if (observations.treatment[i] == arm) units.push_back(static_cast<int32_t>(i));
  }
  return units;
}

ModelFactory NullEffect() { return FactoryOf(FitNull); }
ModelFactory NaiveDifference() { return FactoryOf(FitNaive); }
ModelFactory Ols1(const RidgeOptions& options) {
  return FactoryOf([options](const Observations& o) { return FitOne(o, options); });
}
ModelFactory Ols2(const RidgeOptions& options, bool standard_errors) {
  return FactoryOf([options](const Observations& o) { return FitEach(o, options); },
                   standard_errors);
}

}  // namespace perennial::causal
