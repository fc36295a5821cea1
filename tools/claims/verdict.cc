#include "tools/claims/verdict.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/stats/equivalence.h"
#include "common/stats/multiple.h"
#include "common/stats/paired.h"

namespace perennial::claims {
namespace {

// Jackknife pseudo-values of the squared bias or the variance.
absl::StatusOr<std::vector<double>> PseudoValues(const Contrast& contrast,
                                                 absl::Span<const double> values) {
  const bool squared_bias = contrast.quantity == Quantity::kSquaredBias;
  const bool logarithm = contrast.scale == Scale::kLogRatio;
  if (squared_bias && logarithm) {
    return absl::InvalidArgumentError("a squared bias is estimated below 0, too: no ratio of it");
  }
  const auto n = static_cast<double>(values.size());
  if (values.size() < 3) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a squared bias or a variance needs three replicates, there are ", values.size()));
  }
  PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary summary, stats::Summarize(values));
  double squares = 0;
  for (const double value : values) squares += std::pow(value - summary.mean, 2);
  double smallest = squares;  // A variance must be left whichever replicate is left out.
  const auto statistic = [&](double mean, double sum, double count) {
    const double variance = sum / (count - 1);
    if (squared_bias) return mean * mean - variance / count;
    return logarithm ? std::log(variance) : variance;
  };
  const double all = statistic(summary.mean, squares, n);
  std::vector<double> result;
  for (const double value : values) {
    const double away = value - summary.mean;
    const double sum = std::max(squares - away * away * n / (n - 1), 0.0);
    smallest = std::min(smallest, sum);
    result.push_back(n * all - (n - 1) * statistic(summary.mean - away / (n - 1), sum, n - 1));
  }
  if (logarithm && !(smallest > 0)) {
    return absl::InvalidArgumentError("a ratio of variances needs variances above 0");
  }
  return result;
}

// What is compared of one side's values.
absl::StatusOr<std::vector<double>> Transformed(const Contrast& contrast,
                                                absl::Span<const double> values) {
  if (contrast.quantity == Quantity::kSquaredBias || contrast.quantity == Quantity::kVariance) {
    return PseudoValues(contrast, values);
  }
  std::vector<double> result(values.begin(), values.end());
  if (contrast.quantity == Quantity::kDeviation) {
    PERENNIAL_ASSIGN_OR_RETURN(const stats::Summary summary, stats::Summarize(result));
    for (double& value : result) value = std::abs(value - summary.median);
  }
  if (contrast.scale == Scale::kLogRatio) {
    for (size_t i = 0; i < result.size(); ++i) {
      if (!(result[i] > 0)) {
        return absl::InvalidArgumentError(
            absl::StrCat("value ", i, " is ", result[i], ": a ratio needs values above 0"));
      }
      result[i] = std::log(result[i]);
    }
  }
  return result;
}

// Adjusts the p values at `from` of those that have one.
absl::Status Adjust(absl::Span<Finding* const> family, std::optional<double> Finding::*from,
                    std::optional<double> Finding::*to) {
  std::vector<double> p;
  for (const Finding* finding : family) {
    if ((finding->*from).has_value()) p.push_back(*(finding->*from));
  }
  if (p.empty()) return absl::OkStatus();
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<double> adjusted, stats::HolmAdjust(p));
  size_t next = 0;
  for (Finding* finding : family) {
    if ((finding->*from).has_value()) finding->*to = adjusted[next++];
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Finding> Measure(const Contrast& contrast, absl::Span<const double> values,
                                absl::Span<const double> against) {
  CHECK(contrast.smallest_effect > 0);
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<double> a, Transformed(contrast, values));
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<double> b, Transformed(contrast, against));
  const double margin = contrast.smallest_effect;
  // Refuses fewer than two pairs, and samples of unequal length.
  PERENNIAL_ASSIGN_OR_RETURN(const stats::Equivalence equivalence,
                             stats::TestEquivalence(a, b, -margin, margin, kLevel));
  PERENNIAL_ASSIGN_OR_RETURN(const stats::PairedDifference difference,
                             stats::ComparePaired(a, b, 1 - kLevel));
  Finding finding = {.contrast = contrast,
                     .n = static_cast<int>(difference.n),
                     .effect = difference.mean,
                     .interval = difference.interval,
                     .greater = static_cast<int>(difference.wins.wins),
                     .ties = static_cast<int>(difference.wins.ties),
                     .p = difference.p,
                     .p_equivalence = equivalence.p};
  PERENNIAL_ASSIGN_OR_RETURN(finding.differences, stats::Differences(a, b));
  if (finding.p.has_value()) {
    PERENNIAL_ASSIGN_OR_RETURN(
        finding.minimum_detectable,
        stats::MinimumDetectableEffect(finding.n, *difference.standard_deviation, kLevel, kPower));
  }
  return finding;
}

absl::Status AdjustFamily(absl::Span<Finding* const> family) {
  PERENNIAL_RETURN_IF_ERROR(Adjust(family, &Finding::p, &Finding::p_holm));
  return Adjust(family, &Finding::p_equivalence, &Finding::p_equivalence_holm);
}

std::string VerdictText(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSeen:
      return "seen";
    case Verdict::kContradicted:
      return "contradicted";
    case Verdict::kEquivalent:
      return "equivalent";
    case Verdict::kInconclusive:
      return "inconclusive";
    case Verdict::kNotTestableHere:
      return "not testable here";
  }
  return "";
}

Verdict Judge(const Finding& finding) {
  const double margin = finding.contrast.smallest_effect;
  const bool large = std::abs(finding.effect) >= margin;
  // Without spread, the differences are what they are.
  const bool equivalent =
      finding.p_equivalence_holm ? *finding.p_equivalence_holm < kLevel : !finding.p && !large;
  const bool different = finding.p_holm ? *finding.p_holm < kLevel : !finding.p;
  if (equivalent) {
    return finding.contrast.direction == Direction::kSame ? Verdict::kSeen : Verdict::kEquivalent;
  }
  if (!different || !large) return Verdict::kInconclusive;
  switch (finding.contrast.direction) {
    case Direction::kHigher:
      return finding.effect > 0 ? Verdict::kSeen : Verdict::kContradicted;
    case Direction::kLower:
      return finding.effect < 0 ? Verdict::kSeen : Verdict::kContradicted;
    case Direction::kSame:
      return Verdict::kContradicted;
    case Direction::kDifferent:
      return Verdict::kSeen;
  }
  return Verdict::kInconclusive;
}

}  // namespace perennial::claims
