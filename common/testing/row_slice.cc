#include "common/testing/row_slice.h"

#include <algorithm>

#include "ATen/ops/from_blob.h"
#include "common/base/logging.h"

namespace perennial::testing {

template <typename T>
at::Tensor RowSlice(const nn::ParameterLayout& layout, nn::Row<T> row, absl::string_view name) {
  const auto slice = std::ranges::find(layout.slices(), name, &nn::ParameterSlice::name);
  CHECK(slice != layout.slices().end()) << "no slice " << name;
  return at::from_blob(row.data() + slice->offset, slice->shape,
                       c10::CppTypeToScalarType<T>::value);
}

template at::Tensor RowSlice<float>(const nn::ParameterLayout&, nn::Row<float>, absl::string_view);
template at::Tensor RowSlice<double>(const nn::ParameterLayout&, nn::Row<double>,
                                     absl::string_view);

}  // namespace perennial::testing
