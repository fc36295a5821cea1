// Discrepancies and their gradients for a batch of 20 treated and 80 control units.
#include <cstdint>

#include "benchmark/benchmark.h"
#include "causal/balance/discrepancy.h"
#include "causal/balance/wasserstein.h"
#include "common/kernels/aligned.h"
#include "common/random/stream.h"

namespace perennial::causal {
namespace {

constexpr int64_t kTreated = 20;
constexpr int64_t kControl = 80;

template <typename T>
kernels::AlignedVector<T> Normals(int64_t count, double mean) {
  random::Stream stream(1);
  kernels::AlignedVector<T> values(count);
  for (T& value : values) value = static_cast<T>(mean + stream.Normal());
  return values;
}

template <typename T>
void Run(benchmark::State& state, const DiscrepancyConfig& config) {
  const int64_t d = state.range(0);
  kernels::AlignedVector<T> x = Normals<T>(kTreated * d, 0.5), y = Normals<T>(kControl * d, 0);
  kernels::AlignedVector<T> gradient_x(x.size()), gradient_y(y.size());
  Discrepancy<T> discrepancy(config, kTreated, kControl, d);
  for (auto _ : state) {
    benchmark::DoNotOptimize(discrepancy.Evaluate(
        {x.data(), kTreated, d, d}, {y.data(), kControl, d, d}, 1e-9,
        {gradient_x.data(), kTreated, d, d}, {gradient_y.data(), kControl, d, d}));
  }
}

template <typename T>
void Linear(benchmark::State& state) {
  Run<T>(state, {.kind = DiscrepancyKind::kLinear});
}
template <typename T>
void Rbf(benchmark::State& state) {
  Run<T>(state, {.kind = DiscrepancyKind::kRbf, .bandwidth = 5});
}
template <typename T>
void RbfMedian(benchmark::State& state) {
  Run<T>(state, {.kind = DiscrepancyKind::kRbf});
}
template <typename T>
void Energy(benchmark::State& state) {
  Run<T>(state, {.kind = DiscrepancyKind::kEnergy});
}
template <typename T>
void Sinkhorn(benchmark::State& state) {
  Run<T>(state, {.kind = DiscrepancyKind::kSinkhorn});
}
template <typename T>
void SinkhornBiased(benchmark::State& state) {
  Run<T>(state, {.kind = DiscrepancyKind::kSinkhorn, .debiased = false});
}
template <typename T>
void SlackSinkhorn(benchmark::State& state) {
  Run<T>(state, {.kind = DiscrepancyKind::kSlackSinkhorn, .cost = TransportCost::kEuclidean});
}
BENCHMARK_TEMPLATE(Linear, float)->Arg(64);
BENCHMARK_TEMPLATE(Rbf, float)->Arg(32)->Arg(64)->Arg(100);
BENCHMARK_TEMPLATE(Rbf, double)->Arg(64);
BENCHMARK_TEMPLATE(RbfMedian, float)->Arg(64);
BENCHMARK_TEMPLATE(Energy, float)->Arg(64);
BENCHMARK_TEMPLATE(Sinkhorn, float)->Arg(64);
BENCHMARK_TEMPLATE(SinkhornBiased, float)->Arg(64);
BENCHMARK_TEMPLATE(SlackSinkhorn, float)->Arg(64);

template <typename T>
void Wasserstein(benchmark::State& state) {
  const kernels::AlignedVector<T> x = Normals<T>(kControl, 0), y = Normals<T>(kTreated, 0.5);
  kernels::AlignedVector<T> gradient_x(kControl), gradient_y(kTreated);
  Wasserstein1d<T> distance(WassersteinKind::kW1, kControl, kTreated);
  for (auto _ : state) {
    benchmark::DoNotOptimize(distance.Evaluate(
        {x.data(), kControl, 1, 1}, {y.data(), kTreated, 1, 1}, 1e-9,
        {gradient_x.data(), kControl, 1, 1}, {gradient_y.data(), kTreated, 1, 1}));
  }
}
BENCHMARK_TEMPLATE(Wasserstein, float);

}  // namespace
}  // namespace perennial::causal
