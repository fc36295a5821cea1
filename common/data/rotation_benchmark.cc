// Turning 28 x 28 images: what a task of a rotated stream costs an image.
#include "common/data/rotation.h"

#include <vector>

#include "benchmark/benchmark.h"

namespace perennial::data {
namespace {

void RotateImage(benchmark::State& state) {
  constexpr int32_t kSize = 28;
  const Rotation rotation(kSize, kSize, 33);
  std::vector<uint8_t> source(kSize * kSize, 100);
  std::vector<uint8_t> target(source.size());
  for (auto _ : state) {
    rotation.Apply(source, target);
    benchmark::DoNotOptimize(target.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(RotateImage);

void PrepareRotation(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Rotation(28, 28, 33));
}
BENCHMARK(PrepareRotation);

}  // namespace
}  // namespace perennial::data
