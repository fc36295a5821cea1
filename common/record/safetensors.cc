#include "common/record/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/excerpt.h"
#include "common/base/json_text.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace perennial::record {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are stored as they lie in memory");

constexpr int64_t kLengthBytes = 8;
constexpr int64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxRank = 64;
constexpr char kMetadataKey[] = "__metadata__";
constexpr DType kDTypes[] = {DType::kU8,  DType::kI32, DType::kI64,
                             DType::kU64, DType::kF32, DType::kF64};

std::optional<DType> DTypeByName(absl::string_view name) {
  for (const DType dtype : kDTypes) {
    if (DTypeName(dtype) == name) return dtype;
  }
  return std::nullopt;
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

// Bytes of a tensor; nullopt if they do not fit an int64 (or a dimension is negative).
std::optional<int64_t> ByteSize(DType dtype, const std::vector<int64_t>& shape) {
  int64_t size = DTypeSize(dtype);
  // A zero anywhere makes the product zero, but the others must still not be absurd.
  bool empty = false;
  for (const int64_t dimension : shape) {
    if (dimension < 0) return std::nullopt;
    if (dimension == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(size, dimension, &size)) {
      return std::nullopt;
    }
  }
  return empty ? 0 : size;
}

absl::Status Corrupt(absl::string_view message) {
  return absl::DataLossError(absl::StrCat("safetensors: ", message));
}

// Reads the header without building a tree of it, so that a large hostile header costs no more
// memory than what is kept.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  struct Entry {
    std::string dtype;
    std::vector<int64_t> shape;
    std::vector<int64_t> offsets;
    bool has_dtype = false;
    bool has_shape = false;
    bool has_offsets = false;
  };

  const std::string& error() const { return error_; }
  std::map<std::string, Entry>& entries() { return entries_; }
  std::map<std::string, std::string>& metadata() { return metadata_; }

  bool null() override { return Fail("null is not allowed"); }
  bool boolean(bool /*value*/) override { return Fail("true and false are not allowed"); }
  bool number_integer(number_integer_t value) override {
    return Fail(absl::StrCat("the number ", value, " is negative"));
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (list_ == nullptr) return Fail("a number stands where none is expected");
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return Fail(absl::StrCat("the number ", value, " is too large"));
    }
    if (list_->size() >= kMaxRank) return Fail("a list has too many elements");
    list_->push_back(static_cast<int64_t>(value));
    return true;
  }
  bool number_float(number_float_t /*value*/, const string_t& text) override {
    return Fail(absl::StrCat("the number ", text, " is not whole"));
  }
  bool string(string_t& value) override {
    if (depth_ == 2 && in_metadata_) {
      if (!metadata_.emplace(field_, value).second) return Fail("a key is given twice");
      return true;
    }
    if (depth_ != 2 || list_ != nullptr || field_ != "dtype") {
      return Fail("a text stands where none is expected");
    }
    entry_->dtype = value;
    return true;
  }
  bool binary(binary_t& /*value*/) override { return Fail("binary data are not allowed"); }

  bool start_object(size_t /*elements*/) override {
    if (depth_ >= 2 || list_ != nullptr) return Fail("objects are nested too deeply");
    ++depth_;
    if (depth_ != 2) return true;
    in_metadata_ = name_ == kMetadataKey;
    if (in_metadata_) {
      if (std::exchange(metadata_seen_, true)) return Fail("\"__metadata__\" is given twice");
      return true;
    }
    const auto [place, is_new] = entries_.try_emplace(name_);
    if (!is_new) return Fail("the name is given twice");
    entry_ = &place->second;
    return true;
  }
  bool key(string_t& value) override {
    if (depth_ == 1) {
      name_ = value;
      return true;
    }
    field_ = value;
    if (in_metadata_) return true;
    bool* seen = value == "dtype"          ? &entry_->has_dtype
                 : value == "shape"        ? &entry_->has_shape
                 : value == "data_offsets" ? &entry_->has_offsets
                                           : nullptr;
    if (seen == nullptr) return Fail(absl::StrCat("unknown key \"", base::Excerpt(value), "\""));
    if (std::exchange(*seen, true)) return Fail(absl::StrCat("\"", value, "\" is given twice"));
    return true;
  }
  bool end_object() override {
    if (depth_ == 2 && !in_metadata_ &&
        !(entry_->has_dtype && entry_->has_shape && entry_->has_offsets)) {
      return Fail("one of \"dtype\", \"shape\", \"data_offsets\" is missing");
    }
    --depth_;
    return true;
  }
  bool start_array(size_t /*elements*/) override {
    if (depth_ != 2 || in_metadata_ || list_ != nullptr) {
      return Fail("a list stands where none is expected");
    }
    if (field_ == "shape") {
      list_ = &entry_->shape;
    } else if (field_ == "data_offsets") {
      list_ = &entry_->offsets;
    } else {
      return Fail("a list stands where a text is expected");
    }
    return true;
  }
  bool end_array() override {
    list_ = nullptr;
    return true;
  }
  bool parse_error(size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*exception*/) override {
    name_.clear();
    return Fail(absl::StrCat("the header is not JSON at its byte ", position));
  }

 private:
  bool Fail(absl::string_view message) {
    // Names may be anything in a hostile file.
    error_ = name_.empty() ? std::string(message)
                           : absl::StrCat("tensor \"", base::Excerpt(name_), "\": ", message);
    return false;
  }

  int depth_ = 0;
  bool in_metadata_ = false;
  bool metadata_seen_ = false;
  std::string name_;
  std::string field_;
  Entry* entry_ = nullptr;
  std::vector<int64_t>* list_ = nullptr;
  std::string error_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

absl::StatusOr<TensorInfo> CheckEntry(const std::string& name, HeaderReader::Entry entry) {
  const std::string where = absl::StrCat("tensor \"", base::Excerpt(name), "\": ");
  const std::optional<DType> dtype = DTypeByName(entry.dtype);
  if (!dtype) {
    return Corrupt(absl::StrCat(where, "the type \"", base::Excerpt(entry.dtype, 20),
                                "\" is not read here; allowed: U8, I32, I64, U64, F32, F64"));
  }
  const std::optional<int64_t> bytes = ByteSize(*dtype, entry.shape);
  if (!bytes) {
    return Corrupt(absl::StrCat(where, "the shape ", ShapeText(entry.shape), " is too large"));
  }
  if (entry.offsets.size() != 2 || entry.offsets[0] > entry.offsets[1]) {
    return Corrupt(absl::StrCat(where, "\"data_offsets\" must be [begin, end]"));
  }
  if (entry.offsets[1] - entry.offsets[0] != *bytes) {
    return Corrupt(absl::StrCat(where, "has ", entry.offsets[1] - entry.offsets[0],
                                " bytes, but its shape ", ShapeText(entry.shape), " needs ",
                                *bytes));
  }
  return TensorInfo{*dtype, std::move(entry.shape), entry.offsets[0], entry.offsets[1]};
}

}  // namespace

absl::string_view DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kU8:
      return "U8";
    case DType::kI32:
      return "I32";
    case DType::kI64:
      return "I64";
    case DType::kU64:
      return "U64";
    case DType::kF32:
      return "F32";
    case DType::kF64:
      return "F64";
  }
  return "";
}

int64_t DTypeSize(DType dtype) {
  switch (dtype) {
    case DType::kU8:
      return 1;
    case DType::kI32:
    case DType::kF32:
      return 4;
    case DType::kI64:
    case DType::kU64:
    case DType::kF64:
      return 8;
  }
  return 0;
}

absl::Status SafetensorsWriter::AddBytes(absl::string_view name, DType dtype,
                                         std::vector<int64_t> shape, absl::string_view bytes) {
  if (name == kMetadataKey || !base::IsUtf8(name)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", name, "\" cannot be the name of a tensor: it must be UTF-8 and not ", kMetadataKey));
  }
  if (shape.size() > kMaxRank) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor \"", name, "\": more than ", kMaxRank, " dimensions"));
  }
  const std::optional<int64_t> wanted = ByteSize(dtype, shape);
  if (!wanted || *wanted != static_cast<int64_t>(bytes.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor \"", name, "\": the shape ", ShapeText(shape), " does not hold the ",
                     static_cast<int64_t>(bytes.size()) / DTypeSize(dtype), " values given"));
  }
  Entry entry{dtype, std::move(shape), std::string(bytes)};
  if (!entries_.emplace(std::string(name), std::move(entry)).second) {
    return absl::InvalidArgumentError(absl::StrCat("tensor \"", name, "\" is given twice"));
  }
  return absl::OkStatus();
}

void SafetensorsWriter::SetMetadata(absl::string_view key, absl::string_view value) {
  metadata_[std::string(key)] = std::string(value);
}

absl::StatusOr<std::string> SafetensorsWriter::Finish() const {
  std::vector<const std::pair<const std::string, Entry>*> order;
  for (const auto& named : entries_) order.push_back(&named);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return DTypeSize(a->second.dtype) > DTypeSize(b->second.dtype);
  });
  base::JsonObject header;
  if (!metadata_.empty()) {
    base::JsonObject metadata;
    for (const auto& [key, value] : metadata_) metadata.Add(key, value);
    header.AddRaw(kMetadataKey, metadata.Text());
  }
  size_t offset = 0;
  for (const auto* named : order) {
    const Entry& entry = named->second;
    const size_t end = offset + entry.bytes.size();
    header.AddRaw(named->first,
                  base::JsonObject()
                      .Add("dtype", DTypeName(entry.dtype))
                      .AddRaw("shape", absl::StrCat("[", absl::StrJoin(entry.shape, ","), "]"))
                      .AddRaw("data_offsets", absl::StrCat("[", offset, ",", end, "]"))
                      .Text());
    offset = end;
  }
  std::string text = header.Text();
  text.append((8 - text.size() % 8) % 8, ' ');
  if (static_cast<int64_t>(text.size()) > kMaxHeaderBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the header has ", text.size(), " bytes, more than the allowed ", kMaxHeaderBytes));
  }
  const uint64_t length = text.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof(length));
  file.reserve(file.size() + text.size() + offset);
  file += text;
  for (const auto* named : order) file += named->second.bytes;
  return file;
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Parse(std::string bytes) {
  const int64_t size = static_cast<int64_t>(bytes.size());
  if (size < kLengthBytes) {
    return Corrupt(absl::StrCat("the file has ", size, " bytes, fewer than the 8 of its length"));
  }
  uint64_t header_size;
  std::memcpy(&header_size, bytes.data(), sizeof(header_size));
  if (header_size > static_cast<uint64_t>(kMaxHeaderBytes) ||
      static_cast<int64_t>(header_size) > size - kLengthBytes) {
    return Corrupt(absl::StrCat("the header is said to have ", header_size, " bytes; the file has ",
                                size - kLengthBytes, " after its length, and ", kMaxHeaderBytes,
                                " are allowed"));
  }
  const char* header = bytes.data() + kLengthBytes;
  if (header_size == 0 || header[0] != '{') return Corrupt("the header does not begin with \"{\"");
  // The JSON parser takes a zero byte for the end of the text.
  if (absl::string_view(header, header_size).find('\0') != absl::string_view::npos) {
    return Corrupt("the header holds a zero byte");
  }
  HeaderReader reader;
  if (!nlohmann::json::sax_parse(header, header + header_size, &reader)) {
    return Corrupt(reader.error());
  }
  SafetensorsFile file;
  file.data_offset_ = kLengthBytes + static_cast<int64_t>(header_size);
  file.metadata_ = std::move(reader.metadata());
  std::vector<std::pair<int64_t, int64_t>> extents;
  for (auto& [name, entry] : reader.entries()) {
    PERENNIAL_ASSIGN_OR_RETURN(TensorInfo info, CheckEntry(name, std::move(entry)));
    extents.emplace_back(info.begin, info.end);
    file.tensors_.emplace(name, std::move(info));
  }
  std::sort(extents.begin(), extents.end());
  int64_t end = 0;
  for (const auto& [tensor_begin, tensor_end] : extents) {
    if (tensor_begin != end) {
      return Corrupt(absl::StrCat("the tensors ", tensor_begin < end ? "overlap" : "leave a hole",
                                  " at byte ", std::min(tensor_begin, end), " of the data"));
    }
    end = tensor_end;
  }
  if (end != size - file.data_offset_) {
    return Corrupt(absl::StrCat("the tensors fill ", end, " bytes of data; the file has ",
                                size - file.data_offset_));
  }
  file.bytes_ = std::move(bytes);
  return file;
}

absl::StatusOr<absl::string_view> SafetensorsFile::BytesOf(absl::string_view name,
                                                           DType dtype) const {
  const auto found = tensors_.find(std::string(name));
  if (found == tensors_.end()) {
    std::vector<std::string> names;
    for (const auto& [other, info] : tensors_) names.push_back(base::Excerpt(other));
    return absl::NotFoundError(base::UnknownNameMessage("tensor", name, names));
  }
  const TensorInfo& info = found->second;
  if (info.dtype != dtype) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor \"", name, "\" holds ", DTypeName(info.dtype), ", not ", DTypeName(dtype)));
  }
  return absl::string_view(bytes_).substr(data_offset_ + info.begin, info.end - info.begin);
}

template <typename T>
absl::StatusOr<std::vector<T>> SafetensorsFile::Read(absl::string_view name) const {
  PERENNIAL_ASSIGN_OR_RETURN(const absl::string_view bytes, BytesOf(name, DTypeOf<T>::kValue));
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

template absl::StatusOr<std::vector<uint8_t>> SafetensorsFile::Read(absl::string_view) const;
template absl::StatusOr<std::vector<int32_t>> SafetensorsFile::Read(absl::string_view) const;
template absl::StatusOr<std::vector<int64_t>> SafetensorsFile::Read(absl::string_view) const;
template absl::StatusOr<std::vector<uint64_t>> SafetensorsFile::Read(absl::string_view) const;
template absl::StatusOr<std::vector<float>> SafetensorsFile::Read(absl::string_view) const;
template absl::StatusOr<std::vector<double>> SafetensorsFile::Read(absl::string_view) const;

}  // namespace perennial::record
