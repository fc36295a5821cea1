#include "common/testing/benchmark_rates.h"

#include <algorithm>
#include <vector>

#include "common/base/cpu_clock.h"
#include "common/kernels/peak.h"

namespace perennial::testing {

double MedianSeconds(int repeats, absl::FunctionRef<void()> call) {
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    const double begin = base::ThreadCpuSeconds();
    call();
    seconds.push_back(base::ThreadCpuSeconds() - begin);
  }
  std::ranges::nth_element(seconds, seconds.begin() + repeats / 2);
  return seconds[repeats / 2];
}

void SetRate(benchmark::State& state, const char* name, double seconds) {
  state.counters[name] = benchmark::Counter(seconds * static_cast<double>(state.iterations()),
                                            benchmark::Counter::kIsRate);
}

double GemmPeak() {
  static const double peak = kernels::MeasureGemmPeak();
  return peak;
}

}  // namespace perennial::testing
