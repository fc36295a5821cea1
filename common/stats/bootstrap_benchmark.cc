// 10,000 resamples, percentile interval and BCa, of as many values as the argument says.
#include <vector>

#include "benchmark/benchmark.h"
#include "common/base/logging.h"
#include "common/random/stream.h"
#include "common/stats/bootstrap.h"
#include "common/stats/robust.h"

namespace perennial::stats {
namespace {

void Resample(benchmark::State& state, double (*statistic)(std::span<double>)) {
  random::Stream stream(1);
  std::vector<double> values(state.range(0));
  for (double& value : values) value = stream.Normal();
  for (auto _ : state) {
    const auto result = Bootstrap(values, statistic, {.resamples = 10000}, stream);
    CHECK(result.ok());
    benchmark::DoNotOptimize(result->percentile.low);
  }
  state.SetItemsProcessed(state.iterations() * 10000 * state.range(0));
}

void BM_Mean(benchmark::State& state) { Resample(state, MeanOf); }
void BM_Median(benchmark::State& state) { Resample(state, MedianOf); }
void BM_InterquartileMean(benchmark::State& state) { Resample(state, InterquartileMeanOf); }

BENCHMARK(BM_Mean)->Arg(20)->Arg(1000)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Median)->Arg(20)->Arg(1000)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_InterquartileMean)->Arg(20)->Arg(1000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace perennial::stats
