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
constexpr size_t kGenerationDigits = 8;
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

}  // namespace

absl::Status Checkpoints::List() {
  if (listed_ || !base::FolderExists(folder_)) return absl::OkStatus();
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::string> names, base::ListFolder(folder_));
  for (const std::string& file : names) {
    absl::string_view rest = file;
    if (!absl::ConsumeSuffix(&rest, kEnding)) continue;
    const size_t last = rest.rfind('-');
    if (last == absl::string_view::npos || last == 0) continue;
    const size_t dash = rest.rfind('-', last - 1);
    if (dash == absl::string_view::npos || last - dash - 1 < kGenerationDigits) continue;
    const absl::string_view number = rest.substr(dash + 1, last - dash - 1);
    int64_t generation;
    if (std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
        absl::SimpleAtoi(number, &generation)) {
      files_[std::string(rest.substr(0, dash))].push_back(
          {generation, std::string(rest.substr(last + 1)), base::JoinPath(folder_, file)});
    }
  }
  for (auto& [name, files] : files_) std::ranges::sort(files, std::greater<>(), &File::generation);
  listed_ = true;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Checkpoints::File>> Checkpoints::Find(absl::string_view name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  PERENNIAL_RETURN_IF_ERROR(List());
  const auto found = files_.find(std::string(name));
  return found == files_.end() ? std::vector<File>() : found->second;
}

absl::StatusOr<std::string> Checkpoints::ReadSound(const File& file) {
  PERENNIAL_ASSIGN_OR_RETURN(std::string bytes, base::ReadFile(file.path, kMaxCheckpointBytes));
  if (Checksum(bytes) != file.checksum) {
    return absl::DataLossError(
        absl::StrCat(file.path, ": its checksum is wrong; it is damaged, or cut off after ",
                     bytes.size(), " bytes"));
  }
  return bytes;
}

absl::Status Checkpoints::Write(absl::string_view name, absl::string_view bytes) {
  CheckName(name);
  PERENNIAL_RETURN_IF_ERROR(base::MakeFolders(folder_));
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<File> older, Find(name));
  File file = {.generation = older.empty() ? 1 : older.front().generation + 1,
               .checksum = Checksum(bytes)};
  file.path = base::JoinPath(
      folder_,
      absl::StrCat(name,
                   absl::StrFormat("-%0*d-", static_cast<int>(kGenerationDigits), file.generation),
                   file.checksum, kEnding));
  PERENNIAL_RETURN_IF_ERROR(base::WriteFileAtomically(file.path, bytes));

  // The new one and the newest sound one before it stay: a corrupt file is no second chance. What
  // lies between them is corrupt and goes too.
  std::vector<File> kept = {std::move(file)};
  for (const File& before : older) {
    if (kept.size() < kKept && ReadSound(before).ok()) {
      kept.push_back(before);
    } else {
      PERENNIAL_RETURN_IF_ERROR(base::RemoveFile(before.path));
    }
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  files_[std::string(name)] = std::move(kept);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Checkpoint>> Checkpoints::ReadLatest(absl::string_view name) {
  CheckName(name);
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<File> files, Find(name));
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
