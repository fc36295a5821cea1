// Ten simulations of the data analysis challenge of the Atlantic Causal Inference Conference 2016
// (Dorie, Hill, Shalit, Scott, Cervone, Statistical Science 34, 2019), as the Python package
// causallib carries them (CDLA-Sharing-1.0).
//
// 4802 units, the same in each set: covariates of the Collaborative Perinatal Project. Of the 58
// columns three are categories (x_2 with 6 levels, x_21 with 16, x_24 with 5) and become indicators
// "x_2=A" ..., so that p is 82, or 79 without the first level of each. Nothing is standardised.
// Outcomes and means of both arms are known, the propensity is not. Treated are 18 to 36 %; in sets
// 2 and 3 the effect is the same for all.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const Observations fourth, LoadAcic2016({.set = 4}));
#ifndef PERENNIAL_CAUSAL_DATA_ACIC2016_H_
#define PERENNIAL_CAUSAL_DATA_ACIC2016_H_

#include <string>

#include "absl/status/statusor.h"
#include "causal/data/covariate_columns.h"
#include "causal/data/observations.h"

namespace perennial::causal {

struct Acic2016Config {
  int set = 1;  // 1 to 10; of the folder's files zymu_<set>.csv.
  Levels levels = Levels::kAll;
  // With x.csv and zymu_*.csv; empty: the files that came with the build.
  std::string folder = {};
};

// Errors: NotFound and InvalidArgument, naming the file.
absl::StatusOr<Observations> LoadAcic2016(const Acic2016Config& config);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_ACIC2016_H_
