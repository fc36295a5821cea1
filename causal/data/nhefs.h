// Does quitting smoking make one gain weight? The running example of Hernan & Robins, "Causal
// Inference: What If": the follow-up of the first National Health and Nutrition Examination Survey.
//
// Treatment qsmk, stopped smoking between 1971 and 1982; outcome wt82_71, gain of weight in kg. The
// covariates are theirs: sex (1 female), race (1 not white), age, education (5 levels),
// smokeintensity (cigarettes a day), smokeyrs, exercise and active (3 levels each), wt71 (kg). The
// three with levels become indicators "education=1" ..., so that p is 17, or 14 without the first
// level of each; squares, which their models have too, are left to the learner. Of 1629 rows the
// 1566 whose weight of 1982 is known are taken, 403 of them treated. There is no truth.
//
// The file is causallib's (CDLA-Permissive-1.0). By its terms the data are for health statistics
// only, and nobody may be identified from them.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const Observations smokers, LoadNhefs({}));
#ifndef PERENNIAL_CAUSAL_DATA_NHEFS_H_
#define PERENNIAL_CAUSAL_DATA_NHEFS_H_

#include <string>

#include "absl/status/statusor.h"
#include "causal/data/covariate_columns.h"
#include "causal/data/observations.h"

namespace perennial::causal {

struct NhefsConfig {
  Levels levels = Levels::kAll;
  std::string path = {};  // A CSV with these columns; empty: the file that came with the build.
};

// Errors: NotFound and InvalidArgument, naming the file and the column.
absl::StatusOr<Observations> LoadNhefs(const NhefsConfig& config);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_NHEFS_H_
