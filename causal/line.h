// The causal line as the harness knows it.
#ifndef PERENNIAL_CAUSAL_LINE_H_
#define PERENNIAL_CAUSAL_LINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/experiment/line.h"
#include "google/protobuf/message.h"

namespace perennial::causal {

// A seed is a realisation: data, split, order of batches and initial weights.
class CausalLine final : public experiment::Line {
 public:
  std::string name() const override { return "causal"; }
  std::string title() const override { return "Treatment effects"; }
  std::string default_config() const override { return "ihdp"; }
  std::vector<uint64_t> default_seeds() const override;
  std::unique_ptr<google::protobuf::Message> NewConfig() const override;
  absl::Status FinishConfig(google::protobuf::Message& config) const override;
  absl::StatusOr<std::unique_ptr<experiment::Experiment>> Prepare(
      const google::protobuf::Message& config, const std::string& data_folder) const override;
  std::vector<experiment::Headline> headlines() const override;
  absl::StatusOr<std::vector<experiment::Finding>> Findings(
      const google::protobuf::Message& config,
      const std::vector<record::SummaryResult>& results) const override;
  absl::Status AddPlots(const google::protobuf::Message& config,
                        const std::vector<experiment::FinishedUnit>& units,
                        report::Document& document) const override;
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_LINE_H_
