#include "continual/line.h"

#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"
#include "common/data/fashion_mnist.h"
#include "common/nn/network.h"
#include "continual/continual.pb.h"
#include "continual/learners/registry.h"
#include "continual/streams/rotated.h"
#include "continual/training/trainer.h"
#include "google/protobuf/message.h"

namespace perennial::continual {
namespace {

class ContinualExperiment final : public experiment::Experiment {
 public:
  ContinualExperiment(ContinualConfig config, data::ImageSplits splits, nn::Network network)
      : config_(std::move(config)), splits_(std::move(splits)), network_(std::move(network)) {}

  std::string data_digest() const override { return splits_.digest; }

  absl::StatusOr<std::vector<std::unique_ptr<population::Unit>>> Units(uint64_t seed) override {
    PERENNIAL_ASSIGN_OR_RETURN(const std::shared_ptr<const TaskStream> stream, MakeStream(seed));
    std::vector<std::unique_ptr<population::Unit>> units;
    for (const MethodConfig& method : config_.methods()) {
      PERENNIAL_ASSIGN_OR_RETURN(
          auto unit,
          TaskUnit::Create({.key = {MethodName(method), stream->name(), "seed", absl::StrCat(seed)},
                            .stream = stream,
                            .network = network_,
                            .learner = MakeLearnerFactory(method, config_.training()),
                            .seed = seed}));
      units.push_back(std::move(unit));
    }
    return units;
  }

 private:
  absl::StatusOr<std::shared_ptr<const TaskStream>> MakeStream(uint64_t seed) const {
    switch (config_.stream().kind_case()) {
      case StreamConfig::kRotated:
        return RotatedStream::Create(config_.stream().rotated(), splits_, seed);
      case StreamConfig::KIND_NOT_SET:
        break;
    }
    return absl::InvalidArgumentError("stream: no kind is set");
  }

  const ContinualConfig config_;
  const data::ImageSplits splits_;
  const nn::Network network_;
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
  std::set<std::string> names;
  for (int i = 0; i < config.methods_size(); ++i) {
    MethodConfig& method = *config.mutable_methods(i);
    method.set_name(MethodName(method));
    if (!base::IsLowerSnakeCase(method.name())) {
      return absl::InvalidArgumentError(
          absl::StrCat("methods[", i, "].name = \"", method.name(),
                       "\": must be lower_snake_case (a-z, 0-9, _), beginning with a letter"));
    }
    if (!names.insert(method.name()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("methods[", i, "].name = \"", method.name(),
                       "\": stands twice; give each method of a kind a name of its own"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<experiment::Experiment>> ContinualLine::Prepare(
    const google::protobuf::Message& message, const std::string& data_folder) const {
  const ContinualConfig& config = Cast(message);
  PERENNIAL_ASSIGN_OR_RETURN(data::ImageSplits splits, data::LoadFashionMnist(data_folder));
  const std::vector<int64_t> hidden(config.network().hidden().begin(),
                                    config.network().hidden().end());
  PERENNIAL_ASSIGN_OR_RETURN(nn::Network network,
                             nn::Network::Create(nn::MultilayerPerceptron(
                                 splits.train.features(), hidden, splits.train.classes)));
  return std::make_unique<ContinualExperiment>(config, std::move(splits), std::move(network));
}

std::vector<experiment::Headline> ContinualLine::headlines() const {
  return {{"average_accuracy", "average accuracy"},
          {"forgetting", "forgetting"},
          {"learning_accuracy", "learning accuracy"}};
}

}  // namespace perennial::continual
