#include "common/stats/paired.h"

#include <cmath>
#include <cstddef>

#include "common/base/status_macros.h"
#include "common/stats/robust.h"
#include "common/stats/samples.h"
#include "common/stats/student_t.h"

namespace perennial::stats {

absl::StatusOr<std::vector<double>> Differences(std::span<const double> a,
                                                std::span<const double> b) {
  PERENNIAL_RETURN_IF_ERROR(CheckPairs(a, b, 1));
  std::vector<double> differences(a.size());
  for (size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
  // Of two great numbers it may overflow.
  PERENNIAL_RETURN_IF_ERROR(CheckSample(differences, 1, "difference"));
  return differences;
}

absl::StatusOr<WinRate> CountWins(std::span<const double> a, std::span<const double> b) {
  PERENNIAL_RETURN_IF_ERROR(CheckPairs(a, b, 1));
  WinRate rate;
  for (size_t i = 0; i < a.size(); ++i) {
    rate.wins += a[i] > b[i];
    rate.losses += a[i] < b[i];
    rate.ties += a[i] == b[i];
  }
  rate.rate = (static_cast<double>(rate.wins) + static_cast<double>(rate.ties) / 2) /
              static_cast<double>(a.size());
  return rate;
}

absl::StatusOr<PairedDifference> ComparePaired(std::span<const double> a, std::span<const double> b,
                                               double level) {
  PERENNIAL_RETURN_IF_ERROR(CheckLevel(level));
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<double> differences, Differences(a, b));
  PERENNIAL_ASSIGN_OR_RETURN(const Summary summary, Summarize(differences));
  PairedDifference result;
  result.n = summary.n;
  result.mean = summary.mean;
  result.standard_deviation = summary.standard_deviation;
  result.level = level;
  PERENNIAL_ASSIGN_OR_RETURN(result.wins, CountWins(a, b));
  if (summary.n < 2) return result;

  const double n = static_cast<double>(summary.n);
  const double deviation = *summary.standard_deviation;
  const double error = deviation / std::sqrt(n);
  const double reach = -StudentTQuantile((1 - level) / 2, n - 1) * error;
  result.interval = Interval{result.mean - reach, result.mean + reach};
  if (deviation > 0) {
    result.t = result.mean / error;
    result.p = 2 * StudentTCdf(-std::abs(*result.t), n - 1);
    result.cohens_dz = result.mean / deviation;
  }
  return result;
}

absl::StatusOr<BootstrapResult> PairedBootstrap(std::span<const double> a,
                                                std::span<const double> b,
                                                const BootstrapOptions& options,
                                                const random::Stream& stream) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<double> differences, Differences(a, b));
  return Bootstrap(differences, MeanOf, options, stream);
}

}  // namespace perennial::stats
