#include "causal/data/held_out.h"

#include <numeric>
#include <set>
#include <vector>

#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(HeldOutTest, UnitsOfAClassInTheirOrder) {
  const std::vector<int32_t> class_of = {1, 0, 1, 2, 0};
  EXPECT_THAT(UnitsByClass(class_of, 4, {}),
              ElementsAre(ElementsAre(1, 4), ElementsAre(0, 2), ElementsAre(3), IsEmpty()));
}

TEST(HeldOutTest, AClusterIsInTheClassOfItsFirstUnit) {
  const std::vector<int32_t> class_of = {1, 0, 0, 1, 0};
  const std::vector<int32_t> cluster = {7, 2, 7, 2, 0};
  EXPECT_THAT(UnitsByClass(class_of, 2, cluster),
              ElementsAre(ElementsAre(1, 3, 4), ElementsAre(0, 2)));
}

TEST(HeldOutTest, WithoutClustersTheFirstUnits) {
  const std::vector<int32_t> order = {4, 1, 3, 0};
  EXPECT_THAT(FirstWholeClusters(order, {}, 2), ElementsAre(4, 1));
  EXPECT_THAT(FirstWholeClusters(order, {}, 9), ElementsAre(4, 1, 3, 0));
  EXPECT_THAT(FirstWholeClusters(order, {}, 0), IsEmpty());
}

TEST(HeldOutTest, AClusterComesWithItsFirstUnitAndIsPassedOverWhereItDoesNotFit) {
  const std::vector<int32_t> order = {4, 1, 3, 0, 2, 5};
  const std::vector<int32_t> cluster = {1, 0, 2, 1, 3, 1};  // {1}, {3, 0, 5}, {2}, {4}
  EXPECT_THAT(FirstWholeClusters(order, cluster, 5), ElementsAre(4, 1, 3, 0, 5));
  EXPECT_THAT(FirstWholeClusters(order, cluster, 4), ElementsAre(4, 1, 2));
  EXPECT_THAT(FirstWholeClusters(order, cluster, 1), ElementsAre(4));
}

TEST(HeldOutTest, NoClusterOfARandomSampleIsOnBothSides) {
  random::Stream stream(3);
  for (int trial = 0; trial < 50; ++trial) {
    const auto n = static_cast<int32_t>(1 + stream.Below(60));
    std::vector<int32_t> cluster(n), order(n);
    for (int32_t& c : cluster) c = static_cast<int32_t>(stream.Below(n));
    std::iota(order.begin(), order.end(), 0);
    stream.Shuffle(std::span<int32_t>(order));
    const auto count = static_cast<int64_t>(stream.Below(n + 1));
    const std::vector<int32_t> taken = FirstWholeClusters(order, cluster, count);
    EXPECT_LE(std::ssize(taken), count);
    const std::set<int32_t> units(taken.begin(), taken.end());
    EXPECT_EQ(units.size(), taken.size());
    std::set<int32_t> clusters;
    for (const int32_t unit : taken) clusters.insert(cluster[unit]);
    for (int32_t i = 0; i < n; ++i) {
      EXPECT_EQ(units.contains(i), clusters.contains(cluster[i])) << i;
    }
  }
}

}  // namespace
}  // namespace perennial::causal
