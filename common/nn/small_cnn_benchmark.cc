// One training step of the small CNN on 28x28 images, on one thread: gather, forward, loss,
// backward, SGD with momentum. RowStep: nn::ModuleNetwork and our optimizer. OrdinaryStep: the same
// layers as a plain LibTorch module with torch::optim::SGD, on inputs gathered alike.
//
// tensor_MB: the most memory that tensors take during a step, as LibTorch's allocator counts it.
// The parameters, gradients and velocity of neither are in it, nor is oneDNN's scratch memory.
#include <malloc.h>
#include <torch/torch.h>

#include <vector>

#include "benchmark/benchmark.h"
#include "common/nn/small_cnn.h"
#include "common/optim/optimizer.h"
#include "common/testing/images.h"
#include "common/testing/tensor_memory.h"

namespace perennial::nn {
namespace {

const data::LabeledImages& Images() {
  static const auto* const images = new data::LabeledImages(
      testing::ClassImages(10000, 28, 28, 10, 0.5, random::Stream(1), random::Stream(2)));
  return *images;
}

// Batches of random images with their labels.
class Batches {
 public:
  explicit Batches(int64_t size) : size_(static_cast<int32_t>(size)) {}

  at::Tensor Next() {
    const std::vector<int32_t> indices = draws_.Sample(Images().size(), size_);
    labels_ = at::empty({size_}, at::kLong);
    for (int32_t i = 0; i < size_; ++i) {
      labels_.mutable_data_ptr<int64_t>()[i] = Images().labels[indices[i]];
    }
    const data::BatchPart part = {&Images(), indices};
    return GatherInputs<float>(data::Batch({&part, 1}), {1, 28, 28});
  }
  const at::Tensor& labels() const { return labels_; }

 private:
  int32_t size_;
  random::Stream draws_ = random::Stream(3);
  at::Tensor labels_;
};

// Runs steps, the first one outside the clock, and says what memory they took.
template <typename Step>
void Run(benchmark::State& state, const Step& step) {
  at::set_num_threads(1);
  // Freed tensors stay with the process: else each step pays a page fault for every 4 KiB of them,
  // or not, as the heap happens to lie, up to a third of its time.
  mallopt(M_MMAP_THRESHOLD, 1 << 29);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  step();
  double peak = 0;
  {
    const testing::TensorMemory memory;
    step();
    peak = static_cast<double>(memory.peak());
  }
  for (auto _ : state) step();
  state.counters["tensor_MB"] = peak / (1 << 20);
}

void RowStep(benchmark::State& state) {
  ModuleNetwork<float> network = *SmallCnn<float>({});
  Rows<float> rows(2, network.layout().size());
  network.Initialize(random::Stream(4), rows.row(0));
  const int64_t trained = network.layout().trainable();
  optim::Optimizer<float> optimizer({.learning_rate = 0.01, .momentum = 0.9}, trained);
  Batches batches(state.range(0));
  Run(state, [&] {
    const at::Tensor inputs = batches.Next();
    benchmark::DoNotOptimize(*network.LossAndGradient(
        rows.row(0), inputs,
        [&](const at::Tensor& y) { return at::cross_entropy_loss(y, batches.labels()); },
        rows.row(1)));
    optimizer.Step(rows.row(1).first(trained), rows.row(0).first(trained));
  });
}
BENCHMARK(RowStep)->ArgName("batch")->Arg(64)->Arg(16)->Unit(benchmark::kMillisecond);

void OrdinaryStep(benchmark::State& state) {
  const auto convolution = [](int64_t inputs, int64_t outputs) {
    return torch::nn::Conv2d(torch::nn::Conv2dOptions(inputs, outputs, 3).padding(1));
  };
  torch::nn::Sequential module(convolution(1, 16), torch::nn::BatchNorm2d(16), torch::nn::ReLU(),
                               torch::nn::MaxPool2d(2), convolution(16, 32), torch::nn::ReLU(),
                               torch::nn::MaxPool2d(2), torch::nn::Flatten(),
                               torch::nn::Linear(32 * 7 * 7, 10));
  torch::optim::SGD optimizer(module->parameters(), torch::optim::SGDOptions(0.01).momentum(0.9));
  Batches batches(state.range(0));
  Run(state, [&] {
    const at::Tensor inputs = batches.Next();
    optimizer.zero_grad(/*set_to_none=*/false);
    const at::Tensor loss = at::cross_entropy_loss(module->forward(inputs), batches.labels());
    benchmark::DoNotOptimize(loss.item<double>());
    loss.backward();
    optimizer.step();
  });
}
BENCHMARK(OrdinaryStep)->ArgName("batch")->Arg(64)->Arg(16)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace perennial::nn
