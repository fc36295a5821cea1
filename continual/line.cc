#include "continual/line.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"
#include "common/data/fashion_mnist.h"
#include "common/experiment/names.h"
#include "common/nn/network.h"
#include "continual/analysis/path.h"
#include "continual/continual.pb.h"
#include "continual/learners/naive.h"
#include "continual/learners/registry.h"
#include "continual/streams/registry.h"
#include "continual/studies/two_task_study.h"
#include "continual/training/trainer.h"
#include "continual/tuning/search.h"
#include "continual/tuning/trials.h"
#include "google/protobuf/message.h"

namespace perennial::continual {
namespace {

// Seeds below are for what is evaluated.
constexpr uint64_t kFirstSearchSeed = 1000;

// Dropout behind every hidden layer, if there is any.
absl::StatusOr<nn::Network> MakeNetwork(const NetworkConfig& config,
                                        const data::ImageSplits& splits, double dropout) {
  nn::BlockSpec block;
  for (const int32_t width : config.hidden()) {
    block.layers.push_back(nn::Dense(width, nn::Activation::kRelu));
    if (dropout > 0) block.layers.push_back(nn::Dropout(dropout));
  }
  block.layers.push_back(nn::Dense(splits.train.classes));
  return nn::Network::Create({.inputs = splits.train.features(), .blocks = {std::move(block)}});
}

const SearchConfig* FindSearch(const ContinualConfig& config, const std::string& method) {
  const auto found = std::ranges::find(config.searches(), method, &SearchConfig::name);
  return found == config.searches().end() ? nullptr : &*found;
}

// The methods of a run: those of the configuration, or the trials of a search for each.
absl::StatusOr<std::vector<MethodConfig>> Methods(const ContinualConfig& config) {
  std::vector<MethodConfig> methods;
  for (const MethodConfig& method : config.methods()) {
    const SearchConfig* search = FindSearch(config, method.name());
    if (search == nullptr) methods.push_back(method);
    for (int trial = 0; search != nullptr && trial < search->trials(); ++trial) {
      PERENNIAL_ASSIGN_OR_RETURN(methods.emplace_back(), Trial(method, *search, trial));
    }
  }
  return methods;
}

class ContinualExperiment final : public experiment::Experiment {
 public:
  ContinualExperiment(ContinualConfig config, data::ImageSplits splits)
      : config_(std::move(config)), splits_(std::move(splits)) {}

  std::string data_digest() const override { return splits_.digest; }

  absl::StatusOr<std::vector<std::unique_ptr<population::Unit>>> Units(uint64_t seed) override {
    if (!config_.searches().empty() && seed < kFirstSearchSeed) {
      return absl::InvalidArgumentError(
          absl::StrCat("seed ", seed,
                       ": a search must not see the streams that are evaluated; "
                       "choose --seeds from ",
                       kFirstSearchSeed, " on"));
    }
    PERENNIAL_ASSIGN_OR_RETURN(const std::shared_ptr<const TaskStream> stream,
                               MakeStream(config_.stream(), splits_, seed));
    PERENNIAL_ASSIGN_OR_RETURN(const std::vector<MethodConfig> methods, Methods(config_));
    std::vector<std::unique_ptr<population::Unit>> units;
    for (const MethodConfig& method : methods) {
      const TrainingConfig training = TrainingOf(method, config_.training());
      PERENNIAL_ASSIGN_OR_RETURN(nn::Network network,
                                 MakeNetwork(config_.network(), splits_, training.dropout()));
      PERENNIAL_ASSIGN_OR_RETURN(
          auto unit,
          TaskUnit::Create({.key = {method.name(), stream->name(), "seed", absl::StrCat(seed)},
                            .stream = stream,
                            .network = std::move(network),
                            .learner = MakeLearnerFactory(method, config_.training()),
                            .seed = seed,
                            .test_after_each_task = config_.test_after_each_task(),
                            .minima = config_.minima().enabled()
                                          ? std::optional(PathOptions{config_.minima().points()})
                                          : std::nullopt}));
      units.push_back(std::move(unit));
    }
    for (const TwoTaskStudyConfig& study : config_.studies()) {
      PERENNIAL_ASSIGN_OR_RETURN(auto unit, MakeStudy(study, seed));
      units.push_back(std::move(unit));
    }
    return units;
  }

 private:
  absl::StatusOr<std::unique_ptr<population::Unit>> MakeStudy(const TwoTaskStudyConfig& study,
                                                              uint64_t seed) const {
    StreamConfig of_study = config_.stream();
    if (study.has_step_degrees()) {
      RotatedStreamConfig& rotated = *of_study.mutable_rotated();
      rotated.set_step_degrees(study.step_degrees());
      rotated.clear_degrees();
      rotated.set_random_range_degrees(0);
    }
    PERENNIAL_ASSIGN_OR_RETURN(std::shared_ptr<const TaskStream> stream,
                               MakeStream(of_study, splits_, seed));
    const TrainingConfig training = Override(config_.training(), study.training());
    PERENNIAL_ASSIGN_OR_RETURN(nn::Network network,
                               MakeNetwork(config_.network(), splits_, training.dropout()));
    TrainingConfig multitask = training;
    multitask.clear_first_task_epochs();
    return TwoTaskStudy::Create(
        {.key = {"two_tasks", study.name(), "seed", absl::StrCat(seed)},
         .stream = std::move(stream),
         .network = std::move(network),
         .train = [training](ImageView images,
                             int task) { return TrainPhase(training, std::move(images), task); },
         .multitask =
             [multitask](ImageView images) {
               return TrainPhase(multitask, std::move(images), /*task=*/0);
             },
         .points = study.points(),
         .curvature_images = study.curvature_images(),
         .random_directions = study.random_directions(),
         .seed = seed});
  }

  const ContinualConfig config_;
  const data::ImageSplits splits_;
};

const ContinualConfig& Cast(const google::protobuf::Message& config) {
  return *google::protobuf::DynamicCastToGenerated<ContinualConfig>(&config);
}

}  // namespace

std::unique_ptr<google::protobuf::Message> ContinualLine::NewConfig() const {
  return std::make_unique<ContinualConfig>();
}

absl::Status ContinualLine::FinishConfig(google::protobuf::Message& message) const {
  auto& config = *google::protobuf::DynamicCastToGenerated<ContinualConfig>(&message);
  if (config.methods().empty() && config.studies().empty()) {
    return absl::InvalidArgumentError("methods: must name at least one, or studies must");
  }
  experiment::NameSet names;
  for (int i = 0; i < config.methods_size(); ++i) {
    MethodConfig& method = *config.mutable_methods(i);
    method.set_name(MethodName(method));
    PERENNIAL_RETURN_IF_ERROR(names.Add(absl::StrCat("methods[", i, "].name"), method.name()));
    const TrainingOverrides& regime = method.training();
    if (method.has_stable() && !regime.has_learning_rate_decay() && !regime.has_dropout()) {
      return absl::InvalidArgumentError(
          absl::StrCat("methods[", i,
                       "].stable: is naive in another regime; set the method's "
                       "training.learning_rate_decay or training.dropout"));
    }
  }
  for (int i = 0; i < config.studies_size(); ++i) {
    const TwoTaskStudyConfig& study = config.studies(i);
    if (!base::IsLowerSnakeCase(study.name())) {
      return absl::InvalidArgumentError(
          absl::StrCat("studies[", i, "].name = \"", study.name(),
                       "\": must be lower_snake_case (a-z, 0-9, _), beginning with a letter"));
    }
    if (study.has_step_degrees() && !config.stream().has_rotated()) {
      return absl::InvalidArgumentError(
          absl::StrCat("studies[", i, "].step_degrees: the stream is not rotated; leave it out"));
    }
  }
  if (!config.searches().empty() && config.stream().images().held_out() == 0) {
    return absl::InvalidArgumentError(
        "searches: settings are not chosen by test images; set stream.images.held_out");
  }
  for (int i = 0; i < config.searches_size(); ++i) {
    const SearchConfig& search = config.searches(i);
    const std::string where = absl::StrCat("searches[", i, "]");
    if (!names.contains(search.name())) {
      return absl::InvalidArgumentError(absl::StrCat(
          where, ".name: ", base::UnknownNameMessage("method", search.name(), names.sorted())));
    }
    if (search.trials() != config.searches(0).trials()) {
      return absl::InvalidArgumentError(absl::StrCat(
          where, ".trials: ", config.searches(0).name(), " has ", config.searches(0).trials(),
          " trials and ", search.name(), " ", search.trials(),
          "; methods are compared at equal budgets: give all the same number"));
    }
    const auto method = std::ranges::find(config.methods(), search.name(), &MethodConfig::name);
    PERENNIAL_RETURN_IF_ERROR(base::WithContext(CheckSearch(*method, search), where));
  }
  return Methods(config).status();
}

absl::StatusOr<std::unique_ptr<experiment::Experiment>> ContinualLine::Prepare(
    const google::protobuf::Message& message, const std::string& data_folder) const {
  const ContinualConfig& config = Cast(message);
  PERENNIAL_ASSIGN_OR_RETURN(data::ImageSplits splits, data::LoadFashionMnist(data_folder));
  return std::make_unique<ContinualExperiment>(config, std::move(splits));
}

std::vector<experiment::Headline> ContinualLine::headlines() const {
  return {{"average_accuracy", "average accuracy"},
          {"forgetting", "forgetting"},
          {"learning_accuracy", "learning accuracy"},
          {"barrier_from_first", "barrier from first, nats"},
          {"rise_from_first", "rise from first, nats"},
          {"barrier", "barrier, nats"},
          {"rise", "rise, nats"},
          {"distance", "distance"},
          {"curvature", "curvature"}};
}

std::vector<experiment::Headline> ContinualLine::counts() const {
  return {{"gradient_passes", "gradient passes"},
          {"gradient_images", "gradient images"},
          {"stored_images", "stored images"},
          {"weight_copies", "weight copies"}};
}

absl::StatusOr<std::vector<experiment::Finding>> ContinualLine::Findings(
    const google::protobuf::Message& message,
    const std::vector<record::SummaryResult>& results) const {
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<RankedTrial> trials,
                             RankTrials(Cast(message), results));
  std::vector<experiment::Finding> findings;
  if (!trials.empty()) findings.push_back({"Search", BestTrialsTable(trials)});
  return findings;
}

}  // namespace perennial::continual
