#include "causal/studies/bias_variance.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/stats/robust.h"

namespace perennial::causal {
namespace {

constexpr size_t kQuantities = 7;
// Bias^2, variance, mse, sampling, split, initialisation, interaction.
using Quantities = std::array<double, kQuantities>;

absl::Status Check(std::span<const ReplicateErrors> replicates) {
  if (replicates.size() < 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        "bias and variance need at least 2 replicates, there are ", replicates.size()));
  }
  const ReplicateErrors& first = replicates[0];
  if (first.mean.empty()) return absl::InvalidArgumentError("there are no points");
  for (size_t r = 0; r < replicates.size(); ++r) {
    const ReplicateErrors& replicate = replicates[r];
    if (replicate.mean.size() != first.mean.size()) {
      return absl::InvalidArgumentError(absl::StrCat("replicate ", r, " has ",
                                                     replicate.mean.size(), " points, the first ",
                                                     first.mean.size()));
    }
    if (replicate.contrasts.has_value() != first.contrasts.has_value()) {
      return absl::InvalidArgumentError("some replicates have contrasts, others have none");
    }
    bool finite = std::ranges::all_of(replicate.mean, [](double e) { return std::isfinite(e); });
    if (replicate.contrasts.has_value()) {
      finite = finite && std::isfinite(replicate.contrasts->split) &&
               std::isfinite(replicate.contrasts->initialisation) &&
               std::isfinite(replicate.contrasts->interaction);
    }
    if (!finite) {
      return absl::InvalidArgumentError(
          absl::StrCat("replicate ", r, " has an error that is not a finite number"));
    }
  }
  return absl::OkStatus();
}

// What is known of the replicates, and what follows for any weights of them.
class Moments {
 public:
  explicit Moments(std::span<const ReplicateErrors> replicates)
      : replicates_(replicates),
        points_(replicates[0].mean.size()),
        center_(points_),
        squares_(replicates.size()) {
    for (const ReplicateErrors& replicate : replicates) {
      for (size_t p = 0; p < points_; ++p) center_[p] += replicate.mean[p];
    }
    for (double& center : center_) center /= static_cast<double>(replicates.size());
    for (size_t r = 0; r < replicates.size(); ++r) {
      for (size_t p = 0; p < points_; ++p) {
        squares_[r] += std::pow(replicates[r].mean[p] - center_[p], 2);
      }
    }
  }

  // times[r]: how often replicate r is there, R in all. `resampled` says that they are a resample.
  Quantities At(std::span<const int32_t> times, bool resampled) const {
    const auto n = static_cast<double>(replicates_.size());
    std::vector<double> mean(points_);  // Less the centre, which keeps digits.
    double squares = 0;
    SquaredContrasts contrasts;
    for (size_t r = 0; r < replicates_.size(); ++r) {
      if (times[r] == 0) continue;
      const double weight = times[r] / n;
      const std::vector<double>& errors = replicates_[r].mean;
      for (size_t p = 0; p < points_; ++p) mean[p] += weight * (errors[p] - center_[p]);
      squares += weight * squares_[r];
      if (const auto& d = replicates_[r].contrasts; d.has_value()) {
        contrasts.split += weight * d->split;
        contrasts.initialisation += weight * d->initialisation;
        contrasts.interaction += weight * d->interaction;
      }
    }
    double mean_square = 0;
    double moved = 0;
    for (size_t p = 0; p < points_; ++p) {
      mean_square += std::pow(mean[p] + center_[p], 2);
      moved += mean[p] * mean[p];
    }
    const auto points = static_cast<double>(points_);
    mean_square /= points;
    double between = std::max(squares - moved, 0.0) / points * n / (n - 1);
    if (resampled) between *= n / (n - 1);
    const double interaction = contrasts.interaction;
    const double split = (contrasts.split - interaction) / 2;
    const double initialisation = (contrasts.initialisation - interaction) / 2;
    const double sampling = between - split / 2 - initialisation / 2 - interaction / 4;
    const double variance = sampling + split + initialisation + interaction;
    const double bias_squared = mean_square - (resampled ? 2 : 1) * between / n;
    return {bias_squared,   variance,   bias_squared + variance, sampling, split,
            initialisation, interaction};
  }

 private:
  std::span<const ReplicateErrors> replicates_;
  size_t points_;
  std::vector<double> center_;
  std::vector<double> squares_;  // [replicates], sums over points of squares about the centre.
};

}  // namespace

ReplicateErrors ReplicateErrorsOf(std::span<const std::vector<double>> errors) {
  CHECK(errors.size() == 1 || errors.size() == 4) << errors.size() << " fits";
  if (errors.size() == 1) return {.mean = errors[0]};
  const size_t points = errors[0].size();
  ReplicateErrors replicate = {.mean = std::vector<double>(points)};
  SquaredContrasts& squared = replicate.contrasts.emplace();
  for (size_t p = 0; p < points; ++p) {
    const double e00 = errors[0][p], e01 = errors[1][p], e10 = errors[2][p], e11 = errors[3][p];
    replicate.mean[p] = (e00 + e01 + e10 + e11) / 4;
    squared.split += std::pow((e00 + e01 - e10 - e11) / 2, 2);
    squared.initialisation += std::pow((e00 - e01 + e10 - e11) / 2, 2);
    squared.interaction += std::pow((e00 - e01 - e10 + e11) / 2, 2);
  }
  squared.split /= static_cast<double>(points);
  squared.initialisation /= static_cast<double>(points);
  squared.interaction /= static_cast<double>(points);
  return replicate;
}

absl::StatusOr<BiasVariance> DecomposeErrors(std::span<const ReplicateErrors> replicates,
                                             int64_t resamples, const random::Stream& stream) {
  PERENNIAL_RETURN_IF_ERROR(Check(replicates));
  CHECK_GE(resamples, 1);
  const Moments moments(replicates);
  std::vector<int32_t> times(replicates.size(), 1);
  const Quantities estimates = moments.At(times, /*resampled=*/false);
  std::array<std::vector<double>, kQuantities> resampled;
  for (int64_t r = 0; r < resamples; ++r) {
    random::Stream draws = stream.Split(static_cast<uint64_t>(r));
    std::ranges::fill(times, 0);
    for (size_t i = 0; i < times.size(); ++i) ++times[draws.Below(times.size())];
    const Quantities at = moments.At(times, /*resampled=*/true);
    for (size_t q = 0; q < kQuantities; ++q) resampled[q].push_back(at[q]);
  }
  std::array<PartEstimate, kQuantities> parts;
  for (size_t q = 0; q < kQuantities; ++q) {
    std::ranges::sort(resampled[q]);
    parts[q] = {.value = estimates[q],
                .interval = {stats::QuantileOfSorted(resampled[q], 0.025),
                             stats::QuantileOfSorted(resampled[q], 0.975)}};
  }
  BiasVariance result = {.replicates = std::ssize(replicates),
                         .bias_squared = parts[0],
                         .variance = parts[1],
                         .mse = parts[2]};
  if (replicates[0].contrasts.has_value()) {
    result.parts = {.sampling = parts[3],
                    .split = parts[4],
                    .initialisation = parts[5],
                    .interaction = parts[6]};
  }
  return result;
}

}  // namespace perennial::causal
