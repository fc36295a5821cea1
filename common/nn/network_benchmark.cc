// One training step of a perceptron (gather, forward, loss, backward, SGD with momentum) on one
// thread. floor_ratio: the step's matrix products at the GEMM peak measured in this run, over the
// step's time.
#include <vector>

#include "benchmark/benchmark.h"
#include "common/kernels/peak.h"
#include "common/nn/evaluate.h"
#include "common/nn/loss.h"
#include "common/nn/network.h"
#include "common/optim/optimizer.h"
#include "common/optim/update_sink.h"
#include "common/testing/images.h"

namespace perennial::nn {
namespace {

double GemmPeak() {
  static const double peak = kernels::MeasureGemmPeak();
  return peak;
}

const data::LabeledImages& Images() {
  static const auto* const images = new data::LabeledImages(
      testing::ClassImages(10000, 28, 28, 10, 0.5, random::Stream(1), random::Stream(2)));
  return *images;
}

void SetCounters(benchmark::State& state, int64_t flops) {
  const double per_second = static_cast<double>(flops * state.iterations());
  state.counters["GFLOP/s"] = benchmark::Counter(per_second / 1e9, benchmark::Counter::kIsRate);
  state.counters["floor_ratio"] =
      benchmark::Counter(per_second / GemmPeak(), benchmark::Counter::kIsRate);
}

// Arguments: batch, width of the two hidden layers.
void TrainingStep(benchmark::State& state) {
  const int64_t batch_size = state.range(0);
  const Network network =
      *Network::Create(MultilayerPerceptron(784, {state.range(1), state.range(1)}, 10));
  Rows<float> rows(1, network.layout().size());
  network.Initialize<float>(random::Stream(3), rows.row(0));
  Workspace<float> workspace(network, batch_size);
  optim::Optimizer<float> sgd({.learning_rate = 0.01, .momentum = 0.8}, rows.size());
  optim::UpdateSink<float> sink(sgd, rows.row(0));
  const std::vector<int32_t> order = random::Stream(4).Sample(Images().size(), Images().size());
  const std::vector<float> weights(batch_size, 1.0f / static_cast<float>(batch_size));
  std::vector<int32_t> labels(batch_size);
  size_t begin = 0;
  GemmPeak();
  for (auto _ : state) {
    if (begin + batch_size > order.size()) begin = 0;
    const auto indices = std::span(order).subspan(begin, batch_size);
    begin += batch_size;
    const data::BatchPart part = {&Images(), indices};
    for (int64_t i = 0; i < batch_size; ++i) labels[i] = Images().labels[indices[i]];
    network.Forward<float>(rows.row(0), data::Batch({&part, 1}), workspace);
    benchmark::DoNotOptimize(SoftmaxCrossEntropy<float>(workspace.output(), labels, weights,
                                                        workspace.output_gradient()));
    sink.BeginStep();
    network.Backward<float>(rows.row(0), workspace, sink);
  }
  SetCounters(state, network.training_flops(batch_size));
}
BENCHMARK(TrainingStep)
    ->ArgNames({"batch", "width"})
    ->Args({64, 256})
    ->Args({10, 256})
    ->Args({256, 256})
    ->Args({64, 64});

// Argument: batch. Loss and accuracy of 10,000 images.
void Evaluation(benchmark::State& state) {
  const Network network = *Network::Create(MultilayerPerceptron(784, {256, 256}, 10));
  Rows<float> rows(1, network.layout().size());
  network.Initialize<float>(random::Stream(3), rows.row(0));
  Workspace<float> workspace(network, state.range(0));
  GemmPeak();
  for (auto _ : state) {
    benchmark::DoNotOptimize(Evaluate(network, rows.row(0), Images(), workspace));
  }
  SetCounters(state, network.forward_flops(Images().size()));
}
BENCHMARK(Evaluation)
    ->ArgName("batch")
    ->Arg(100)
    ->Arg(250)
    ->Arg(1000)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace perennial::nn
