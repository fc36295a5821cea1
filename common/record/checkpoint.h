// Checkpoints that a crash cannot spoil: the newest two of each name are kept, each with its
// SHA-256, and a corrupt one is refused in favour of the one before it.
//
// File <folder>/<name>-<generation, 8 digits>-<checksum>.safetensors: nothing but the bytes given,
// so that what writes safetensors (safetensors.h) leaves files that other programs read; the
// checksum, the first 32 hexadecimal digits of their SHA-256, stands in the name. Written to a
// temporary name, fsync, rename, fsync of the folder. Different names may be written from different
// threads at the same time; one name by one thread at a time.
//
//   Checkpoints checkpoints(run->checkpoint_folder());
//   PERENNIAL_RETURN_IF_ERROR(checkpoints.Write("er-seed0", bytes));
//   PERENNIAL_ASSIGN_OR_RETURN(std::optional<Checkpoint> last, checkpoints.ReadLatest("er-seed0"));
//   if (last && !last->warning.empty()) LOG(WARNING) << last->warning;
#ifndef PERENNIAL_COMMON_RECORD_CHECKPOINT_H_
#define PERENNIAL_COMMON_RECORD_CHECKPOINT_H_

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace perennial::record {

struct Checkpoint {
  std::string bytes;
  int64_t generation;   // 1 for the first checkpoint of its name
  std::string warning;  // says which newer file was refused and why; empty if none was
};

// Those of a folder, which is its own while it lives: it lists the folder once, when first asked,
// and knows what it writes, so that thousands of names cost no more than each by itself.
// Thread-safe, but for one name by several threads at a time.
class Checkpoints {
 public:
  explicit Checkpoints(absl::string_view folder) : folder_(folder) {}

  // Adds the next generation and removes all but the newest two that are sound. The folder is made
  // if missing. `name` consists of letters, digits, '_', '-' and '.'.
  absl::Status Write(absl::string_view name, absl::string_view bytes);

  // The newest sound checkpoint; nullopt if there is none of this name at all; DataLoss, naming
  // every file and its fault, if there are some and none is sound.
  absl::StatusOr<std::optional<Checkpoint>> ReadLatest(absl::string_view name);

 private:
  struct File {
    int64_t generation;
    std::string checksum;
    std::string path;
  };

  absl::Status List();
  // Of a name, newest first.
  absl::StatusOr<std::vector<File>> Find(absl::string_view name);
  static absl::StatusOr<std::string> ReadSound(const File& file);

  const std::string folder_;
  std::mutex mutex_;
  bool listed_ = false;
  std::unordered_map<std::string, std::vector<File>> files_;
};

}  // namespace perennial::record

#endif  // PERENNIAL_COMMON_RECORD_CHECKPOINT_H_
