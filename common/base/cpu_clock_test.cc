#include "common/base/cpu_clock.h"

#include <chrono>
#include <thread>

#include "gtest/gtest.h"

namespace perennial::base {
namespace {

TEST(ThreadCpuSecondsTest, CountsWorkAndNotWaiting) {
  const double before = ThreadCpuSeconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const double waited = ThreadCpuSeconds();
  EXPECT_LT(waited - before, 0.04);
  volatile double sink = 0;
  for (int i = 0; i < 20000000; ++i) sink = sink + i;
  EXPECT_GT(ThreadCpuSeconds() - waited, 0.001);
}

}  // namespace
}  // namespace perennial::base
