// What tests of SIMD kernels share: every instruction set of this CPU, and the sizes to try.
//
//   OnEveryTarget([&] {
//     for (const int64_t size : kKernelSizes) ...
//   });
#ifndef PERENNIAL_COMMON_KERNELS_EVERY_TARGET_H_
#define PERENNIAL_COMMON_KERNELS_EVERY_TARGET_H_

#include <cstdint>

#include "gtest/gtest.h"
#include "hwy/targets.h"

namespace perennial::kernels {

// Around the vector lengths.
inline constexpr int64_t kKernelSizes[] = {0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100};

// Calls body() once for each instruction set, with dispatch held to it.
template <typename Body>
void OnEveryTarget(Body body) {
  const auto targets = static_cast<uint64_t>(hwy::SupportedTargets());
  int tried = 0;
  for (uint64_t bit = 1; bit != 0; bit <<= 1) {
    if ((targets & bit) == 0) continue;
    hwy::SetSupportedTargetsForTest(static_cast<int64_t>(bit));
    hwy::GetChosenTarget().Update(static_cast<int64_t>(bit));
    SCOPED_TRACE(hwy::TargetName(static_cast<int64_t>(bit)));
    body();
    ++tried;
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  EXPECT_GT(tried, 0);
}

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_EVERY_TARGET_H_
