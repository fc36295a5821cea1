#include "common/stats/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/random/philox.h"
#include "common/stats/normal.h"
#include "common/stats/robust.h"
#include "common/stats/samples.h"

namespace perennial::stats {
namespace {

constexpr int64_t kMostResamples = 10'000'000;

// Uniform indices from a stream's 32-bit words, without modulo bias (Lemire 2019): twice as many a
// block as Stream::Below.
class IndexSource {
 public:
  explicit IndexSource(const random::Stream& stream) : stream_(stream) {}

  size_t Below(uint32_t bound) {
    uint64_t product = static_cast<uint64_t>(Next()) * bound;
    if (static_cast<uint32_t>(product) < bound) {
      const uint32_t threshold = -bound % bound;
      while (static_cast<uint32_t>(product) < threshold) {
        product = static_cast<uint64_t>(Next()) * bound;
      }
    }
    return product >> 32;
  }

 private:
  uint32_t Next() {
    if (used_ == block_.size()) {
      block_ = stream_.At(counter_++);
      used_ = 0;
    }
    return block_[used_++];
  }

  const random::Stream stream_;
  uint64_t counter_ = 0;
  random::PhiloxBlock block_ = {};
  size_t used_ = block_.size();
};

// What is drawn: units, each a list of indices into the data, by stratum. Every stratum is drawn
// from for itself, as many units as it has.
using Unit = std::vector<int64_t>;
using Stratum = std::vector<Unit>;

void Append(const Unit& unit, std::vector<int64_t>* indices) {
  indices->insert(indices->end(), unit.begin(), unit.end());
}

// The elements of equal ids together, in the order in which the ids first appear.
std::vector<std::vector<int64_t>> GroupById(std::span<const int64_t> ids) {
  std::unordered_map<int64_t, size_t> place;
  std::vector<std::vector<int64_t>> groups;
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto [entry, added] = place.emplace(ids[i], groups.size());
    if (added) groups.emplace_back();
    groups[entry->second].push_back(static_cast<int64_t>(i));
  }
  return groups;
}

Stratum SingleUnits(std::span<const int64_t> indices) {
  Stratum stratum;
  stratum.reserve(indices.size());
  for (const int64_t index : indices) stratum.push_back({index});
  return stratum;
}

// The acceleration from the jackknife over the units; absent where it is undefined.
std::optional<double> Acceleration(std::span<const Stratum> strata, IndexStatistic statistic) {
  double cubes = 0;
  double squares = 0;
  std::vector<int64_t> indices;
  for (size_t s = 0; s < strata.size(); ++s) {
    const size_t size = strata[s].size();
    // The only unit of a stratum has no influence that could be measured by leaving it out.
    if (size == 1) continue;
    const double n = static_cast<double>(size);
    std::vector<double> without(size);
    double sum = 0;
    for (size_t left_out = 0; left_out < size; ++left_out) {
      indices.clear();
      for (size_t other = 0; other < strata.size(); ++other) {
        for (size_t unit = 0; unit < strata[other].size(); ++unit) {
          if (other != s || unit != left_out) Append(strata[other][unit], &indices);
        }
      }
      without[left_out] = statistic(indices);
      sum += without[left_out];
    }
    // Equal ones have no spread, whatever the rounding of their mean.
    const auto [least, greatest] = std::minmax_element(without.begin(), without.end());
    if (*least == *greatest) continue;
    const double mean = sum / n;
    for (const double value : without) {
      const double influence = (n - 1) / n * (mean - value);
      squares += influence * influence;
      cubes += influence * influence * influence;
    }
  }
  if (!std::isfinite(squares) || !(squares > 0)) return std::nullopt;
  return cubes / (6 * squares * std::sqrt(squares));
}

// Efron and Tibshirani (1993), equation 14.10; absent where it is undefined.
std::optional<Interval> BcaInterval(std::span<const double> sorted, double estimate, double level,
                                    double acceleration) {
  const auto below = std::lower_bound(sorted.begin(), sorted.end(), estimate) - sorted.begin();
  const auto up_to = std::upper_bound(sorted.begin(), sorted.end(), estimate) - sorted.begin();
  const double share =
      static_cast<double>(below + up_to) / (2 * static_cast<double>(sorted.size()));
  if (!(share > 0 && share < 1)) return std::nullopt;
  const double bias = NormalQuantile(share);
  const double reach = -NormalQuantile((1 - level) / 2);
  double ends[2];
  for (int i = 0; i < 2; ++i) {
    const double shifted = bias + (i == 0 ? -reach : reach);
    const double scale = 1 - acceleration * shifted;
    // Beyond its pole the correction no longer keeps the order of the two ends.
    if (!(scale > 0)) return std::nullopt;
    ends[i] = QuantileOfSorted(sorted, NormalCdf(bias + shifted / scale));
  }
  return Interval{ends[0], ends[1]};
}

absl::StatusOr<BootstrapResult> Run(std::span<const Stratum> strata, IndexStatistic statistic,
                                    const BootstrapOptions& options, const random::Stream& stream) {
  PERENNIAL_RETURN_IF_ERROR(CheckLevel(options.level));
  if (options.resamples < 1 || options.resamples > kMostResamples) {
    return absl::InvalidArgumentError(absl::StrCat("the number of resamples is ", options.resamples,
                                                   "; it must lie in [1, ", kMostResamples, "]"));
  }
  BootstrapResult result;
  std::vector<int64_t> indices;
  for (const Stratum& stratum : strata) {
    CHECK_LT(stratum.size(), size_t{1} << 32);
    for (const Unit& unit : stratum) Append(unit, &indices);
  }
  result.estimate = statistic(indices);
  if (!std::isfinite(result.estimate)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the statistic of the data is ", result.estimate, ", not a finite number"));
  }

  std::vector<double> resampled;
  resampled.reserve(options.resamples);
  for (int64_t r = 0; r < options.resamples; ++r) {
    IndexSource source(stream.Split(static_cast<uint64_t>(r)));
    indices.clear();
    for (const Stratum& stratum : strata) {
      const uint32_t size = static_cast<uint32_t>(stratum.size());
      for (uint32_t i = 0; i < size; ++i) Append(stratum[source.Below(size)], &indices);
    }
    const double value = statistic(indices);
    if (std::isfinite(value)) {
      resampled.push_back(value);
    } else {
      ++result.undefined;
    }
  }
  if (resampled.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the statistic is finite on none of ", options.resamples, " resamples"));
  }

  const double count = static_cast<double>(resampled.size());
  if (resampled.size() > 1) {
    // About the estimate first: the mean of values far from zero loses no digits of the spread.
    double sum = 0;
    for (const double value : resampled) sum += value - result.estimate;
    const double shift = sum / count;
    double squares = 0;
    for (const double value : resampled) {
      const double deviation = value - result.estimate - shift;
      squares += deviation * deviation;
    }
    result.standard_error = std::sqrt(squares / (count - 1));
  }
  std::sort(resampled.begin(), resampled.end());
  result.percentile = {QuantileOfSorted(resampled, (1 - options.level) / 2),
                       QuantileOfSorted(resampled, (1 + options.level) / 2)};
  if (options.bca) {
    const std::optional<double> acceleration = Acceleration(strata, statistic);
    if (acceleration.has_value()) {
      result.bca = BcaInterval(resampled, result.estimate, options.level, *acceleration);
    }
  }
  return result;
}

absl::StatusOr<BootstrapResult> RunOnValues(std::span<const double> values,
                                            std::span<const Stratum> strata, Statistic statistic,
                                            const BootstrapOptions& options,
                                            const random::Stream& stream) {
  std::vector<double> buffer;
  const auto on_indices = [&](std::span<const int64_t> indices) {
    buffer.resize(indices.size());
    for (size_t i = 0; i < indices.size(); ++i) buffer[i] = values[indices[i]];
    return statistic(std::span<double>(buffer));
  };
  return Run(strata, on_indices, options, stream);
}

absl::Status CheckIds(std::span<const double> values, std::span<const int64_t> ids,
                      absl::string_view what) {
  PERENNIAL_RETURN_IF_ERROR(CheckSample(values, 2));
  if (values.size() == ids.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("there are ", values.size(), " values and ",
                                                 ids.size(), " ", what,
                                                 "; each value needs its own"));
}

std::vector<int64_t> Range(int64_t n) {
  std::vector<int64_t> range(n);
  std::iota(range.begin(), range.end(), int64_t{0});
  return range;
}

}  // namespace

absl::StatusOr<BootstrapResult> Bootstrap(std::span<const double> values, Statistic statistic,
                                          const BootstrapOptions& options,
                                          const random::Stream& stream) {
  PERENNIAL_RETURN_IF_ERROR(CheckSample(values, 2));
  const Stratum all = SingleUnits(Range(static_cast<int64_t>(values.size())));
  return RunOnValues(values, {&all, 1}, statistic, options, stream);
}

absl::StatusOr<BootstrapResult> ClusteredBootstrap(std::span<const double> values,
                                                   std::span<const int64_t> clusters,
                                                   Statistic statistic,
                                                   const BootstrapOptions& options,
                                                   const random::Stream& stream) {
  PERENNIAL_RETURN_IF_ERROR(CheckIds(values, clusters, "clusters"));
  const Stratum all = GroupById(clusters);
  if (all.size() < 2) {
    return absl::InvalidArgumentError("all values are of one cluster; at least 2 are needed");
  }
  return RunOnValues(values, {&all, 1}, statistic, options, stream);
}

absl::StatusOr<BootstrapResult> StratifiedBootstrap(std::span<const double> values,
                                                    std::span<const int64_t> strata,
                                                    Statistic statistic,
                                                    const BootstrapOptions& options,
                                                    const random::Stream& stream) {
  PERENNIAL_RETURN_IF_ERROR(CheckIds(values, strata, "strata"));
  std::vector<Stratum> grouped;
  for (const std::vector<int64_t>& members : GroupById(strata)) {
    grouped.push_back(SingleUnits(members));
  }
  if (grouped.size() == values.size()) {
    return absl::InvalidArgumentError(
        "every stratum has one value; at least one needs 2 for a resample to differ");
  }
  return RunOnValues(values, grouped, statistic, options, stream);
}

absl::StatusOr<BootstrapResult> BootstrapIndices(int64_t n, IndexStatistic statistic,
                                                 const BootstrapOptions& options,
                                                 const random::Stream& stream) {
  if (n < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("the number of elements is ", n, ", and at least 2 are needed"));
  }
  const Stratum all = SingleUnits(Range(n));
  return Run({&all, 1}, statistic, options, stream);
}

}  // namespace perennial::stats
