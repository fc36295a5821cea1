#include "common/record/checkpoint.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

static_assert(std::endian::native == std::endian::little, "the trailer is little-endian");

constexpr absl::string_view kMagic = "PRNLCKP1";
constexpr size_t kTrailerBytes = 8 + 8 + 64;
constexpr int64_t kMaxCheckpointBytes = int64_t{64} << 30;
constexpr size_t kKept = 2;

void CheckName(absl::string_view name) {
  const bool sound =
      !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '.';
      });
  CHECK(sound) << "the checkpoint's name \"" << name << "\"";
}

std::string FileName(absl::string_view name, int64_t generation) {
  return absl::StrCat(name, absl::StrFormat("-%08d.ckpt", generation));
}

// The generations of a name that are there, newest first. No folder, no generations.
absl::StatusOr<std::vector<int64_t>> Generations(absl::string_view folder, absl::string_view name) {
  std::vector<int64_t> generations;
  if (!base::FolderExists(folder)) return generations;
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::string> files, base::ListFolder(folder));
  for (absl::string_view file : files) {
    int64_t generation;
    if (absl::ConsumePrefix(&file, absl::StrCat(name, "-")) &&
        absl::ConsumeSuffix(&file, ".ckpt") && file.size() >= 8 &&
        std::all_of(file.begin(), file.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
        absl::SimpleAtoi(file, &generation)) {
      generations.push_back(generation);
    }
  }
  std::sort(generations.rbegin(), generations.rend());
  return generations;
}

std::string Digest(absl::string_view bytes, absl::string_view size) {
  base::Sha256 hash;
  hash.Update(bytes);
  hash.Update(size);
  return hash.FinishHex();
}

// The payload of a sound file.
absl::StatusOr<std::string> ReadSound(const std::string& path) {
  PERENNIAL_ASSIGN_OR_RETURN(std::string contents, base::ReadFile(path, kMaxCheckpointBytes));
  if (contents.size() < kTrailerBytes) {
    return absl::DataLossError(
        absl::StrCat(path, ": is cut off, it has ", contents.size(), " bytes"));
  }
  const size_t payload = contents.size() - kTrailerBytes;
  const absl::string_view trailer = absl::string_view(contents).substr(payload);
  if (!absl::StartsWith(trailer, kMagic)) {
    return absl::DataLossError(absl::StrCat(path, ": does not end as a checkpoint; it is cut off"));
  }
  const absl::string_view size = trailer.substr(8, 8);
  uint64_t recorded;
  std::memcpy(&recorded, size.data(), sizeof(recorded));
  if (recorded != payload) {
    return absl::DataLossError(
        absl::StrCat(path, ": holds ", payload, " bytes, but ", recorded, " were written"));
  }
  if (Digest(absl::string_view(contents).substr(0, payload), size) != trailer.substr(16)) {
    return absl::DataLossError(absl::StrCat(path, ": its checksum is wrong"));
  }
  contents.resize(payload);
  return contents;
}

}  // namespace

absl::Status WriteCheckpoint(absl::string_view folder, absl::string_view name,
                             absl::string_view bytes) {
  CheckName(name);
  PERENNIAL_RETURN_IF_ERROR(base::MakeFolders(folder));
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<int64_t> older, Generations(folder, name));
  const uint64_t payload = bytes.size();
  const absl::string_view size(reinterpret_cast<const char*>(&payload), sizeof(payload));
  PERENNIAL_RETURN_IF_ERROR(base::WriteFileAtomically(
      base::JoinPath(folder, FileName(name, older.empty() ? 1 : older.front() + 1)),
      absl::StrCat(bytes, kMagic, size, Digest(bytes, size))));

  // The new one and the newest sound one before it stay: a corrupt file is no second chance. What
  // lies between them is corrupt and goes too.
  size_t kept = 1;
  for (const int64_t generation : older) {
    const std::string path = base::JoinPath(folder, FileName(name, generation));
    if (kept < kKept && ReadSound(path).ok()) {
      ++kept;
    } else {
      PERENNIAL_RETURN_IF_ERROR(base::RemoveFile(path));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Checkpoint>> ReadLatestCheckpoint(absl::string_view folder,
                                                               absl::string_view name) {
  CheckName(name);
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<int64_t> generations, Generations(folder, name));
  std::vector<std::string> faults;
  for (const int64_t generation : generations) {
    const std::string path = base::JoinPath(folder, FileName(name, generation));
    absl::StatusOr<std::string> bytes = ReadSound(path);
    if (!bytes.ok()) {
      faults.push_back(std::string(bytes.status().message()));
      continue;
    }
    Checkpoint checkpoint{*std::move(bytes), generation, ""};
    if (!faults.empty()) {
      checkpoint.warning = absl::StrCat("refused ", absl::StrJoin(faults, "; "), "; going on from ",
                                        path, ", the checkpoint before");
    }
    return checkpoint;
  }
  if (faults.empty()) return std::nullopt;
  return absl::DataLossError(absl::StrCat("no checkpoint of ", name,
                                          " is sound: ", absl::StrJoin(faults, "; "),
                                          "; remove them to start this part anew"));
}

}  // namespace perennial::record
