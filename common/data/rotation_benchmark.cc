// Turning 28 x 28 images: what a task of a rotated stream costs an image.
#include "common/data/rotation.h"

#include <vector>

#include "benchmark/benchmark.h"

namespace perennial::data {
namespace {

// Argument: images at a time.
void RotateImages(benchmark::State& state) {
  constexpr int32_t kSize = 28;
  const int64_t count = state.range(0);
  const Rotation rotation(kSize, kSize, 33);
  std::vector<uint8_t> pixels(count * kSize * kSize, 100);
  std::vector<uint8_t> targets(pixels.size());
  std::vector<const uint8_t*> sources;
  for (int64_t i = 0; i < count; ++i) sources.push_back(pixels.data() + i * kSize * kSize);
  for (auto _ : state) {
    rotation.Apply(sources, targets);
    benchmark::DoNotOptimize(targets.data());
  }
  state.counters["an_image"] =
      benchmark::Counter(static_cast<double>(count), benchmark::Counter::kIsIterationInvariantRate |
                                                         benchmark::Counter::kInvert);
}
BENCHMARK(RotateImages)->Arg(1)->Arg(4)->Arg(16)->Arg(64)->Arg(1000);

void PrepareRotation(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Rotation(28, 28, 33));
}
BENCHMARK(PrepareRotation);

}  // namespace
}  // namespace perennial::data
