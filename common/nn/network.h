// Networks as descriptions: layout, initialiser, forward and backward pass on rows of parameters.
//
// A network owns no parameters and no gradients. Forward fills a workspace; the caller writes the
// gradient of its loss at the outputs (workspace.output_gradient()); Backward hands each layer's
// (inputs, deltas) pair to a sink. Everything exists for float and double: finite differences in
// double test the very code that trains in float.
//
//   nn::NetworkSpec spec = nn::MultilayerPerceptron(784, {256, 256}, 10);
//   PERENNIAL_ASSIGN_OR_RETURN(nn::Network network, nn::Network::Create(spec));
//   nn::Workspace<float> workspace(network, /*max_rows=*/64);
//   network.Forward<float>(row, batch, workspace);
//   nn::SoftmaxCrossEntropy<float>(workspace.output(), labels, weights,
//                                  workspace.output_gradient());
//   nn::GradientSink<float> sink(gradient, nn::GradientSink<float>::Mode::kOverwrite);
//   network.Backward<float>(row, workspace, sink);
#ifndef PERENNIAL_COMMON_NN_NETWORK_H_
#define PERENNIAL_COMMON_NN_NETWORK_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "common/data/batch.h"
#include "common/kernels/aligned.h"
#include "common/nn/layout.h"
#include "common/nn/rows.h"
#include "common/nn/sink.h"
#include "common/random/stream.h"

namespace perennial::nn {

enum class Activation { kIdentity, kRelu };

struct DenseSpec {
  int64_t outputs = 0;
  Activation activation = Activation::kIdentity;
};

struct NetworkSpec {
  int64_t inputs = 0;
  std::vector<DenseSpec> layers;  // In order; the last one's outputs are the network's.
};

// Hidden layers with ReLU, then a linear layer.
NetworkSpec MultilayerPerceptron(int64_t inputs, const std::vector<int64_t>& hidden,
                                 int64_t outputs);

template <typename T>
class Workspace;

class Network {
 public:
  // InvalidArgument if there is no layer or an extent is not in 1 .. 2^24.
  static absl::StatusOr<Network> Create(const NetworkSpec& spec);

  const ParameterLayout& layout() const { return layout_; }
  int64_t inputs() const { return spec_.inputs; }
  int64_t outputs() const { return slots_.back().outputs; }
  // Multiply-adds of one example's forward pass.
  int64_t multiply_adds() const;
  // Floating-point operations (two a multiply-add) of `rows` examples. A training step needs no
  // gradient of the inputs, which saves the first layer's share of one of its three products.
  int64_t forward_flops(int64_t rows) const { return 2 * rows * multiply_adds(); }
  int64_t training_flops(int64_t rows) const;

  // Weights and biases uniform in +-1/sqrt(fan_in) (LibTorch's default for linear layers, from
  // LeCun et al. 1998); gaps zero. Float and double rows get the same numbers, rounded.
  template <typename T>
  void Initialize(const random::Stream& stream, Row<T> row) const;

  // Fills workspace.output() [B, outputs]. The batch's images must have inputs() features.
  template <typename T>
  void Forward(ConstRow<T> row, const data::Batch& batch, Workspace<T>& workspace) const;

  // Reads workspace.output_gradient() and what Forward left; may overwrite both.
  template <typename T>
  void Backward(ConstRow<T> row, Workspace<T>& workspace, WeightGradientSink<T>& sink) const;

 private:
  friend class Workspace<float>;
  friend class Workspace<double>;

  NetworkSpec spec_;
  ParameterLayout layout_;
  std::vector<DenseSlot> slots_;
};

// Scratch memory of one forward and backward pass, made once and used for batches up to `max_rows`.
template <typename T>
class Workspace {
 public:
  Workspace(const Network& network, int64_t max_rows);

  int64_t max_rows() const { return max_rows_; }
  // Of the last Forward: logits [B, outputs], and where the caller writes dLoss/dlogits.
  kernels::MatrixView<const T> output() const { return activations_.back(); }
  kernels::MatrixView<T> output_gradient() const { return deltas_.back(); }

 private:
  friend class Network;

  void Resize(int64_t rows);

  int64_t max_rows_;
  kernels::AlignedVector<T> memory_;
  // activations_[0] is the input, activations_[i + 1] the output of layer i; deltas_[i] belongs to
  // the output of layer i.
  std::vector<kernels::MatrixView<T>> activations_;
  std::vector<kernels::MatrixView<T>> deltas_;
};

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_NETWORK_H_
