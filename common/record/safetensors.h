// Reader and writer of safetensors files, the exchange format of tensors without code in them.
//
// Format (huggingface/safetensors, README "Format"): 8 bytes little-endian header size N; N bytes
// of JSON {"name": {"dtype", "shape", "data_offsets": [begin, end]}, ..., "__metadata__": {text:
// text}}, which begins with '{' and may be padded by spaces; then the raw row-major little-endian
// data, without holes. Files are not trusted: N is checked against the bytes at hand and 100 MB,
// shapes against overflow and offsets, before anything is allocated.
//
//   SafetensorsWriter writer;
//   writer.Add("weight", {2, 3}, std::span<const float>(row));
//   writer.SetMetadata("step", "100");
//   PERENNIAL_ASSIGN_OR_RETURN(std::string bytes, writer.Finish());
//   PERENNIAL_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Parse(bytes));
//   PERENNIAL_ASSIGN_OR_RETURN(std::vector<float> weight, file.Read<float>("weight"));
#ifndef PERENNIAL_COMMON_RECORD_SAFETENSORS_H_
#define PERENNIAL_COMMON_RECORD_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace perennial::record {

enum class DType { kU8, kI32, kI64, kU64, kF32, kF64 };

// "F32" and the like, as the header spells it.
absl::string_view DTypeName(DType dtype);
int64_t DTypeSize(DType dtype);

template <typename T>
struct DTypeOf;  // uint8_t, int32_t, int64_t, uint64_t, float, double
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType kValue = DType::kU8;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType kValue = DType::kI32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType kValue = DType::kI64;
};
template <>
struct DTypeOf<uint64_t> {
  static constexpr DType kValue = DType::kU64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType kValue = DType::kF32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType kValue = DType::kF64;
};

struct TensorInfo {
  DType dtype;
  std::vector<int64_t> shape;  // empty: a scalar
  int64_t begin;               // bytes, from the start of the data
  int64_t end;
};

class SafetensorsWriter {
 public:
  // Copies the values. Their number must be the product of the shape; InvalidArgument if not, or if
  // the name is taken or is "__metadata__".
  template <typename T>
  absl::Status Add(absl::string_view name, std::vector<int64_t> shape, std::span<const T> values) {
    return AddBytes(
        name, DTypeOf<T>::kValue, std::move(shape),
        absl::string_view(reinterpret_cast<const char*>(values.data()), values.size_bytes()));
  }

  // A second value for a key replaces the first.
  void SetMetadata(absl::string_view key, absl::string_view value);

  // The file's bytes. Tensors stand by falling size of their type, then by name, so every tensor
  // is aligned; equal contents give equal bytes.
  absl::StatusOr<std::string> Finish() const;

 private:
  struct Entry {
    DType dtype;
    std::vector<int64_t> shape;
    std::string bytes;
  };
  absl::Status AddBytes(absl::string_view name, DType dtype, std::vector<int64_t> shape,
                        absl::string_view bytes);

  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

class SafetensorsFile {
 public:
  // Takes the file's bytes; DataLoss says what is wrong with them.
  static absl::StatusOr<SafetensorsFile> Parse(std::string bytes);

  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  // The values of a tensor; NotFound with the nearest name, InvalidArgument for another type.
  template <typename T>
  absl::StatusOr<std::vector<T>> Read(absl::string_view name) const;

 private:
  absl::StatusOr<absl::string_view> BytesOf(absl::string_view name, DType dtype) const;

  std::string bytes_;
  int64_t data_offset_ = 0;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace perennial::record

#endif  // PERENNIAL_COMMON_RECORD_SAFETENSORS_H_
