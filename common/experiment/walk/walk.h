// A small line for the tests of the harness: random walks, with everything that a unit can do. It
// knows no data and no network, so its results are easily added up by hand: the position after the
// steps is the sum of scale * Stream(seed).Split(walker).Normal().
#ifndef PERENNIAL_COMMON_EXPERIMENT_WALK_WALK_H_
#define PERENNIAL_COMMON_EXPERIMENT_WALK_WALK_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/experiment/line.h"

namespace perennial::experiment {

// For tests in the same process: what happens within and after walks.
struct WalkHooks {
  std::function<void(int64_t step)> on_step;
  std::atomic<int> released = 0;
};
WalkHooks& Hooks();

class WalkLine final : public Line {
 public:
  std::string name() const override { return "walk"; }
  std::string title() const override { return "Random walks"; }
  std::string config_folder() const override { return "perennial/common/experiment/walk/configs"; }
  std::string default_config() const override { return "short"; }
  std::unique_ptr<google::protobuf::Message> NewConfig() const override;
  // Two walkers, left and right, if none are named.
  absl::Status FinishConfig(google::protobuf::Message& message) const override;
  absl::StatusOr<std::unique_ptr<Experiment>> Prepare(
      const google::protobuf::Message& message, const std::string& data_folder) const override;
  std::vector<Headline> headlines() const override { return {{"position", "position"}}; }
  absl::Status AddPlots(const google::protobuf::Message& message,
                        const std::vector<FinishedUnit>& units,
                        report::Document& document) const override;
};

}  // namespace perennial::experiment

#endif  // PERENNIAL_COMMON_EXPERIMENT_WALK_WALK_H_
