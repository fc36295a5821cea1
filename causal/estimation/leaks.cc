#include "causal/estimation/leaks.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/logging.h"
#include "common/stats/correlation.h"

namespace perennial::causal {
namespace {

constexpr int64_t kFewestUnits = 20;
constexpr double kCopy = 0.9999;
constexpr double kNear = 0.99;
constexpr double kMonotone = 0.999;
constexpr int64_t kRankedUnits = 2000;
// Mean of the shares of the arm and of control that a split sorts wrongly.
constexpr double kWrongShare = 0.01 + 1e-12;
// More units than these are sorted only if so many of them look suspicious.
constexpr int64_t kSampledUnits = 20000;
constexpr double kWrongShareOfSample = 0.03;
constexpr int64_t kUnitsPerCategory = 5;

struct Moments {
  double xx = 0;
  double xy = 0;
  double yy = 0;

  double Correlation() const { return xx > 0 && yy > 0 ? xy / std::sqrt(xx) / std::sqrt(yy) : 0; }
};

// About the mean of each group; `group_of` in [0, groups).
Moments MomentsWithin(std::span<const double> x, std::span<const double> y,
                      std::span<const int32_t> group_of, int groups) {
  std::vector<double> units(groups);
  std::vector<double> mean_x(groups);
  std::vector<double> mean_y(groups);
  for (size_t i = 0; i < x.size(); ++i) {
    const int32_t g = group_of[i];
    ++units[g];
    mean_x[g] += (x[i] - mean_x[g]) / units[g];
    mean_y[g] += (y[i] - mean_y[g]) / units[g];
  }
  Moments moments;
  for (size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x[group_of[i]];
    const double dy = y[i] - mean_y[group_of[i]];
    moments.xx += dx * dx;
    moments.xy += dx * dy;
    moments.yy += dy * dy;
  }
  return moments;
}

double MeanOf(std::span<const double> values) {
  double mean = 0;
  double n = 0;
  for (const double value : values) mean += (value - mean) / ++n;
  return mean;
}

// The power of ten of which all values are multiples, 1e-9 to 1e6; 0 if there is none.
double UnitOf(std::span<const double> values) {
  int digits = -6;
  for (const double value : values) {
    while (digits <= 9) {
      const double scaled = value * std::pow(10, digits);
      if (std::abs(scaled - std::round(scaled)) <= 1e-9 * std::max(1.0, std::abs(scaled))) break;
      ++digits;
    }
  }
  return digits <= 9 ? std::pow(10, -digits) : 0;
}

bool IsWithinRounding(std::span<const double> x, std::span<const double> y, double slope,
                      double intercept) {
  // A fifth more, since the line is fitted to rounded numbers.
  const double rounding = 0.6 * (UnitOf(y) + std::abs(slope) * UnitOf(x));
  for (size_t i = 0; i < x.size(); ++i) {
    const double line = slope * x[i] + intercept;
    if (std::abs(y[i] - line) > rounding + 1e-9 * (std::abs(y[i]) + std::abs(slope * x[i]))) {
      return false;
    }
  }
  return true;
}

double RankCorrelation(std::span<const double> x, std::span<const double> y) {
  const auto n = static_cast<int64_t>(x.size());
  const int64_t step = (n + kRankedUnits - 1) / kRankedUnits;
  std::vector<double> some_x;
  std::vector<double> some_y;
  for (int64_t i = 0; i < n; i += step) {
    some_x.push_back(x[i]);
    some_y.push_back(y[i]);
  }
  const absl::StatusOr<stats::Correlation> correlation = stats::SpearmanCorrelation(some_x, some_y);
  CHECK(correlation.ok()) << correlation.status();
  return correlation->coefficient.value_or(0);  // Of constant ones.
}

struct Point {
  double value;
  bool treated;
};

// Of points of both kinds.
std::optional<ArmSplit> BestThreshold(std::vector<Point> points, double wrong_share) {
  std::ranges::sort(points, {}, &Point::value);
  double units[2] = {};
  for (const Point& point : points) ++units[point.treated];
  if (units[0] == 0 || units[1] == 0) return std::nullopt;
  std::optional<ArmSplit> best;
  double below[2] = {};
  for (size_t k = 0; k + 1 < points.size(); ++k) {
    ++below[points[k].treated];
    if (points[k].value == points[k + 1].value) continue;
    // The arm above the threshold: wrong are its units below, and those of control above.
    const double wrong[2] = {below[1], units[0] - below[0]};
    const double share = (wrong[0] / units[1] + wrong[1] / units[0]) / 2;
    const bool above = share <= 0.5;
    if ((above ? share : 1 - share) > wrong_share) continue;
    wrong_share = above ? share : 1 - share;
    const double told = units[0] + units[1] - wrong[0] - wrong[1];
    best = {.arm = 0,
            .told = static_cast<int64_t>(above ? told : units[0] + units[1] - told),
            .units = static_cast<int64_t>(points.size()),
            .threshold = points[k].value,
            .above = above};
  }
  return best;
}

double ToldShare(const ArmSplit& split) {
  return static_cast<double>(split.told) / static_cast<double>(split.units);
}

void KeepBetter(std::optional<ArmSplit> split, int arm, std::optional<ArmSplit>& best) {
  if (!split || (best && ToldShare(*best) >= ToldShare(*split))) return;
  best = split;
  best->arm = arm;
}

}  // namespace

OutcomeLink LinkToOutcome(std::span<const double> values, const Observations& observations) {
  using Kind = OutcomeLink::Kind;
  const std::span<const double> y = observations.outcome;
  CHECK_EQ(values.size(), y.size());
  if (std::ssize(values) < kFewestUnits) return {};
  const std::vector<int32_t> one_group(y.size());
  const Moments all = MomentsWithin(values, y, one_group, 1);
  if (std::abs(all.Correlation()) > kCopy) {
    // A line through 0 is the simpler one.
    double xx = 0;
    double xy = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      xx += values[i] * values[i];
      xy += values[i] * y[i];
    }
    if (IsWithinRounding(values, y, xy / xx, 0)) return {.kind = Kind::kCopy, .slope = xy / xx};
    const double slope = all.xy / all.xx;
    const double intercept = MeanOf(y) - slope * MeanOf(values);
    if (IsWithinRounding(values, y, slope, intercept)) {
      return {.kind = Kind::kCopy, .slope = slope, .intercept = intercept};
    }
  }
  const double within =
      MomentsWithin(values, y, observations.treatment, observations.arms).Correlation();
  if (std::abs(within) > kNear) return {.kind = Kind::kNear, .correlation = within};
  const double of_ranks = RankCorrelation(values, y);
  if (std::abs(of_ranks) > kMonotone) return {.kind = Kind::kMonotone, .correlation = of_ranks};
  return {};
}

std::optional<ArmSplit> SplitOfArms(std::span<const double> values,
                                    const Observations& observations) {
  CHECK_EQ(std::ssize(values), observations.size());
  std::optional<ArmSplit> best;
  for (int arm = 1; arm < observations.arms; ++arm) {
    const auto points_of = [&](int64_t step) {
      std::vector<Point> points;
      for (int64_t i = 0; i < observations.size(); i += step) {
        const int32_t own = observations.treatment[i];
        if (own == 0 || own == arm) points.push_back({values[i], own == arm});
      }
      return points;
    };
    const int64_t step = (observations.size() + kSampledUnits - 1) / kSampledUnits;
    if (step > 1) {
      std::vector<Point> sample = points_of(step);
      const auto treated = std::ranges::count_if(sample, &Point::treated);
      const bool tells = treated >= kFewestUnits && std::ssize(sample) - treated >= kFewestUnits;
      if (tells && !BestThreshold(std::move(sample), kWrongShareOfSample)) continue;
    }
    std::vector<Point> points = points_of(1);
    if (std::ssize(points) < kFewestUnits) continue;
    KeepBetter(BestThreshold(std::move(points), kWrongShare), arm, best);
  }
  return best;
}

std::optional<ArmSplit> SplitByCategory(std::span<const int32_t> category, int categories,
                                        const Observations& observations) {
  CHECK_EQ(std::ssize(category), observations.size());
  std::vector<std::vector<double>> held(observations.arms, std::vector<double>(categories));
  std::vector<double> units(observations.arms);
  for (size_t i = 0; i < category.size(); ++i) {
    ++held[observations.treatment[i]][category[i]];
    ++units[observations.treatment[i]];
  }
  std::optional<ArmSplit> best;
  for (int arm = 1; arm < observations.arms; ++arm) {
    const double total = units[0] + units[arm];
    double wrong = 0;
    double wrong_shares = 0;
    int64_t seen = 0;
    for (int k = 0; k < categories; ++k) {
      const double of_control = held[0][k] / units[0];
      const double of_arm = held[arm][k] / units[arm];
      seen += of_control + of_arm > 0 ? 1 : 0;
      wrong += of_control > of_arm ? held[arm][k] : held[0][k];
      wrong_shares += std::min(of_control, of_arm);
    }
    if (total < static_cast<double>(std::max(kFewestUnits, kUnitsPerCategory * seen)) ||
        wrong_shares / 2 > kWrongShare) {
      continue;
    }
    KeepBetter(ArmSplit{.arm = arm,
                        .told = static_cast<int64_t>(total - wrong),
                        .units = static_cast<int64_t>(total),
                        .threshold = 0},
               arm, best);
  }
  return best;
}

}  // namespace perennial::causal
