// Reader of the IDX format of MNIST and its relatives, plain or gzip-compressed.
//
// Format: two zero bytes, a type byte (0x08: uint8, the only one used by these data sets), the
// number of dimensions, one big-endian uint32 a dimension, then the values in row-major order.
// Source: the description that accompanies the MNIST data set.
//
// Files are untrusted: every length is checked against the bytes that are there before anything is
// allocated. Errors: NotFound (no such file), InvalidArgument (names the file and what is wrong).
//
//   PERENNIAL_ASSIGN_OR_RETURN(data::LabeledImages train,
//       data::LoadIdxImages("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", 10));
#ifndef PERENNIAL_COMMON_DATA_IDX_H_
#define PERENNIAL_COMMON_DATA_IDX_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/data/labeled_images.h"

namespace perennial::data {

struct IdxArray {
  std::vector<int64_t> shape;  // One to eight dimensions.
  std::vector<uint8_t> values;
};

// `name` stands for the bytes in messages.
absl::StatusOr<IdxArray> ParseIdx(absl::string_view bytes, absl::string_view name);

// Reads a file; gzip is recognised by its magic number, not by the name.
absl::StatusOr<IdxArray> ReadIdx(const std::string& path);

// Images [n, height, width] and labels [n] from two files. Labels must be below `classes`.
absl::StatusOr<LabeledImages> LoadIdxImages(const std::string& images_path,
                                            const std::string& labels_path, int32_t classes);

}  // namespace perennial::data

#endif  // PERENNIAL_COMMON_DATA_IDX_H_
