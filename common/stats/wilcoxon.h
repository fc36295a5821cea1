// Wilcoxon's signed-rank test of paired differences, and the Hodges-Lehmann estimate.
//
// Source: Wilcoxon 1945; Pratt, JASA 54 (1959) for zeros; Cureton, JASA 62 (1967) for the normal
// approximation with Pratt's zeros. Names and results are those of scipy.stats.wilcoxon.
// - Absolute differences get average ranks. kWilcox drops zeros before ranking; kPratt ranks them
//   and then drops their ranks.
// - Exact: the distribution of the sum of the ranks with random signs, given the ranks, so also
// with
//   ties and zeros; at most 50 differences. Relative error below 1e-12.
// - Normal: mean and variance corrected for ties and zeros; `continuity` moves the statistic by one
//   half toward its mean.
// - kAuto: exact for at most 50 differences without ties or zeros and for at most 13 with them,
//   otherwise normal.
// A tie is an exact equality of doubles: 0.3 - 0.1 and 0.2 differ. p two-sided is twice the smaller
// one-sided p, at most 1.
//
//   PERENNIAL_ASSIGN_OR_RETURN(std::vector<double> d, stats::Differences(ours, theirs));
//   PERENNIAL_ASSIGN_OR_RETURN(stats::WilcoxonResult w, stats::WilcoxonSignedRank(d));
//   // *w.p, w.hodges_lehmann
#ifndef PERENNIAL_COMMON_STATS_WILCOXON_H_
#define PERENNIAL_COMMON_STATS_WILCOXON_H_

#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/statusor.h"

namespace perennial::stats {

enum class ZeroMethod { kWilcox, kPratt };
enum class WilcoxonMethod { kAuto, kExact, kNormal };

struct WilcoxonOptions {
  ZeroMethod zeros = ZeroMethod::kWilcox;
  WilcoxonMethod method = WilcoxonMethod::kAuto;
  bool continuity = false;  // of the normal approximation
};

struct WilcoxonResult {
  int64_t n = 0;        // differences
  int64_t nonzero = 0;  // of them not zero
  double w_plus = 0;    // sum of the ranks of the positive differences
  double w_minus = 0;
  bool exact = false;
  // Absent if all differences are zero.
  std::optional<double> p;          // two-sided
  std::optional<double> p_greater;  // against differences above zero
  std::optional<double> p_less;
  std::optional<double> z;    // of the normal approximation, without the continuity correction
  double hodges_lehmann = 0;  // the median of (d_i + d_j) / 2 over all i <= j, zeros included
};

// InvalidArgument for no differences, one that is not finite, or kExact with more than 50.
absl::StatusOr<WilcoxonResult> WilcoxonSignedRank(std::span<const double> differences,
                                                  const WilcoxonOptions& options = {});

// The median of (d_i + d_j) / 2 over all i <= j, in O(n log n) time and O(n) memory.
absl::StatusOr<double> HodgesLehmann(std::span<const double> differences);

}  // namespace perennial::stats

#endif  // PERENNIAL_COMMON_STATS_WILCOXON_H_
