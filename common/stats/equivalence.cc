#include "common/stats/equivalence.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/stats/noncentral_t.h"
#include "common/stats/paired.h"
#include "common/stats/samples.h"
#include "common/stats/student_t.h"

namespace perennial::stats {
namespace {

constexpr int64_t kMostPairs = 10'000'000;

absl::Status CheckDesign(double standard_deviation, double alpha, double power) {
  if (!(standard_deviation >= 0 && std::isfinite(standard_deviation))) {
    return absl::InvalidArgumentError(absl::StrCat("the standard deviation is ", standard_deviation,
                                                   "; it must be finite and not negative"));
  }
  if (!(alpha > 0 && alpha < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("alpha is ", alpha, "; it must lie between 0 and 1"));
  }
  if (!(power > alpha && power < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the power is ", power, "; it must lie between alpha, ", alpha, ", and 1"));
  }
  return absl::OkStatus();
}

absl::Status CheckNumberOfPairs(int64_t n) {
  if (n >= 2) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the number of pairs is ", n, ", and at least 2 are needed"));
}

absl::Status CheckEffect(double effect) {
  if (std::isfinite(effect)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the effect is ", effect, ", not a finite number"));
}

// The power at noncentrality `delta`, given the critical t.
double Power(double critical, double degrees_of_freedom, double delta) {
  // Squares of more overflow; no test of a real level misses that.
  if (std::abs(delta) > 1e100) return 1;
  return NoncentralTCdf(-critical, degrees_of_freedom, delta) +
         NoncentralTCdf(-critical, degrees_of_freedom, -delta);
}

double CriticalT(int64_t n, double alpha) {
  return -StudentTQuantile(alpha / 2, static_cast<double>(n - 1));
}

}  // namespace

absl::StatusOr<Equivalence> TestEquivalence(std::span<const double> a, std::span<const double> b,
                                            double low, double high, double alpha) {
  PERENNIAL_RETURN_IF_ERROR(CheckPairs(a, b, 2));
  if (!(low < high && std::isfinite(low) && std::isfinite(high))) {
    return absl::InvalidArgumentError(absl::StrCat("the margins of equivalence are ", low, " and ",
                                                   high, "; they must be finite and ascending"));
  }
  if (!(alpha > 0 && alpha < 0.5)) {
    return absl::InvalidArgumentError(
        absl::StrCat("alpha is ", alpha, "; it must lie between 0 and 0.5"));
  }
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<double> differences, Differences(a, b));
  PERENNIAL_ASSIGN_OR_RETURN(const Summary summary, Summarize(differences));
  const double n = static_cast<double>(summary.n);
  Equivalence result;
  result.n = summary.n;
  result.mean = summary.mean;
  result.standard_deviation = *summary.standard_deviation;
  const double error = result.standard_deviation / std::sqrt(n);
  const double reach = -StudentTQuantile(alpha, n - 1) * error;
  result.interval = {result.mean - reach, result.mean + reach};
  if (!(error > 0)) {
    result.equivalent = low < result.mean && result.mean < high;
    return result;
  }
  result.p_low = StudentTCdf(-(result.mean - low) / error, n - 1);
  result.p_high = StudentTCdf((result.mean - high) / error, n - 1);
  result.p = std::max(*result.p_low, *result.p_high);
  result.equivalent = *result.p < alpha;
  return result;
}

absl::StatusOr<double> PairedTestPower(int64_t n, double effect, double standard_deviation,
                                       double alpha) {
  PERENNIAL_RETURN_IF_ERROR(CheckNumberOfPairs(n));
  PERENNIAL_RETURN_IF_ERROR(CheckEffect(effect));
  PERENNIAL_RETURN_IF_ERROR(CheckDesign(standard_deviation, alpha, (1 + alpha) / 2));
  if (standard_deviation == 0) {
    return absl::InvalidArgumentError("the standard deviation is 0; power needs a positive one");
  }
  return std::min(1.0, Power(CriticalT(n, alpha), static_cast<double>(n - 1),
                             effect / standard_deviation * std::sqrt(static_cast<double>(n))));
}

absl::StatusOr<double> MinimumDetectableEffect(int64_t n, double standard_deviation, double alpha,
                                               double power) {
  PERENNIAL_RETURN_IF_ERROR(CheckNumberOfPairs(n));
  PERENNIAL_RETURN_IF_ERROR(CheckDesign(standard_deviation, alpha, power));
  const double critical = CriticalT(n, alpha);
  const double degrees_of_freedom = static_cast<double>(n - 1);
  // Power grows with delta, from alpha at 0.
  double low = 0;
  double high = 1;
  while (Power(critical, degrees_of_freedom, high) < power) {
    low = high;
    high *= 2;
  }
  while (high - low > 1e-14 * high) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    (Power(critical, degrees_of_freedom, middle) < power ? low : high) = middle;
  }
  return high * (standard_deviation / std::sqrt(static_cast<double>(n)));
}

absl::StatusOr<int64_t> RequiredPairs(double effect, double standard_deviation, double alpha,
                                      double power) {
  PERENNIAL_RETURN_IF_ERROR(CheckEffect(effect));
  PERENNIAL_RETURN_IF_ERROR(CheckDesign(standard_deviation, alpha, power));
  if (effect == 0) {
    return absl::InvalidArgumentError("the effect is 0; no number of pairs finds that");
  }
  // Without spread any effect is found.
  const double standardized = standard_deviation > 0 ? effect / standard_deviation : HUGE_VAL;
  const auto enough = [&](int64_t n) {
    return Power(CriticalT(n, alpha), static_cast<double>(n - 1),
                 standardized * std::sqrt(static_cast<double>(n))) >= power;
  };
  int64_t high = 2;
  while (high < kMostPairs && !enough(high)) high = std::min(2 * high, kMostPairs);
  if (high == kMostPairs && !enough(high)) {
    return absl::InvalidArgumentError(
        absl::StrCat("an effect of ", effect, " at a standard deviation of ", standard_deviation,
                     " needs more than ", kMostPairs, " pairs; name a greater effect"));
  }
  int64_t low = high / 2;  // not enough, or 1
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace perennial::stats
