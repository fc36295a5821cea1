#include "common/record/event_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/base/crc32c.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/record/event.pb.h"

namespace perennial::record {
namespace {

constexpr char kVersion[] = "brain.Event:2";
constexpr size_t kHeaderBytes = 12;  // Length and its checksum.
constexpr size_t kFooterBytes = 4;   // Checksum of the data.
// More than any record of scalars has; protobuf's limit is 2 GiB.
constexpr uint64_t kMaxRecordBytes = uint64_t{1} << 30;

template <typename T>
void AppendLittleEndian(T value, std::string* bytes) {
  for (size_t i = 0; i < sizeof(T); ++i) bytes->push_back(static_cast<char>(value >> (8 * i)));
}

template <typename T>
T ReadLittleEndian(absl::string_view bytes) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<T>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  }
  return value;
}

void AppendRecord(const EventRecord& event, std::string* bytes) {
  const std::string data = event.SerializeAsString();
  std::string length;
  AppendLittleEndian<uint64_t>(data.size(), &length);
  *bytes += length;
  AppendLittleEndian(base::MaskCrc32c(base::Crc32c(length)), bytes);
  *bytes += data;
  AppendLittleEndian(base::MaskCrc32c(base::Crc32c(data)), bytes);
}

// The records of a file, one after the other.
class Records {
 public:
  explicit Records(absl::string_view bytes) : bytes_(bytes) {}

  struct Record {
    absl::string_view whole;
    absl::string_view data;
    bool intact;  // The data's checksum is right.
  };

  // Nothing at the end, within an incomplete record, and at a length that cannot be trusted.
  std::optional<Record> Next() {
    const absl::string_view rest = bytes_.substr(at_);
    if (rest.size() < kHeaderBytes) return std::nullopt;
    if (base::MaskCrc32c(base::Crc32c(rest.substr(0, 8))) !=
        ReadLittleEndian<uint32_t>(rest.substr(8))) {
      damaged_ = true;
      return std::nullopt;
    }
    const uint64_t length = ReadLittleEndian<uint64_t>(rest);
    if (length > kMaxRecordBytes) {
      damaged_ = true;
      return std::nullopt;
    }
    const size_t left = rest.size() - kHeaderBytes;
    if (left < kFooterBytes || length > left - kFooterBytes) return std::nullopt;
    const absl::string_view data = rest.substr(kHeaderBytes, length);
    const size_t size = kHeaderBytes + length + kFooterBytes;
    at_ += size;
    return Record{.whole = rest.substr(0, size),
                  .data = data,
                  .intact = base::MaskCrc32c(base::Crc32c(data)) ==
                            ReadLittleEndian<uint32_t>(rest.substr(kHeaderBytes + length))};
  }

  // Where the next record begins.
  size_t position() const { return at_; }
  // After Next() gave nothing: whether no bytes are left, and whether it stopped at a length with a
  // wrong checksum or beyond all measure.
  bool at_end() const { return at_ == bytes_.size(); }
  bool damaged() const { return damaged_; }

 private:
  const absl::string_view bytes_;
  size_t at_ = 0;
  bool damaged_ = false;
};

absl::StatusOr<std::string> ReadAll(absl::string_view path) {
  return base::ReadFile(path, std::numeric_limits<int64_t>::max());
}

int OpenForAppending(const std::string& path) {
  return base::OpenFile(path, O_WRONLY | O_CREAT | O_APPEND);
}

}  // namespace

std::string EventFilePath(absl::string_view run_folder, absl::string_view unit_id) {
  return base::JoinPath(run_folder,
                        absl::StrCat("tensorboard/", unit_id, "/events.out.tfevents.0.perennial"));
}

absl::Status EventFile::Append(absl::Span<const ScalarEvent> events) {
  if (events.empty()) return absl::OkStatus();
  int file = OpenForAppending(path_);
  if (file < 0 && errno == ENOENT) {
    PERENNIAL_RETURN_IF_ERROR(base::MakeFolders(base::FolderOf(path_)));
    file = OpenForAppending(path_);
  }
  if (file < 0) return base::ErrnoError(errno, "cannot open", path_);
  absl::Cleanup closer = [file] { close(file); };
  struct stat info;
  if (fstat(file, &info) != 0) return base::ErrnoError(errno, "cannot inspect", path_);
  if (info.st_size != end_) {
    // The first call, or a process was killed within a write.
    PERENNIAL_ASSIGN_OR_RETURN(const std::string bytes, ReadAll(path_));
    Records records(bytes);
    while (records.Next().has_value()) continue;
    end_ = static_cast<int64_t>(records.position());
    if (end_ < info.st_size && ftruncate(file, end_) != 0) {
      return base::ErrnoError(errno, "cannot shorten", path_);
    }
  }

  std::string bytes;
  if (end_ == 0) {
    EventRecord version;
    version.set_wall_time(events[0].wall_time);
    version.set_file_version(kVersion);
    AppendRecord(version, &bytes);
  }
  for (const ScalarEvent& event : events) {
    if (event.values.empty()) continue;
    EventRecord record;
    record.set_wall_time(event.wall_time);
    record.set_step(event.step);
    for (const auto& [tag, value] : event.values) {
      ScalarSummary::Value* entry = record.mutable_summary()->add_value();
      entry->set_tag(tag);
      entry->set_simple_value(static_cast<float>(value));
    }
    AppendRecord(record, &bytes);
  }
  ssize_t written;
  do {
    written = write(file, bytes.data(), bytes.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(bytes.size())) {
    end_ += written;
    return absl::OkStatus();
  }
  // The disk is full, say: a part of a record would be in the way of the next one.
  const int error = written < 0 ? errno : ENOSPC;
  if (written > 0 && ftruncate(file, end_) != 0) end_ = -1;
  return base::ErrnoError(error, "cannot append to", path_);
}

absl::Status EventFile::Cut(int64_t last_step) {
  end_ = -1;
  const absl::StatusOr<std::string> bytes = ReadAll(path_);
  if (absl::IsNotFound(bytes.status())) return absl::OkStatus();
  PERENNIAL_RETURN_IF_ERROR(bytes.status());
  // What a process left that was killed within this.
  PERENNIAL_RETURN_IF_ERROR(base::RemoveTemporaries(base::FolderOf(path_)));
  std::string kept;
  Records records(*bytes);
  while (const auto record = records.Next()) {
    EventRecord event;
    const bool good = record->intact && event.ParseFromArray(record->data.data(),
                                                             static_cast<int>(record->data.size()));
    if (kept.empty()) {
      // A file without its version is begun anew.
      if (!good || !event.has_file_version()) break;
    } else if (!good || event.step() > last_step) {
      continue;
    }
    absl::StrAppend(&kept, record->whole);
  }
  if (kept.size() == bytes->size()) return absl::OkStatus();
  return base::WriteFileAtomically(path_, kept);
}

absl::Status EventFile::Sync() {
  const int file = base::OpenFile(path_, O_WRONLY);
  if (file < 0 && errno == ENOENT) return absl::OkStatus();
  if (file < 0) return base::ErrnoError(errno, "cannot open", path_);
  absl::Cleanup closer = [file] { close(file); };
  if (fdatasync(file) != 0) return base::ErrnoError(errno, "cannot sync", path_);
  if (named_) return absl::OkStatus();
  const std::string folder = base::FolderOf(path_);
  PERENNIAL_RETURN_IF_ERROR(base::SyncFolder(folder));
  PERENNIAL_RETURN_IF_ERROR(base::SyncFolder(base::FolderOf(folder)));
  named_ = true;
  return absl::OkStatus();
}

absl::StatusOr<EventFileContents> ReadEventFile(absl::string_view path) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::string bytes, ReadAll(path));
  EventFileContents contents;
  Records records(bytes);
  size_t begin = 0;
  const auto damage = [&](absl::string_view what) {
    return absl::DataLossError(
        absl::StrCat(path, ": the record at byte ", begin, " is damaged: ", what));
  };
  while (const auto record = records.Next()) {
    EventRecord event;
    if (!record->intact) return damage("its checksum is wrong");
    if (!event.ParseFromArray(record->data.data(), static_cast<int>(record->data.size()))) {
      return damage("it is no event");
    }
    begin = records.position();
    if (event.has_file_version()) contents.file_version = event.file_version();
    ScalarEvent scalars = {.wall_time = event.wall_time(), .step = event.step()};
    for (const ScalarSummary::Value& value : event.summary().value()) {
      if (value.has_simple_value()) scalars.values.emplace_back(value.tag(), value.simple_value());
    }
    if (!scalars.values.empty()) contents.events.push_back(std::move(scalars));
  }
  if (records.damaged()) return damage("its length is wrong");
  contents.truncated = !records.at_end();
  return contents;
}

}  // namespace perennial::record
