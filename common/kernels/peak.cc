#include "common/kernels/peak.h"

#include <algorithm>

#include "common/base/cpu_clock.h"
#include "common/kernels/aligned.h"
#include "common/kernels/gemm.h"
#include "torch/version.h"

// Exported by libtorch_cpu.
extern "C" void MKL_Get_Version_String(char* buffer, int length);

namespace perennial::kernels {
double MeasureGemmPeak(int repeats) {
  constexpr int64_t kSize = 1024;
  const AlignedVector<float> a(kSize * kSize, 1.0f);
  const AlignedVector<float> b(kSize * kSize, 0.5f);
  AlignedVector<float> c(kSize * kSize);
  const MatrixView<const float> left = {a.data(), kSize, kSize, kSize};
  const MatrixView<const float> right = {b.data(), kSize, kSize, kSize};
  double best = 0;
  for (int i = 0; i <= repeats; ++i) {
    const double start = base::ThreadCpuSeconds();
    Gemm<float>(Transpose::kNo, Transpose::kNo, 1, left, right, 0, {c.data(), kSize, kSize, kSize});
    const double elapsed = base::ThreadCpuSeconds() - start;
    // The first product warms up.
    if (i > 0) best = std::max(best, 2.0 * kSize * kSize * kSize / elapsed);
  }
  return best;
}

std::string LibTorchVersion() { return TORCH_VERSION; }

std::string BlasVersion() {
  char buffer[256] = {};
  MKL_Get_Version_String(buffer, sizeof(buffer) - 1);
  std::string version = buffer;
  while (!version.empty() && version.back() == ' ') version.pop_back();
  return version;
}

}  // namespace perennial::kernels
