// The continual learning line as the harness sees it.
#ifndef PERENNIAL_CONTINUAL_LINE_H_
#define PERENNIAL_CONTINUAL_LINE_H_

#include <memory>
#include <string>
#include <vector>

#include "common/experiment/line.h"

namespace perennial::continual {

class ContinualLine final : public experiment::Line {
 public:
  std::string name() const override { return "continual"; }
  std::string title() const override { return "Continual learning"; }
  std::string default_config() const override { return "rotated_quick"; }
  std::unique_ptr<google::protobuf::Message> NewConfig() const override;
  absl::Status FinishConfig(google::protobuf::Message& config) const override;
  absl::StatusOr<std::unique_ptr<experiment::Experiment>> Prepare(
      const google::protobuf::Message& config, const std::string& data_folder) const override;
  std::vector<experiment::Headline> headlines() const override;
  std::vector<experiment::Headline> counts() const override;
  // The best trial of each search.
  absl::StatusOr<std::vector<experiment::Finding>> Findings(
      const google::protobuf::Message& config,
      const std::vector<record::SummaryResult>& results) const override;
};

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_LINE_H_
