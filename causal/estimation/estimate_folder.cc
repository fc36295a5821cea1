#include "causal/estimation/estimate_folder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/excerpt.h"
#include "common/base/file_io.h"
#include "common/base/file_lock.h"
#include "common/base/json_text.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace perennial::causal {
namespace {

constexpr char kSettingsFile[] = "settings.json";
constexpr char kMarkFile[] = "estimate.json";
constexpr char kLockFile[] = "lock";
constexpr char kParts[] = "parts";
constexpr size_t kDigest = 64;
constexpr int64_t kMaxPartBytes = int64_t{64} << 30;

std::string SettingsText(const EstimateFolder::Settings& settings) {
  base::JsonObject object;
  for (const auto& [name, value] : settings) object.Add(name, value);
  return absl::StrCat(object.Text(), "\n");
}

// Why the text of a folder's settings is not that of ours.
std::string Difference(const std::string& text, const EstimateFolder::Settings& settings) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  for (const auto& [name, value] : settings) {
    const auto found = json.is_object() ? json.find(name) : json.end();
    const bool known = json.is_object() && found != json.end() && found->is_string();
    if (known && found->get<std::string>() == value) continue;
    if (!known || absl::StartsWith(name, "the ")) {
      return absl::StrCat(absl::StripPrefix(name, "the "), " is another");
    }
    return absl::StrCat(name, " is ", base::Excerpt(found->get<std::string>()), " there and ",
                        base::Excerpt(value), " now");
  }
  return "";
}

}  // namespace

absl::StatusOr<std::unique_ptr<EstimateFolder>> EstimateFolder::Open(const std::string& path,
                                                                     const std::string& shown,
                                                                     const Settings& settings,
                                                                     bool resume) {
  const auto refused = [&](const std::string& what) {
    return absl::FailedPreconditionError(absl::StrCat("--out ", shown, " ", what));
  };
  if (base::FileExists(path)) return refused("is a file; choose a folder");
  const std::string settings_path = base::JoinPath(path, kSettingsFile);
  // Nothing is written into somebody's files.
  const auto check = [&]() -> absl::Status {
    if (!base::FolderExists(path)) return absl::OkStatus();
    if (base::FileExists(settings_path)) {
      PERENNIAL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(settings_path));
      const std::string difference = Difference(text, settings);
      if (difference.empty()) return absl::OkStatus();
      return refused(
          absl::StrCat("holds another estimate: ", difference, "; choose another folder"));
    }
    if (base::FileExists(base::JoinPath(path, kMarkFile))) {
      return refused("holds another estimate; choose another folder");
    }
    PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::string> names, base::ListFolder(path));
    for (const std::string& name : names) {
      // Of one that was killed before it had said whose it is.
      if (name == kLockFile || base::IsTemporaryName(name)) continue;
      return refused(absl::StrCat("holds other files (", name, "); choose a new or empty folder"));
    }
    return absl::OkStatus();
  };
  PERENNIAL_RETURN_IF_ERROR(check());
  PERENNIAL_RETURN_IF_ERROR(base::MakeFolders(path));
  auto lock = base::FileLock::Take(base::JoinPath(path, kLockFile));
  if (absl::IsAborted(lock.status())) {
    return refused(absl::StrCat("is ", lock.status().message(),
                                "; wait for it to end or choose another folder"));
  }
  PERENNIAL_RETURN_IF_ERROR(lock.status());
  std::unique_ptr<EstimateFolder> folder(new EstimateFolder(path, *std::move(lock)));
  // Before the lock was held another process may have written.
  PERENNIAL_RETURN_IF_ERROR(check());
  folder->finished_ = base::FileExists(base::JoinPath(path, kMarkFile));
  PERENNIAL_RETURN_IF_ERROR(base::RemoveTemporaries(path));
  PERENNIAL_RETURN_IF_ERROR(base::RemoveTemporaries(base::JoinPath(path, kParts)));
  if (base::FileExists(settings_path)) {
    if (!folder->finished_ && !resume) {
      return absl::FailedPreconditionError(
          absl::StrCat(shown,
                       " holds an unfinished estimate; add --resume to go on with it, or choose "
                       "another --out"));
    }
    // One that was killed while it tidied up.
    if (folder->finished_) PERENNIAL_RETURN_IF_ERROR(folder->Finish({}));
  } else {
    folder->is_new_ = true;
    PERENNIAL_RETURN_IF_ERROR(base::WriteFileAtomically(settings_path, SettingsText(settings)));
  }
  return folder;
}

absl::StatusOr<std::string> EstimateFolder::Read(const std::string& name) const {
  return base::ReadFile(base::JoinPath(path_, name));
}

absl::Status EstimateFolder::Keep(const std::string& name, const std::string& bytes) {
  const std::string parts = base::JoinPath(path_, kParts);
  PERENNIAL_RETURN_IF_ERROR(base::MakeFolders(parts));
  return base::WriteFileAtomically(base::JoinPath(parts, name),
                                   absl::StrCat(base::Sha256Hex(bytes), bytes));
}

std::string EstimateFolder::Find(const std::string& name) const {
  const std::string path = base::JoinPath(base::JoinPath(path_, kParts), name);
  if (!base::FileExists(path)) return "";
  const absl::StatusOr<std::string> read = base::ReadFile(path, kMaxPartBytes);
  if (!read.ok() || read->size() < kDigest) return "";
  std::string bytes = read->substr(kDigest);
  return read->compare(0, kDigest, base::Sha256Hex(bytes)) == 0 ? bytes : "";
}

void EstimateFolder::Discard() {
  if (!is_new_ || base::FolderExists(base::JoinPath(path_, kParts))) return;
  base::RemoveFile(base::JoinPath(path_, kSettingsFile)).IgnoreError();
  base::RemoveFile(base::JoinPath(path_, kLockFile)).IgnoreError();
  rmdir(path_.c_str());
}

absl::Status EstimateFolder::Finish(const std::vector<std::pair<std::string, std::string>>& files) {
  for (const auto& [name, contents] : files) {
    PERENNIAL_RETURN_IF_ERROR(base::WriteFileAtomically(base::JoinPath(path_, name), contents));
  }
  const std::string parts = base::JoinPath(path_, kParts);
  if (!base::FolderExists(parts)) return absl::OkStatus();
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::string> names, base::ListFolder(parts));
  for (const std::string& name : names) {
    PERENNIAL_RETURN_IF_ERROR(base::RemoveFile(base::JoinPath(parts, name)));
  }
  if (rmdir(parts.c_str()) != 0) return base::ErrnoError(errno, "cannot remove", parts);
  return absl::OkStatus();
}

}  // namespace perennial::causal
