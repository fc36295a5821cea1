#include "causal/estimators/standardization.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

TEST(Standardization, GivesMeanZeroAndDeviationOne) {
  const std::vector<double> x = {1, 10, 2, 30, 3, 20, 6, 20};  // [4, 2]
  const Standardization s = StandardizationOf({x.data(), 4, 2, 2});
  EXPECT_DOUBLE_EQ(s.center[0], 3);
  EXPECT_DOUBLE_EQ(s.center[1], 20);
  EXPECT_DOUBLE_EQ(s.inverse[0], 1 / std::sqrt(3.5));  // squares 4 + 1 + 0 + 9 over 4
  EXPECT_DOUBLE_EQ(s.inverse[1], 1 / std::sqrt(50.0));
  std::vector<double> z(2);
  s.Apply(x.data() + 6, z);
  EXPECT_DOUBLE_EQ(z[0], 3 / std::sqrt(3.5));
  EXPECT_DOUBLE_EQ(z[1], 0);
}

TEST(Standardization, AWeightIsARepetition) {
  const std::vector<double> x = {1, 2, 6, 1e9};
  const std::vector<double> weights = {1, 3, 2, 0};
  const std::vector<double> repeated = {1, 2, 2, 2, 6, 6};
  const Standardization weighted = StandardizationOf({x.data(), 4, 1, 1}, weights);
  const Standardization plain = StandardizationOf({repeated.data(), 6, 1, 1});
  EXPECT_DOUBLE_EQ(weighted.center[0], plain.center[0]);
  EXPECT_DOUBLE_EQ(weighted.inverse[0], plain.inverse[0]);
}

TEST(Standardization, ConstantColumnsAreZeroAndFarOnesAreNotConstant) {
  std::vector<double> x;
  for (int i = 0; i < 10; ++i) x.insert(x.end(), {0.1, 0, 1e9 + i});
  const Standardization s = StandardizationOf({x.data(), 10, 3, 3});
  EXPECT_EQ(s.inverse[0], 0);
  EXPECT_EQ(s.inverse[1], 0);
  EXPECT_NEAR(s.inverse[2], 1 / std::sqrt(8.25), 1e-12);
  std::vector<double> z(3);
  s.Apply(std::vector<double>{7, 7, 1e9}.data(), z);
  EXPECT_EQ(z[0], 0);
  EXPECT_EQ(z[1], 0);
}

}  // namespace
}  // namespace perennial::causal
