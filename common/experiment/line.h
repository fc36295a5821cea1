// What a research line gives to the harness: everything else is the same for all lines.
//
//   int main(int argc, char** argv) {
//     return perennial::experiment::Main(perennial::continual::ContinualLine(), argc, argv);
//   }
#ifndef PERENNIAL_COMMON_EXPERIMENT_LINE_H_
#define PERENNIAL_COMMON_EXPERIMENT_LINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/experiment/finished_unit.h"
#include "common/population/unit.h"
#include "common/record/summary.h"
#include "common/report/document.h"
#include "common/report/table.h"
#include "google/protobuf/message.h"

namespace perennial::experiment {

// A metric of the results table.
struct Headline {
  std::string metric;  // "average_accuracy"
  std::string label;   // "average accuracy"
  // Of an error, never negative, that a few replicates rule: shown as mean (median) instead of mean
  // and interval (bars have one, from 0 at least).
  bool heavy_tailed = false;
  // Heading of a column for the share of pairs of another method and a replicate that both have in
  // which this method's is smaller, ties half; none where empty.
  std::string wins = {};
};

// What a line makes of a run's results beyond the tables that all lines have.
struct Finding {
  std::string title;  // "Search"
  report::Table table;
};

// An experiment whose configuration is settled and whose data is loaded.
class Experiment {
 public:
  virtual ~Experiment() = default;

  // Of the data's content; part of the fingerprint.
  virtual std::string data_digest() const = 0;

  // The units of one seed, in the order of the table. A function of configuration, data and seed.
  virtual absl::StatusOr<std::vector<std::unique_ptr<population::Unit>>> Units(uint64_t seed) = 0;
};

class Line {
 public:
  virtual ~Line() = default;

  virtual std::string name() const = 0;   // "continual", the package
  virtual std::string title() const = 0;  // Of the report.
  // Ready configurations: the folder's .textproto files, each with a first line `# what it is`.
  virtual std::string config_folder() const { return "perennial/" + name() + "/configs"; }
  virtual std::string default_config() const = 0;
  virtual std::vector<uint64_t> default_seeds() const { return {0, 1, 2}; }

  virtual std::unique_ptr<google::protobuf::Message> NewConfig() const = 0;
  // After defaults are filled in and ranges checked: what relates fields to each other. May
  // complete the configuration.
  virtual absl::Status FinishConfig(google::protobuf::Message& /*config*/) const {
    return absl::OkStatus();
  }

  // Loads data. `data_folder` is empty for the data that came with the build.
  virtual absl::StatusOr<std::unique_ptr<Experiment>> Prepare(
      const google::protobuf::Message& config, const std::string& data_folder) const = 0;

  virtual std::vector<Headline> headlines() const = 0;
  // Metrics of what a replicate uses, to stand beside the first headline and CPU seconds.
  virtual std::vector<Headline> counts() const { return {}; }

  // They end what the terminal shows and begin the report. `results` are of the units that did not
  // fail.
  virtual absl::StatusOr<std::vector<Finding>> Findings(
      const google::protobuf::Message& /*config*/,
      const std::vector<record::SummaryResult>& /*results*/) const {
    return std::vector<Finding>();
  }

  // What the report shows beyond the units' curves and matrices; after the results. Each plot's
  // numbers stand in the run folder, too.
  virtual absl::Status AddPlots(const google::protobuf::Message& /*config*/,
                                const std::vector<FinishedUnit>& /*units*/,
                                report::Document& /*document*/) const {
    return absl::OkStatus();
  }
};

}  // namespace perennial::experiment

#endif  // PERENNIAL_COMMON_EXPERIMENT_LINE_H_
