#include "common/nn/spec.h"

namespace perennial::nn {

std::string LayerName(const BlockSpec& block, size_t layer) {
  int64_t place = 0;
  for (size_t i = 0; i < layer; ++i) place += block.layers[i].kind != LayerSpec::Kind::kDropout;
  const std::string number = std::to_string(place);
  return block.name.empty() ? number : block.name + "." + number;
}

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
