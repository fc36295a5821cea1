#include "common/stats/summary.h"

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::stats {
namespace {

using ::testing::HasSubstr;

struct Sample {
  std::vector<double> values;
  double mean, median, standard_deviation, low, high;
};

TEST(Summarize, AgreesWithScipy) {
  const Sample samples[] = {
#include "common/stats/summary_oracle.inc"
  };
  for (const Sample& sample : samples) {
    const Summary summary = Summarize(sample.values).value();
    EXPECT_EQ(summary.n, static_cast<int64_t>(sample.values.size()));
    EXPECT_DOUBLE_EQ(summary.mean, sample.mean);
    EXPECT_DOUBLE_EQ(summary.median, sample.median);
    EXPECT_DOUBLE_EQ(summary.standard_deviation.value(), sample.standard_deviation);
    EXPECT_NEAR(summary.ci95->low, sample.low, 1e-12 * std::abs(sample.low));
    EXPECT_NEAR(summary.ci95->high, sample.high, 1e-12 * std::abs(sample.high));
  }
}

TEST(Summarize, OneValueHasNoSpreadAndNoInterval) {
  const std::vector<double> one = {0.7};
  const Summary summary = Summarize(one).value();
  EXPECT_EQ(summary.n, 1);
  EXPECT_EQ(summary.mean, 0.7);
  EXPECT_EQ(summary.median, 0.7);
  EXPECT_FALSE(summary.standard_deviation.has_value());
  EXPECT_FALSE(summary.ci95.has_value());
}

TEST(Summarize, EqualValuesHaveAnIntervalOfNoWidth) {
  const std::vector<double> equal = {0.5, 0.5, 0.5};
  const Summary summary = Summarize(equal).value();
  EXPECT_EQ(summary.standard_deviation, 0.0);
  EXPECT_EQ(summary.ci95->low, 0.5);
  EXPECT_EQ(summary.ci95->high, 0.5);
  // The sum of three times 0.1, divided by 3, is not 0.1.
  const std::vector<double> tenths = {0.1, 0.1, 0.1};
  EXPECT_EQ(Summarize(tenths)->mean, 0.1);
  EXPECT_EQ(*Summarize(tenths)->standard_deviation, 0);
}

TEST(Summarize, NoValuesAndNonFiniteValuesAreRefused) {
  EXPECT_EQ(Summarize({}).status().code(), absl::StatusCode::kInvalidArgument);
  const std::vector<double> bad = {0.5, std::nan(""), 0.5};
  const absl::Status status = Summarize(bad).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("value 1 of 3 is nan"));
}

}  // namespace
}  // namespace perennial::stats
