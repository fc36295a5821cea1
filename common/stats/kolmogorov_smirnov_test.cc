#include "common/stats/kolmogorov_smirnov.h"

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
  std::vector<double> x, y;
  double expected;
};

TEST(KolmogorovSmirnovStatistic, AgreesWithScipy) {
  const Row rows[] = {
#define PERENNIAL_DISTANCE_ORACLE
#include "common/stats/kolmogorov_smirnov_oracle.inc"
#undef PERENNIAL_DISTANCE_ORACLE
  };
  for (const Row& row : rows) {
    EXPECT_NEAR(*KolmogorovSmirnovStatistic(row.x, row.y), row.expected, 1e-15);
  }
}

TEST(KolmogorovSmirnovStatistic, IsSymmetricAndOnlyOfTheOrder) {
  random::Stream stream(7);
  std::vector<double> x(30), y(20), grown_x, grown_y;
  for (double& value : x) value = stream.Normal();
  for (double& value : y) value = stream.Normal() + 1;
  for (const double value : x) grown_x.push_back(std::exp(value));
  for (const double value : y) grown_y.push_back(std::exp(value));
  const double distance = *KolmogorovSmirnovStatistic(x, y);
  EXPECT_EQ(*KolmogorovSmirnovStatistic(y, x), distance);
  EXPECT_EQ(*KolmogorovSmirnovStatistic(grown_x, grown_y), distance);
  EXPECT_EQ(*KolmogorovSmirnovStatistic(x, x), 0);
}

TEST(KolmogorovSmirnovStatistic, BadInputIsRefused) {
  const std::vector<double> one = {1};
  const std::vector<double> bad = {NAN};
  EXPECT_THAT(std::string(KolmogorovSmirnovStatistic(one, {}).status().message()),
              HasSubstr("second sample: there are no values"));
  EXPECT_THAT(std::string(KolmogorovSmirnovStatistic(bad, one).status().message()),
              HasSubstr("first sample: value 0 of 1 is nan"));
}

}  // namespace
}  // namespace perennial::stats
