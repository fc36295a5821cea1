// LaLonde's question (American Economic Review 76, 1986): does an observational comparison find
// what the experiment found? The National Supported Work programme drew lots for training; its
// effect on the earnings of 1978 is known from the experiment, and then sought with controls of the
// Current Population Survey.
//
// Rows are those of Dehejia & Wahba (JASA 94, 1999): 185 trained and 260 drawn controls of the
// experiment, 15,992 controls of the survey. Covariates age, educ (years), black, hisp, marr,
// nodegree (0, 1), re74 and re75 (earnings of 1974 and 1975, dollars); outcome re78.
//
// The files are causaldata's (MIT; the survey's is in the public domain).
//
//   PERENNIAL_ASSIGN_OR_RETURN(const Lalonde lalonde, LoadLalonde());
//   lalonde.benchmark.effect           // Of the training on the trained, from the experiment.
//   Estimate(lalonde.survey)           // The same people, other controls.
#ifndef PERENNIAL_CAUSAL_DATA_LALONDE_H_
#define PERENNIAL_CAUSAL_DATA_LALONDE_H_

#include <string>

#include "absl/status/statusor.h"
#include "causal/data/observations.h"

namespace perennial::causal {

// Difference of the arms' mean outcomes; its standard error lets their variances differ.
struct DifferenceOfMeans {
  double effect = 0;
  double standard_error = 0;
};

struct Lalonde {
  Observations experiment;      // The trained and their drawn controls.
  Observations survey;          // The same trained, first, and the survey's controls.
  DifferenceOfMeans benchmark;  // Of the experiment.
};

struct LalondeConfig {
  // Stata files with these columns and treat; empty: the files that came with the build.
  std::string experiment_path = {};
  std::string survey_path = {};
};

// Errors: NotFound and InvalidArgument, naming the file.
absl::StatusOr<Lalonde> LoadLalonde(const LalondeConfig& config = {});

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_LALONDE_H_
