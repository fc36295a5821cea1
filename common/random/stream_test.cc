#include "common/random/stream.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "gtest/gtest.h"

namespace perennial::random {
namespace {

TEST(StreamTest, SplittingDoesNotDependOnWhatWasDrawn) {
  Stream a(7);
  const Stream b(7);
  for (int i = 0; i < 5; ++i) a.Next32();
  EXPECT_EQ(a.Split("order").Split(3).Next64(), b.Split("order").Split(3).Next64());
}

TEST(StreamTest, DifferentPathsGiveDifferentNumbers) {
  std::set<uint64_t> first;
  int paths = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Stream root(seed);
    Stream own = root;
    first.insert(own.Next64());
    ++paths;
    for (const char* name : {"init", "order", "orde", "order ", "", "1"}) {
      first.insert(root.Split(name).Next64());
      ++paths;
      for (uint64_t index = 0; index < 20; ++index) {
        first.insert(root.Split(name).Split(index).Next64());
        ++paths;
      }
    }
  }
  EXPECT_EQ(first.size(), paths);
}

TEST(StreamTest, SequentialDrawsAreTheBlocksInOrder) {
  Stream stream = Stream(5).Split("x");
  for (uint64_t block = 0; block < 3; ++block) {
    const PhiloxBlock words = stream.At(block);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(stream.Next32(), words[i]);
  }
}

// Mean 1/2 and variance 1/12 (mean 0, variance 1), within five standard errors.
TEST(StreamTest, UniformAndNormalHaveTheirMoments) {
  constexpr int kDraws = 200000;
  Stream stream(11);
  double sum = 0, squares = 0, normal_sum = 0, normal_squares = 0, normal_fourth = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = stream.Uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    squares += u * u;
    const double z = stream.Normal();
    normal_sum += z;
    normal_squares += z * z;
    normal_fourth += z * z * z * z;
  }
  const double error = 5 / std::sqrt(kDraws);
  EXPECT_NEAR(sum / kDraws, 0.5, error * std::sqrt(1 / 12.0));
  EXPECT_NEAR(squares / kDraws, 1 / 3.0, error * std::sqrt(4 / 45.0));
  EXPECT_NEAR(normal_sum / kDraws, 0, error);
  EXPECT_NEAR(normal_squares / kDraws, 1, error * std::sqrt(2));
  EXPECT_NEAR(normal_fourth / kDraws, 3, error * std::sqrt(96));
}

TEST(StreamTest, BelowIsUniform) {
  Stream stream(2);
  std::vector<int> counts(7);
  constexpr int kDraws = 70000;
  for (int i = 0; i < kDraws; ++i) ++counts[stream.Below(7)];
  double chi_square = 0;
  for (const int count : counts) chi_square += std::pow(count - kDraws / 7.0, 2) / (kDraws / 7.0);
  EXPECT_LT(chi_square, 22.5);  // 99.9 % quantile with 6 degrees of freedom.
}

TEST(StreamTest, ShuffleReachesEveryOrderEquallyOften) {
  Stream stream(3);
  std::map<std::vector<int>, int> counts;
  for (int i = 0; i < 24000; ++i) {
    std::vector<int> order = {0, 1, 2, 3};
    stream.Shuffle(std::span<int>(order));
    ++counts[order];
  }
  EXPECT_EQ(counts.size(), 24);
  double chi_square = 0;
  for (const auto& [order, count] : counts) chi_square += std::pow(count - 1000, 2) / 1000.0;
  EXPECT_LT(chi_square, 49.7);  // 99.9 % quantile with 23 degrees of freedom.
}

TEST(StreamTest, SampleHoldsDifferentNumbersOfThePopulation) {
  Stream stream(4);
  const std::vector<int32_t> sample = stream.Sample(100, 30);
  EXPECT_EQ(sample.size(), 30);
  EXPECT_EQ(std::set<int32_t>(sample.begin(), sample.end()).size(), 30);
  EXPECT_GE(*std::min_element(sample.begin(), sample.end()), 0);
  EXPECT_LT(*std::max_element(sample.begin(), sample.end()), 100);
}

TEST(StreamTest, IdentityDeterminesEveryBlock) {
  const Stream stream = Stream(5).Split("identity");
  const PhiloxBlock& identity = stream.identity();
  for (const uint64_t index : {uint64_t{0}, uint64_t{7}, uint64_t{0x123456789}}) {
    EXPECT_EQ(stream.At(index),
              Philox4x32({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
                          identity[2], identity[3]},
                         {identity[0], identity[1]}));
  }
}

}  // namespace
}  // namespace perennial::random
