// The interval of a proportion by Wilson's score (E. B. Wilson, JASA 22, 1927): the p at which a
// test by the normal distribution, with the deviation that belongs to p, does not refuse
// count / units.
//
//   (count + z^2 / 2 -+ z sqrt(count (units - count) / units + z^2 / 4)) / (units + z^2),
//   z = the normal quantile at (1 + level) / 2
//
// It lies within [0, 1] and has a width also where all units, or none, are counted. Units are
// independent.
//
//   const ProportionInterval interval = stats::WilsonInterval(7, 10);  // 0.397 .. 0.892
#ifndef PERENNIAL_COMMON_STATS_PROPORTION_H_
#define PERENNIAL_COMMON_STATS_PROPORTION_H_

#include <cstdint>

namespace perennial::stats {

struct ProportionInterval {
  double low;
  double high;
};

// 0 <= count <= units, units at least 1, 0 < level < 1 (CHECK).
ProportionInterval WilsonInterval(int64_t count, int64_t units, double level = 0.95);

}  // namespace perennial::stats

#endif  // PERENNIAL_COMMON_STATS_PROPORTION_H_
