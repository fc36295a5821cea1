#include "common/data/epoch_sampler.h"

#include <algorithm>
#include <map>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::data {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

std::vector<int32_t> Copy(std::span<const int32_t> indices) {
  return {indices.begin(), indices.end()};
}

TEST(EpochSamplerTest, AnEpochShowsEveryExampleOnce) {
  EpochSampler sampler(random::Stream(1), 23, 5);
  ASSERT_EQ(sampler.batches_per_epoch(), 5);
  std::vector<std::vector<int32_t>> epochs(2);
  for (int64_t step = 0; step < 10; ++step) {
    const auto batch = sampler.Batch(step);
    EXPECT_EQ(std::ssize(batch), sampler.BatchSize(step));
    EXPECT_EQ(std::ssize(batch), step % 5 == 4 ? 3 : 5);
    epochs[step / 5].insert(epochs[step / 5].end(), batch.begin(), batch.end());
  }
  EXPECT_NE(epochs[0], epochs[1]);
  for (std::vector<int32_t>& epoch : epochs) {
    std::ranges::sort(epoch);
    for (int32_t i = 0; i < 23; ++i) EXPECT_EQ(epoch[i], i);
  }
}

TEST(EpochSamplerTest, AStepIsTheSameInWhateverOrderStepsAreAskedFor) {
  EpochSampler forward(random::Stream(2), 50, 8), anyhow(random::Stream(2), 50, 8);
  std::vector<std::vector<int32_t>> batches;
  for (int64_t step = 0; step < 20; ++step) batches.push_back(Copy(forward.Batch(step)));
  for (const int64_t step : {17, 3, 0, 6, 5, 19, 18, 7}) {
    EXPECT_THAT(anyhow.Batch(step), ElementsAreArray(batches[step])) << step;
  }
}

TEST(EpochSamplerTest, ABatchMayBeLargerThanTheSet) {
  EpochSampler sampler(random::Stream(3), 1, 8);
  EXPECT_EQ(sampler.batches_per_epoch(), 1);
  EXPECT_THAT(sampler.Batch(4), ElementsAre(0));
}

// 24 orders of four examples; chi-squared with 23 degrees of freedom exceeds 58 once in 10,000.
TEST(EpochSamplerTest, AllOrdersAreEquallyLikely) {
  std::map<std::vector<int32_t>, int> counts;
  constexpr int kEpochs = 24000;
  EpochSampler sampler(random::Stream(4), 4, 4);
  for (int epoch = 0; epoch < kEpochs; ++epoch) ++counts[Copy(sampler.Batch(epoch))];
  ASSERT_EQ(counts.size(), 24u);
  double chi_squared = 0;
  for (const auto& [order, count] : counts) {
    chi_squared += (count - 1000.0) * (count - 1000.0) / 1000.0;
  }
  EXPECT_LT(chi_squared, 58);
}

}  // namespace
}  // namespace perennial::data
