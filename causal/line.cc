#include "causal/line.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "causal/causal.pb.h"
#include "causal/effect_unit.h"
#include "causal/findings.h"
#include "causal/registry.h"
#include "causal/selection_table.h"
#include "causal/sources.h"
#include "causal/studies/atlas_study.h"
#include "common/base/status_macros.h"
#include "common/experiment/names.h"

namespace perennial::causal {
namespace {

constexpr uint64_t kDefaultRealisations = 20;

using Sources = std::vector<std::shared_ptr<const SampleSource>>;

class CausalExperiment final : public experiment::Experiment {
 public:
  CausalExperiment(CausalConfig config, Sources sources, std::optional<AtlasStudy> atlas)
      : config_(std::move(config)), sources_(std::move(sources)), atlas_(std::move(atlas)) {}

  std::string data_digest() const override {
    return absl::StrJoin(sources_, "+", [](std::string* text, const auto& source) {
      absl::StrAppend(text, source->digest());
    });
  }

  absl::StatusOr<std::vector<std::unique_ptr<population::Unit>>> Units(uint64_t seed) override {
    std::vector<std::unique_ptr<population::Unit>> units;
    for (const auto& source : sources_) {
      PERENNIAL_RETURN_IF_ERROR(AddUnits(source, seed, units));
    }
    if (atlas_.has_value()) {
      PERENNIAL_ASSIGN_OR_RETURN(auto cells, atlas_->Units(seed));
      std::ranges::move(cells, std::back_inserter(units));
    }
    return units;
  }

 private:
  absl::Status AddUnits(const std::shared_ptr<const SampleSource>& source, uint64_t seed,
                        std::vector<std::unique_ptr<population::Unit>>& units) const {
    for (const MethodConfig& method : config_.methods()) {
      PERENNIAL_ASSIGN_OR_RETURN(ModelFactory model, MakeModel(method, config_.net()));
      PERENNIAL_ASSIGN_OR_RETURN(const auto intervals, IntervalsOf(method));
      PERENNIAL_ASSIGN_OR_RETURN(
          auto unit, EffectUnit::Create({.key = {MethodName(method), source->group(), "realisation",
                                                 absl::StrCat(seed)},
                                         .source = source,
                                         .test_share = config_.split().test_share(),
                                         .selection_share = config_.split().selection_share(),
                                         .model = std::move(model),
                                         .average = AverageOf(method),
                                         .intervals = intervals,
                                         .seed = seed}));
      units.push_back(std::move(unit));
    }
    return absl::OkStatus();
  }

  const CausalConfig config_;
  const Sources sources_;
  const std::optional<AtlasStudy> atlas_;
};

const CausalConfig& Cast(const google::protobuf::Message& config) {
  return *google::protobuf::DynamicCastToGenerated<CausalConfig>(&config);
}

}  // namespace

std::vector<uint64_t> CausalLine::default_seeds() const {
  std::vector<uint64_t> seeds(kDefaultRealisations);
  std::iota(seeds.begin(), seeds.end(), uint64_t{0});
  return seeds;
}

std::unique_ptr<google::protobuf::Message> CausalLine::NewConfig() const {
  return std::make_unique<CausalConfig>();
}

absl::Status CausalLine::FinishConfig(google::protobuf::Message& message) const {
  auto& config = *google::protobuf::DynamicCastToGenerated<CausalConfig>(&message);
  if (config.methods().empty() && config.atlas().empty()) {
    return absl::InvalidArgumentError("methods: must name at least one, or there must be an atlas");
  }
  experiment::NameSet names;
  for (int i = 0; i < config.methods_size(); ++i) {
    MethodConfig& method = *config.mutable_methods(i);
    method.set_name(MethodName(method));
    PERENNIAL_RETURN_IF_ERROR(names.Add(absl::StrCat("methods[", i, "].name"), method.name()));
  }
  // What neither the configuration nor a method says is said here, so that it is part of the run's
  // fingerprint.
  *config.mutable_net() = Override(config.net(), NetConfig());
  return CheckAtlas(config);
}

absl::StatusOr<std::unique_ptr<experiment::Experiment>> CausalLine::Prepare(
    const google::protobuf::Message& message, const std::string& data_folder) const {
  const CausalConfig& config = Cast(message);
  Sources sources;
  PERENNIAL_ASSIGN_OR_RETURN(sources.emplace_back(), MakeSampleSource(config.data(), data_folder));
  std::set<std::string> groups = {sources[0]->group()};
  for (int i = 0; i < config.more_data_size(); ++i) {
    PERENNIAL_ASSIGN_OR_RETURN(sources.emplace_back(),
                               MakeSampleSource(config.more_data(i), data_folder));
    const std::string group = sources.back()->group();
    if (!groups.insert(group).second) {
      return absl::InvalidArgumentError(absl::StrCat("more_data[", i,
                                                     "]: there are data of the group ", group,
                                                     " already, whose results could "
                                                     "not be told from these"));
    }
  }
  std::optional<AtlasStudy> atlas;
  if (!config.atlas().empty()) {
    PERENNIAL_ASSIGN_OR_RETURN(atlas, AtlasStudy::Create(config));
  }
  return std::make_unique<CausalExperiment>(config, std::move(sources), std::move(atlas));
}

std::vector<experiment::Headline> CausalLine::headlines() const {
  // A few realisations with large effects rule the means.
  return {
      {.metric = "sqrt_pehe_in",
       .label = "sqrt PEHE, in",
       .heavy_tailed = true,
       .wins = "wins %, in"},
      {.metric = "sqrt_pehe_out",
       .label = "sqrt PEHE, out",
       .heavy_tailed = true,
       .wins = "wins %, out"},
      {.metric = "ate_error", .label = "ATE error", .heavy_tailed = true, .wins = "wins %, ATE"},
      {.metric = "att_error", .label = "ATT error", .heavy_tailed = true, .wins = "wins %, ATT"}};
}

absl::StatusOr<std::vector<experiment::Finding>> CausalLine::Findings(
    const google::protobuf::Message& message,
    const std::vector<record::SummaryResult>& results) const {
  PERENNIAL_ASSIGN_OR_RETURN(std::vector<experiment::Finding> findings,
                             EstimatesWithoutTruth(results));
  if (std::optional<experiment::Finding> information = InformationOf(Cast(message))) {
    findings.push_back(*std::move(information));
  }
  return findings;
}

absl::Status CausalLine::AddPlots(const google::protobuf::Message& message,
                                  const std::vector<experiment::FinishedUnit>& units,
                                  report::Document& document) const {
  const CausalConfig& config = Cast(message);
  if (!config.atlas().empty()) {
    PERENNIAL_RETURN_IF_ERROR(AddAtlas(GridOf(config.atlas(0)), units, document));
  }
  PERENNIAL_ASSIGN_OR_RETURN(const std::optional<report::Table> selection, SelectionTable(units));
  if (selection.has_value()) {
    document.AddSection("Selection without counterfactuals");
    document.AddTable(*selection);
  }
  return absl::OkStatus();
}

}  // namespace perennial::causal
