#include "common/data/idx.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/data/gzip.h"

namespace perennial::data {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 31;

uint8_t Byte(absl::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

absl::Status Wrong(absl::string_view name, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", what));
}

}  // namespace

absl::StatusOr<IdxArray> ParseIdx(absl::string_view bytes, absl::string_view name) {
  if (bytes.size() < 4) {
    return Wrong(name, absl::StrCat(bytes.size(), " bytes are too few for an IDX file"));
  }
  if (Byte(bytes, 0) != 0 || Byte(bytes, 1) != 0) {
    return Wrong(name, "not an IDX file: it does not begin with two zero bytes");
  }
  if (Byte(bytes, 2) != 0x08) {
    return Wrong(name, absl::StrCat("IDX type 0x", absl::Hex(Byte(bytes, 2), absl::kZeroPad2),
                                    " is not supported; only 0x08 (unsigned bytes) is"));
  }
  const int dimensions = Byte(bytes, 3);
  if (dimensions < 1 || dimensions > 8) {
    return Wrong(name, absl::StrCat(dimensions, " dimensions; 1 to 8 are allowed"));
  }
  const size_t header = 4 + 4 * static_cast<size_t>(dimensions);
  if (bytes.size() < header) {
    return Wrong(name, absl::StrCat("the header needs ", header, " bytes, the file has ",
                                    bytes.size(), "; it is truncated"));
  }
  IdxArray array;
  const uint64_t payload = bytes.size() - header;
  uint64_t expected = 1;
  bool too_large = false;
  for (int i = 0; i < dimensions; ++i) {
    const size_t at = 4 + 4 * static_cast<size_t>(i);
    const uint64_t extent = (uint64_t{Byte(bytes, at)} << 24) | (Byte(bytes, at + 1) << 16) |
                            (Byte(bytes, at + 2) << 8) | Byte(bytes, at + 3);
    array.shape.push_back(static_cast<int64_t>(extent));
    if (extent != 0 && expected > std::numeric_limits<uint64_t>::max() / extent) too_large = true;
    expected *= extent;
  }
  if (too_large || expected != payload) {
    return Wrong(name, absl::StrCat("shape [", absl::StrJoin(array.shape, ", "), "] needs ",
                                    too_large ? "more than 2^64" : absl::StrCat(expected),
                                    " bytes, the file holds ", payload,
                                    payload < expected || too_large ? "; it is truncated" : ""));
  }
  const auto* values = reinterpret_cast<const uint8_t*>(bytes.data()) + header;
  array.values.assign(values, values + payload);
  return array;
}

absl::StatusOr<IdxArray> ReadIdx(const std::string& path) {
  PERENNIAL_ASSIGN_OR_RETURN(std::string bytes, base::ReadFile(path, kMaxBytes));
  if (IsGzip(bytes)) {
    PERENNIAL_ASSIGN_OR_RETURN(bytes, Gunzip(bytes, path, kMaxBytes));
  }
  return ParseIdx(bytes, path);
}

absl::StatusOr<LabeledImages> LoadIdxImages(const std::string& images_path,
                                            const std::string& labels_path, int32_t classes) {
  PERENNIAL_ASSIGN_OR_RETURN(IdxArray pixels, ReadIdx(images_path));
  PERENNIAL_ASSIGN_OR_RETURN(const IdxArray labels, ReadIdx(labels_path));
  if (pixels.shape.size() != 3) {
    return Wrong(images_path, absl::StrCat("has ", pixels.shape.size(),
                                           " dimensions; images need 3 (count, height, width)"));
  }
  if (labels.shape.size() != 1) {
    return Wrong(labels_path,
                 absl::StrCat("has ", labels.shape.size(), " dimensions; labels need 1"));
  }
  if (pixels.shape[0] != labels.shape[0]) {
    return Wrong(labels_path, absl::StrCat(labels.shape[0], " labels for the ", pixels.shape[0],
                                           " images of ", images_path));
  }
  if (pixels.values.empty()) return Wrong(images_path, "holds no pixels");
  // The payload is below 2^31 bytes, so that each extent and index fits an int32.
  LabeledImages images;
  images.height = static_cast<int32_t>(pixels.shape[1]);
  images.width = static_cast<int32_t>(pixels.shape[2]);
  images.classes = classes;
  images.pixels = std::move(pixels.values);
  images.labels.assign(labels.values.begin(), labels.values.end());
  const auto beyond = std::find_if(images.labels.begin(), images.labels.end(),
                                   [classes](int32_t label) { return label >= classes; });
  if (beyond != images.labels.end()) {
    return Wrong(labels_path,
                 absl::StrCat("label ", *beyond, " of example ", beyond - images.labels.begin(),
                              " is not below the number of classes, ", classes));
  }
  return images;
}

}  // namespace perennial::data
