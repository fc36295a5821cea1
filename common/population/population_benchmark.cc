// The engine's bars: a training step, gather, loss and update included, of single networks and of
// populations; evaluation; lines; per-sample gradients; start-up. One thread, unless said.
//
// floor_ratio: the matrix products at the 1024^3 GEMM rate measured in this process, over the time.
// eager_ratio: the time of the same step in eager LibTorch, measured in this process before and
// after, over ours. tools/peers/engine.py runs these beside JAX and PyTorch.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"
#include "common/base/logging.h"
#include "common/data/epoch_sampler.h"
#include "common/kernels/elementwise.h"
#include "common/nn/affine.h"
#include "common/nn/evaluate.h"
#include "common/nn/loss.h"
#include "common/nn/squared_sink.h"
#include "common/population/scheduler.h"
#include "common/population/supervised_unit.h"
#include "common/testing/benchmark_rates.h"
#include "common/testing/eager_training.h"
#include "common/testing/images.h"

namespace perennial::population {
namespace {

using Mode = nn::GradientSink<float>::Mode;

using testing::GemmPeak;
using testing::MedianSeconds;
using testing::SetRate;

constexpr int32_t kExamples = 10000;

const data::LabeledImages& Images() {
  static const auto* const images = new data::LabeledImages(
      testing::ClassImages(kExamples, 28, 28, 10, 0.5, random::Stream(1), random::Stream(2)));
  return *images;
}

// 50 covariates.
const std::vector<float>& Table() {
  static const auto* const table = [] {
    auto* values = new std::vector<float>(kExamples * 50);
    random::Stream stream(5);
    for (float& value : *values) value = static_cast<float>(stream.Normal());
    return values;
  }();
  return *table;
}

// What is trained: widths of a perceptron, and how.
struct Case {
  std::vector<int64_t> widths;
  int32_t batch_size = 0;
  bool adam = false;
  int units = 1;

  // As many examples as make whole batches.
  int32_t examples() const { return kExamples / batch_size * batch_size; }
  data::InputTable inputs() const {
    const int64_t numbers = examples() * widths[0];
    if (widths[0] == 784) {
      return data::InputTable::Bytes(std::span(Images().pixels).first(numbers), widths[0],
                                     Images().scale, Images().shift);
    }
    return data::InputTable::Floats(std::span(Table()).first(numbers), widths[0]);
  }
  std::vector<int32_t> labels() const {
    std::vector<int32_t> all(Images().labels.begin(), Images().labels.begin() + examples());
    for (int32_t& label : all) label %= static_cast<int32_t>(widths.back());
    return all;
  }
  nn::NetworkSpec spec() const {
    return nn::MultilayerPerceptron(widths[0], {widths.begin() + 1, widths.end() - 1},
                                    widths.back());
  }
};

std::shared_ptr<const nn::Network> MakeNetwork(const Case& what) {
  return std::make_shared<const nn::Network>(*nn::Network::Create(what.spec()));
}

SupervisedOptions UnitOptions(const Case& what, std::shared_ptr<const nn::Network> network,
                              std::span<const int32_t> labels, int unit, int64_t steps) {
  return {
      .key = {"mlp", "benchmark", "seed", std::to_string(unit)},
      .network = std::move(network),
      .inputs = what.inputs(),
      .loss = SupervisedUnit::Classification(labels),
      .optimizer = {.kind = what.adam ? optim::OptimizerKind::kAdam : optim::OptimizerKind::kSgd,
                    .learning_rate = what.adam ? 0.001 : 0.01,
                    .momentum = what.adam ? 0 : 0.8},
      .batch_size = what.batch_size,
      .steps = steps,
      .seed = static_cast<uint64_t>(unit)};
}

testing::EagerTraining MakeEager(const Case& what, std::span<const int32_t> labels) {
  return testing::EagerTraining({.widths = what.widths,
                                 .inputs = what.inputs(),
                                 .labels = labels,
                                 .adam = what.adam,
                                 .learning_rate = what.adam ? 0.001 : 0.01});
}

void SetFloor(benchmark::State& state, double flops) {
  SetRate(state, "floor_ratio", flops / GemmPeak());
}

// An iteration is one step of one unit; units take turns of 100 steps, as a scheduler lets them.
void TrainingStep(benchmark::State& state, const Case& what) {
  const auto network = MakeNetwork(what);
  const std::vector<int32_t> labels = what.labels();
  constexpr int64_t kForEver = int64_t{1} << 40;
  std::vector<std::unique_ptr<SupervisedUnit>> units;
  for (int i = 0; i < what.units; ++i) {
    units.push_back(
        std::make_unique<SupervisedUnit>(UnitOptions(what, network, labels, i, kForEver)));
    CHECK(units.back()->Advance(1).ok());
  }
  std::vector<testing::EagerTraining> eager;
  std::vector<data::EpochSampler> samplers;
  for (int i = 0; i < what.units; ++i) {
    eager.push_back(MakeEager(what, labels));
    samplers.emplace_back(random::Stream(i), what.examples(), what.batch_size);
  }
  size_t eager_turn = 0;
  const auto eager_seconds = [&] {
    constexpr int64_t kTurn = 20;
    const auto turn = [&] {
      const size_t unit = eager_turn++ % eager.size();
      for (int64_t i = 0; i < kTurn; ++i) eager[unit].Step(samplers[unit].Batch(i));
    };
    return MedianSeconds(7, turn) / static_cast<double>(kTurn);
  };
  eager_seconds();  // LibTorch's first steps prepare.
  const double before = eager_seconds();
  GemmPeak();
  int64_t step = 0;
  for (auto _ : state) {
    CHECK(units[step / 100 % what.units]->Advance(1).ok());
    ++step;
  }
  SetFloor(state, network->training_flops(what.batch_size));
  SetRate(state, "eager_ratio", (before + eager_seconds()) / 2);
}

#define PERENNIAL_STEP(name, ...) BENCHMARK_CAPTURE(TrainingStep, name, Case __VA_ARGS__)
PERENNIAL_STEP(mlp_784_256_b64, {.widths = {784, 256, 256, 10}, .batch_size = 64});
PERENNIAL_STEP(mlp_784_256_b10, {.widths = {784, 256, 256, 10}, .batch_size = 10});
PERENNIAL_STEP(mlp_50_64_b64, {.widths = {50, 64, 64, 10}, .batch_size = 64, .units = 64});
PERENNIAL_STEP(mlp_50_56_b32_adam,
               {.widths = {50, 56, 56, 3}, .batch_size = 32, .adam = true, .units = 64});

// Loss and accuracy of 10,000 images.
void Evaluation(benchmark::State& state) {
  const Case what = {.widths = {784, 256, 256, 10}, .batch_size = 1};
  const auto network = MakeNetwork(what);
  const std::vector<int32_t> labels = what.labels();
  nn::Rows<float> rows(1, network->layout().size());
  network->Initialize<float>(random::Stream(3), rows.row(0));
  nn::Workspace<float> workspace(*network, 250);
  testing::EagerTraining eager = MakeEager(what, labels);
  const double before = MedianSeconds(3, [&] { eager.Evaluate(); });
  GemmPeak();
  for (auto _ : state) {
    benchmark::DoNotOptimize(nn::Evaluate(*network, rows.row(0), Images(), workspace));
  }
  SetFloor(state, network->forward_flops(kExamples));
  SetRate(state, "eager_ratio", (before + MedianSeconds(3, [&] { eager.Evaluate(); })) / 2);
}
BENCHMARK(Evaluation)->Name("TrainingStep/evaluation");

// The losses at 11 points of a line, and the gradient of their mean with respect to its end.
// separate_ratio: eleven passes of ours, one a point, over the time.
void Line(benchmark::State& state) {
  const Case what = {.widths = {784, 256, 256, 10}, .batch_size = 1};
  const auto network = MakeNetwork(what);
  constexpr int kPoints = 11;
  constexpr int32_t kBatch = 64;
  nn::Rows<float> rows(4, network->layout().size());
  for (int k = 0; k < 2; ++k) network->Initialize<float>(random::Stream(k), rows.row(k));
  data::EpochSampler sampler(random::Stream(4), kExamples, kBatch);
  const std::vector<float> weights(kBatch, 1.0f / kBatch / kPoints);
  std::vector<int32_t> labels(kBatch);
  int64_t step = 0;
  const auto draw = [&]() -> data::BatchPart {
    if (sampler.BatchSize(step) < kBatch) ++step;
    const auto indices = sampler.Batch(step++);
    for (int i = 0; i < kBatch; ++i) labels[i] = Images().labels[indices[i]];
    return {&Images(), indices};
  };
  const auto loss = [&](nn::Workspace<float>& workspace) {
    return nn::SoftmaxCrossEntropy<float>(workspace.output(), labels, weights,
                                          workspace.output_gradient());
  };

  nn::Workspace<float> workspace(*network, kBatch);
  const auto separate = [&] {
    const data::BatchPart part = draw();
    double sum = 0;
    for (int k = 0; k < kPoints; ++k) {
      const float alpha = static_cast<float>(k) / (kPoints - 1);
      kernels::LinePoint<float>(alpha, rows.row(0), rows.row(1), rows.row(3));
      network->Forward<float>(rows.row(3), data::Batch({&part, 1}), workspace);
      sum += loss(workspace);
      if (k == 0) continue;  // The first point is not the end's.
      nn::GradientSink<float> sink(rows.row(2), k == 1 ? Mode::kOverwrite : Mode::kAccumulate,
                                   alpha);
      network->Backward<float>(rows.row(3), workspace, sink);
    }
    benchmark::DoNotOptimize(sum);
  };
  separate();
  const double before = MedianSeconds(5, separate);

  nn::AffinePass<float> pass(*network, kBatch, 2);
  for (auto _ : state) {
    const data::BatchPart part = draw();
    const nn::ConstRow<float> basis[] = {rows.row(0), rows.row(1)};
    const nn::Row<float> gradients[] = {{}, rows.row(2)};
    pass.Begin(basis, data::Batch({&part, 1}));
    pass.BeginGradients(gradients, Mode::kOverwrite);
    double sum = 0;
    for (int k = 0; k < kPoints; ++k) {
      const float alpha = static_cast<float>(k) / (kPoints - 1);
      const float point[] = {1 - alpha, alpha};
      pass.Forward(point);
      sum += loss(pass.workspace());
      if (k > 0) pass.Backward(point);
    }
    pass.EndGradients();
    benchmark::DoNotOptimize(sum);
  }
  SetRate(state, "separate_ratio", (before + MedianSeconds(5, separate)) / 2);
}
BENCHMARK(Line)->Name("TrainingStep/line11");

// Sums of the squared per-sample gradients of 256 examples. per_sample_ratio: ours, one example
// at a time, over the time; eager_ratio: a backward pass of LibTorch an example.
void Fisher(benchmark::State& state) {
  const Case what = {.widths = {784, 256, 256, 10}, .batch_size = 1};
  const auto network = MakeNetwork(what);
  constexpr int32_t kBatch = 256;
  nn::Rows<float> rows(3, network->layout().size());
  network->Initialize<float>(random::Stream(3), rows.row(0));
  const std::vector<int32_t> indices = random::Stream(4).Sample(kExamples, kBatch);
  const std::vector<float> weights(kBatch, 1.0f);
  std::vector<int32_t> labels;
  for (const int32_t index : indices) labels.push_back(Images().labels[index]);
  nn::Workspace<float> workspace(*network, kBatch);
  const auto backward = [&](int32_t begin, int32_t count, nn::WeightGradientSink<float>& sink) {
    const data::BatchPart part = {&Images(), std::span(indices).subspan(begin, count)};
    network->Forward<float>(rows.row(0), data::Batch({&part, 1}), workspace);
    nn::SoftmaxCrossEntropy<float>(workspace.output(), std::span(labels).subspan(begin, count),
                                   std::span(weights).first(count), workspace.output_gradient());
    network->Backward<float>(rows.row(0), workspace, sink);
  };
  const auto one_by_one = [&] {
    for (int32_t i = 0; i < kBatch; ++i) {
      nn::GradientSink<float> sink(rows.row(1), Mode::kOverwrite);
      backward(i, 1, sink);
      for (int64_t k = 0; k < rows.size(); ++k) rows.row(2)[k] += rows.row(1)[k] * rows.row(1)[k];
    }
  };
  testing::EagerTraining eager = MakeEager(what, Images().labels);
  one_by_one();
  const double before = MedianSeconds(3, one_by_one);
  const double eager_before = MedianSeconds(3, [&] { eager.PerSampleSquares(indices); });
  for (auto _ : state) {
    nn::SquaredGradientSink<float> sink(rows.row(2), 1.0f / kBatch);
    backward(0, kBatch, sink);
  }
  SetRate(state, "per_sample_ratio", (before + MedianSeconds(3, one_by_one)) / 2);
  SetRate(state, "eager_ratio", eager_before);
}
BENCHMARK(Fisher)->Name("TrainingStep/fisher");

// Two units on two threads, 100 steps each; floor_ratio is by wall time, of two threads' peak.
void TwoThreads(benchmark::State& state) {
  const Case what = {.widths = {784, 256, 256, 10}, .batch_size = 64};
  const auto network = MakeNetwork(what);
  const std::vector<int32_t> labels = what.labels();
  constexpr int64_t kSteps = 100;
  GemmPeak();
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<std::unique_ptr<SupervisedUnit>> units;
    std::vector<Unit*> pointers;
    for (int i = 0; i < 2; ++i) {
      units.push_back(
          std::make_unique<SupervisedUnit>(UnitOptions(what, network, labels, i, kSteps)));
      CHECK(units.back()->Advance(1).ok());
      pointers.push_back(units.back().get());
    }
    state.ResumeTiming();
    CHECK(RunUnits(pointers, {.threads = 2}).ok());
  }
  SetFloor(state, (kSteps - 1) * network->training_flops(what.batch_size));
}
BENCHMARK(TwoThreads)
    ->Name("TwoUnitsOnTwoThreads/mlp_784_256_b64")
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// For the chart of step time: one perceptron 784-W-W-10.
void Sweep(benchmark::State& state) {
  TrainingStep(state, {.widths = {784, state.range(0), state.range(0), 10},
                       .batch_size = static_cast<int32_t>(state.range(1))});
}
BENCHMARK(Sweep)
    ->ArgNames({"width", "batch"})
    ->ArgsProduct({{32, 64, 128, 256, 512}, {10, 64, 256}});

// Argument: units of a 50-56-56-3 net that are made, run ten steps on two threads, and end.
void StartUp(benchmark::State& state) {
  const Case what = {.widths = {50, 56, 56, 3}, .batch_size = 32, .adam = true};
  const std::vector<int32_t> labels = what.labels();
  what.inputs();
  for (auto _ : state) {
    const auto network = MakeNetwork(what);
    std::vector<std::unique_ptr<SupervisedUnit>> units;
    std::vector<Unit*> pointers;
    for (int i = 0; i < state.range(0); ++i) {
      units.push_back(std::make_unique<SupervisedUnit>(UnitOptions(what, network, labels, i, 10)));
      pointers.push_back(units.back().get());
    }
    CHECK(RunUnits(pointers, {.threads = 2}).ok());
    double loss = 0;
    for (const auto& unit : units) loss += unit->Results().measurements[0].value;
    benchmark::DoNotOptimize(loss);
  }
}
BENCHMARK(StartUp)->ArgName("units")->Arg(100)->Arg(10000)->UseRealTime()->Unit(
    benchmark::kMillisecond);

}  // namespace
}  // namespace perennial::population
