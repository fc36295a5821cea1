// Rows for tests of what clusters change: 20 clusters of 25 rows, eight columns that are the same
// within a cluster and move nothing, a target of a noise in common and one of each row.
#ifndef PERENNIAL_CAUSAL_ESTIMATORS_CLUSTERED_ROWS_H_
#define PERENNIAL_CAUSAL_ESTIMATORS_CLUSTERED_ROWS_H_

#include <cstdint>
#include <vector>

#include "common/random/stream.h"

namespace perennial::causal {

struct ClusteredRows {
  std::vector<double> x;  // [500, 8]
  std::vector<double> y;
  std::vector<int32_t> cluster;
};

inline ClusteredRows DrawClusteredRows(random::Stream stream) {
  ClusteredRows rows;
  for (int32_t c = 0; c < 20; ++c) {
    std::vector<double> levels(8);
    for (double& level : levels) level = stream.Normal();
    const double shared = stream.Normal();
    for (int i = 0; i < 25; ++i) {
      rows.x.insert(rows.x.end(), levels.begin(), levels.end());
      rows.y.push_back(shared + stream.Normal());
      rows.cluster.push_back(c);
    }
  }
  return rows;
}

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATORS_CLUSTERED_ROWS_H_
