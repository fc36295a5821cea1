// Writer of NumPy's .npy files, version 1.0: what Python peers read.
//
//   PERENNIAL_RETURN_IF_ERROR(data::WriteNpy<double>("x.npy", {n, p}, covariates));
#ifndef PERENNIAL_COMMON_DATA_NPY_WRITER_H_
#define PERENNIAL_COMMON_DATA_NPY_WRITER_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace perennial::data {

// Values in C order, as many as the shape says (CHECK), little endian; T is uint8_t, int32_t, float
// or double. Replaces a file that is there; errors name the path.
template <typename T>
absl::Status WriteNpy(const std::string& path, const std::vector<int64_t>& shape,
                      std::span<const T> values);

}  // namespace perennial::data

#endif  // PERENNIAL_COMMON_DATA_NPY_WRITER_H_
