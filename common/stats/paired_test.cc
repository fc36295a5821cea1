#include "common/stats/paired.h"

#include <cmath>
#include <string>
#include <vector>

#include "common/random/stream.h"
#include "common/stats/bootstrap.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::stats {
namespace {

using ::testing::HasSubstr;

struct Row {
  std::vector<double> a, b;
  double level, mean, deviation, low, high, t, p, dz, wins, losses, ties;
};

std::vector<double> Normals(int n, double shift, random::Stream stream) {
  std::vector<double> values(n);
  for (double& value : values) value = stream.Normal() + shift;
  return values;
}

TEST(ComparePaired, AgreesWithScipy) {
  const Row rows[] = {
#define PERENNIAL_PAIRED_ORACLE
#include "common/stats/paired_oracle.inc"
#undef PERENNIAL_PAIRED_ORACLE
  };
  for (const Row& row : rows) {
    const PairedDifference d = ComparePaired(row.a, row.b, row.level).value();
    const double scale = row.deviation + std::abs(row.mean);
    EXPECT_EQ(d.n, static_cast<int64_t>(row.a.size()));
    EXPECT_EQ(d.level, row.level);
    EXPECT_NEAR(d.mean, row.mean, 1e-14 * scale);
    EXPECT_NEAR(*d.standard_deviation, row.deviation, 1e-14 * scale);
    EXPECT_NEAR(d.interval->low, row.low, 1e-12 * scale);
    EXPECT_NEAR(d.interval->high, row.high, 1e-12 * scale);
    EXPECT_NEAR(*d.t, row.t, 1e-12 * (1 + std::abs(row.t)));
    EXPECT_NEAR(*d.p, row.p, 1e-10 * row.p);
    EXPECT_NEAR(*d.cohens_dz, row.dz, 1e-12 * (1 + std::abs(row.dz)));
    EXPECT_EQ(d.wins.wins, row.wins);
    EXPECT_EQ(d.wins.losses, row.losses);
    EXPECT_EQ(d.wins.ties, row.ties);
    EXPECT_DOUBLE_EQ(d.wins.rate, (row.wins + row.ties / 2) / static_cast<double>(d.n));
  }
}

TEST(ComparePaired, ExchangedSamplesChangeSignsOnly) {
  const std::vector<double> a = Normals(14, 0.3, random::Stream(1));
  const std::vector<double> b = Normals(14, 0, random::Stream(2));
  const PairedDifference forth = *ComparePaired(a, b);
  const PairedDifference back = *ComparePaired(b, a);
  EXPECT_EQ(forth.mean, -back.mean);
  EXPECT_EQ(forth.interval->low, -back.interval->high);
  EXPECT_EQ(*forth.t, -*back.t);
  EXPECT_EQ(*forth.p, *back.p);
  EXPECT_EQ(*forth.cohens_dz, -*back.cohens_dz);
  EXPECT_EQ(forth.wins.wins, back.wins.losses);
  EXPECT_DOUBLE_EQ(forth.wins.rate, 1 - back.wins.rate);
}

TEST(ComparePaired, OnePairHasAMeanOnly) {
  const PairedDifference d = *ComparePaired(std::vector<double>{0.7}, std::vector<double>{0.5});
  EXPECT_DOUBLE_EQ(d.mean, 0.2);
  EXPECT_EQ(d.wins.rate, 1);
  EXPECT_FALSE(d.standard_deviation || d.interval || d.t || d.p || d.cohens_dz);
}

TEST(ComparePaired, EqualDifferencesHaveNoTest) {
  // The sum of three times 0.1 is rounded; the spread is none all the same.
  const PairedDifference d =
      *ComparePaired(std::vector<double>{0.1, 0.1, 0.1}, std::vector<double>{0, 0, 0});
  EXPECT_EQ(d.mean, 0.1);
  EXPECT_EQ(*d.standard_deviation, 0);
  EXPECT_EQ(d.interval->low, 0.1);
  EXPECT_EQ(d.interval->high, 0.1);
  EXPECT_FALSE(d.t || d.p || d.cohens_dz);
}

TEST(ComparePaired, BadInputIsRefused) {
  const std::vector<double> one = {1};
  const std::vector<double> two = {1, 2};
  const std::vector<double> bad = {1, NAN};
  EXPECT_THAT(std::string(ComparePaired(one, two).status().message()),
              HasSubstr("pairs need as many of each"));
  EXPECT_THAT(std::string(ComparePaired(two, bad).status().message()),
              HasSubstr("second sample: value 1 of 2 is nan"));
  EXPECT_THAT(std::string(ComparePaired(two, two, 95).status().message()), HasSubstr("level"));
  EXPECT_THAT(std::string(CountWins({}, {}).status().message()), HasSubstr("no values"));
  const std::vector<double> great = {1e308};
  const std::vector<double> small = {-1e308};
  EXPECT_THAT(std::string(Differences(great, small).status().message()),
              HasSubstr("difference: value 0 of 1 is inf"));
}

TEST(PairedBootstrap, IsTheBootstrapOfTheMeanDifference) {
  const std::vector<double> a = Normals(15, 0.3, random::Stream(1));
  const std::vector<double> b = Normals(15, 0, random::Stream(2));
  const BootstrapOptions options = {.resamples = 500};
  const BootstrapResult paired = *PairedBootstrap(a, b, options, random::Stream(3));
  const auto mean = [](std::span<double> values) {
    double sum = 0;
    for (const double value : values) sum += value;
    return sum / static_cast<double>(values.size());
  };
  const BootstrapResult direct = *Bootstrap(*Differences(a, b), mean, options, random::Stream(3));
  EXPECT_EQ(paired.percentile.low, direct.percentile.low);
  EXPECT_EQ(paired.bca->high, direct.bca->high);
  EXPECT_DOUBLE_EQ(paired.estimate, ComparePaired(a, b)->mean);
}

}  // namespace
}  // namespace perennial::stats
