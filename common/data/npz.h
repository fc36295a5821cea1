// Reader of NumPy's .npz files: ZIP archives of .npy arrays, stored or compressed (zip.h, npy.h).
//
//   PERENNIAL_ASSIGN_OR_RETURN(const data::NpzFile file, data::ReadNpz("simulation.npz"));
//   for (const std::string& name : file.names()) ...                  // "x", "y"
//   PERENNIAL_ASSIGN_OR_RETURN(const data::NpyArray x, file.Read("x"));
//   PERENNIAL_ASSIGN_OR_RETURN(std::vector<double> values, x.Read<double>());
#ifndef PERENNIAL_COMMON_DATA_NPZ_H_
#define PERENNIAL_COMMON_DATA_NPZ_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/file_io.h"
#include "common/data/npy.h"
#include "common/data/zip.h"

namespace perennial::data {

class NpzFile {
 public:
  // Of the arrays, without ".npy", in the order of the file. Other members are passed over.
  const std::vector<std::string>& names() const { return names_; }

  // Decompresses and checks one array. NotFound with the nearest name; InvalidArgument if it is
  // damaged or larger than max_bytes.
  absl::StatusOr<NpyArray> Read(absl::string_view name,
                                int64_t max_bytes = base::kDefaultMaxFileBytes) const;

 private:
  friend absl::StatusOr<NpzFile> ParseNpz(std::string bytes, absl::string_view name);
  NpzFile(std::string name, ZipArchive archive);

  std::string name_;
  ZipArchive archive_;
  std::vector<std::string> names_;
};

// Takes the bytes of a file; `name` stands for them in messages. No array is read yet.
absl::StatusOr<NpzFile> ParseNpz(std::string bytes, absl::string_view name);

absl::StatusOr<NpzFile> ReadNpz(const std::string& path,
                                int64_t max_bytes = base::kDefaultMaxFileBytes);

}  // namespace perennial::data

#endif  // PERENNIAL_COMMON_DATA_NPZ_H_
