// The average effect of a treatment with its interval, and effects of single units: TARNet and
// regressions, cross-fitted, on units whose covariates decide both arm and outcome.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "causal/data/observations.h"
#include "causal/estimators/average_effect.h"
#include "causal/estimators/baselines.h"
#include "causal/models/cross_fit.h"
#include "causal/models/model.h"
#include "causal/nets/net_fit.h"
#include "common/random/stream.h"

namespace {

namespace causal = perennial::causal;
using perennial::random::Stream;

constexpr int kUnits = 1000;

// The effect is 1 + x2, so 1 on average. Who has a large x1 is treated more often, and would have a
// large outcome without it.
causal::Observations Simulate(Stream stream) {
  causal::Observations units = {.covariate_names = {"x1", "x2"}};
  for (int i = 0; i < kUnits; ++i) {
    const double x1 = stream.Normal();
    const double x2 = stream.Normal();
    const int32_t treated = stream.Uniform() < 1 / (1 + std::exp(-x1)) ? 1 : 0;
    units.covariates.insert(units.covariates.end(), {x1, x2});
    units.treatment.push_back(treated);
    units.outcome.push_back(std::sin(x1) + x1 + treated * (1 + x2) + stream.Normal());
  }
  return units;
}

absl::Status Estimate(const char* name, const causal::ModelFactory& model,
                      const causal::Observations& units) {
  auto fit = causal::CrossFit::Create(model, {.observations = units, .stream = Stream(1)}, 5);
  if (!fit.ok()) return fit.status();
  const absl::Status fitted = (*fit)->Advance((*fit)->steps());
  if (!fitted.ok()) return fitted;
  const auto effects = causal::AverageEffects(causal::SampleOf(units), (*fit)->out_of_fold(),
                                              causal::EffectMethod::kAipw, {});
  if (!effects.ok()) return effects.status();
  const causal::Estimate& ate = (*effects)[0].estimate;
  std::printf("%-12s ATE %.3f, 95 %% interval %.3f .. %.3f\n", name, ate.value, ate.low, ate.high);
  return absl::OkStatus();
}

absl::Status Run() {
  const causal::Observations units = Simulate(Stream(7));
  double sum[2] = {}, count[2] = {};
  for (int i = 0; i < kUnits; ++i) {
    sum[units.treatment[i]] += units.outcome[i];
    count[units.treatment[i]] += 1;
  }
  std::printf("%-12s     %.3f\n", "naive", sum[1] / count[1] - sum[0] / count[0]);

  // A ridge regression in each arm, then a network with features that both arms share.
  absl::Status status = Estimate("ridge, AIPW", causal::Ols2(), units);
  if (!status.ok()) return status;
  const causal::NetOptions options = {.network = {.trunk = {32, 32}, .head = {16}}, .steps = 1000};
  const causal::ModelFactory tarnet =
      [options](causal::FitData data) -> absl::StatusOr<std::unique_ptr<causal::ModelFit>> {
    return causal::NetFit::Create(options, std::move(data));
  };
  status = Estimate("TARNet, AIPW", tarnet, units);
  if (!status.ok()) return status;

  // For whom: one fit to all units, asked of two others.
  auto fit = causal::NetFit::Create(options, {.observations = units, .stream = Stream(2)});
  if (!fit.ok()) return fit.status();
  status = (*fit)->Advance((*fit)->steps());
  if (!status.ok()) return status;
  const double x[] = {0, -1, 0, 1};
  const auto predictions = (*fit)->Predict({x, 2, 2, 2});
  if (!predictions.ok()) return predictions.status();
  std::printf("TARNet       effect at x2 = -1: %.2f, at x2 = 1: %.2f\n", predictions->effect[0][0],
              predictions->effect[0][1]);
  return absl::OkStatus();
}

}  // namespace

int main() {
  const absl::Status status = Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return 1;
}
