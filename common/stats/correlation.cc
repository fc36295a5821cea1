#include "common/stats/correlation.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/stats/normal.h"
#include "common/stats/ranks.h"
#include "common/stats/samples.h"
#include "common/stats/student_t.h"

namespace perennial::stats {
namespace {

// What is left of a column after projection below this share of it is rounding.
constexpr double kRoundingShare = 1e-10;
constexpr int64_t kKendallExactLimit = 33;

bool IsConstant(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == values[0]; });
}

double Dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// The direction of the values about their mean. They must not be constant.
std::vector<double> CentredUnit(std::span<const double> values) {
  std::vector<double> centred(values.begin(), values.end());
  // Scaled first, so that neither sums nor squares leave the range of doubles; by powers of two,
  // which loses no digit.
  const auto scale = [&] {
    double greatest = 0;
    for (const double value : centred) greatest = std::max(greatest, std::abs(value));
    const int exponent = std::ilogb(greatest);
    for (double& value : centred) value = std::ldexp(value, -exponent);
  };
  scale();
  // Twice: the second removes the rounding of a mean far from zero.
  for (int pass = 0; pass < 2; ++pass) {
    const double mean =
        std::accumulate(centred.begin(), centred.end(), 0.0) / static_cast<double>(centred.size());
    for (double& value : centred) value -= mean;
  }
  scale();
  const double norm = std::sqrt(Dot(centred, centred));
  for (double& value : centred) value /= norm;
  return centred;
}

// Takes the part along the orthonormal `basis` off a unit vector, and makes the rest a unit vector.
// False if the rest is rounding.
bool Reject(std::span<const std::vector<double>> basis, std::vector<double>* vector) {
  // Twice is enough (Kahan; Parlett, The Symmetric Eigenvalue Problem, section 6.9).
  for (int pass = 0; pass < 2; ++pass) {
    for (const std::vector<double>& direction : basis) {
      const double share = Dot(direction, *vector);
      for (size_t i = 0; i < vector->size(); ++i) (*vector)[i] -= share * direction[i];
    }
  }
  const double norm = std::sqrt(Dot(*vector, *vector));
  if (norm < kRoundingShare) return false;
  for (double& value : *vector) value /= norm;
  return true;
}

// Coefficient and p of two centred unit vectors; Fisher's interval if there is a level.
Correlation FromUnits(const std::vector<double>& x, const std::vector<double>& y,
                      int64_t covariates, std::optional<double> level) {
  Correlation result;
  result.n = static_cast<int64_t>(x.size());
  const double r = std::clamp(Dot(x, y), -1.0, 1.0);
  result.coefficient = r;
  // 1 - |r| is half the squared distance of the unit vectors, which keeps its digits.
  const double sign = r < 0 ? -1 : 1;
  double distance = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double step = x[i] - sign * y[i];
    distance += step * step;
  }
  const double one_minus = distance / 2;
  const double one_plus = 1 + std::abs(r);
  const int64_t freedom = result.n - 2 - covariates;
  result.degrees_of_freedom = freedom;
  if (freedom > 0) {
    const double f = static_cast<double>(freedom);
    const double t = std::abs(r) * std::sqrt(f / (one_minus * one_plus));
    result.p = 2 * StudentTCdf(-t, f);
  }
  if (level.has_value() && freedom > 1) {
    const double fisher = sign * 0.5 * std::log(one_plus / one_minus);
    const double reach =
        -NormalQuantile((1 - *level) / 2) / std::sqrt(static_cast<double>(freedom - 1));
    result.interval = Interval{std::tanh(fisher - reach), std::tanh(fisher + reach)};
  }
  return result;
}

Correlation Linear(std::span<const double> x, std::span<const double> y,
                   std::optional<double> level) {
  if (IsConstant(x) || IsConstant(y)) {
    Correlation undefined;
    undefined.n = static_cast<int64_t>(x.size());
    return undefined;
  }
  return FromUnits(CentredUnit(x), CentredUnit(y), 0, level);
}

// The groups of equal values in sorted order: how many pairs are tied, and the two sums that the
// variance of tau takes.
struct Ties {
  int64_t pairs = 0;
  double triples = 0;   // t (t - 1) (t - 2)
  double variance = 0;  // t (t - 1) (2 t + 5)

  void Add(int64_t count) {
    const double t = static_cast<double>(count);
    pairs += count * (count - 1) / 2;
    triples += t * (t - 1) * (t - 2);
    variance += t * (t - 1) * (2 * t + 5);
  }
};

template <typename Equal>
Ties CountTies(int64_t n, Equal equal) {
  Ties ties;
  for (int64_t first = 0, end; first < n; first = end) {
    end = first + 1;
    while (end < n && equal(first, end)) ++end;
    ties.Add(end - first);
  }
  return ties;
}

// Sorts `values` by merging and returns how many pairs stood in descending order.
int64_t SortCountingExchanges(std::vector<double>* values) {
  int64_t exchanges = 0;
  const size_t n = values->size();
  std::vector<double> merged(n);
  for (size_t width = 1; width < n; width *= 2) {
    for (size_t start = 0; start < n; start += 2 * width) {
      const size_t middle = std::min(start + width, n);
      const size_t end = std::min(start + 2 * width, n);
      size_t left = start;
      size_t right = middle;
      for (size_t out = start; out < end; ++out) {
        if (right == end || (left < middle && (*values)[left] <= (*values)[right])) {
          merged[out] = (*values)[left++];
        } else {
          merged[out] = (*values)[right++];
          exchanges += static_cast<int64_t>(middle - left);
        }
      }
    }
    values->swap(merged);
  }
  return exchanges;
}

// P that a random order of n values has at most `discordant` pairs out of order, twice.
double KendallExactP(int64_t n, int64_t discordant) {
  discordant = std::min(discordant, n * (n - 1) / 2 - discordant);
  // At most one: 1 / n! or n / n!, for any n.
  if (discordant <= 1) {
    double p = 2;
    for (int64_t i = 2; i <= n - discordant; ++i) p /= static_cast<double>(i);
    return std::min(1.0, p);
  }
  // chance[k]: that `size` values have k pairs out of order. Another value adds 0 .. size of them.
  std::vector<double> chance(discordant + 1, 0.0);
  chance[0] = 1;
  for (int64_t size = 2; size <= n; ++size) {
    for (int64_t k = discordant; k >= 0; --k) {
      double sum = 0;
      for (int64_t added = 0; added < size && added <= k; ++added) sum += chance[k - added];
      chance[k] = sum / static_cast<double>(size);
    }
  }
  return std::min(1.0, 2 * std::accumulate(chance.begin(), chance.end(), 0.0));
}

}  // namespace

absl::StatusOr<Correlation> PearsonCorrelation(std::span<const double> x, std::span<const double> y,
                                               double level) {
  PERENNIAL_RETURN_IF_ERROR(CheckPairs(x, y, 2));
  PERENNIAL_RETURN_IF_ERROR(CheckLevel(level));
  return Linear(x, y, level);
}

absl::StatusOr<Correlation> SpearmanCorrelation(std::span<const double> x,
                                                std::span<const double> y) {
  PERENNIAL_RETURN_IF_ERROR(CheckPairs(x, y, 2));
  return Linear(AverageRanks(x), AverageRanks(y), std::nullopt);
}

absl::StatusOr<Correlation> KendallTauB(std::span<const double> x, std::span<const double> y) {
  PERENNIAL_RETURN_IF_ERROR(CheckPairs(x, y, 2));
  const int64_t n = static_cast<int64_t>(x.size());
  Correlation result;
  result.n = n;
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), int64_t{0});
  std::sort(order.begin(), order.end(),
            [&](int64_t i, int64_t j) { return x[i] != x[j] ? x[i] < x[j] : y[i] < y[j]; });
  const Ties x_ties =
      CountTies(n, [&](int64_t i, int64_t j) { return x[order[i]] == x[order[j]]; });
  const Ties both_ties = CountTies(n, [&](int64_t i, int64_t j) {
    return x[order[i]] == x[order[j]] && y[order[i]] == y[order[j]];
  });
  std::vector<double> by_x(n);
  for (int64_t i = 0; i < n; ++i) by_x[i] = y[order[i]];
  // Within equal x, y ascends: what must change places is discordant.
  const int64_t discordant = SortCountingExchanges(&by_x);
  const Ties y_ties = CountTies(n, [&](int64_t i, int64_t j) { return by_x[i] == by_x[j]; });

  const int64_t pairs = n * (n - 1) / 2;
  if (x_ties.pairs == pairs || y_ties.pairs == pairs) return result;
  const double excess =
      static_cast<double>(pairs - x_ties.pairs - y_ties.pairs + both_ties.pairs - 2 * discordant);
  result.coefficient = std::clamp(excess / std::sqrt(static_cast<double>(pairs - x_ties.pairs)) /
                                      std::sqrt(static_cast<double>(pairs - y_ties.pairs)),
                                  -1.0, 1.0);
  if (x_ties.pairs == 0 && y_ties.pairs == 0 &&
      (n <= kKendallExactLimit || std::min(discordant, pairs - discordant) <= 1)) {
    result.exact = true;
    result.p = KendallExactP(n, discordant);
    return result;
  }
  const double size = static_cast<double>(n);
  const double m = size * (size - 1);
  const double variance =
      (m * (2 * size + 5) - x_ties.variance - y_ties.variance) / 18 +
      2 * static_cast<double>(x_ties.pairs) * static_cast<double>(y_ties.pairs) / m +
      x_ties.triples * y_ties.triples / (9 * m * (size - 2));
  result.p = 2 * NormalCdf(-std::abs(excess) / std::sqrt(variance));
  return result;
}

absl::StatusOr<Correlation> PartialCorrelation(std::span<const double> x, std::span<const double> y,
                                               std::span<const std::vector<double>> covariates,
                                               PartialKind kind, double level) {
  PERENNIAL_RETURN_IF_ERROR(CheckPairs(x, y, 2));
  PERENNIAL_RETURN_IF_ERROR(CheckLevel(level));
  const int64_t n = static_cast<int64_t>(x.size());
  const int64_t k = static_cast<int64_t>(covariates.size());
  if (k > n - 2) {
    return absl::InvalidArgumentError(absl::StrCat("there are ", k, " covariates and ", n,
                                                   " observations; at most ", n - 2,
                                                   " covariates can be taken out"));
  }
  const bool by_ranks = kind == PartialKind::kSpearman;
  const auto column = [&](std::span<const double> values) {
    return by_ranks ? AverageRanks(values) : std::vector<double>(values.begin(), values.end());
  };
  std::vector<std::vector<double>> basis;
  for (int64_t j = 0; j < k; ++j) {
    const std::string name = absl::StrCat("covariate ", j);
    if (static_cast<int64_t>(covariates[j].size()) != n) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " has ", covariates[j].size(), " values and x has ", n));
    }
    PERENNIAL_RETURN_IF_ERROR(CheckSample(covariates[j], 2, name));
    if (IsConstant(covariates[j])) {
      return absl::InvalidArgumentError(absl::StrCat(name, " is constant; leave it out"));
    }
    std::vector<double> direction = CentredUnit(column(covariates[j]));
    if (!Reject(basis, &direction)) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, " is a linear function of the covariates before it; leave one of them out"));
    }
    basis.push_back(std::move(direction));
  }
  Correlation undefined;
  undefined.n = n;
  if (IsConstant(x) || IsConstant(y)) return undefined;
  std::vector<double> rest_x = CentredUnit(column(x));
  std::vector<double> rest_y = CentredUnit(column(y));
  if (!Reject(basis, &rest_x) || !Reject(basis, &rest_y)) return undefined;
  return FromUnits(rest_x, rest_y, k, by_ranks ? std::nullopt : std::optional<double>(level));
}

}  // namespace perennial::stats
