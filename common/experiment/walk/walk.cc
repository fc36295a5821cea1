#include "common/experiment/walk/walk.h"

#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/experiment/walk/walk.pb.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"

namespace perennial::experiment {
namespace {

const WalkConfig& Cast(const google::protobuf::Message& message) {
  return *google::protobuf::DynamicCastToGenerated<WalkConfig>(&message);
}

class Walk final : public population::Unit {
 public:
  Walk(const WalkConfig& config, population::UnitKey key, uint64_t seed, int64_t fails_at)
      : key_(std::move(key)), config_(config), fails_at_(fails_at), seed_(seed), stream_(Start()) {
    plan_.steps = config.steps();
    plan_.training_flops = static_cast<double>(plan_.steps);
    plan_.memory_bytes = config.memory_gigabytes() * 1e9;
  }

  const population::UnitKey& key() const override { return key_; }
  const population::UnitPlan& plan() const override { return plan_; }
  int64_t steps_done() const override { return done_; }
  double progress() const override {
    return static_cast<double>(done_) / static_cast<double>(plan_.steps);
  }

  absl::Status Advance(int64_t steps) override {
    for (int64_t i = 0; i < steps && !finished(); ++i) {
      if (done_ == fails_at_) {
        return absl::FailedPreconditionError(absl::StrCat("fell in step ", done_ + 1));
      }
      if (config_.step_milliseconds() > 0) {
        std::this_thread::sleep_for(
            std::chrono::duration<double, std::milli>(config_.step_milliseconds()));
      }
      position_ += config_.scale() * stream_.Normal();
      ++done_;
      if (done_ % 10 == 0) events_.push_back({.step = done_, .values = {{"position", position_}}});
      if (Hooks().on_step) Hooks().on_step(done_);
    }
    return absl::OkStatus();
  }

  std::vector<population::Event> TakeEvents() override { return std::exchange(events_, {}); }

  absl::StatusOr<std::string> Save() const override {
    record::SafetensorsWriter writer;
    const double position[] = {position_};
    const int64_t done[] = {done_};
    PERENNIAL_RETURN_IF_ERROR(writer.Add<double>("position", {1}, position));
    PERENNIAL_RETURN_IF_ERROR(writer.Add<int64_t>("done", {1}, done));
    return writer.Finish();
  }

  absl::Status Load(absl::string_view state) override {
    PERENNIAL_ASSIGN_OR_RETURN(const auto file, record::SafetensorsFile::Parse(std::string(state)));
    PERENNIAL_ASSIGN_OR_RETURN(const auto position, file.Read<double>("position"));
    PERENNIAL_ASSIGN_OR_RETURN(const auto done, file.Read<int64_t>("done"));
    if (position.size() != 1 || done.size() != 1 || done[0] < 0 || done[0] > plan_.steps) {
      return absl::DataLossError("not the state of a walk");
    }
    position_ = position[0];
    done_ = done[0];
    stream_ = Start();
    for (int64_t i = 0; i < done_; ++i) stream_.Normal();
    return absl::OkStatus();
  }

  population::UnitResults Results() const override {
    return {.measurements = {{"position", "metre", position_}, {"steps", "count", 1.0 * done_}},
            .curves = {{"Path", "step", "position", {0, 1}, {0, position_}}},
            .matrices = {{"Grid", "row", "column", {{position_, std::nullopt}}}}};
  }

  void Release() override { ++Hooks().released; }

 private:
  random::Stream Start() const { return random::Stream(seed_).Split(key_.method); }

  population::UnitKey key_;
  population::UnitPlan plan_;
  WalkConfig config_;
  int64_t fails_at_;
  uint64_t seed_;
  random::Stream stream_;
  int64_t done_ = 0;
  double position_ = 0;
  std::vector<population::Event> events_;
};

class WalkExperiment final : public Experiment {
 public:
  explicit WalkExperiment(const WalkConfig& config) : config_(config) {}

  std::string data_digest() const override { return "none"; }

  absl::StatusOr<std::vector<std::unique_ptr<population::Unit>>> Units(uint64_t seed) override {
    std::vector<std::unique_ptr<population::Unit>> units;
    const uint64_t replicates = config_.over() == "seed" ? 1 : 2;
    for (const std::string& walker : config_.walkers()) {
      for (uint64_t i = 0; i < replicates; ++i) {
        const uint64_t replicate = seed * replicates + i;
        const bool falls = seed == 1 && walker == config_.walkers(0);
        units.push_back(std::make_unique<Walk>(
            config_, population::UnitKey{walker, "line", config_.over(), absl::StrCat(replicate)},
            replicate, falls ? config_.fails_at() : -1));
      }
    }
    return units;
  }

 private:
  const WalkConfig config_;
};

}  // namespace

WalkHooks& Hooks() {
  static auto* hooks = new WalkHooks;
  return *hooks;
}

std::unique_ptr<google::protobuf::Message> WalkLine::NewConfig() const {
  return std::make_unique<WalkConfig>();
}

absl::Status WalkLine::FinishConfig(google::protobuf::Message& message) const {
  auto& config = *google::protobuf::DynamicCastToGenerated<WalkConfig>(&message);
  if (config.walkers().empty()) {
    config.add_walkers("left");
    config.add_walkers("right");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Experiment>> WalkLine::Prepare(
    const google::protobuf::Message& message, const std::string& /*data_folder*/) const {
  return std::make_unique<WalkExperiment>(Cast(message));
}

absl::Status WalkLine::AddPlots(const google::protobuf::Message& message,
                                const std::vector<FinishedUnit>& units,
                                report::Document& document) const {
  report::BarPlot plot = {.title = "Where walks of this scale end", .y_label = "position / scale"};
  for (const FinishedUnit& unit : units) {
    plot.bars.push_back({.series = unit.key.method,
                         .group = unit.key.replicate,
                         .value = unit.results.measurements[0].value / Cast(message).scale()});
  }
  document.AddBarPlot(plot);
  return absl::OkStatus();
}

}  // namespace perennial::experiment
