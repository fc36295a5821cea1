#include "common/stats/wilcoxon.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/stats/normal.h"
#include "common/stats/ranks.h"
#include "common/stats/samples.h"

namespace perennial::stats {
namespace {

constexpr int64_t kExactLimit = 50;
constexpr int64_t kExactLimitWithTies = 13;

struct Tails {
  double greater;  // P(W >= w_plus)
  double less;     // P(W <= w_plus)
};

// The chances of w_plus under random signs of these ranks. Twice an average rank is a whole number;
// up to 2^50 sign patterns are counted without rounding.
Tails ExactTails(const std::vector<double>& ranks, double w_plus) {
  std::vector<double> patterns = {1};
  for (const double rank : ranks) {
    const size_t step = static_cast<size_t>(2 * rank);
    const size_t old_size = patterns.size();
    patterns.resize(old_size + step, 0);
    for (size_t sum = old_size; sum > 0; --sum) patterns[sum - 1 + step] += patterns[sum - 1];
  }
  const size_t observed = static_cast<size_t>(2 * w_plus);
  double below = 0;
  double above = 0;
  for (size_t sum = 0; sum < patterns.size(); ++sum) {
    if (sum < observed) below += patterns[sum];
    if (sum > observed) above += patterns[sum];
  }
  const double total = std::ldexp(1.0, static_cast<int>(ranks.size()));
  return {(above + patterns[observed]) / total, (below + patterns[observed]) / total};
}

// At most 1: both tails hold the observed value.
double TwoSided(const Tails& tails) {
  return std::min(1.0, 2 * std::min(tails.greater, tails.less));
}

// Doubles without NaN in their order as integers, and back.
int64_t ToOrdered(double value) {
  const int64_t bits = std::bit_cast<int64_t>(value + 0.0);
  return bits >= 0 ? bits : INT64_MIN - bits;
}
double FromOrdered(int64_t ordered) {
  return std::bit_cast<double>(ordered >= 0 ? ordered : INT64_MIN - ordered);
}

// How many pairs i <= j have sorted[i] + sorted[j] <= bound.
int64_t PairsUpTo(const std::vector<double>& sorted, double bound) {
  int64_t pairs = 0;
  size_t end = sorted.size();  // sorted[i] + sorted[j] <= bound for i <= j < end
  for (size_t i = 0; i < sorted.size() && i < end; ++i) {
    while (end > i && sorted[i] + sorted[end - 1] > bound) --end;
    pairs += static_cast<int64_t>(end - i);
  }
  return pairs;
}

// The k-th smallest, from 0, of the sums of pairs, by bisection over all doubles.
double PairSum(const std::vector<double>& sorted, int64_t k) {
  int64_t low = ToOrdered(2 * sorted.front());
  int64_t high = ToOrdered(2 * sorted.back());
  while (low < high) {
    // Without overflow: the two may be of either sign.
    const int64_t middle = (low >> 1) + (high >> 1) + (low & high & 1);
    if (PairsUpTo(sorted, FromOrdered(middle)) > k) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return FromOrdered(low);
}

// Half of each value, so that no sum overflows, in order.
std::vector<double> SortedHalves(std::span<const double> values) {
  std::vector<double> halves(values.begin(), values.end());
  for (double& half : halves) half /= 2;
  std::sort(halves.begin(), halves.end());
  return halves;
}

double HodgesLehmannOf(std::span<const double> differences) {
  const std::vector<double> halves = SortedHalves(differences);
  const int64_t n = static_cast<int64_t>(halves.size());
  const int64_t pairs = n * (n + 1) / 2;
  const double upper = PairSum(halves, pairs / 2);
  if (pairs % 2 == 1) return upper;
  const double lower = PairSum(halves, pairs / 2 - 1);
  return lower + (upper - lower) / 2;
}

}  // namespace

absl::StatusOr<double> HodgesLehmann(std::span<const double> differences) {
  PERENNIAL_RETURN_IF_ERROR(CheckSample(differences, 1));
  return HodgesLehmannOf(differences);
}

absl::StatusOr<WilcoxonResult> WilcoxonSignedRank(std::span<const double> differences,
                                                  const WilcoxonOptions& options) {
  PERENNIAL_RETURN_IF_ERROR(CheckSample(differences, 1));
  WilcoxonResult result;
  result.n = static_cast<int64_t>(differences.size());
  if (options.method == WilcoxonMethod::kExact && result.n > kExactLimit) {
    return absl::InvalidArgumentError(absl::StrCat("the exact signed-rank test takes at most ",
                                                   kExactLimit, " differences and there are ",
                                                   result.n, "; use the normal approximation"));
  }
  result.hodges_lehmann = HodgesLehmannOf(differences);

  std::vector<double> ranked;
  for (const double difference : differences) {
    result.nonzero += difference != 0;
    if (difference != 0 || options.zeros == ZeroMethod::kPratt) ranked.push_back(difference);
  }
  if (result.nonzero == 0) return result;

  std::vector<double> magnitudes = ranked;
  for (double& magnitude : magnitudes) magnitude = std::abs(magnitude);
  const std::vector<double> all_ranks = AverageRanks(magnitudes);
  std::vector<double> ranks;  // of what is not zero
  for (size_t i = 0; i < ranked.size(); ++i) {
    if (ranked[i] == 0) continue;
    ranks.push_back(all_ranks[i]);
    (ranked[i] > 0 ? result.w_plus : result.w_minus) += all_ranks[i];
  }

  // Given the ranks, each has a random sign: mean sum / 2, variance sum of squares / 4, which is
  // what the formulas with corrections for ties and zeros come to.
  double sum = 0;
  double squares = 0;
  for (const double rank : ranks) {
    sum += rank;
    squares += rank * rank;
  }
  const double error = std::sqrt(squares) / 2;
  const double excess = result.w_plus - sum / 2;
  result.z = excess / error;

  std::sort(magnitudes.begin(), magnitudes.end());
  const bool ties = result.nonzero < result.n ||
                    std::adjacent_find(magnitudes.begin(), magnitudes.end()) != magnitudes.end();
  result.exact = options.method == WilcoxonMethod::kExact ||
                 (options.method == WilcoxonMethod::kAuto &&
                  result.n <= (ties ? kExactLimitWithTies : kExactLimit));
  if (result.exact) {
    const Tails tails = ExactTails(ranks, result.w_plus);
    result.p_greater = tails.greater;
    result.p_less = tails.less;
    result.p = TwoSided(tails);
    return result;
  }
  const double shift = options.continuity ? 0.5 : 0;
  result.p_greater = NormalCdf(-(excess - shift) / error);
  result.p_less = NormalCdf((excess + shift) / error);
  const double toward = excess > 0 ? -shift : excess < 0 ? shift : 0;
  result.p = 2 * NormalCdf(-std::abs(excess + toward) / error);
  return result;
}

}  // namespace perennial::stats
