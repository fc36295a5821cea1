#include "common/kernels/uniform.h"

#include <utility>
#include <vector>

#include "common/kernels/every_target.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::kernels {
namespace {

template <typename T>
class UniformTest : public testing::Test {};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(UniformTest, Scalars);

TYPED_TEST(UniformTest, GivesTheNumbersOfTheStreamBitForBit) {
  using T = TypeParam;
  OnEveryTarget([&] {
    std::vector<int64_t> sizes(std::begin(kKernelSizes), std::end(kKernelSizes));
    sizes.insert(sizes.end(), {1023, 1024, 1025, 5000});  // Around a stretch of words.
    for (const int64_t size : sizes) {
      for (const auto& [low, high] : {std::pair(0.0, 1.0), std::pair(-0.03, 0.03),
                                      std::pair(-1e30, 1e-30), std::pair(1.0, 1.0 + 1e-9)}) {
        const random::Stream stream = random::Stream(9).Split(static_cast<uint64_t>(size));
        std::vector<T> out(size + 2, T(-7));
        FillUniform<T>(stream, low, high, std::span<T>(out).subspan(1, size));
        random::Stream draws = stream;
        for (int64_t i = 1; i <= size; ++i) {
          ASSERT_EQ(out[i], static_cast<T>(draws.Uniform(low, high))) << i << " of " << size;
        }
        EXPECT_EQ(out.front(), T(-7));
        EXPECT_EQ(out.back(), T(-7));
      }
    }
  });
}

TYPED_TEST(UniformTest, WhatWasDrawnBeforeMakesNoDifference) {
  using T = TypeParam;
  const random::Stream stream(4);
  random::Stream drawn = stream;
  drawn.Uniform();
  std::vector<T> first(10), second(10);
  FillUniform<T>(stream, -1, 1, first);
  FillUniform<T>(drawn, -1, 1, second);
  EXPECT_EQ(first, second);
}

}  // namespace
}  // namespace perennial::kernels
