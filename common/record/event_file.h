// TensorBoard event files: the measurements of one unit as scalars, for
//
//   tensorboard --logdir runs/a/tensorboard
//
// A file is a list of TFRecord records (length, its checksum, the bytes of an Event, their
// checksum; little endian, masked CRC-32C), the first of which names the version. Values are floats
// there; metrics.jsonl has them in full. TensorBoard stops for good at a damaged record in the
// middle of a file, so nothing is ever appended behind an incomplete one.
//
// A file is open during a call only: a thousand units hold no thousand files.
//
//   EventFile file(EventFilePath("runs/a", "er.rotated.seed.0"));
//   PERENNIAL_RETURN_IF_ERROR(file.Cut(unit.steps_done()));  // When a run goes on.
//   PERENNIAL_RETURN_IF_ERROR(file.Append({{.wall_time = now, .step = 10, .values = values}}));
#ifndef PERENNIAL_COMMON_RECORD_EVENT_FILE_H_
#define PERENNIAL_COMMON_RECORD_EVENT_FILE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace perennial::record {

// What was measured at a step of a unit.
struct ScalarEvent {
  double wall_time = 0;  // Seconds since 1970.
  int64_t step = 0;
  std::vector<std::pair<std::string, double>> values;
};

// "<run>/tensorboard/<unit>/events.out.tfevents.0.perennial": TensorBoard shows each folder as a
// run of the folder's name, and finds files by the "tfevents" in theirs.
std::string EventFilePath(absl::string_view run_folder, absl::string_view unit_id);

// Writes one file. Not thread-safe; the file must not be changed by others meanwhile.
class EventFile {
 public:
  // Touches nothing yet.
  explicit EventFile(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }

  // In one write(), so that a killed process leaves at most one incomplete record, which is removed
  // before anything else is appended. Makes the file and its folder where they are missing.
  absl::Status Append(absl::Span<const ScalarEvent> events);

  // Keeps the complete records up to and including `last_step` and drops the others, atomically:
  // the cut back to a checkpoint. Records whose checksum is wrong are dropped too. OK if there is
  // no file.
  absl::Status Cut(int64_t last_step);

  // Waits until what was appended is on the disk; before a checkpoint that counts on it. OK if
  // there is no file.
  absl::Status Sync();

 private:
  std::string path_;
  int64_t end_ = -1;    // Size of the file after the last call; -1 if not known.
  bool named_ = false;  // The folders that lead to the file are on the disk.
};

struct EventFileContents {
  std::string file_version;         // Empty if the file has no first record.
  std::vector<ScalarEvent> events;  // Those that hold scalars, in order.
  bool truncated = false;           // Ends within a record.
};

// Reads a file of ours, or the scalars (simple_value) of one that TensorFlow or PyTorch wrote. A
// record that the file ends within is left out; DataLoss, with the place, for one that is damaged.
absl::StatusOr<EventFileContents> ReadEventFile(absl::string_view path);

}  // namespace perennial::record

#endif  // PERENNIAL_COMMON_RECORD_EVENT_FILE_H_
