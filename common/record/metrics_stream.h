// The append-only stream of a run's measurements: one JSON object a line (metrics.jsonl).
//
// A line reaches the file in one write() of a file opened for appending, so lines of several
// threads never mix and a killed process leaves at most one partial line, which the next Open
// removes. Thread-safe.
//
//   PERENNIAL_ASSIGN_OR_RETURN(auto stream, MetricsStream::Open("runs/a/metrics.jsonl"));
//   PERENNIAL_RETURN_IF_ERROR(stream->Append(
//       base::JsonObject().Add("method", "er").Add("seed", 0).Add("step", 10).Add("loss", 0.3)));
#ifndef PERENNIAL_COMMON_RECORD_METRICS_STREAM_H_
#define PERENNIAL_COMMON_RECORD_METRICS_STREAM_H_

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/base/json_text.h"

namespace perennial::record {

class MetricsStream {
 public:
  // Creates the file or goes on with it; a partial last line is removed.
  static absl::StatusOr<std::unique_ptr<MetricsStream>> Open(absl::string_view path);
  ~MetricsStream();

  MetricsStream(const MetricsStream&) = delete;
  MetricsStream& operator=(const MetricsStream&) = delete;

  absl::Status Append(const base::JsonObject& object);

  // Waits until everything appended is on the disk; before a checkpoint that counts on it.
  absl::Status Sync();

  // Keeps the lines (given without their newline) for which `keep` is true and drops the others,
  // atomically: the cut back to the checkpoints when a run resumes. Since units run side by side,
  // what to keep is told by a line's content, not by its place.
  absl::Status KeepLines(absl::FunctionRef<bool(absl::string_view)> keep);

 private:
  MetricsStream(std::string path, int file) : path_(std::move(path)), file_(file) {}

  const std::string path_;
  absl::Mutex mutex_;
  int file_;
};

}  // namespace perennial::record

#endif  // PERENNIAL_COMMON_RECORD_METRICS_STREAM_H_
