// The folder of one run: who may write it, what state it is in, and its files.
//
//   config.textproto  resolved config           run.json      environment, times, costs
//   metrics.jsonl     stream of measurements     summary.json  results; its presence = finished
//   report.html       for people                 tables.csv    the summary as a table
//   plots/            numbers of each plot        tensorboard/  see event_file.h
//   checkpoints/      see checkpoint.h           lock          flock of the writing process
//
// A RunFolder holds the lock until it is destroyed; a second process is refused with the owner's
// process number. All files but the stream are replaced atomically.
//
//   PERENNIAL_ASSIGN_OR_RETURN(RunState state, InspectRunFolder(path));
//   PERENNIAL_ASSIGN_OR_RETURN(auto run, state == RunState::kNew ? RunFolder::Create(path)
//                                                                : RunFolder::Open(path));
//   PERENNIAL_RETURN_IF_ERROR(run->WriteConfig(config::CanonicalText(config)));
//   PERENNIAL_RETURN_IF_ERROR(run->WriteSummary(summary_text));  // the run is finished now
#ifndef PERENNIAL_COMMON_RECORD_RUN_FOLDER_H_
#define PERENNIAL_COMMON_RECORD_RUN_FOLDER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/file_lock.h"
#include "common/record/metrics_stream.h"

namespace perennial::record {

inline constexpr char kConfigFile[] = "config.textproto";
inline constexpr char kRunInfoFile[] = "run.json";
inline constexpr char kMetricsFile[] = "metrics.jsonl";
inline constexpr char kSummaryFile[] = "summary.json";
inline constexpr char kReportFile[] = "report.html";
inline constexpr char kTablesFile[] = "tables.csv";
inline constexpr char kCheckpointFolder[] = "checkpoints";
inline constexpr char kLockFile[] = "lock";

enum class RunState {
  kNew,         // no folder, or one without a config: killed at its very start
  kUnfinished,  // a config, no summary
  kFinished,    // a config and a summary
};

// Looks without locking. FailedPrecondition for a folder that holds other things than a run, so
// that a mistyped --out never mixes a run into somebody's files.
absl::StatusOr<RunState> InspectRunFolder(absl::string_view path);

class RunFolder {
 public:
  // Makes and locks the folder of a new run. AlreadyExists if a run stands there (the message says
  // whether it is finished), FailedPrecondition if another process holds it, PermissionDenied and
  // the like if it cannot be written.
  static absl::StatusOr<std::unique_ptr<RunFolder>> Create(absl::string_view path);

  // Locks the folder of a run that exists, to go on with it or to extend it; NotFound if there is
  // none. Leftovers of interrupted writes are removed.
  static absl::StatusOr<std::unique_ptr<RunFolder>> Open(absl::string_view path);

  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string checkpoint_folder() const;
  absl::StatusOr<RunState> State() const { return InspectRunFolder(path_); }

  absl::Status WriteConfig(absl::string_view textproto) { return Write(kConfigFile, textproto); }
  absl::Status WriteRunInfo(absl::string_view json) { return Write(kRunInfoFile, json); }
  // Finishes the run; the last file to be written.
  absl::Status WriteSummary(absl::string_view json) { return Write(kSummaryFile, json); }
  // Takes the summary away, so that the run counts as unfinished while more seeds are added.
  absl::Status Reopen();

  // Any file of the folder by its name (without '/').
  absl::Status Write(absl::string_view name, absl::string_view contents);
  absl::StatusOr<std::string> Read(absl::string_view name) const;

  MetricsStream& metrics() { return *metrics_; }

 private:
  RunFolder(std::string path, std::unique_ptr<base::FileLock> lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  static absl::StatusOr<std::unique_ptr<RunFolder>> Lock(absl::string_view path);

  std::string path_;
  std::unique_ptr<base::FileLock> lock_;
  std::unique_ptr<MetricsStream> metrics_;
};

}  // namespace perennial::record

#endif  // PERENNIAL_COMMON_RECORD_RUN_FOLDER_H_
