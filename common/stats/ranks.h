// Ranks of values, ties sharing the mean of their ranks.
//
//   stats::AverageRanks(std::vector<double>{3, 1, 3})  // {2.5, 1, 2.5}
#ifndef PERENNIAL_COMMON_STATS_RANKS_H_
#define PERENNIAL_COMMON_STATS_RANKS_H_

#include <span>
#include <vector>

namespace perennial::stats {

// Ranks from 1 in the order of the input; 0 and -0 are a tie. A NaN is a programmer error.
std::vector<double> AverageRanks(std::span<const double> values);

}  // namespace perennial::stats

#endif  // PERENNIAL_COMMON_STATS_RANKS_H_
