// The bias-variance atlas: what balance does to bias and variance, over its two weights, the
// strength of confounding and the size of the sample. Its units are those of atlas_unit.h; here are
// the grid's names and what the report says of all replicates of a cell.
//
//   AtlasGrid::CellName(0.1, 10)  // "alpha_0_1_beta_10", a method
//   AtlasGrid::GroupName(2, 500)  // "kappa_2_n_500"
//   PERENNIAL_RETURN_IF_ERROR(AddAtlas(grid, finished_units, document));
#ifndef PERENNIAL_CAUSAL_STUDIES_ATLAS_H_
#define PERENNIAL_CAUSAL_STUDIES_ATLAS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "causal/data/honest_generator.h"
#include "causal/data/observations.h"
#include "causal/studies/bias_variance.h"
#include "common/experiment/finished_unit.h"
#include "common/report/document.h"

namespace perennial::causal {

struct AtlasGrid {
  std::vector<double> alpha, beta, kappa;
  std::vector<int64_t> n;

  static std::string CellName(double alpha, double beta);
  static std::string GroupName(double kappa, int64_t n);
};

// What is estimated: the average effect of the units of a sample, that of its treated, and the
// effects at test units, whose mean squared error is the squared PEHE.
enum class AtlasEstimand { kAte, kAtt, kEffect };

// Units at which effects are tested, in the order of their true effects; `surfaces` is the number
// of the generator's surfaces.
absl::StatusOr<Observations> AtlasTestUnits(const HonestGenerator& generator, int64_t n,
                                            int surfaces);

// The errors that the replicates of a cell report, in the order of the units.
absl::StatusOr<std::vector<ReplicateErrors>> AtlasErrors(
    const std::vector<experiment::FinishedUnit>& units, const std::string& method,
    const std::string& group, AtlasEstimand estimand);

// A section with a table of each estimand, heat maps over alpha and beta, and curves with
// intervals. Cells of fewer than two replicates are left out.
absl::Status AddAtlas(const AtlasGrid& grid, const std::vector<experiment::FinishedUnit>& units,
                      report::Document& document);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_STUDIES_ATLAS_H_
