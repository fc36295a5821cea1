#include "common/data/zip.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>
#include <set>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/json_text.h"
#include "common/base/status_macros.h"
#include "zlib.h"

// Own code on zlib: minizip, the small static library at hand, does not look for members that
// overlap or sizes that cannot be, and tells what is wrong by a number, without the member.
namespace perennial::data {
namespace {

constexpr uint32_t kLocalMark = 0x04034b50;
constexpr uint32_t kDirectoryMark = 0x02014b50;
constexpr uint32_t kEndMark = 0x06054b50;
constexpr uint32_t kEnd64Mark = 0x06064b50;
constexpr uint32_t kLocator64Mark = 0x07064b50;
constexpr size_t kLocalBytes = 30;
constexpr size_t kDirectoryBytes = 46;
constexpr size_t kEndBytes = 22;
constexpr size_t kEnd64Bytes = 56;
constexpr size_t kLocator64Bytes = 20;
constexpr uint32_t kIn64 = 0xffffffff;  // The value stands in the ZIP64 part.
constexpr size_t kMaxNameBytes = 1000;
// What one bit pair of deflate can stand for at most (zlib, "Maximum Compression Factor").
constexpr int64_t kMaxExpansion = 1032;

// Little-endian fields of a part of the archive that is known to be there.
class Fields {
 public:
  explicit Fields(absl::string_view bytes) : bytes_(bytes) {}
  uint64_t Take(size_t count) {
    uint64_t value = 0;
    for (size_t i = 0; i < count; ++i) {
      value |= uint64_t{static_cast<uint8_t>(bytes_[at_ + i])} << (8 * i);
    }
    at_ += count;
    return value;
  }

 private:
  const absl::string_view bytes_;
  size_t at_ = 0;
};

// The part [at, at + size) if it lies within the first `end` bytes.
std::optional<absl::string_view> Part(absl::string_view bytes, uint64_t at, uint64_t size,
                                      uint64_t end) {
  if (at > end || size > end - at) return std::nullopt;
  return bytes.substr(at, size);
}

struct Directory {
  uint64_t at;
  uint64_t bytes;
  uint64_t members;
};

// Finds the end record, and through it the directory, which must reach up to it.
absl::StatusOr<Directory> FindDirectory(absl::string_view bytes) {
  const auto wrong = [](absl::string_view what) { return absl::InvalidArgumentError(what); };
  if (bytes.size() < kEndBytes) return wrong("too short for a ZIP archive");
  // A comment of up to 65535 bytes may follow; it must end with the file.
  std::optional<size_t> end_at;
  for (size_t comment = 0; comment <= std::min<size_t>(0xffff, bytes.size() - kEndBytes);
       ++comment) {
    const size_t at = bytes.size() - kEndBytes - comment;
    if (Fields(bytes.substr(at)).Take(4) != kEndMark) continue;
    if (Fields(bytes.substr(at + 20)).Take(2) != comment) continue;
    end_at = at;
    break;
  }
  if (!end_at) return wrong("not a ZIP archive, or truncated: it has no end record");
  Fields end(bytes.substr(*end_at + 4));
  uint64_t disk = end.Take(2);
  uint64_t directory_disk = end.Take(2);
  uint64_t disk_members = end.Take(2);
  Directory directory;
  directory.members = end.Take(2);
  directory.bytes = end.Take(4);
  directory.at = end.Take(4);
  uint64_t directory_end = *end_at;
  if (*end_at >= kLocator64Bytes &&
      Fields(bytes.substr(*end_at - kLocator64Bytes)).Take(4) == kLocator64Mark) {
    Fields locator(bytes.substr(*end_at - kLocator64Bytes + 4));
    locator.Take(4);
    const uint64_t at = locator.Take(8);
    const auto part = Part(bytes, at, kEnd64Bytes, *end_at - kLocator64Bytes);
    if (!part) return wrong("the ZIP64 end record lies outside the file");
    Fields end64(*part);
    if (end64.Take(4) != kEnd64Mark) return wrong("the ZIP64 end record is missing");
    end64.Take(8);  // Its own size.
    end64.Take(2 + 2);
    disk = end64.Take(4);
    directory_disk = end64.Take(4);
    disk_members = end64.Take(8);
    directory.members = end64.Take(8);
    directory.bytes = end64.Take(8);
    directory.at = end64.Take(8);
    directory_end = at;
  }
  if (disk != 0 || directory_disk != 0 || disk_members != directory.members) {
    return wrong("archives of several parts are not read");
  }
  if (!Part(bytes, directory.at, directory.bytes, directory_end) ||
      directory.at + directory.bytes != directory_end) {
    return wrong("the directory does not lie where the end record says");
  }
  if (directory.members > directory.bytes / kDirectoryBytes) {
    return wrong(absl::StrCat("the directory of ", directory.bytes, " bytes cannot hold ",
                              directory.members, " members"));
  }
  return directory;
}

// Replaces the fields that stand in the ZIP64 extra field; false if it is malformed.
bool TakeZip64(absl::string_view extra, std::initializer_list<uint64_t*> fields) {
  while (!extra.empty()) {
    if (extra.size() < 4) return false;
    Fields head(extra);
    const uint64_t id = head.Take(2);
    const uint64_t size = head.Take(2);
    extra.remove_prefix(4);
    if (size > extra.size()) return false;
    if (id == 1) {
      Fields values(extra.substr(0, size));
      size_t left = size;
      for (uint64_t* field : fields) {
        if (*field != kIn64) continue;
        if (left < 8) return false;
        *field = values.Take(8);
        left -= 8;
      }
      return true;
    }
    extra.remove_prefix(size);
  }
  return std::all_of(fields.begin(), fields.end(), [](uint64_t* field) { return *field != kIn64; });
}

bool IsCleanName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && base::IsUtf8(name) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return static_cast<uint8_t>(c) >= 0x20 && c != 0x7f; });
}

// Reads the entry at the front of `rest` and removes it; the member's data lie before `limit`.
absl::StatusOr<ZipMember> TakeMember(absl::string_view archive, uint64_t limit,
                                     absl::string_view& rest, uint64_t& local_at) {
  const auto broken = [] { return absl::InvalidArgumentError("the directory is damaged"); };
  if (rest.size() < kDirectoryBytes) return broken();
  Fields entry(rest);
  if (entry.Take(4) != kDirectoryMark) return broken();
  entry.Take(2 + 2);
  const uint64_t flags = entry.Take(2);
  const uint64_t method = entry.Take(2);
  entry.Take(2 + 2);
  ZipMember member;
  member.crc32 = static_cast<uint32_t>(entry.Take(4));
  uint64_t compressed = entry.Take(4);
  uint64_t size = entry.Take(4);
  const uint64_t name_bytes = entry.Take(2);
  const uint64_t extra_bytes = entry.Take(2);
  const uint64_t comment_bytes = entry.Take(2);
  const uint64_t disk = entry.Take(2);
  entry.Take(2 + 4);
  local_at = entry.Take(4);
  rest.remove_prefix(kDirectoryBytes);
  if (name_bytes + extra_bytes + comment_bytes > rest.size()) return broken();
  const absl::string_view name = rest.substr(0, name_bytes);
  const absl::string_view extra = rest.substr(name_bytes, extra_bytes);
  rest.remove_prefix(name_bytes + extra_bytes + comment_bytes);
  if (!IsCleanName(name)) {
    return absl::InvalidArgumentError(absl::StrCat("a member's name, ",
                                                   base::JsonString(name.substr(0, 60)),
                                                   ", is empty, too long or not clean UTF-8"));
  }
  member.name = std::string(name);
  const auto wrong = [&](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("member ", base::JsonString(name.substr(0, 100)), ": ", what));
  };
  if (!TakeZip64(extra, {&size, &compressed, &local_at})) {
    return wrong("its ZIP64 sizes are damaged");
  }
  // Bit 0: encrypted; 6: strongly; 13: the directory is.
  if ((flags & ((1 << 0) | (1 << 6) | (1 << 13))) != 0) return wrong("is encrypted");
  if (disk != 0) return wrong("lies in another part of the archive");
  if (method != 0 && method != Z_DEFLATED) {
    return wrong(absl::StrCat("compression method ", method, " is not read; stored (0) and ",
                              "deflated (8) are"));
  }
  member.deflated = method == Z_DEFLATED;

  // The local header repeats the name; its sizes may stand behind the data, so they are not used.
  const auto local = Part(archive, local_at, kLocalBytes, limit);
  if (!local || Fields(*local).Take(4) != kLocalMark) return wrong("its local header is missing");
  Fields lengths(local->substr(26));
  const uint64_t local_name_bytes = lengths.Take(2);
  const uint64_t local_extra_bytes = lengths.Take(2);
  const auto local_name = Part(archive, local_at + kLocalBytes, local_name_bytes, limit);
  if (!local_name || *local_name != name) return wrong("its local header has another name");
  const uint64_t data_at = local_at + kLocalBytes + local_name_bytes + local_extra_bytes;
  if (!Part(archive, data_at, compressed, limit)) {
    return wrong(absl::StrCat("its ", compressed, " bytes lie outside the file"));
  }
  // The compressed size fits the file; the other one must follow from it.
  if (!member.deflated && size != compressed) {
    return wrong(absl::StrCat("is stored, but has ", size, " bytes in ", compressed));
  }
  if (size > compressed * kMaxExpansion) {
    return wrong(absl::StrCat(compressed, " compressed bytes cannot become the ", size,
                              " that are claimed"));
  }
  member.data_at = static_cast<int64_t>(data_at);
  member.compressed_bytes = static_cast<int64_t>(compressed);
  member.bytes = static_cast<int64_t>(size);
  return member;
}

}  // namespace

absl::StatusOr<ZipArchive> ZipArchive::Parse(std::string bytes, absl::string_view name) {
  ZipArchive archive(std::string(name), std::move(bytes));
  const absl::string_view all = archive.bytes_;
  const absl::StatusOr<Directory> directory = FindDirectory(all);
  if (!directory.ok()) return base::WithContext(directory.status(), name);
  absl::string_view rest = all.substr(directory->at, directory->bytes);
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  std::set<absl::string_view> names;
  for (uint64_t i = 0; i < directory->members; ++i) {
    uint64_t local_at;
    absl::StatusOr<ZipMember> member = TakeMember(all, directory->at, rest, local_at);
    if (!member.ok()) return base::WithContext(member.status(), name);
    ranges.emplace_back(local_at, member->data_at + member->compressed_bytes);
    archive.members_.push_back(*std::move(member));
  }
  if (!rest.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": the directory holds more than its ", directory->members, " members"));
  }
  for (const ZipMember& member : archive.members_) {
    if (!names.insert(member.name).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, ": member ", base::JsonString(member.name.substr(0, 100)), " is given twice"));
    }
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": members overlap"));
    }
  }
  return archive;
}

absl::StatusOr<std::string> ZipArchive::Read(const ZipMember& member, int64_t max_bytes) const {
  const auto wrong = [&](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat(name_, ": member ", base::JsonString(member.name.substr(0, 100)), ": ", what));
  };
  if (member.bytes > max_bytes) {
    return wrong(
        absl::StrCat("its ", member.bytes, " bytes are more than the ", max_bytes, " allowed"));
  }
  const absl::string_view packed =
      absl::string_view(bytes_).substr(member.data_at, member.compressed_bytes);
  std::string result;
  if (!member.deflated) {
    result = std::string(packed);
  } else {
    z_stream stream = {};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
      return absl::InternalError("zlib does not start");
    }
    absl::Cleanup end = [&stream] { inflateEnd(&stream); };
    result.resize(member.bytes);
    // zlib counts in 32 bits. One byte more than claimed shows data that go on.
    constexpr size_t kPiece = size_t{1} << 30;
    char beyond;
    size_t read = 0;
    size_t written = 0;
    int code = Z_OK;
    while (code != Z_STREAM_END) {
      if (stream.avail_in == 0) {
        const size_t take = std::min(packed.size() - read, kPiece);
        stream.next_in =
            reinterpret_cast<Bytef*>(const_cast<char*>(packed.data())) + read;  // zlib's C API.
        stream.avail_in = static_cast<uInt>(take);
        read += take;
      }
      const size_t room = std::min(result.size() - written, kPiece);
      stream.next_out = reinterpret_cast<Bytef*>(room == 0 ? &beyond : result.data() + written);
      stream.avail_out = static_cast<uInt>(room == 0 ? 1 : room);
      const uInt offered = stream.avail_out;
      code = inflate(&stream, Z_NO_FLUSH);
      const size_t got = offered - stream.avail_out;
      if (room == 0 && got > 0) return wrong("decompresses to more bytes than are claimed");
      written += got;
      if (code == Z_BUF_ERROR) return wrong("its compressed data end early");
      if (code != Z_OK && code != Z_STREAM_END) {
        return wrong(absl::StrCat("damaged data (", stream.msg == nullptr ? "zlib" : stream.msg,
                                  " after ", written, " bytes)"));
      }
    }
    if (written != result.size()) {
      return wrong(
          absl::StrCat("decompresses to ", written, " bytes, not the ", member.bytes, " claimed"));
    }
    if (read - stream.avail_in != packed.size()) return wrong("bytes follow its compressed data");
  }
  uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(result.data()), result.size());
  if (crc != member.crc32) return wrong("its checksum is wrong: the file is damaged");
  return result;
}

}  // namespace perennial::data
