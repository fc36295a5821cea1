#include "common/data/npy_writer.h"

#include <functional>
#include <numeric>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/base/file_io.h"
#include "common/base/logging.h"

namespace perennial::data {
namespace {

template <typename T>
constexpr absl::string_view TypeName() {
  if (std::is_same_v<T, double>) return "<f8";
  if (std::is_same_v<T, float>) return "<f4";
  return std::is_same_v<T, int32_t> ? "<i4" : "|u1";
}

}  // namespace

template <typename T>
absl::Status WriteNpy(const std::string& path, const std::vector<int64_t>& shape,
                      std::span<const T> values) {
  CHECK_EQ(std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>()),
           std::ssize(values));
  std::string header =
      absl::StrCat("{'descr': '", TypeName<T>(), "', 'fortran_order': False, 'shape': (",
                   absl::StrJoin(shape, ", "), shape.size() == 1 ? "," : "", "), }");
  // Values begin at a multiple of 64 bytes.
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(header.size() & 0xff);
  file += static_cast<char>(header.size() >> 8);
  absl::StrAppend(
      &file, header,
      absl::string_view(reinterpret_cast<const char*>(values.data()), values.size_bytes()));
  return base::WriteFileAtomically(path, file);
}

template absl::Status WriteNpy(const std::string&, const std::vector<int64_t>&,
                               std::span<const uint8_t>);
template absl::Status WriteNpy(const std::string&, const std::vector<int64_t>&,
                               std::span<const int32_t>);
template absl::Status WriteNpy(const std::string&, const std::vector<int64_t>&,
                               std::span<const float>);
template absl::Status WriteNpy(const std::string&, const std::vector<int64_t>&,
                               std::span<const double>);

}  // namespace perennial::data
