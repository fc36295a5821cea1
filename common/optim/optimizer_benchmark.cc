// One step on the parameters of a 50-56-56-3 network and of a 784-256-256-10 network; and a step on
// a layer's weights whose gradient is a product, by registers (Product) and by a GEMM and a step
// (GemmAndStep).
#include "common/optim/optimizer.h"

#include "benchmark/benchmark.h"
#include "common/kernels/aligned.h"
#include "common/kernels/gemm.h"
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

struct Layer {
  Layer(const benchmark::State& state, const OptimizerConfig& config)
      : batch(state.range(0)),
        inputs(state.range(1)),
        outputs(state.range(2)),
        x_memory(batch * kernels::RoundUp(inputs)),
        d_memory(batch * kernels::RoundUp(outputs)),
        gradient(inputs * outputs),
        weights(inputs * outputs),
        optimizer(config, inputs * outputs) {
    random::Stream stream(1);
    for (float& value : x_memory) value = static_cast<float>(stream.Normal());
    for (float& value : d_memory) value = static_cast<float>(stream.Normal()) * 1e-3f;
  }
  kernels::MatrixView<const float> x() const {
    return {x_memory.data(), batch, inputs, kernels::RoundUp(inputs)};
  }
  kernels::MatrixView<const float> d() const {
    return {d_memory.data(), batch, outputs, kernels::RoundUp(outputs)};
  }

  int64_t batch, inputs, outputs;
  kernels::AlignedVector<float> x_memory, d_memory, gradient, weights;
  Optimizer<float> optimizer;
};

void SetFlops(benchmark::State& state) {
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(state.iterations() * state.range(0) *
                                                    state.range(1) * state.range(2)),
                         benchmark::Counter::kIsRate);
}

void Product(benchmark::State& state, const OptimizerConfig& config) {
  Layer layer(state, config);
  for (auto _ : state) {
    layer.optimizer.BeginStep();
    layer.optimizer.UpdateProduct(0, layer.d(), layer.x(), layer.weights);
    benchmark::ClobberMemory();
  }
  SetFlops(state);
}

void GemmAndStep(benchmark::State& state, const OptimizerConfig& config) {
  Layer layer(state, config);
  for (auto _ : state) {
    layer.optimizer.BeginStep();
    kernels::Gemm<float>(kernels::Transpose::kYes, kernels::Transpose::kNo, 1, layer.d(), layer.x(),
                         0, {layer.gradient.data(), layer.outputs, layer.inputs, layer.inputs});
    layer.optimizer.Update(0, layer.gradient, layer.weights);
    benchmark::ClobberMemory();
  }
  SetFlops(state);
}

void Layers(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"batch", "inputs", "outputs"});
  for (const int64_t batch : {10, 64, 256}) {
    benchmark->Args({batch, 784, 256})->Args({batch, 256, 256});
  }
  benchmark->Args({64, 50, 64})->Args({64, 64, 64})->Args({32, 50, 56})->Args({64, 256, 10});
}

#define PERENNIAL_PRODUCT(name, ...)                                            \
  BENCHMARK_CAPTURE(Product, name, OptimizerConfig __VA_ARGS__)->Apply(Layers); \
  BENCHMARK_CAPTURE(GemmAndStep, name, OptimizerConfig __VA_ARGS__)->Apply(Layers)
PERENNIAL_PRODUCT(momentum, {.momentum = 0.9});
PERENNIAL_PRODUCT(adam, {.kind = OptimizerKind::kAdam});
#undef PERENNIAL_PRODUCT

}  // namespace
}  // namespace perennial::optim
