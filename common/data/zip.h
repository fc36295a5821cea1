// Reader of ZIP archives that are not trusted, for .npz files.
//
// Format (PKWARE APPNOTE 6.3.10): members stored or deflated, ZIP64 sizes. Refused: encryption,
// archives of several parts, other methods, members that overlap, names given twice, a local header
// whose name is not the directory's.
//
// Sizes that the archive claims are checked before anything is allocated: a deflated member cannot
// be more than 1032 times its compressed size (zlib's limit), nor more than the caller allows.
// Errors: InvalidArgument, one line, naming the archive and the member.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const data::ZipArchive archive, data::ZipArchive::Parse(bytes,
//   path)); for (const data::ZipMember& member : archive.members()) ...
//   PERENNIAL_ASSIGN_OR_RETURN(std::string text, archive.Read(archive.members()[0], 1 << 20));
#ifndef PERENNIAL_COMMON_DATA_ZIP_H_
#define PERENNIAL_COMMON_DATA_ZIP_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace perennial::data {

struct ZipMember {
  std::string name;  // UTF-8 without control characters, at most 1000 bytes.
  int64_t bytes;     // Uncompressed, as claimed.
  int64_t compressed_bytes;
  bool deflated;
  uint32_t crc32;
  int64_t data_at;  // In the archive.
};

class ZipArchive {
 public:
  // Takes the bytes of an archive; `name` stands for them in messages. Reads the directory.
  static absl::StatusOr<ZipArchive> Parse(std::string bytes, absl::string_view name);

  // In the order of the directory.
  const std::vector<ZipMember>& members() const { return members_; }

  // The uncompressed bytes of a member of this archive, their checksum tested.
  absl::StatusOr<std::string> Read(const ZipMember& member, int64_t max_bytes) const;

 private:
  ZipArchive(std::string name, std::string bytes)
      : name_(std::move(name)), bytes_(std::move(bytes)) {}

  std::string name_;
  std::string bytes_;
  std::vector<ZipMember> members_;
};

}  // namespace perennial::data

#endif  // PERENNIAL_COMMON_DATA_ZIP_H_
