// The columns of a table brought to mean 0 and standard deviation 1.
//
//   const Standardization s = StandardizationOf(x);        // of [n, p]
//   s.Apply(x.row(i), z);                                  // z_j = (x_ij - center_j) / scale_j
#ifndef PERENNIAL_CAUSAL_ESTIMATORS_STANDARDIZATION_H_
#define PERENNIAL_CAUSAL_ESTIMATORS_STANDARDIZATION_H_

#include <cstdint>
#include <span>
#include <vector>

#include "common/kernels/aligned.h"

namespace perennial::causal {

struct Standardization {
  std::vector<double> center;   // [p], the mean.
  std::vector<double> inverse;  // [p], one over the standard deviation; 0 for a constant column.

  // x [p] -> z [p]; all 0 in a constant column.
  void Apply(const double* x, std::span<double> z) const {
    for (size_t j = 0; j < z.size(); ++j) z[j] = (x[j] - center[j]) * inverse[j];
  }
};

// Means and deviations (over n, not n - 1) of the columns of x [n, p], n at least 1. With weights
// [n], not negative and not all 0, the weighted ones; rows of weight 0 have no part in them.
// A column counts as constant when its deviation is below 1e-12 of its greatest magnitude, which is
// what rounding alone can make of it.
Standardization StandardizationOf(kernels::MatrixView<const double> x,
                                  std::span<const double> weights = {});

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATORS_STANDARDIZATION_H_
