#include "common/nn/layout.h"

#include <utility>

#include "common/base/logging.h"
#include "common/kernels/aligned.h"

namespace perennial::nn {

int64_t ParameterLayout::Add(absl::string_view name, std::vector<int64_t> shape, ParameterRole role,
                             int64_t fan_in) {
  ParameterSlice slice;
  slice.name = std::string(name);
  slice.role = role;
  slice.fan_in = fan_in;
  slice.offset = size_;
  slice.size = 1;
  for (const int64_t extent : shape) slice.size *= extent;
  slice.shape = std::move(shape);
  size_ += kernels::RoundUp(slice.size);
  if (role != ParameterRole::kBuffer) {
    CHECK_EQ(trainable_, slice.offset) << "parameter " << name << " behind a buffer";
    trainable_ = size_;
    parameters_ += slice.size;
  }
  slices_.push_back(std::move(slice));
  return slices_.back().offset;
}

}  // namespace perennial::nn
