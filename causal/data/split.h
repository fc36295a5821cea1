// Which units models may see.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const Split split, SplitUnits(observations, 0.1, stream));
//   Fit(split.in); Predict(split.out.x());
#ifndef PERENNIAL_CAUSAL_DATA_SPLIT_H_
#define PERENNIAL_CAUSAL_DATA_SPLIT_H_

#include "absl/status/statusor.h"
#include "causal/data/observations.h"
#include "common/random/stream.h"

namespace perennial::causal {

// Units whose outcomes models are fitted to (within-sample: their own arm's outcome is known), and
// others, of which only covariates are used to predict (out of sample). `out` may be empty.
struct Split {
  Observations in;
  Observations out;
};

// A share of each arm's units, rounded down, becomes `out`; both in the order of the rows.
// InvalidArgument if an arm would have no unit left.
absl::StatusOr<Split> SplitUnits(const Observations& observations, double test_share,
                                 random::Stream stream);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_SPLIT_H_
