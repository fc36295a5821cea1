#include "common/kernels/peak.h"

#include <time.h>

#include <algorithm>

#include "common/kernels/aligned.h"
#include "common/kernels/gemm.h"

// Exported by libtorch_cpu.
extern "C" void MKL_Get_Version_String(char* buffer, int length);

namespace perennial::kernels {
namespace {

// CPU time, so that other processes on the machine do not lower the peak.
double ThreadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

double MeasureGemmPeak(int repeats) {
  constexpr int64_t kSize = 1024;
  const AlignedVector<float> a(kSize * kSize, 1.0f);
  const AlignedVector<float> b(kSize * kSize, 0.5f);
  AlignedVector<float> c(kSize * kSize);
  const MatrixView<const float> left = {a.data(), kSize, kSize, kSize};
  const MatrixView<const float> right = {b.data(), kSize, kSize, kSize};
  double best = 0;
  for (int i = 0; i <= repeats; ++i) {
    const double start = ThreadSeconds();
    Gemm<float>(Transpose::kNo, Transpose::kNo, 1, left, right, 0, {c.data(), kSize, kSize, kSize});
    const double elapsed = ThreadSeconds() - start;
    // The first product warms up.
    if (i > 0) best = std::max(best, 2.0 * kSize * kSize * kSize / elapsed);
  }
  return best;
}

std::string BlasVersion() {
  char buffer[256] = {};
  MKL_Get_Version_String(buffer, sizeof(buffer) - 1);
  std::string version = buffer;
  while (!version.empty() && version.back() == ' ') version.pop_back();
  return version;
}

}  // namespace perennial::kernels
