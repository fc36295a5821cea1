#include "causal/diagnostics/overlap.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "causal/data/logit.h"
#include "causal/estimators/logistic.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/stats/robust.h"

namespace perennial::causal {
namespace {

int BinOf(double probability, int bins) {
  return std::min(static_cast<int>(probability * bins), bins - 1);
}

PropensitySummary SummaryOf(std::vector<double> propensities) {
  PropensitySummary summary = {.units = static_cast<int64_t>(propensities.size())};
  if (propensities.empty()) return summary;
  std::ranges::sort(propensities);
  summary.lowest = propensities.front();
  summary.lower_quartile = stats::QuantileOfSorted(propensities, 0.25);
  summary.median = stats::QuantileOfSorted(propensities, 0.5);
  summary.upper_quartile = stats::QuantileOfSorted(propensities, 0.75);
  summary.highest = propensities.back();
  for (const double e : propensities) {
    summary.mean += e;
    ++summary.histogram[BinOf(e, kPropensityBins)];
  }
  summary.mean /= static_cast<double>(propensities.size());
  return summary;
}

}  // namespace

absl::StatusOr<std::vector<ArmOverlap>> OverlapOf(std::span<const int32_t> treatment,
                                                  std::span<const std::vector<double>> propensity) {
  const size_t n = treatment.size();
  const int32_t arms = static_cast<int32_t>(propensity.size());
  for (size_t i = 0; i < n; ++i) {
    if (treatment[i] >= 0 && treatment[i] < arms) continue;
    return absl::InvalidArgumentError(absl::StrCat("the arm of unit ", i + 1, " is ", treatment[i],
                                                   "; there are propensities of ", arms, " arms"));
  }
  std::vector<ArmOverlap> overlaps;
  for (int32_t arm = 0; arm < arms; ++arm) {
    const std::vector<double>& e = propensity[arm];
    if (e.size() != n) {
      return absl::InvalidArgumentError(
          absl::StrCat("there are ", e.size(), " propensities of arm ", arm, " for ", n, " units"));
    }
    std::vector<double> inside;
    std::vector<double> outside;
    int64_t wide = 0;
    int64_t narrow = 0;
    double sum = 0;
    double squares = 0;
    double greatest = 0;
    for (size_t i = 0; i < n; ++i) {
      if (!(e[i] >= 0 && e[i] <= 1)) {
        return absl::InvalidArgumentError(absl::StrCat("the propensity of unit ", i + 1,
                                                       " for arm ", arm, " is ", e[i],
                                                       "; it must lie in [0, 1]"));
      }
      (treatment[i] == arm ? inside : outside).push_back(e[i]);
      wide += e[i] < 0.05 || e[i] > 0.95 ? 1 : 0;
      narrow += e[i] < 0.1 || e[i] > 0.9 ? 1 : 0;
      if (treatment[i] != arm) continue;
      const double w = 1 / e[i];
      sum += w;
      squares += w * w;
      greatest = std::max(greatest, w);
    }
    if (inside.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("arm ", arm, " has no units"));
    }
    ArmOverlap& overlap = overlaps.emplace_back();
    overlap.inside = SummaryOf(std::move(inside));
    overlap.outside = SummaryOf(std::move(outside));
    overlap.outside_05_95 = static_cast<double>(wide) / static_cast<double>(n);
    overlap.outside_1_9 = static_cast<double>(narrow) / static_cast<double>(n);
    if (std::isfinite(squares)) {
      overlap.effective_sample_size = sum * sum / squares;
      overlap.largest_weight_share = greatest / sum;
    }
  }
  return overlaps;
}

absl::StatusOr<Calibration> CalibrationOf(std::span<const double> probability,
                                          std::span<const uint8_t> y, int bins) {
  CHECK_GE(bins, 1);
  if (probability.empty() || probability.size() != y.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", probability.size(), " probabilities of ", y.size(), " units"));
  }
  std::vector<CalibrationBin> sums(bins);
  std::vector<double> logits;
  std::vector<int32_t> classes;
  int64_t ones = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    if (!(probability[i] >= 0 && probability[i] <= 1) || y[i] > 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("unit ", i + 1, " has the probability ", probability[i], " and the value ",
                       static_cast<int>(y[i]), "; they must lie in [0, 1] and be 0 or 1"));
    }
    CalibrationBin& bin = sums[BinOf(probability[i], bins)];
    ++bin.units;
    bin.predicted += probability[i];
    bin.observed += y[i];
    logits.push_back(Logit(std::clamp(probability[i], 1e-6, 1 - 1e-6)));
    classes.push_back(y[i]);
    ones += y[i];
  }
  Calibration calibration = {};
  const int64_t n = static_cast<int64_t>(y.size());
  for (CalibrationBin& bin : sums) {
    if (bin.units == 0) continue;
    calibration.expected_calibration_error +=
        std::abs(bin.observed - bin.predicted) / static_cast<double>(n);
    bin.predicted /= static_cast<double>(bin.units);
    bin.observed /= static_cast<double>(bin.units);
    calibration.bins.push_back(bin);
  }
  const auto [least, greatest] = std::ranges::minmax(logits);
  if (ones == 0 || ones == n || least == greatest) return calibration;
  // The least penalty: the slope is not to be shrunk.
  PERENNIAL_ASSIGN_OR_RETURN(const LogisticFit fit, FitLogistic({logits.data(), n, 1, 1}, classes,
                                                                2, {}, {.penalty = 1e-12}));
  calibration.slope = fit.coefficients[0];
  calibration.intercept = fit.mean[0] - fit.coefficients[0] * fit.center[0];
  return calibration;
}

}  // namespace perennial::causal
