#include "causal/diagnostics/uplift.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <numeric>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/stats/normal.h"
#include "common/stats/samples.h"

namespace perennial::causal {
namespace {

// Indices by falling priority.
std::vector<int32_t> OrderOf(std::span<const double> priority) {
  std::vector<int32_t> order(priority.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater<>(), [&](int32_t i) { return priority[i]; });
  return order;
}

struct Areas {
  double autoc;
  double qini;
};

// Of units by falling priority those that are chosen; all where `chosen` is empty.
Areas AreasOf(std::span<const double> priority, std::span<const double> scores,
              std::span<const uint8_t> chosen, std::vector<double>& sorted) {
  // Scores in order, those of equal priority replaced by their mean.
  sorted.clear();
  for (size_t begin = 0; begin < priority.size();) {
    size_t end = begin;
    double sum = 0;
    int64_t count = 0;
    for (; end < priority.size() && priority[end] == priority[begin]; ++end) {
      if (!chosen.empty() && chosen[end] == 0) continue;
      sum += scores[end];
      ++count;
    }
    if (count > 0) sorted.insert(sorted.end(), count, sum / static_cast<double>(count));
    begin = end;
  }
  const double n = static_cast<double>(sorted.size());
  double total = 0;
  for (const double score : sorted) total += score;
  Areas areas = {.autoc = 0, .qini = 0};
  double sum = 0;
  for (size_t k = 0; k < sorted.size(); ++k) {
    sum += sorted[k];
    const double treated = static_cast<double>(k + 1);
    const double toc = sum / treated - total / n;
    areas.autoc += toc / n;
    areas.qini += treated / n * toc / n;
  }
  return areas;
}

// Which units belong together, as lists.
std::vector<std::vector<int32_t>> GroupsOf(size_t n, std::span<const int32_t> cluster) {
  std::vector<std::vector<int32_t>> groups;
  std::map<int32_t, size_t> group_of_cluster;
  for (size_t i = 0; i < n; ++i) {
    size_t group = groups.size();
    if (!cluster.empty()) group = group_of_cluster.emplace(cluster[i], group).first->second;
    if (group == groups.size()) groups.emplace_back();
    groups[group].push_back(static_cast<int32_t>(i));
  }
  return groups;
}

absl::Status CheckClusters(std::span<const int32_t> cluster, size_t n) {
  if (cluster.empty() || cluster.size() == n) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("there are ", cluster.size(), " clusters for ", n, " units"));
}

}  // namespace

absl::StatusOr<PolicyValue> PolicyValueOf(std::span<const double> effect,
                                          std::span<const double> scores,
                                          std::span<const int32_t> cluster, double cost,
                                          double level) {
  PERENNIAL_RETURN_IF_ERROR(stats::CheckPairs(effect, scores, 2));
  PERENNIAL_RETURN_IF_ERROR(CheckClusters(cluster, effect.size()));
  if (!std::isfinite(cost)) {
    return absl::InvalidArgumentError(absl::StrCat("the cost is ", cost, ", not a finite number"));
  }
  const size_t n = effect.size();
  std::vector<double> terms[2];  // over none, over all
  double sums[2] = {0, 0};
  double treated = 0;
  for (size_t i = 0; i < n; ++i) {
    const bool treat = effect[i] > cost;
    treated += treat ? 1 : 0;
    terms[0].push_back(treat ? scores[i] - cost : 0);
    terms[1].push_back(treat ? 0 : cost - scores[i]);
    for (const int k : {0, 1}) sums[k] += terms[k].back();
  }
  PolicyValue value = {.treated_share = treated / static_cast<double>(n)};
  for (const int k : {0, 1}) {
    const double mean = sums[k] / static_cast<double>(n);
    for (double& term : terms[k]) term -= mean;
    PERENNIAL_ASSIGN_OR_RETURN((k == 0 ? value.over_none : value.over_all),
                               EstimateFromInfluence(mean, terms[k], cluster, level));
  }
  return value;
}

absl::StatusOr<std::vector<CurvePoint>> QiniCurve(std::span<const double> priority,
                                                  std::span<const double> scores, int points) {
  CHECK_GE(points, 1);
  PERENNIAL_RETURN_IF_ERROR(stats::CheckPairs(priority, scores, 1));
  const std::vector<int32_t> order = OrderOf(priority);
  const int64_t n = static_cast<int64_t>(order.size());
  std::vector<double> sums = {0};  // over the first k units
  for (int64_t begin = 0; begin < n;) {
    int64_t end = begin;
    double sum = 0;
    for (; end < n && priority[order[end]] == priority[order[begin]]; ++end) {
      sum += scores[order[end]];
    }
    const double before = sums.back();
    for (int64_t k = begin + 1; k <= end; ++k) {
      sums.push_back(before +
                     sum * static_cast<double>(k - begin) / static_cast<double>(end - begin));
    }
    begin = end;
  }
  std::vector<CurvePoint> curve;
  for (int64_t point = 0; point <= points; ++point) {
    const int64_t treated = n * point / points;
    curve.push_back({.share = static_cast<double>(treated) / static_cast<double>(n),
                     .gain = sums[treated] / static_cast<double>(n)});
  }
  return curve;
}

absl::StatusOr<std::vector<GainPoint>> GainCurve(std::span<const double> priority,
                                                 std::span<const double> scores,
                                                 std::span<const int32_t> cluster, int points,
                                                 double level) {
  CHECK_GE(points, 1);
  PERENNIAL_RETURN_IF_ERROR(stats::CheckPairs(priority, scores, 2));
  PERENNIAL_RETURN_IF_ERROR(CheckClusters(cluster, priority.size()));
  const std::vector<int32_t> order = OrderOf(priority);
  const size_t n = order.size();
  std::vector<GainPoint> curve;
  std::vector<double> terms(n);
  for (int point = 0; point <= points; ++point) {
    const double share = static_cast<double>(point) / points;
    const double treated = share * static_cast<double>(n);
    double sum = 0;
    for (size_t begin = 0; begin < n;) {
      size_t end = begin + 1;
      while (end < n && priority[order[end]] == priority[order[begin]]) ++end;
      const double part = std::clamp(
          (treated - static_cast<double>(begin)) / static_cast<double>(end - begin), 0.0, 1.0);
      for (; begin < end; ++begin) sum += terms[order[begin]] = part * scores[order[begin]];
    }
    const double gain = sum / static_cast<double>(n);
    for (double& term : terms) term -= gain;
    PERENNIAL_ASSIGN_OR_RETURN(const Estimate estimate,
                               EstimateFromInfluence(gain, terms, cluster, level));
    curve.push_back({.share = share, .gain = estimate});
  }
  return curve;
}

absl::StatusOr<Rate> RateOf(std::span<const double> priority, std::span<const double> scores,
                            std::span<const int32_t> cluster, const RateOptions& options,
                            const random::Stream& stream) {
  PERENNIAL_RETURN_IF_ERROR(stats::CheckLevel(options.level));
  PERENNIAL_RETURN_IF_ERROR(stats::CheckPairs(priority, scores, 2));
  PERENNIAL_RETURN_IF_ERROR(CheckClusters(cluster, priority.size()));
  if (options.resamples < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.resamples, " resamples: a standard error needs at least 2"));
  }
  const std::vector<std::vector<int32_t>> groups = GroupsOf(priority.size(), cluster);
  if (groups.size() < 4) {
    return absl::InvalidArgumentError(absl::StrCat("there are ", groups.size(),
                                                   cluster.empty() ? " units" : " clusters",
                                                   "; half-samples need at least 4"));
  }
  // In order once, so that each resample reads memory from front to back.
  const std::vector<int32_t> order = OrderOf(priority);
  std::vector<double> ranked_priority;
  std::vector<double> ranked_scores;
  std::vector<int32_t> rank(order.size());
  for (size_t k = 0; k < order.size(); ++k) {
    ranked_priority.push_back(priority[order[k]]);
    ranked_scores.push_back(scores[order[k]]);
    rank[order[k]] = static_cast<int32_t>(k);
  }
  std::vector<double> sorted;
  const Areas whole = AreasOf(ranked_priority, ranked_scores, {}, sorted);
  const int32_t count = static_cast<int32_t>(groups.size());
  std::vector<double> resampled[2];
  for (int r = 0; r < options.resamples; ++r) {
    random::Stream draw = stream.Split(static_cast<uint64_t>(r));
    std::vector<uint8_t> chosen(priority.size());
    for (const int32_t group : draw.Sample(count, count / 2)) {
      for (const int32_t unit : groups[group]) chosen[rank[unit]] = 1;
    }
    const Areas areas = AreasOf(ranked_priority, ranked_scores, chosen, sorted);
    resampled[0].push_back(areas.autoc);
    resampled[1].push_back(areas.qini);
  }
  const auto estimate = [&](double value, std::span<const double> values) -> Estimate {
    double mean = 0;
    for (const double v : values) mean += v;
    mean /= static_cast<double>(values.size());
    double squares = 0;
    for (const double v : values) squares += (v - mean) * (v - mean);
    const double error = std::sqrt(squares / static_cast<double>(values.size() - 1));
    const double quantile = stats::NormalQuantile((1 + options.level) / 2);
    return {.value = value,
            .standard_error = error,
            .low = value - quantile * error,
            .high = value + quantile * error};
  };
  return Rate{.autoc = estimate(whole.autoc, resampled[0]),
              .qini = estimate(whole.qini, resampled[1])};
}

}  // namespace perennial::causal
