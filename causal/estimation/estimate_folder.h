// The folder of one estimate: whose it is, what has been done, and its files.
//
//   settings.json   what the numbers depend on, written first
//   parts/          what ended, until all has (estimate_units.h): a checksum and the bytes
//   effects.csv, model.safetensors, report.html, summary.txt
//   estimate.json   all numbers, written last: with it the estimate is finished
//   lock            flock of the writing process
//
// Any file is replaced at once or not at all, so that a process may be killed at any moment.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const auto folder,
//                              EstimateFolder::Open(path, "runs/a", settings, resume));
//   if (folder->finished()) return Show(folder->Read("summary.txt"));
//   folder->Keep("fold.estimate.part.0", bytes);  ...  folder->Find("fold.estimate.part.0");
//   folder->Finish({{"effects.csv", csv}, ..., {"estimate.json", json}});
#ifndef PERENNIAL_CAUSAL_ESTIMATION_ESTIMATE_FOLDER_H_
#define PERENNIAL_CAUSAL_ESTIMATION_ESTIMATE_FOLDER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/file_lock.h"

namespace perennial::causal {

class EstimateFolder {
 public:
  // Names and values, in the order in which a difference is to be told. A value that users do not
  // know (a digest) has a name that begins with "the ".
  using Settings = std::vector<std::pair<std::string, std::string>>;

  // Locks the folder, and makes it if need be. `shown`: its path as the user would type it.
  // FailedPrecondition, in one line, for a folder of other files or of an estimate of other
  // settings, one that another process works in, and an unfinished estimate without `resume`.
  static absl::StatusOr<std::unique_ptr<EstimateFolder>> Open(const std::string& path,
                                                              const std::string& shown,
                                                              const Settings& settings,
                                                              bool resume);
  EstimateFolder(const EstimateFolder&) = delete;
  EstimateFolder& operator=(const EstimateFolder&) = delete;

  bool finished() const { return finished_; }
  absl::StatusOr<std::string> Read(const std::string& name) const;

  // Parts, by valid file names. What is damaged counts as not there.
  absl::Status Keep(const std::string& name, const std::string& bytes);
  std::string Find(const std::string& name) const;

  // Of an estimate that cannot be made: leaves nothing behind, where nothing had ended.
  void Discard();

  // Writes the files in their order and removes the parts.
  absl::Status Finish(const std::vector<std::pair<std::string, std::string>>& files);

 private:
  EstimateFolder(std::string path, std::unique_ptr<base::FileLock> lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  std::unique_ptr<base::FileLock> lock_;
  bool is_new_ = false;
  bool finished_ = false;
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_ESTIMATE_FOLDER_H_
