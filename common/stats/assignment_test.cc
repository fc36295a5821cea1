#include "common/stats/assignment.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::stats {
namespace {

using ::testing::HasSubstr;

// A permutation whose sum is the cost it says.
void ExpectConsistent(std::span<const double> costs, int64_t n, const Assignment& assignment) {
  ASSERT_EQ(std::ssize(assignment.column), n);
  std::vector<int32_t> sorted = assignment.column;
  std::ranges::sort(sorted);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    ASSERT_EQ(sorted[i], i);
    sum += costs[i * n + assignment.column[i]];
  }
  EXPECT_EQ(assignment.cost, sum);
}

double LeastOfAllPermutations(std::span<const double> costs, int64_t n) {
  std::vector<int32_t> columns(n);
  std::iota(columns.begin(), columns.end(), 0);
  double least = HUGE_VAL;
  do {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += costs[i * n + columns[i]];
    least = std::min(least, sum);
  } while (std::ranges::next_permutation(columns).found);
  return least;
}

TEST(LinearAssignment, IsTheBestOfAllPermutations) {
  random::Stream stream(1);
  for (int64_t n = 0; n <= 7; ++n) {
    for (int repeat = 0; repeat < 40; ++repeat) {
      std::vector<double> costs(n * n);
      for (double& cost : costs) {
        // Ties by the dozen; then numbers of any sign and size.
        cost = repeat % 2 == 0 ? static_cast<double>(stream.Below(3)) - 1
                               : stream.Normal() * std::exp(3 * stream.Normal());
      }
      const Assignment best = LinearAssignment(costs, n).value();
      ExpectConsistent(costs, n, best);
      const double least = LeastOfAllPermutations(costs, n);
      EXPECT_NEAR(best.cost, least, 1e-12 * (1 + std::abs(least))) << n << " " << repeat;
    }
  }
}

// The finaliser of splitmix64, as in tools/oracles/assignment.py.
uint64_t Mixed(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

TEST(LinearAssignment, AgreesWithScipy) {
  struct Row {
    int64_t n, bound;
    uint64_t seed;
    double least, greatest;
  };
  const Row rows[] = {
#include "common/stats/assignment_oracle.inc"
  };
  for (const Row& row : rows) {
    std::vector<double> costs, negated;
    for (int64_t i = 0; i < row.n; ++i) {
      for (int64_t j = 0; j < row.n; ++j) {
        const uint64_t drawn = Mixed((row.seed << 40) + (static_cast<uint64_t>(i) << 20) + j);
        costs.push_back(static_cast<double>(drawn % (2 * row.bound + 1)) -
                        static_cast<double>(row.bound));
        negated.push_back(-costs.back());
      }
    }
    const Assignment least = LinearAssignment(costs, row.n).value();
    ExpectConsistent(costs, row.n, least);
    EXPECT_EQ(least.cost, row.least) << row.n << " " << row.bound;
    EXPECT_EQ(LinearAssignment(negated, row.n).value().cost, -row.greatest)
        << row.n << " " << row.bound;
  }
}

// Products of two sorted lists: the largest of one meet the smallest of the other. Long paths.
TEST(LinearAssignment, PairsProductsTheOppositeWay) {
  constexpr int64_t kSize = 150;
  std::vector<double> costs(kSize * kSize);
  for (int64_t i = 0; i < kSize; ++i) {
    for (int64_t j = 0; j < kSize; ++j) costs[i * kSize + j] = static_cast<double>((i + 1) * j);
  }
  const Assignment best = LinearAssignment(costs, kSize).value();
  for (int64_t i = 0; i < kSize; ++i) EXPECT_EQ(best.column[i], kSize - 1 - i);
}

// Under prices of rows and columns, which no assignment can avoid.
TEST(LinearAssignment, FindsAHiddenPermutation) {
  constexpr int32_t kSize = 300;
  random::Stream stream(2);
  const std::vector<int32_t> hidden = stream.Sample(kSize, kSize);
  std::vector<double> prices(kSize), costs(kSize * kSize);
  for (double& price : prices) price = 5 * stream.Normal();
  for (int32_t i = 0; i < kSize; ++i) {
    for (int32_t j = 0; j < kSize; ++j) {
      costs[i * kSize + j] =
          prices[i] - prices[kSize - 1 - j] + (j == hidden[i] ? 0 : 1e-3 + stream.Uniform());
    }
  }
  EXPECT_EQ(LinearAssignment(costs, kSize).value().column, hidden);
}

TEST(LinearAssignment, HugeCostsDoNotOverflow) {
  const std::vector<double> costs = {1e300, -1e300, 1e300, -1e300, -1e300, 1e300, 1e300, 1e300, 0};
  const Assignment best = LinearAssignment(costs, 3).value();
  ExpectConsistent(costs, 3, best);
  EXPECT_EQ(best.cost, -2e300);
}

TEST(LinearAssignment, RefusesCostsThatAreNotNumbers) {
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL, 1.7e308}) {
    const std::vector<double> costs = {1, 2, 3, bad};
    const absl::Status status = LinearAssignment(costs, 2).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("row 1 and column 1"));
  }
}

}  // namespace
}  // namespace perennial::stats
