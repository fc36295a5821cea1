// A training step of the networks of this line, batch 100, Adam, 25 covariates, beside TARNet in
// eager LibTorch (eager_ratio: its time over ours, in the same run) and beside the step's matrix
// products at the peak measured in the run (floor_ratio).
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "causal/nets/eager_tarnet.h"
#include "causal/nets/net_fit.h"
#include "common/base/logging.h"
#include "common/data/epoch_sampler.h"
#include "common/random/stream.h"
#include "common/testing/benchmark_rates.h"

namespace perennial::causal {
namespace {

using testing::GemmPeak;
using testing::MedianSeconds;
using testing::SetRate;

constexpr int64_t kUnits = 700;
constexpr int64_t kCovariates = 25;

// A fifth is treated, as in IHDP.
const Observations& Units() {
  static const auto* const units = [] {
    auto* const made = new Observations;
    random::Stream stream(1);
    made->covariate_names.resize(kCovariates);
    for (int64_t i = 0; i < kUnits; ++i) {
      double sum = 0;
      for (int64_t c = 0; c < kCovariates; ++c) {
        made->covariates.push_back(stream.Normal());
        sum += made->covariates.back();
      }
      made->treatment.push_back(i % 5 == 0 ? 1 : 0);
      made->outcome.push_back(sum + 4 * made->treatment.back() + stream.Normal());
    }
    return made;
  }();
  return *units;
}

NetOptions Options(const EffectNetworkOptions& network, const ObjectiveOptions& objective) {
  NetOptions options = {.network = network, .objective = objective};
  options.steps = 1000000000;
  options.validation_share = 0;
  return options;
}

void Step(benchmark::State& state, const EffectNetworkOptions& network,
          const ObjectiveOptions& objective) {
  const auto fit = *NetFit::Create(Options(network, objective),
                                   {.observations = Units(), .stream = random::Stream(2)});
  CHECK(fit->Advance(50).ok());

  std::vector<float> covariates(Units().covariates.begin(), Units().covariates.end());
  std::vector<float> outcome(Units().outcome.begin(), Units().outcome.end());
  EagerTarnet eager({.trunk = network.trunk,
                     .head = network.head,
                     .covariates = covariates,
                     .treatment = Units().treatment,
                     .outcome = outcome});
  data::EpochSampler sampler(random::Stream(3), kUnits, 100);
  int64_t eager_step = 0;
  const auto eager_seconds = [&] {
    constexpr int kTurn = 20;
    const auto turn = [&] {
      for (int i = 0; i < kTurn; ++i) eager.Step(sampler.Batch(eager_step++));
    };
    return MedianSeconds(7, turn) / kTurn;
  };
  eager_seconds();  // LibTorch's first steps prepare.
  const double before = eager_seconds();
  const double flops = fit->training_flops() / static_cast<double>(fit->steps());
  GemmPeak();
  for (auto _ : state) CHECK(fit->Advance(1).ok());
  SetRate(state, "floor_ratio", flops / GemmPeak());
  SetRate(state, "eager_ratio", (before + eager_seconds()) / 2);
}

const EffectNetworkOptions kSmall = {.trunk = {64, 64, 64}, .head = {32, 32}};
const EffectNetworkOptions kLarge = {.trunk = {200, 200, 200}, .head = {100, 100}};
const EffectNetworkOptions kSmallWithPropensity = {
    .trunk = {64, 64, 64}, .head = {32, 32}, .propensity = true};

BENCHMARK_CAPTURE(Step, tarnet_64_32, kSmall, {});
BENCHMARK_CAPTURE(Step, tarnet_200_100, kLarge, {});
BENCHMARK_CAPTURE(Step, dragonnet_64_32, kSmallWithPropensity, {.propensity = 1, .targeted = 1});
BENCHMARK_CAPTURE(Step, rbf_64_32, kSmall,
                  {.alpha = 1, .balance = {.kind = DiscrepancyKind::kRbf}});
BENCHMARK_CAPTURE(Step, sinkhorn_64_32, kSmall,
                  {.alpha = 1, .balance = {.kind = DiscrepancyKind::kSinkhorn}});
BENCHMARK_CAPTURE(Step, beta_64_32, kSmall, {.beta = 1});

}  // namespace
}  // namespace perennial::causal
