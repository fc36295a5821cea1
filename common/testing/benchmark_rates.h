// What benchmarks set beside their times: how much quicker than something else an iteration is.
//
//   const double before = testing::MedianSeconds(3, other);
//   testing::GemmPeak();                                    // Not while the clock runs.
//   for (auto _ : state) Step();
//   testing::SetRate(state, "ratio", before);               // Of `other` over ours.
//   testing::SetRate(state, "floor_ratio", flops / testing::GemmPeak());
#ifndef PERENNIAL_COMMON_TESTING_BENCHMARK_RATES_H_
#define PERENNIAL_COMMON_TESTING_BENCHMARK_RATES_H_

#include "absl/functional/function_ref.h"
#include "benchmark/benchmark.h"

namespace perennial::testing {

// CPU seconds of one call on this thread, the median of several.
double MedianSeconds(int repeats, absl::FunctionRef<void()> call);

// The counter `name`: `seconds` over the time of an iteration.
void SetRate(benchmark::State& state, const char* name, double seconds);

// Operations per second of matrix products, measured at the first call (kernels/peak.h).
double GemmPeak();

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_BENCHMARK_RATES_H_
