// Could each unit have been in each arm? Propensities by arm, weights, and calibration.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const auto overlap, OverlapOf(treatment, predictions.propensity));
//   overlap[1].effective_sample_size;
#ifndef PERENNIAL_CAUSAL_DIAGNOSTICS_OVERLAP_H_
#define PERENNIAL_CAUSAL_DIAGNOSTICS_OVERLAP_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace perennial::causal {

inline constexpr int kPropensityBins = 20;

// Of some units' propensities for an arm.
struct PropensitySummary {
  int64_t units = 0;
  // All 0 where there are no units. Quantiles are linear between order statistics.
  double lowest = 0;
  double lower_quartile = 0;
  double median = 0;
  double upper_quartile = 0;
  double highest = 0;
  double mean = 0;
  // Units in [k, k + 1) / 20; the last bin holds 1, too.
  std::vector<int64_t> histogram = std::vector<int64_t>(kPropensityBins);
};

// Of e_a, the propensities for one arm.
struct ArmOverlap {
  PropensitySummary inside;   // Units of the arm.
  PropensitySummary outside;  // All others.
  // Shares of all units whose e_a lies outside [0.05, 0.95] and [0.1, 0.9].
  double outside_05_95;
  double outside_1_9;
  // Of the arm's units with weights w = 1 / e_a: (sum w)^2 / sum w^2, and max w / sum w. Absent
  // where one has the propensity 0.
  std::optional<double> effective_sample_size;
  std::optional<double> largest_weight_share;
};

// [arms]. treatment [n], propensity [arms][n]. InvalidArgument for lengths that do not fit, an arm
// out of range or without units, and a propensity outside [0, 1].
absl::StatusOr<std::vector<ArmOverlap>> OverlapOf(std::span<const int32_t> treatment,
                                                  std::span<const std::vector<double>> propensity);

// How probabilities compare with what came about.
struct CalibrationBin {
  int64_t units;
  double predicted;  // Mean probability.
  double observed;   // Share of ones.
};
struct Calibration {
  std::vector<CalibrationBin> bins;  // Without empty ones.
  // Sum over bins of units / n * |observed - predicted|.
  double expected_calibration_error;
  // Of the regression logit P(y = 1) = intercept + slope logit(probability) (Cox, Biometrika 45,
  // 1958): 0 and 1 where probabilities are right, a slope below 1 where they are too extreme.
  // Absent where all probabilities are equal, or all y are.
  std::optional<double> intercept;
  std::optional<double> slope;
};

// probability [n], y [n] of 0 and 1; bins of equal width, 1 or more. Probabilities enter the
// regression within [1e-6, 1 - 1e-6]. InvalidArgument for lengths that do not fit, no units, and
// values out of range.
absl::StatusOr<Calibration> CalibrationOf(std::span<const double> probability,
                                          std::span<const uint8_t> y, int bins = 10);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DIAGNOSTICS_OVERLAP_H_
