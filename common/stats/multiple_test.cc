#include "common/stats/multiple.h"

#include <cmath>
#include <string>
#include <vector>

#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::stats {
namespace {

using ::testing::HasSubstr;

struct Family {
  std::vector<double> p, holm, benjamini_hochberg;
};

void ExpectNear(const std::vector<double>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], 1e-14 * expected[i]) << i;
  }
}

TEST(Adjust, AgreesWithStatsmodels) {
  const Family families[] = {
#define PERENNIAL_FAMILY_ORACLE
#include "common/stats/multiple_oracle.inc"
#undef PERENNIAL_FAMILY_ORACLE
  };
  for (const Family& family : families) {
    ExpectNear(*HolmAdjust(family.p), family.holm);
    ExpectNear(*BenjaminiHochbergAdjust(family.p), family.benjamini_hochberg);
  }
}

TEST(Adjust, KeepsTheOrderAndNeverLowersAP) {
  random::Stream stream(6);
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<double> p(1 + stream.Below(12));
    for (double& value : p) value = std::pow(stream.Uniform(), 3);
    const std::vector<double> holm = *HolmAdjust(p);
    const std::vector<double> bh = *BenjaminiHochbergAdjust(p);
    for (size_t i = 0; i < p.size(); ++i) {
      // Bonferroni is the most, Benjamini-Hochberg never more than Holm.
      EXPECT_LE(p[i], bh[i]);
      EXPECT_LE(bh[i], holm[i] * (1 + 1e-15));
      EXPECT_LE(holm[i], std::min(1.0, static_cast<double>(p.size()) * p[i]));
      for (size_t j = 0; j < p.size(); ++j) {
        if (p[i] > p[j]) continue;
        EXPECT_LE(holm[i], holm[j]);
        EXPECT_LE(bh[i], bh[j]);
      }
    }
  }
}

TEST(Adjust, FollowsItsInputsOrder) {
  const std::vector<double> p = {0.01, 0.04, 0.03, 0.005};
  const std::vector<double> reversed(p.rbegin(), p.rend());
  const std::vector<double> adjusted = *HolmAdjust(p);
  EXPECT_EQ(*HolmAdjust(reversed), std::vector<double>(adjusted.rbegin(), adjusted.rend()));
}

TEST(Adjust, WhatIsNoProbabilityIsRefused) {
  EXPECT_EQ(HolmAdjust({}).status().code(), absl::StatusCode::kInvalidArgument);
  const std::vector<double> bad[] = {{0.1, NAN}, {0.1, 1.5}, {0.1, -0.1}};
  for (const std::vector<double>& p : bad) {
    EXPECT_THAT(std::string(HolmAdjust(p).status().message()), HasSubstr("p value 1 of 2 is"));
    EXPECT_THAT(std::string(BenjaminiHochbergAdjust(p).status().message()),
                HasSubstr("p value 1 of 2 is"));
  }
}

}  // namespace
}  // namespace perennial::stats
