// Reader of NumPy's .npy files, versions 1, 2 and 3.
//
// Format (numpy.lib.format): "\x93NUMPY", version, length of the header, a Python dictionary of
// 'descr', 'fortran_order' and 'shape' as text, then the values. Read here: b1, i1 i2 i4 i8, u1 u2
// u4 u8, f2 f4 f8 in both byte orders, in C and Fortran order, of 0 to 64 dimensions. Refused by
// name: objects (Python pickles), structures, texts, dates, complex numbers, f16.
//
// Files are untrusted: the header is parsed, never evaluated, and its shape must need exactly the
// bytes that are there, before anything is allocated. Errors: InvalidArgument, one line, naming the
// file; NotFound and the like if it cannot be read.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const data::NpyArray array, data::ReadNpy("outcomes.npy"));
//   if (array.shape().size() != 2) ...
//   PERENNIAL_ASSIGN_OR_RETURN(std::vector<double> values, array.Read<double>());
#ifndef PERENNIAL_COMMON_DATA_NPY_H_
#define PERENNIAL_COMMON_DATA_NPY_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/file_io.h"

namespace perennial::data {

class NpyArray {
 public:
  const std::vector<int64_t>& shape() const { return shape_; }  // Empty: a scalar.
  int64_t size() const { return size_; }                        // Product of the shape.
  absl::string_view dtype() const { return dtype_; }            // As in the file, "<f8".
  bool fortran_order() const { return fortran_order_; }

  // All values in C order (the last index runs fastest), whatever the file's order. T is bool,
  // (u)int8_t .. (u)int64_t, float or double. A value that T does not hold exactly is an
  // InvalidArgument that names it and its index: 0.1 of f8 is no float, 300 no uint8_t, NaN no
  // integer, 2 no bool. Infinities and NaN pass between floating-point types. A byte of b1 that is
  // neither 0 nor 1 is refused.
  template <typename T>
  absl::StatusOr<std::vector<T>> Read() const;

 private:
  friend absl::StatusOr<NpyArray> ParseNpy(std::string bytes, absl::string_view name);

  std::string name_;
  std::string bytes_;  // The whole file.
  size_t values_at_ = 0;
  std::string dtype_;
  char kind_ = 'f';  // b, i, u or f
  int item_bytes_ = 8;
  bool swapped_ = false;  // Big-endian.
  bool fortran_order_ = false;
  std::vector<int64_t> shape_;
  int64_t size_ = 0;
};

// Takes the bytes of a file; `name` stands for them in messages.
absl::StatusOr<NpyArray> ParseNpy(std::string bytes, absl::string_view name);

absl::StatusOr<NpyArray> ReadNpy(const std::string& path,
                                 int64_t max_bytes = base::kDefaultMaxFileBytes);

}  // namespace perennial::data

#endif  // PERENNIAL_COMMON_DATA_NPY_H_
