#include "common/nn/spec.h"

namespace perennial::nn {

NetworkSpec MultilayerPerceptron(int64_t inputs, const std::vector<int64_t>& hidden,
                                 int64_t outputs, Activation activation) {
  NetworkSpec spec;
  spec.inputs = inputs;
  BlockSpec& block = spec.blocks.emplace_back();
  for (const int64_t width : hidden) block.layers.push_back(Dense(width, activation));
  block.layers.push_back(Dense(outputs));
  return spec;
}

}  // namespace perennial::nn
