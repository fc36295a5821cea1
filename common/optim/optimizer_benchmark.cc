// One step on the parameters of a 50-56-56-3 network and of a 784-256-256-10 network.
#include "common/optim/optimizer.h"

#include "benchmark/benchmark.h"
#include "common/kernels/aligned.h"
#include "common/random/stream.h"

namespace perennial::optim {
namespace {

void Step(benchmark::State& state, const OptimizerConfig& config) {
  const int64_t size = state.range(0);
  random::Stream stream(1);
  kernels::AlignedVector<float> gradient(size), row(size);
  for (float& value : gradient) value = static_cast<float>(stream.Normal());
  Optimizer<float> optimizer(config, size);
  for (auto _ : state) {
    optimizer.Step(gradient, row);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * size);
}

#define PERENNIAL_STEP(name, ...) \
  BENCHMARK_CAPTURE(Step, name, OptimizerConfig __VA_ARGS__)->Arg(6300)->Arg(269'322)
PERENNIAL_STEP(sgd, {});
PERENNIAL_STEP(momentum, {.momentum = 0.9});
PERENNIAL_STEP(adam, {.kind = OptimizerKind::kAdam});
PERENNIAL_STEP(adamw, {.kind = OptimizerKind::kAdamW, .weight_decay = 0.01});
PERENNIAL_STEP(rmsprop, {.kind = OptimizerKind::kRmsprop});
PERENNIAL_STEP(adam_clipped, {.kind = OptimizerKind::kAdam, .clip_norm = 1});
#undef PERENNIAL_STEP

}  // namespace
}  // namespace perennial::optim
