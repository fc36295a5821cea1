#include "causal/sources/simulated.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "causal/data/kang_schafer.h"
#include "causal/data/news.h"
#include "causal/data/nie_wager.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

constexpr char kNoFiles[] = "none";

class Simulation final : public SampleSource {
 public:
  using Function = std::function<absl::StatusOr<Observations>(const random::Stream&)>;
  Simulation(std::string group, Function draw) : group_(std::move(group)), draw_(std::move(draw)) {}

  std::string group() const override { return group_; }
  std::string digest() const override { return kNoFiles; }
  absl::StatusOr<Observations> Draw(const random::Stream& stream) const override {
    return draw_(stream);
  }

 private:
  const std::string group_;
  const Function draw_;
};

absl::Status RefuseFolder(const std::string& data_folder) {
  if (data_folder.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "--data ", data_folder, ": the configuration's data are simulated and read no files"));
}

SourceOr MakeSimulation(const std::string& data_folder, std::string group,
                        Simulation::Function draw) {
  PERENNIAL_RETURN_IF_ERROR(RefuseFolder(data_folder));
  return std::make_shared<Simulation>(std::move(group), std::move(draw));
}

class HonestSource final : public SampleSource {
 public:
  HonestSource(const HonestData& config, std::optional<HonestGenerator> generator)
      : config_(config), generator_(std::move(generator)) {}

  std::string group() const override { return "honest"; }
  std::string digest() const override { return kNoFiles; }
  absl::StatusOr<Observations> Draw(const random::Stream& stream) const override {
    PERENNIAL_ASSIGN_OR_RETURN(Realisation drawn, DrawAll(stream));
    return std::move(drawn.units);
  }
  absl::StatusOr<Realisation> Realise(uint64_t seed) const override {
    return DrawAll(random::Stream(seed).Split("realisation"));
  }

 private:
  absl::StatusOr<Realisation> DrawAll(const random::Stream& stream) const {
    std::optional<HonestGenerator> generator = generator_;
    if (!generator.has_value()) {
      PERENNIAL_ASSIGN_OR_RETURN(
          generator, HonestGenerator::Create(HonestConfigOf(config_), stream.Split("surfaces")));
    }
    Realisation realisation;
    PERENNIAL_ASSIGN_OR_RETURN(
        realisation.units, generator->Sample(config_.n(), HonestStreams(stream.Split("sample"))));
    if (config_.test_units() > 0) {
      PERENNIAL_ASSIGN_OR_RETURN(
          realisation.test,
          generator->Sample(config_.test_units(), HonestStreams(stream.Split("test")),
                            config_.test_shift()));
    }
    return realisation;
  }

  const HonestData config_;
  const std::optional<HonestGenerator> generator_;  // If all seeds share one.
};

}  // namespace

SourceOr MakeNieWager(const DataConfig& config, const std::string& data_folder) {
  const NieWagerData& data = config.nie_wager();
  const NieWagerConfig nie_wager = {.setting = static_cast<NieWagerSetting>(data.setting()),
                                    .n = data.n(),
                                    .p = data.p(),
                                    .sigma = data.sigma(),
                                    .adj = data.adj()};
  return MakeSimulation(
      data_folder,
      absl::StrCat("nie_wager_", absl::AsciiStrToLower(NieWagerData::Setting_Name(data.setting()))),
      [nie_wager](const random::Stream& stream) { return NieWager(nie_wager, stream); });
}

SourceOr MakeKangSchafer(const DataConfig& config, const std::string& data_folder) {
  const KangSchaferData& data = config.kang_schafer();
  const KangSchaferConfig kang_schafer = {.n = data.n(),
                                          .sigma = data.sigma(),
                                          .effect = data.effect(),
                                          .kappa = data.kappa(),
                                          .transformed = data.transformed()};
  return MakeSimulation(data_folder, "kang_schafer", [kang_schafer](const random::Stream& stream) {
    return KangSchafer(kang_schafer, stream);
  });
}

SourceOr MakeNews(const DataConfig& config, const std::string& data_folder) {
  const NewsData& data = config.news();
  NewsConfig news = {.n = data.n(),
                     .covariates = static_cast<NewsCovariates>(data.covariates()),
                     .topics = data.topics(),
                     .words = data.words(),
                     .document_length = data.document_length(),
                     .features = data.features(),
                     .kappa = data.kappa(),
                     .noise_sd = data.noise_sd()};
  return MakeSimulation(data_folder, "news",
                        [news](const random::Stream& stream) { return News(news, stream); });
}

HonestConfig HonestConfigOf(const HonestData& config) {
  return {.instruments = config.instruments(),
          .confounders = config.confounders(),
          .outcome_only = config.outcome_only(),
          .effect_only = config.effect_only(),
          .noise = config.noise(),
          .binary_share = config.binary_share(),
          .categorical_share = config.categorical_share(),
          .levels = config.levels(),
          .hidden_share = config.hidden_share(),
          .arms = config.arms(),
          .treated_share = config.treated_share(),
          .kappa = config.kappa(),
          .instrument_share = config.instrument_share(),
          .overlap_floor = config.overlap_floor(),
          .nonlinearity = config.nonlinearity(),
          .alignment = config.alignment(),
          .outcome_mean = config.outcome_mean(),
          .outcome_sd = config.outcome_sd(),
          .effect_mean = config.effect_mean(),
          .effect_sd = config.effect_sd(),
          .effect_alignment = config.effect_alignment(),
          .binary_outcome = config.binary_outcome(),
          .noise_sd = config.noise_sd(),
          .heteroskedasticity = config.heteroskedasticity()};
}

absl::StatusOr<HonestGenerator> HonestGeneratorOf(const HonestConfig& config, int surfaces) {
  return HonestGenerator::Create(config,
                                 random::Stream(static_cast<uint64_t>(surfaces)).Split("surfaces"));
}

SourceOr MakeHonest(const DataConfig& config, const std::string& data_folder) {
  const HonestData& data = config.honest();
  PERENNIAL_RETURN_IF_ERROR(RefuseFolder(data_folder));
  if (data.test_shift() != 0 && data.test_units() == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("data.honest.test_shift = ", data.test_shift(),
                     ": units that are held out are not shifted; set test_units"));
  }
  PERENNIAL_ASSIGN_OR_RETURN(HonestGenerator generator,
                             HonestGeneratorOf(HonestConfigOf(data), data.surfaces()));
  if (!data.has_surfaces()) return std::make_shared<HonestSource>(data, std::nullopt);
  return std::make_shared<HonestSource>(data, std::move(generator));
}

}  // namespace perennial::causal
