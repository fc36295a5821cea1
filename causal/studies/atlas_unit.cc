#include "causal/studies/atlas_unit.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "absl/strings/str_cat.h"
#include "causal/estimators/metrics.h"
#include "causal/studies/bias_variance.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/population/guarded.h"
#include "common/population/unit_state.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"

namespace perennial::causal {
namespace {

constexpr char kFitPrefix[] = "fit.";
constexpr char kOutcomeUnit[] = "outcome";
constexpr char kSquaredUnit[] = "outcome^2";
constexpr char kSlopeUnit[] = "slope";
constexpr size_t kAverages = 2;  // ATE and ATT.

// Of y over x; none where x does not vary.
std::optional<double> SlopeOf(std::span<const double> x, std::span<const double> y) {
  const auto n = static_cast<double>(x.size());
  double mean = 0, size = 0;
  for (const double value : x) {
    mean += value / n;
    size += value * value;
  }
  double squares = 0, products = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    squares += (x[i] - mean) * (x[i] - mean);
    products += (x[i] - mean) * y[i];
  }
  if (!(squares > 1e-20 * size)) return std::nullopt;
  return products / squares;
}

}  // namespace

absl::StatusOr<Observations> AtlasSample(const HonestGenerator& generator, int64_t n,
                                         uint64_t seed) {
  return generator.Sample(n, HonestStreams(random::Stream(seed).Split("realisation")));
}

absl::StatusOr<std::unique_ptr<AtlasUnit>> AtlasUnit::Create(AtlasUnitOptions options) {
  CHECK(options.test != nullptr && options.test->truth.has_value());
  CHECK_EQ(options.generator.config().arms, 2);
  std::unique_ptr<AtlasUnit> unit(new AtlasUnit(std::move(options)));
  PERENNIAL_RETURN_IF_ERROR(unit->Begin());
  unit->steps_per_fit_ = unit->fit_->steps();
  unit->plan_.steps = unit->fits() * unit->steps_per_fit_;
  unit->plan_.training_flops = static_cast<double>(unit->fits()) * unit->fit_->training_flops();
  // The sample, and copies that models make of it.
  unit->plan_.memory_bytes = 3.0 * sizeof(double) * static_cast<double>(unit->sample_->size()) *
                             static_cast<double>(unit->sample_->features() + 8);
  unit->Release();
  return unit;
}

absl::Status AtlasUnit::Begin() {
  const random::Stream root(options_.seed);
  if (!sample_.has_value()) {
    PERENNIAL_ASSIGN_OR_RETURN(sample_, AtlasSample(options_.generator, options_.n, options_.seed));
  }
  const uint64_t split = errors_.size() / 2;
  const uint64_t initialisation = errors_.size() % 2;
  FitData data = {.observations = *sample_,
                  .stream = root.Split("initialisation").Split(initialisation),
                  .held_out_stream = root.Split("held_out").Split(split)};
  data.observations.truth.reset();
  PERENNIAL_ASSIGN_OR_RETURN(fit_, options_.model(std::move(data)));
  return absl::OkStatus();
}

absl::Status AtlasUnit::TakeErrors() {
  PERENNIAL_ASSIGN_OR_RETURN(const Predictions in, fit_->Predict(sample_->x()));
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<EffectErrors> averages,
                             EffectErrorsOf(*sample_, *sample_->truth, in));
  const Observations& test = *options_.test;
  PERENNIAL_ASSIGN_OR_RETURN(const Predictions out, fit_->Predict(test.x()));
  std::vector<double> errors = {averages[0].ate_bias, averages[0].att_bias.value()};
  for (int64_t i = 0; i < test.size(); ++i) {
    const double effect = test.truth->mean_outcome[1][i] - test.truth->mean_outcome[0][i];
    errors.push_back(out.effect[0][i] - effect);
  }
  for (const double error : errors) {
    if (!std::isfinite(error)) {
      return absl::FailedPreconditionError("a predicted effect is not a finite number");
    }
  }
  errors_.push_back(std::move(errors));
  fit_.reset();
  return absl::OkStatus();
}

double AtlasUnit::progress() const {
  return static_cast<double>(steps_done_) / static_cast<double>(plan_.steps);
}

absl::Status AtlasUnit::Advance(int64_t steps) {
  const auto step = [this] { return steps_done_ + 1; };
  return population::Guarded(step, [&]() -> absl::Status {
    while (steps > 0 && !finished()) {
      if (fit_ == nullptr) PERENNIAL_RETURN_IF_ERROR(Begin());
      const int64_t before = fit_->steps_done();
      PERENNIAL_RETURN_IF_ERROR(fit_->Advance(steps));
      const int64_t done = fit_->steps_done() - before;
      // A fit may end early, which counts as all of its steps.
      steps -= done;
      steps_done_ += done;
      if (fit_->steps_done() >= fit_->steps()) PERENNIAL_RETURN_IF_ERROR(TakeErrors());
    }
    return absl::OkStatus();
  });
}

population::UnitResults AtlasUnit::Results() const {
  population::UnitResults results;
  if (std::ssize(errors_) < fits()) return results;
  const auto add = [&](std::string name, absl::string_view unit, double value) {
    results.measurements.push_back({std::move(name), std::string(unit), value});
  };
  const auto add_part = [&](absl::string_view name, size_t begin, size_t end) {
    std::vector<std::vector<double>> part;
    for (const std::vector<double>& errors : errors_) {
      part.emplace_back(errors.begin() + begin, errors.begin() + end);
    }
    const ReplicateErrors replicate = ReplicateErrorsOf(part);
    if (replicate.contrasts.has_value()) {
      add(absl::StrCat(name, "_split"), kSquaredUnit, replicate.contrasts->split);
      add(absl::StrCat(name, "_initialisation"), kSquaredUnit, replicate.contrasts->initialisation);
      add(absl::StrCat(name, "_interaction"), kSquaredUnit, replicate.contrasts->interaction);
    }
    return replicate.mean;
  };
  const auto n = static_cast<double>(fits());
  const size_t points = errors_[0].size() - kAverages;
  double sqrt_pehe = 0;
  double magnitude[kAverages] = {};
  for (const std::vector<double>& errors : errors_) {
    double squares = 0;
    for (size_t p = kAverages; p < errors.size(); ++p) squares += errors[p] * errors[p];
    sqrt_pehe += std::sqrt(squares / static_cast<double>(points)) / n;
    for (size_t a = 0; a < kAverages; ++a) magnitude[a] += std::abs(errors[a]) / n;
  }
  add("sqrt_pehe_out", kOutcomeUnit, sqrt_pehe);
  add("ate_error", kOutcomeUnit, magnitude[0]);
  add("att_error", kOutcomeUnit, magnitude[1]);
  add("ate_bias", kOutcomeUnit, add_part("ate", 0, 1)[0]);
  add("att_bias", kOutcomeUnit, add_part("att", 1, 2)[0]);
  const Truth& truth = *options_.test->truth;
  population::Curve curve = {.name = "error of effects",
                             .x_label = "true effect at a test unit",
                             .y_label = "predicted less true effect",
                             .y = add_part("effect", kAverages, errors_[0].size())};
  for (size_t i = 0; i < points; ++i) {
    curve.x.push_back(truth.mean_outcome[1][i] - truth.mean_outcome[0][i]);
  }
  // Of errors, which is that of predictions less 1.
  if (const auto slope = SlopeOf(curve.x, curve.y); slope.has_value()) {
    add("effect_slope_bias", kSlopeUnit, *slope);
  }
  results.curves.push_back(std::move(curve));
  return results;
}

absl::StatusOr<std::string> AtlasUnit::Save() const {
  record::SafetensorsWriter writer;
  const int64_t steps[] = {steps_done_};
  PERENNIAL_RETURN_IF_ERROR(writer.Add<int64_t>("steps", {1}, steps));
  std::vector<double> all;
  for (const std::vector<double>& errors : errors_) {
    all.insert(all.end(), errors.begin(), errors.end());
  }
  const auto width = options_.test->size() + static_cast<int64_t>(kAverages);
  PERENNIAL_RETURN_IF_ERROR(writer.Add<double>("errors", {std::ssize(errors_), width}, all));
  if (fit_ != nullptr) PERENNIAL_RETURN_IF_ERROR(fit_->Save(kFitPrefix, writer));
  population::MarkUnitState(options_.key, writer);
  return writer.Finish();
}

absl::Status AtlasUnit::Load(absl::string_view state) {
  PERENNIAL_ASSIGN_OR_RETURN(const record::SafetensorsFile file,
                             population::ParseUnitState(state, options_.key));
  PERENNIAL_ASSIGN_OR_RETURN(const auto steps, file.Read<int64_t>("steps"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto errors, file.Read<double>("errors"));
  const int64_t width = options_.test->size() + static_cast<int64_t>(kAverages);
  const int64_t ended = std::ssize(errors) / width;
  const int64_t begun =
      steps.size() == 1 ? steps[0] - ended * steps_per_fit_ : -1;  // Steps of the fit under way.
  if (std::ssize(errors) % width != 0 || ended > fits() || begun < 0 || begun > steps_per_fit_ ||
      (begun > 0 && ended == fits()) ||
      !std::ranges::all_of(errors, [](double e) { return std::isfinite(e); })) {
    return absl::DataLossError(
        absl::StrCat("the state does not belong to this configuration of ", options_.key.Id()));
  }
  Release();
  errors_.clear();
  steps_done_ = 0;
  for (int64_t f = 0; f < ended; ++f) {
    errors_.emplace_back(errors.begin() + f * width, errors.begin() + (f + 1) * width);
  }
  if (begun > 0) {
    PERENNIAL_RETURN_IF_ERROR(Begin());
    PERENNIAL_RETURN_IF_ERROR(fit_->Load(kFitPrefix, file));
    if (fit_->steps_done() != begun) {
      return absl::DataLossError(
          absl::StrCat("the state does not belong to this configuration of ", options_.key.Id()));
    }
  }
  steps_done_ = steps[0];
  return absl::OkStatus();
}

void AtlasUnit::Release() {
  sample_.reset();
  fit_.reset();
}

}  // namespace perennial::causal
