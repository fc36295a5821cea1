// One loss with its gradient, batch of 64.
#include "common/nn/loss.h"

#include <vector>

#include "benchmark/benchmark.h"
#include "common/kernels/aligned.h"
#include "common/random/stream.h"

namespace perennial::nn {
namespace {

constexpr int64_t kRows = 64;

struct Problem {
  explicit Problem(int64_t classes)
      : outputs(kRows * classes),
        targets(kRows * classes),
        gradient(kRows * classes),
        labels(kRows),
        weights(kRows, 1.0f / kRows),
        columns(classes) {
    random::Stream stream(1);
    for (float& value : outputs) value = static_cast<float>(stream.Normal());
    for (float& value : targets) value = static_cast<float>(stream.Uniform());
    for (int32_t& label : labels) label = static_cast<int32_t>(stream.Below(classes));
  }
  kernels::MatrixView<float> View(kernels::AlignedVector<float>& values) const {
    return {values.data(), kRows, columns, columns};
  }

  kernels::AlignedVector<float> outputs, targets, gradient;
  std::vector<int32_t> labels;
  std::vector<float> weights;
  int64_t columns;
};

void SoftmaxLabels(benchmark::State& state) {
  Problem p(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        SoftmaxCrossEntropy<float>(p.View(p.outputs), p.labels, p.weights, p.View(p.gradient)));
  }
}
BENCHMARK(SoftmaxLabels)->Arg(3)->Arg(10)->Arg(100);

void SoftmaxMasked(benchmark::State& state) {
  Problem p(state.range(0));
  std::vector<uint8_t> mask(p.columns, 1);
  const SoftmaxOptions options = {.mask = {mask.data(), 1, p.columns, p.columns}};
  for (auto _ : state) {
    benchmark::DoNotOptimize(SoftmaxCrossEntropy<float>(p.View(p.outputs), p.labels, p.weights,
                                                        p.View(p.gradient), options));
  }
}
BENCHMARK(SoftmaxMasked)->Arg(10);

void SoftmaxSoftTargets(benchmark::State& state) {
  Problem p(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(SoftmaxCrossEntropy<float>(p.View(p.outputs), p.View(p.targets),
                                                        p.weights, p.View(p.gradient)));
  }
}
BENCHMARK(SoftmaxSoftTargets)->Arg(10);

template <double (*kLoss)(kernels::MatrixView<const float>, kernels::MatrixView<const float>,
                          std::span<const float>, kernels::MatrixView<float>)>
void Elements(benchmark::State& state) {
  Problem p(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        kLoss(p.View(p.outputs), p.View(p.targets), p.weights, p.View(p.gradient)));
  }
}
BENCHMARK_TEMPLATE(Elements, SquaredError<float>)->Arg(1)->Arg(10);
BENCHMARK_TEMPLATE(Elements, LogisticLoss<float>)->Arg(1)->Arg(10);

}  // namespace
}  // namespace perennial::nn
