// The atlas of a configuration: its data are the knobs of the honest generator, its grid moves
// kappa and n of these and alpha and beta of its network.
//
//   PERENNIAL_RETURN_IF_ERROR(CheckAtlas(config));                // In FinishConfig.
//   PERENNIAL_ASSIGN_OR_RETURN(const AtlasStudy study, AtlasStudy::Create(config));
//   PERENNIAL_ASSIGN_OR_RETURN(auto units, study.Units(seed));
#ifndef PERENNIAL_CAUSAL_STUDIES_ATLAS_STUDY_H_
#define PERENNIAL_CAUSAL_STUDIES_ATLAS_STUDY_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "causal/causal.pb.h"
#include "causal/data/honest_generator.h"
#include "causal/data/observations.h"
#include "causal/studies/atlas.h"
#include "common/population/unit.h"

namespace perennial::causal {

AtlasGrid GridOf(const AtlasConfig& config);

// OK without an atlas. InvalidArgument names the field: data that are not honest ones of two arms,
// weights that have the same name, training that needs test units.
absl::Status CheckAtlas(const CausalConfig& config);

class AtlasStudy {
 public:
  // Of a configuration with an atlas that CheckAtlas accepts. Errors are the generator's.
  static absl::StatusOr<AtlasStudy> Create(const CausalConfig& config);

  // All cells, by n, kappa, alpha, beta.
  absl::StatusOr<std::vector<std::unique_ptr<population::Unit>>> Units(uint64_t seed) const;

 private:
  explicit AtlasStudy(CausalConfig config) : config_(std::move(config)) {}

  CausalConfig config_;
  std::vector<HonestGenerator> generators_;  // By kappa.
  std::shared_ptr<const Observations> test_;
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_STUDIES_ATLAS_STUDY_H_
