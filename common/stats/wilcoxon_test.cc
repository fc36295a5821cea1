#include "common/stats/wilcoxon.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::stats {
namespace {

using ::testing::HasSubstr;

struct Row {
  std::vector<double> differences;
  ZeroMethod zeros;
  WilcoxonMethod method;
  bool continuity;
  double w_plus, p, p_greater, p_less, z, hodges_lehmann;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

TEST(WilcoxonSignedRank, AgreesWithScipy) {
  const Row rows[] = {
#define PERENNIAL_WILCOXON_ORACLE
#include "common/stats/wilcoxon_oracle.inc"
#undef PERENNIAL_WILCOXON_ORACLE
  };
  for (const Row& row : rows) {
    const WilcoxonResult w =
        WilcoxonSignedRank(row.differences,
                           {.zeros = row.zeros, .method = row.method, .continuity = row.continuity})
            .value();
    SCOPED_TRACE(testing::Message() << w.n << " differences, " << w.nonzero << " not zero, exact "
                                    << w.exact << ", continuity " << row.continuity << ", pratt "
                                    << (row.zeros == ZeroMethod::kPratt));
    EXPECT_EQ(w.w_plus, row.w_plus);
    EXPECT_NEAR(*w.z, row.z, 1e-12 * (1 + std::abs(row.z)));
    EXPECT_NEAR(*w.p, row.p, 1e-12 * row.p);
    EXPECT_NEAR(*w.p_greater, row.p_greater, 1e-12 * row.p_greater);
    EXPECT_NEAR(*w.p_less, row.p_less, 1e-12 * row.p_less);
    EXPECT_NEAR(w.hodges_lehmann, row.hodges_lehmann, 1e-15 * (1 + std::abs(row.hodges_lehmann)));
  }
}

TEST(WilcoxonSignedRank, ExactIsTheShareOfSignPatterns) {
  // Ties and zeros; every pattern of signs counted one by one.
  const std::vector<double> differences = {0, 1, 1, -2, 3, -3, 3, 5, 5.5, 0, 7};
  for (const ZeroMethod zeros : {ZeroMethod::kWilcox, ZeroMethod::kPratt}) {
    const std::vector<double> ranks = zeros == ZeroMethod::kWilcox
                                          ? std::vector<double>{1.5, 1.5, 3, 5, 5, 5, 7, 8, 9}
                                          : std::vector<double>{3.5, 3.5, 5, 7, 7, 7, 9, 10, 11};
    const WilcoxonResult w =
        *WilcoxonSignedRank(differences, {.zeros = zeros, .method = WilcoxonMethod::kExact});
    EXPECT_EQ(w.w_plus, ranks[0] + ranks[1] + ranks[3] + ranks[5] + ranks[6] + ranks[7] + ranks[8]);
    EXPECT_EQ(w.w_minus, ranks[2] + ranks[4]);
    int greater = 0;
    int less = 0;
    for (int pattern = 0; pattern < 512; ++pattern) {
      double sum = 0;
      for (int i = 0; i < 9; ++i) sum += (pattern >> i & 1) * ranks[i];
      greater += sum >= w.w_plus;
      less += sum <= w.w_plus;
    }
    EXPECT_TRUE(w.exact);
    EXPECT_EQ(*w.p_greater, greater / 512.0);
    EXPECT_EQ(*w.p_less, less / 512.0);
    EXPECT_EQ(*w.p, 2 * std::min(greater, less) / 512.0);
  }
}

TEST(WilcoxonSignedRank, FiftyOfOneSignHaveTheSmallestP) {
  std::vector<double> differences;
  for (int i = 1; i <= 50; ++i) differences.push_back(i);
  const WilcoxonResult w = *WilcoxonSignedRank(differences);
  EXPECT_TRUE(w.exact);
  EXPECT_EQ(*w.p_greater, std::ldexp(1, -50));
  EXPECT_EQ(*w.p, std::ldexp(1, -49));
  EXPECT_EQ(*w.p_less, 1);
}

TEST(WilcoxonSignedRank, NegatedDifferencesExchangeTheSides) {
  random::Stream stream(3);
  for (const int n : {7, 20, 60}) {
    std::vector<double> differences(n), negated;
    for (double& d : differences) d = stream.Normal() + 0.2;
    for (const double d : differences) negated.push_back(-d);
    const WilcoxonResult w = *WilcoxonSignedRank(differences);
    const WilcoxonResult v = *WilcoxonSignedRank(negated);
    EXPECT_EQ(w.w_plus, v.w_minus);
    EXPECT_EQ(*w.p, *v.p);
    EXPECT_EQ(*w.p_greater, *v.p_less);
    EXPECT_EQ(*w.z, -*v.z);
    EXPECT_EQ(w.hodges_lehmann, -v.hodges_lehmann);
    stream.Shuffle(std::span<double>(differences));
    const WilcoxonResult shuffled = *WilcoxonSignedRank(differences);
    EXPECT_EQ(*w.p, *shuffled.p);
    EXPECT_EQ(w.hodges_lehmann, shuffled.hodges_lehmann);
  }
}

TEST(WilcoxonSignedRank, ZerosAloneHaveNoTest) {
  const WilcoxonResult w = *WilcoxonSignedRank(std::vector<double>{0, 0, -0.0});
  EXPECT_EQ(w.nonzero, 0);
  EXPECT_FALSE(w.p || w.p_greater || w.p_less || w.z);
  EXPECT_EQ(w.hodges_lehmann, 0);
}

TEST(HodgesLehmann, IsTheMedianOfAllPairMeans) {
  random::Stream stream(8);
  for (int n = 1; n < 40; ++n) {
    std::vector<double> values(n), means;
    const double scale = std::pow(10, stream.Uniform(-300, 300));
    for (double& value : values) {
      value = n % 3 == 0 ? static_cast<double>(stream.Below(7)) - 3 : stream.Normal() * scale;
    }
    for (int i = 0; i < n; ++i) {
      for (int j = i; j < n; ++j) means.push_back(values[i] / 2 + values[j] / 2);
    }
    const double expected = Median(means);
    EXPECT_NEAR(*HodgesLehmann(values), expected, 1e-15 * std::abs(expected)) << n;
  }
  EXPECT_EQ(*HodgesLehmann(std::vector<double>{1.7e308, 1.7e308}), 1.7e308);
  EXPECT_EQ(*HodgesLehmann(std::vector<double>{-1.7e308, 1.7e308, 0}), 0);
}

TEST(HodgesLehmann, IsQuickWithManyValues) {
  random::Stream stream(9);
  std::vector<double> values(200000);
  for (double& value : values) value = stream.Normal() + 2;
  // 2 x 10^10 pairs.
  EXPECT_NEAR(*HodgesLehmann(values), 2, 0.01);
}

TEST(WilcoxonSignedRank, BadInputIsRefused) {
  EXPECT_EQ(WilcoxonSignedRank({}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(WilcoxonSignedRank(std::vector<double>{1, NAN}).status().message()),
              HasSubstr("value 1 of 2 is nan"));
  EXPECT_THAT(std::string(WilcoxonSignedRank(std::vector<double>(51, 1.0),
                                             {.method = WilcoxonMethod::kExact})
                              .status()
                              .message()),
              HasSubstr("at most 50"));
}

}  // namespace
}  // namespace perennial::stats
