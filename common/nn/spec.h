// What a network is made of: a description that Network::Create turns into layers on rows.
//
// A network is a list of blocks. A block is a stack of layers; it reads the inputs of the network
// or the outputs of an earlier block, for all examples of a batch or for a range of them. So a
// shared trunk with a head for each task or arm, a twin critic and a plain perceptron are one
// thing:
//
//   nn::NetworkSpec spec = nn::MultilayerPerceptron(784, {256, 256}, 10);
//
//   nn::NetworkSpec tarnet = {
//       .inputs = 25,
//       .blocks = {{.name = "features", .layers = {nn::Dense(64, nn::Activation::kElu)}},
//                  {.name = "control", .layers = {nn::Dense(32, nn::Activation::kElu),
//                  nn::Dense(1)},
//                   .input = "features"},
//                  {.name = "treated", .layers = {nn::Dense(32, nn::Activation::kElu),
//                  nn::Dense(1)},
//                   .input = "features"}}};
#ifndef PERENNIAL_COMMON_NN_SPEC_H_
#define PERENNIAL_COMMON_NN_SPEC_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/kernels/activation.h"

namespace perennial::nn {

using kernels::Activation;

struct LayerSpec {
  enum class Kind {
    kDense,      // f(x W^T + b)
    kLayerNorm,  // f(scale * (x - mean) / deviation + shift) over the features of an example
    kBatchNorm,  // the same over the examples of a batch, or with running statistics
    kDropout,    // inverted dropout
  };
  Kind kind = Kind::kDense;
  int64_t outputs = 0;  // Of a dense layer, before the activation (CReLU doubles them).
  Activation activation = Activation::kIdentity;
  bool bias = true;  // Of a dense layer.
  double rate = 0;   // Of dropout, in [0, 1).
};

inline LayerSpec Dense(int64_t outputs, Activation activation = Activation::kIdentity) {
  return {.kind = LayerSpec::Kind::kDense, .outputs = outputs, .activation = activation};
}
inline LayerSpec LayerNorm(Activation activation = Activation::kIdentity) {
  return {.kind = LayerSpec::Kind::kLayerNorm, .activation = activation};
}
inline LayerSpec BatchNorm(Activation activation = Activation::kIdentity) {
  return {.kind = LayerSpec::Kind::kBatchNorm, .activation = activation};
}
inline LayerSpec Dropout(double rate) { return {.kind = LayerSpec::Kind::kDropout, .rate = rate}; }

struct BlockSpec {
  std::string name;  // Unique. May be empty in a network of one block.
  std::vector<LayerSpec> layers;
  std::string input = {};  // An earlier block; empty: the inputs of the network.
};

// How weights of dense layers begin. Norms begin as the identity.
enum class Initializer {
  kLeCunUniform,  // Weights and biases uniform in +-1/sqrt(fan_in): LibTorch's linear layers.
  kHeNormal,      // Weights normal, variance 2 / fan_in (He et al. 2015); biases 0.
  kXavierUniform  // Weights uniform, variance 2 / (fan_in + fan_out) (Glorot, Bengio 2010); biases
                  // 0
};

struct NetworkSpec {
  int64_t inputs = 0;
  std::vector<BlockSpec> blocks;
  // Inputs are lists of active features (data::InputTable::OneHot), whose weights are gathered. The
  // weights of dense layers that read them are stored [inputs, outputs], not [outputs, inputs].
  bool one_hot = false;
  Initializer initializer = Initializer::kLeCunUniform;
  double initial_scale = 1;  // Factor on the initial weights of dense layers.
};

// "features.1": the name of a layer, with which those of its parameters begin. Layers count from 0
// within their block, and dropout, which has no parameters, does not count: initial values are
// keyed by name, so a network begins alike with and without it. A block without a name adds none.
std::string LayerName(const BlockSpec& block, size_t layer);

// One block: hidden layers with `activation`, then a linear layer.
NetworkSpec MultilayerPerceptron(int64_t inputs, const std::vector<int64_t>& hidden,
                                 int64_t outputs, Activation activation = Activation::kRelu);

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_SPEC_H_
