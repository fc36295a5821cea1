#include "common/record/run_folder.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/file_lock.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"

namespace perennial::record {

absl::StatusOr<RunState> InspectRunFolder(absl::string_view path) {
  if (base::FileExists(path)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is a file, not the folder of a run; choose another --out"));
  }
  if (!base::FolderExists(path)) return RunState::kNew;
  if (base::FileExists(base::JoinPath(path, kConfigFile))) {
    return base::FileExists(base::JoinPath(path, kSummaryFile)) ? RunState::kFinished
                                                                : RunState::kUnfinished;
  }
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<std::string> names, base::ListFolder(path));
  for (const std::string& name : names) {
    // A run that was killed before its config stood leaves these behind.
    if (name == kLockFile || name == kMetricsFile || name == kRunInfoFile ||
        base::IsTemporaryName(name)) {
      continue;
    }
    return absl::FailedPreconditionError(
        absl::StrCat("the folder ", path, " holds \"", name, "\" but no ", kConfigFile,
                     ", so it is not the folder of a run; choose another --out"));
  }
  return RunState::kNew;
}

absl::StatusOr<std::unique_ptr<RunFolder>> RunFolder::Lock(absl::string_view path) {
  auto lock = base::FileLock::Take(base::JoinPath(path, kLockFile));
  if (absl::IsAborted(lock.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("the folder ", path, " is ", lock.status().message(),
                     "; wait for it to end or choose another --out"));
  }
  if (!lock.ok()) return base::WithContext(lock.status(), "cannot lock the folder");
  return std::unique_ptr<RunFolder>(new RunFolder(std::string(path), *std::move(lock)));
}

absl::StatusOr<std::unique_ptr<RunFolder>> RunFolder::Create(absl::string_view path) {
  PERENNIAL_RETURN_IF_ERROR(InspectRunFolder(path).status());
  PERENNIAL_RETURN_IF_ERROR(base::MakeFolders(path));
  PERENNIAL_ASSIGN_OR_RETURN(std::unique_ptr<RunFolder> run, Lock(path));
  PERENNIAL_ASSIGN_OR_RETURN(const RunState state, InspectRunFolder(path));
  if (state != RunState::kNew) {
    return absl::AlreadyExistsError(absl::StrCat(
        "the folder ", path, " already holds ",
        state == RunState::kFinished ? "a finished run" : "an unfinished run; go on with --resume",
        state == RunState::kFinished ? "; choose another --out" : " or choose another --out"));
  }
  // What a run killed at its very start may have left.
  PERENNIAL_RETURN_IF_ERROR(base::RemoveTemporaries(run->path()));
  PERENNIAL_RETURN_IF_ERROR(base::RemoveFile(base::JoinPath(path, kMetricsFile)));
  PERENNIAL_ASSIGN_OR_RETURN(run->metrics_,
                             MetricsStream::Open(base::JoinPath(path, kMetricsFile)));
  return run;
}

absl::StatusOr<std::unique_ptr<RunFolder>> RunFolder::Open(absl::string_view path) {
  PERENNIAL_ASSIGN_OR_RETURN(const RunState state, InspectRunFolder(path));
  if (state == RunState::kNew) {
    return absl::NotFoundError(absl::StrCat("there is no run in ", path));
  }
  PERENNIAL_ASSIGN_OR_RETURN(std::unique_ptr<RunFolder> run, Lock(path));
  PERENNIAL_RETURN_IF_ERROR(base::RemoveTemporaries(run->path()));
  PERENNIAL_RETURN_IF_ERROR(base::RemoveTemporaries(run->checkpoint_folder()));
  PERENNIAL_ASSIGN_OR_RETURN(run->metrics_,
                             MetricsStream::Open(base::JoinPath(path, kMetricsFile)));
  return run;
}

std::string RunFolder::checkpoint_folder() const {
  return base::JoinPath(path_, kCheckpointFolder);
}

absl::Status RunFolder::Reopen() {
  PERENNIAL_RETURN_IF_ERROR(base::RemoveFile(base::JoinPath(path_, kSummaryFile)));
  return base::SyncFolder(path_);
}

absl::Status RunFolder::Write(absl::string_view name, absl::string_view contents) {
  CHECK(!name.empty() && name.find('/') == absl::string_view::npos) << name;
  return base::WriteFileAtomically(base::JoinPath(path_, name), contents);
}

absl::StatusOr<std::string> RunFolder::Read(absl::string_view name) const {
  return base::ReadFile(base::JoinPath(path_, name));
}

}  // namespace perennial::record
