#include "common/stats/ranks.h"

#include <cmath>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::stats {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(AverageRanks, TiesShareTheMeanOfTheirRanks) {
  EXPECT_THAT(AverageRanks({}), IsEmpty());
  EXPECT_THAT(AverageRanks(std::vector<double>{5}), ElementsAre(1));
  EXPECT_THAT(AverageRanks(std::vector<double>{3, 1, 3}), ElementsAre(2.5, 1, 2.5));
  EXPECT_THAT(AverageRanks(std::vector<double>{7, 7, 7}), ElementsAre(2, 2, 2));
  EXPECT_THAT(AverageRanks(std::vector<double>{0.0, -0.0, INFINITY, -INFINITY}),
              ElementsAre(2.5, 2.5, 4, 1));
}

TEST(AverageRanksDeathTest, NanStopsTheProgram) {
  const std::vector<double> bad = {1, NAN};
  EXPECT_DEATH(AverageRanks(bad), "isnan");
}

}  // namespace
}  // namespace perennial::stats
