// What sharing the first layer saves on a line of 41 points, products with the Hessian, and
// matching two networks: 784-256-256-10, and images of random pixels.
#include <memory>

#include "benchmark/benchmark.h"
#include "common/base/logging.h"
#include "common/nn/evaluate.h"
#include "continual/analysis/curvature.h"
#include "continual/analysis/matching.h"
#include "continual/analysis/path.h"

namespace perennial::continual {
namespace {

constexpr int kPoints = 41;

struct Problem {
  explicit Problem(int32_t size)
      : network(*nn::Network::Create(nn::MultilayerPerceptron(784, {256, 256}, 10))),
        rows(3, network.layout().size()) {
    auto drawn = std::make_shared<data::LabeledImages>();
    drawn->height = drawn->width = 28;
    drawn->classes = 10;
    random::Stream stream(1);
    for (int32_t i = 0; i < size; ++i) drawn->labels.push_back(i % 10);
    drawn->pixels.resize(int64_t{size} * 784);
    for (uint8_t& pixel : drawn->pixels) pixel = static_cast<uint8_t>(stream.Next32());
    images = std::move(drawn);
    for (int64_t k = 0; k < 2; ++k) network.Initialize<float>(random::Stream(k), rows.row(k));
  }

  nn::Network network;
  nn::Rows<float> rows;
  std::shared_ptr<const data::LabeledImages> images;
};

void Line(benchmark::State& state) {
  const Problem p(static_cast<int32_t>(state.range(0)));
  const ImageView view = p.images;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        EvaluatePath(p.network, p.rows.row(0), p.rows.row(1), view, {.points = kPoints}));
  }
  state.counters["flops"] =
      benchmark::Counter(PathFlops(p.network, view.size(), {.points = kPoints}),
                         benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(Line)->Arg(10000)->Unit(benchmark::kMillisecond);

// The same numbers, a row at a time.
void PlainEvaluations(benchmark::State& state) {
  Problem p(static_cast<int32_t>(state.range(0)));
  nn::Workspace<float> workspace(p.network, 250);
  for (auto _ : state) {
    for (int k = 0; k < kPoints; ++k) {
      const float alpha = static_cast<float>(k) / (kPoints - 1);
      for (int64_t i = 0; i < p.rows.size(); ++i) {
        p.rows.row(2)[i] = (1 - alpha) * p.rows.row(0)[i] + alpha * p.rows.row(1)[i];
      }
      benchmark::DoNotOptimize(nn::Evaluate(p.network, p.rows.row(2), *p.images, workspace));
    }
  }
  state.counters["flops"] = benchmark::Counter(kPoints * p.network.forward_flops(p.images->size()),
                                               benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(PlainEvaluations)->Arg(10000)->Unit(benchmark::kMillisecond);

void HessianProduct(benchmark::State& state) {
  Problem p(static_cast<int32_t>(state.range(0)));
  const ImageView view = p.images;
  LossHessian<float> hessian(p.network, p.rows.row(0), view);
  for (auto _ : state) hessian.Multiply(p.rows.row(1), p.rows.row(2));
  state.counters["flops"] = benchmark::Counter(LossHessian<float>::Flops(p.network, view.size()),
                                               benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(HessianProduct)->Arg(2000)->Unit(benchmark::kMillisecond);

void Lanczos(benchmark::State& state) {
  Problem p(static_cast<int32_t>(state.range(0)));
  const ImageView view = p.images;
  LossHessian<float> hessian(p.network, p.rows.row(0), view);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        FindTopEigenvalue<float>(hessian, random::Stream(1), {.products = 30}));
  }
}
BENCHMARK(Lanczos)->Arg(2000)->Unit(benchmark::kMillisecond);

void MatchTwoNetworks(benchmark::State& state) {
  Problem p(1);
  int sweeps = 0;
  for (auto _ : state) {
    const auto matching = MatchWeights(p.network, p.rows.row(0), p.rows.row(1), p.rows.row(2),
                                       {.random = random::Stream(1)});
    CHECK(matching.ok());
    sweeps = matching->sweeps();
  }
  state.counters["sweeps"] = sweeps;
}
BENCHMARK(MatchTwoNetworks)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace perennial::continual
