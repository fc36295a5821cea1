#include "common/stats/proportion.h"

#include <cmath>

#include "common/base/logging.h"
#include "common/stats/normal.h"

namespace perennial::stats {

ProportionInterval WilsonInterval(int64_t count, int64_t units, double level) {
  CHECK(units >= 1 && count >= 0 && count <= units) << count << " of " << units;
  CHECK(level > 0 && level < 1) << level;
  const double z = NormalQuantile(0.5 + level / 2);
  const auto n = static_cast<double>(units);
  // The low end of `k` of the units. The high end is the low one of those that are not counted, so
  // that 0 and 1 are exact and neither end loses digits.
  const auto low = [&](double k) {
    const double middle = k + z * z / 2;
    const double reach = z * std::sqrt(k * (n - k) / n + z * z / 4);
    // (middle - reach) / (n + z^2), where middle^2 - reach^2 = k^2 (1 + z^2 / n).
    return k * k / n / (middle + reach);
  };
  return {low(static_cast<double>(count)), 1 - low(static_cast<double>(units - count))};
}

}  // namespace perennial::stats
