#include "common/stats/multiple.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace perennial::stats {
namespace {

absl::Status CheckProbabilities(std::span<const double> p) {
  if (p.empty()) return absl::InvalidArgumentError("there are no p values to adjust");
  for (size_t i = 0; i < p.size(); ++i) {
    if (!(p[i] >= 0 && p[i] <= 1)) {
      return absl::InvalidArgumentError(
          absl::StrCat("p value ", i, " of ", p.size(), " is ", p[i], ", not in [0, 1]"));
    }
  }
  return absl::OkStatus();
}

std::vector<size_t> Ascending(std::span<const double> p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return p[i] < p[j]; });
  return order;
}

}  // namespace

absl::StatusOr<std::vector<double>> HolmAdjust(std::span<const double> p) {
  PERENNIAL_RETURN_IF_ERROR(CheckProbabilities(p));
  const std::vector<size_t> order = Ascending(p);
  std::vector<double> adjusted(p.size());
  double greatest = 0;
  for (size_t k = 0; k < order.size(); ++k) {
    greatest = std::max(greatest, static_cast<double>(p.size() - k) * p[order[k]]);
    adjusted[order[k]] = std::min(1.0, greatest);
  }
  return adjusted;
}

absl::StatusOr<std::vector<double>> BenjaminiHochbergAdjust(std::span<const double> p) {
  PERENNIAL_RETURN_IF_ERROR(CheckProbabilities(p));
  const std::vector<size_t> order = Ascending(p);
  const double m = static_cast<double>(p.size());
  std::vector<double> adjusted(p.size());
  double least = 1;
  for (size_t k = order.size(); k > 0; --k) {
    // m / k is never below 1, so the adjusted p never below p.
    least = std::min(least, m / static_cast<double>(k) * p[order[k - 1]]);
    adjusted[order[k - 1]] = least;
  }
  return adjusted;
}

}  // namespace perennial::stats
