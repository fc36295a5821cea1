#include "causal/studies/atlas_study.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "causal/registry.h"
#include "causal/sources/simulated.h"
#include "causal/studies/atlas_unit.h"
#include "common/base/status_macros.h"

namespace perennial::causal {

AtlasGrid GridOf(const AtlasConfig& config) {
  return {.alpha = {config.alpha().begin(), config.alpha().end()},
          .beta = {config.beta().begin(), config.beta().end()},
          .kappa = {config.kappa().begin(), config.kappa().end()},
          .n = {config.n().begin(), config.n().end()}};
}

absl::Status CheckAtlas(const CausalConfig& config) {
  if (config.atlas().empty()) return absl::OkStatus();
  if (!config.data().has_honest()) {
    return absl::InvalidArgumentError(
        "atlas: bias and variance need samples that can be drawn again; choose data.honest");
  }
  if (config.data().honest().arms() != 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        "data.honest.arms = ", config.data().honest().arms(), ": an atlas is of two arms"));
  }
  if (config.net().transductive() != NetConfig::INDUCTIVE) {
    return absl::InvalidArgumentError(
        "net.transductive: an atlas has no test units beside a sample; leave it out");
  }
  const AtlasGrid grid = GridOf(config.atlas(0));
  std::set<std::string> names;
  for (const double alpha : grid.alpha) {
    for (const double beta : grid.beta) {
      if (!names.insert(AtlasGrid::CellName(alpha, beta)).second) {
        return absl::InvalidArgumentError(
            absl::StrCat("atlas: two cells are called ", AtlasGrid::CellName(alpha, beta),
                         "; weights must differ in their first six digits"));
      }
    }
  }
  for (const double kappa : grid.kappa) {
    for (const int64_t n : grid.n) {
      if (!names.insert(AtlasGrid::GroupName(kappa, n)).second) {
        return absl::InvalidArgumentError(
            absl::StrCat("atlas: two groups are called ", AtlasGrid::GroupName(kappa, n),
                         "; kappas must differ in their first six digits"));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<AtlasStudy> AtlasStudy::Create(const CausalConfig& config) {
  AtlasStudy study(config);
  const AtlasConfig& atlas = config.atlas(0);
  const HonestData& data = config.data().honest();
  for (const double kappa : atlas.kappa()) {
    HonestConfig knobs = HonestConfigOf(data);
    knobs.kappa = kappa;
    PERENNIAL_ASSIGN_OR_RETURN(HonestGenerator generator,
                               HonestGeneratorOf(knobs, data.surfaces()));
    study.generators_.push_back(std::move(generator));
  }
  // Neither X nor effects depend on kappa.
  PERENNIAL_ASSIGN_OR_RETURN(
      Observations test, AtlasTestUnits(study.generators_[0], atlas.test_units(), data.surfaces()));
  study.test_ = std::make_shared<const Observations>(std::move(test));
  return study;
}

absl::StatusOr<std::vector<std::unique_ptr<population::Unit>>> AtlasStudy::Units(
    uint64_t seed) const {
  const AtlasConfig& atlas = config_.atlas(0);
  std::vector<std::unique_ptr<population::Unit>> units;
  for (const int32_t n : atlas.n()) {
    for (int k = 0; k < atlas.kappa_size(); ++k) {
      for (const double alpha : atlas.alpha()) {
        for (const double beta : atlas.beta()) {
          MethodConfig method;
          method.mutable_net()->set_alpha(alpha);
          method.mutable_net()->set_beta(beta);
          PERENNIAL_ASSIGN_OR_RETURN(ModelFactory model, MakeModel(method, config_.net()));
          PERENNIAL_ASSIGN_OR_RETURN(
              auto unit, AtlasUnit::Create({.key = {AtlasGrid::CellName(alpha, beta),
                                                    AtlasGrid::GroupName(atlas.kappa(k), n),
                                                    "realisation", absl::StrCat(seed)},
                                            .generator = generators_[k],
                                            .n = n,
                                            .test = test_,
                                            .model = std::move(model),
                                            .nested = atlas.nested(),
                                            .seed = seed}));
          units.push_back(std::move(unit));
        }
      }
    }
  }
  return units;
}

}  // namespace perennial::causal
