#include "causal/estimation/missing_codes.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

// "-999 in 3, far of 0..250; ..."
std::string Text(const std::vector<double>& values) {
  std::string text;
  for (const MissingCodes& codes : MissingCodesOf(values)) {
    absl::StrAppend(&text, text.empty() ? "" : "; ", absl::StrJoin(codes.values, " "), " in ",
                    codes.rows, codes.far ? ", far of " : ", below ", codes.low, "..", codes.high);
  }
  return text;
}

std::vector<double> With(std::vector<double> values, double code, int rows) {
  for (int i = 0; i < rows; ++i) values.insert(values.begin() + i, code);
  return values;
}

// Whole numbers, each in two rows.
std::vector<double> Range(int low, int high) {
  std::vector<double> values;
  for (int v = low; v <= high; ++v) values.insert(values.end(), 2, v);
  return values;
}

TEST(MissingCodesTest, ARepeatedCodeFarFromTheOthersIsFoundAtEitherEnd) {
  EXPECT_EQ(Text(With(Range(-3, 250), -999, 31)), "-999 in 31, far of -3..250");
  EXPECT_EQ(Text(With(Range(0, 250), 999, 3)), "999 in 3, far of 0..250");
  EXPECT_EQ(Text(With(Range(-40, 40), 999.9, 4)), "999.9 in 4, far of -40..40");
  EXPECT_EQ(Text(With(Range(-40, 40), -9999, 4)), "-9999 in 4, far of -40..40");
  EXPECT_EQ(Text(With(Range(18, 40), 99, 5)), "99 in 5, far of 18..40");
  EXPECT_EQ(Text(With(Range(1, 4), 9, 5)), "9 in 5, far of 1..4");
  EXPECT_EQ(Text(With(Range(0, 1), 9, 3)), "9 in 3, far of 0..1");
  EXPECT_EQ(Text(With(Range(1, 5), 88, 3)), "88 in 3, far of 1..5");
}

TEST(MissingCodesTest, TheGapMustExceedTheRangeOfTheOthers) {
  EXPECT_EQ(Text(With(Range(19, 58), 99, 5)), "99 in 5, far of 19..58");
  EXPECT_EQ(Text(With(Range(19, 59), 99, 5)), "");
  EXPECT_EQ(Text(With(Range(-500, -1), -999, 5)), "");
  EXPECT_EQ(Text(With(Range(-499, 0), -999, 5)), "-999 in 5, far of -499..0");
}

TEST(MissingCodesTest, TheOnlyNegativeValueIsFoundHoweverWideTheOthersAre) {
  const std::vector<double> earnings = {0, 0, 12.5, 1700, 98000, 250000};
  EXPECT_EQ(Text(With(earnings, -999, 3)), "-999 in 3, below 0..250000");
  EXPECT_EQ(Text(With(earnings, -9, 3)), "-9 in 3, below 0..250000");
  EXPECT_EQ(Text(With(With(earnings, -9, 3), -8, 1)), "-9 -8 in 4, below 0..250000");
  EXPECT_EQ(Text(With(With(earnings, -9, 3), -1, 3)), "");
  EXPECT_EQ(Text(With(earnings, -1, 30)), "");
}

TEST(MissingCodesTest, SeveralCodesOfOneOrBothEndsAreFoundTogether) {
  EXPECT_EQ(Text(With(With(Range(0, 250), 998, 1), 999, 2)), "998 999 in 3, far of 0..250");
  EXPECT_EQ(Text(With(With(With(Range(1, 7), 98, 4), 99, 4), 97, 4)),
            "97 98 99 in 12, far of 1..7");
  EXPECT_EQ(Text(With(With(Range(-20, 20), -999, 3), 999, 4)),
            "-999 in 3, far of -20..20; 999 in 4, far of -20..20");
  EXPECT_EQ(Text(With(With(Range(0, 250), -999, 3), 999, 4)),
            "-999 in 3, below 0..999; 999 in 4, far of 0..250");
  EXPECT_EQ(Text(With(With(Range(-20, 20), -999, 3), -99, 4)),
            "-999 in 3, far of -99..20; -99 in 4, far of -20..20");
}

TEST(MissingCodesTest, OutliersAndOtherNumbersAreNone) {
  EXPECT_EQ(Text(With(Range(0, 250), -999, 2)), "");
  EXPECT_EQ(Text(With(Range(0, 250), 9999, 1)), "");
  for (const double other : {1000.0, -1000.0, 990.0, 9899.0, 996.0, 899.0, -989.0, 1e9}) {
    EXPECT_EQ(Text(With(Range(0, 250), other, 30)), "") << other;
  }
  EXPECT_EQ(Text(With(Range(5000, 5900), 0, 300)), "");
  // Two values alone say nothing, and neither do steps of a dose.
  EXPECT_EQ(Text(With({0, 0, 0, 0}, 9, 4)), "");
  EXPECT_EQ(Text(With({0, 0, 0, 0}, 99, 4)), "");
  EXPECT_EQ(Text(With({0, 0, 1, 1, 3, 3}, 9, 4)), "");
  EXPECT_EQ(Text(With({0, 0, 3, 3}, 9, 4)), "");
  EXPECT_EQ(Text(With({0, 0, 0.3, 0.6}, 0.9, 4)), "");
  EXPECT_EQ(Text(With({0, 0, 0.1, 0.2}, 0.99, 4)), "");
  EXPECT_EQ(Text(Range(1, 9)), "");
  EXPECT_EQ(Text(Range(-9, 9)), "");
  EXPECT_EQ(Text(Range(0, 99)), "");
  EXPECT_EQ(Text({7, 7, 7, 7}), "");
  EXPECT_EQ(Text({}), "");
}

TEST(MissingCodesTest, MissingValuesAreNoValues) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Text({nan, nan, nan}), "");
  EXPECT_EQ(Text(With(With(Range(0, 50), 99, 2), nan, 5)), "");
  EXPECT_EQ(Text(With(With(Range(0, 40), 99, 3), nan, 5)), "99 in 3, far of 0..40");
}

// Two hundred columns of each kind, of 40 to 5000 rows.
TEST(MissingCodesTest, OrdinaryNumbersAreNeverSuspected) {
  const random::Stream root(11);
  const auto poisson = [](random::Stream& stream, double mean) {
    int count = 0;
    for (double p = stream.Uniform(); p > std::exp(-mean); p *= stream.Uniform()) ++count;
    return static_cast<double>(count);
  };
  const auto sizes = {40, 300, 5000};
  for (int trial = 0; trial < 200; ++trial) {
    for (const int n : sizes) {
      random::Stream stream = root.Split(absl::StrCat(trial, " ", n));
      const double mean = std::pow(10, 2 * stream.Uniform() - 1);
      const double scale = std::pow(10, 4 * stream.Uniform());
      std::vector<std::vector<double>> columns(9);
      for (int i = 0; i < n; ++i) {
        const double z = stream.Normal();
        columns[0].push_back(z * scale);
        columns[1].push_back(std::round(z * scale));
        columns[2].push_back(std::exp(2 * z));
        columns[3].push_back(std::round(std::exp(z) * mean));
        columns[4].push_back(std::round(std::exp(2 * z) * scale / 10) / 10);
        columns[5].push_back(poisson(stream, mean));
        columns[6].push_back(stream.Uniform() < 0.3 ? 1 : 0);
        columns[7].push_back(stream.Uniform() < 0.5 ? 0 : std::round(1000 * std::exp(z)));
        columns[8].push_back(static_cast<double>(stream.Below(10)));
      }
      for (size_t k = 0; k < columns.size(); ++k) {
        ASSERT_EQ(Text(columns[k]), "") << "column " << k << ", trial " << trial << ", " << n;
      }
    }
  }
}

}  // namespace
}  // namespace perennial::causal
