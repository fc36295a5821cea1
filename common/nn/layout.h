// Where the parameters of a network lie in its row: named slices, in order, without overlap.
//
// Slices begin at multiples of 16 numbers, so that each is on a cache line; the gaps are zero and
// stay zero, so that norms, dot products and distances of whole rows are those of the parameters.
// What a network carries but no optimizer trains (running statistics) lies behind everything else:
// the first trainable() numbers of a row are what gradients and optimizers are about.
#ifndef PERENNIAL_COMMON_NN_LAYOUT_H_
#define PERENNIAL_COMMON_NN_LAYOUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace perennial::nn {

enum class ParameterRole {
  kWeight,
  kBias,
  kScale,   // Of a norm.
  kShift,   // Of a norm.
  kBuffer,  // Not trained.
};

struct ParameterSlice {
  std::string name;            // "0.weight": the layer (LayerName), then what it is.
  std::vector<int64_t> shape;  // Row-major, [outputs, inputs] for weights of dense layers.
  ParameterRole role = ParameterRole::kWeight;
  int64_t fan_in = 0;
  int64_t offset = 0;
  int64_t size = 0;
};

class ParameterLayout {
 public:
  // Adds a slice at the end; returns its offset. Buffers come last.
  int64_t Add(absl::string_view name, std::vector<int64_t> shape, ParameterRole role,
              int64_t fan_in);

  const std::vector<ParameterSlice>& slices() const { return slices_; }
  // D, the length of a row: parameters and gaps; a multiple of 16.
  int64_t size() const { return size_; }
  // The part of a row before its buffers: a multiple of 16.
  int64_t trainable() const { return trainable_; }
  // Parameters alone, without gaps and buffers.
  int64_t parameters() const { return parameters_; }

 private:
  std::vector<ParameterSlice> slices_;
  int64_t size_ = 0;
  int64_t trainable_ = 0;
  int64_t parameters_ = 0;
};

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_LAYOUT_H_
