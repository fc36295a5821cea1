// The slices of a network's row as tensors, by name, for tests that compare them with LibTorch's.
//
//   at::Tensor weight = testing::RowSlice<float>(network.layout(), rows.row(0), "0.weight");
#ifndef PERENNIAL_COMMON_TESTING_ROW_SLICE_H_
#define PERENNIAL_COMMON_TESTING_ROW_SLICE_H_

#include "ATen/core/Tensor.h"
#include "absl/strings/string_view.h"
#include "common/nn/layout.h"
#include "common/nn/rows.h"

namespace perennial::testing {

// A view of the slice `name` of a row, which must outlive it. CHECKs that there is one. T is float
// or double.
template <typename T>
at::Tensor RowSlice(const nn::ParameterLayout& layout, nn::Row<T> row, absl::string_view name);

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_ROW_SLICE_H_
