#include "common/record/checkpoint.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/base/file_io.h"
#include "common/base/logging.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"

namespace perennial::record {
namespace {

constexpr int64_t kMaxCheckpointBytes = int64_t{64} << 30;
constexpr size_t kKept = 2;
constexpr size_t kChecksumDigits = 32;
constexpr char kEnding[] = ".safetensors";

void CheckName(absl::string_view name) {
  const bool sound =
      !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '.';
      });
  CHECK(sound) << "the checkpoint's name \"" << name << "\"";
}

std::string Checksum(absl::string_view bytes) {
  base::Sha256 hash;
  hash.Update(bytes);
  return hash.FinishHex().substr(0, kChecksumDigits);
}

struct File {
  int64_t generation;
  std::string checksum;
  std::string path;
};

// The checkpoints of a name that are there, newest first. No folder, no checkpoints.
absl::StatusOr<std::vector<File>> Find(absl::string_view folder, absl::string_view name) {
  std::vector<File> files;
  if (!base::FolderExists(folder)) return files;
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::string> names, base::ListFolder(folder));
  for (const std::string& file : names) {
    absl::string_view rest = file;
    if (!absl::ConsumePrefix(&rest, absl::StrCat(name, "-")) ||
        !absl::ConsumeSuffix(&rest, kEnding)) {
      continue;
    }
    const size_t dash = rest.find('-');
    if (dash == absl::string_view::npos || dash < 8) continue;
    const absl::string_view number = rest.substr(0, dash);
    int64_t generation;
    if (std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
        absl::SimpleAtoi(number, &generation)) {
      files.push_back(
          {generation, std::string(rest.substr(dash + 1)), base::JoinPath(folder, file)});
    }
  }
  std::ranges::sort(files, std::greater<>(), &File::generation);
  return files;
}

// The bytes of a sound file.
absl::StatusOr<std::string> ReadSound(const File& file) {
  PERENNIAL_ASSIGN_OR_RETURN(std::string bytes, base::ReadFile(file.path, kMaxCheckpointBytes));
  if (Checksum(bytes) != file.checksum) {
    return absl::DataLossError(
        absl::StrCat(file.path, ": its checksum is wrong; it is damaged, or cut off after ",
                     bytes.size(), " bytes"));
  }
  return bytes;
}

}  // namespace

absl::Status WriteCheckpoint(absl::string_view folder, absl::string_view name,
                             absl::string_view bytes) {
  CheckName(name);
  PERENNIAL_RETURN_IF_ERROR(base::MakeFolders(folder));
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<File> older, Find(folder, name));
  const int64_t generation = older.empty() ? 1 : older.front().generation + 1;
  PERENNIAL_RETURN_IF_ERROR(base::WriteFileAtomically(
      base::JoinPath(folder, absl::StrCat(name, absl::StrFormat("-%08d-", generation),
                                          Checksum(bytes), kEnding)),
      bytes));

  // The new one and the newest sound one before it stay: a corrupt file is no second chance. What
  // lies between them is corrupt and goes too.
  size_t kept = 1;
  for (const File& file : older) {
    if (kept < kKept && ReadSound(file).ok()) {
      ++kept;
    } else {
      PERENNIAL_RETURN_IF_ERROR(base::RemoveFile(file.path));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Checkpoint>> ReadLatestCheckpoint(absl::string_view folder,
                                                               absl::string_view name) {
  CheckName(name);
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<File> files, Find(folder, name));
  std::vector<std::string> faults;
  for (const File& file : files) {
    absl::StatusOr<std::string> bytes = ReadSound(file);
    if (!bytes.ok()) {
      faults.push_back(std::string(bytes.status().message()));
      continue;
    }
    Checkpoint checkpoint{*std::move(bytes), file.generation, ""};
    if (!faults.empty()) {
      checkpoint.warning = absl::StrCat("refused ", absl::StrJoin(faults, "; "), "; going on from ",
                                        file.path, ", the checkpoint before");
    }
    return checkpoint;
  }
  if (faults.empty()) return std::nullopt;
  return absl::DataLossError(absl::StrCat("no checkpoint of ", name,
                                          " is sound: ", absl::StrJoin(faults, "; "),
                                          "; remove them to start this part anew"));
}

}  // namespace perennial::record
