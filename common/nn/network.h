// Networks as descriptions: layout, initialiser, forward and backward pass on rows of parameters.
//
// A network owns no parameters and no gradients. Forward fills a workspace; the caller writes the
// gradient of its loss at the outputs (workspace.output_gradient()), and at any other block's if
// the loss depends on it; Backward hands what the gradients of parameters are made of to a sink.
// Everything exists for float and double: finite differences in double test the very code that
// trains in float.
//
//   nn::NetworkSpec spec = nn::MultilayerPerceptron(784, {256, 256}, 10);
//   PERENNIAL_ASSIGN_OR_RETURN(nn::Network network, nn::Network::Create(spec));
//   nn::Workspace<float> workspace(network, /*max_rows=*/64);
//   network.Forward<float>(row, batch, workspace, {.mode = nn::Mode::kTrain});
//   nn::SoftmaxCrossEntropy<float>(workspace.output(), labels, weights,
//                                  workspace.output_gradient());
//   nn::GradientSink<float> sink(gradient, nn::GradientSink<float>::Mode::kOverwrite);
//   network.Backward<float>(row, workspace, sink);
//
// With heads, each sees the rows that the caller says, here the two parts of a batch:
//
//   const nn::RowRange rows[] = {{0, 100}, {0, 60}, {60, 100}};   // trunk, control, treated
//   network.Forward<float>(row, batch, workspace, {.mode = nn::Mode::kTrain, .rows = rows});
//   loss = SquaredError<float>(workspace.output(control), ..., workspace.gradient(control)) + ...
#ifndef PERENNIAL_COMMON_NN_NETWORK_H_
#define PERENNIAL_COMMON_NN_NETWORK_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/data/batch.h"
#include "common/kernels/aligned.h"
#include "common/kernels/packed_matrix.h"
#include "common/nn/layout.h"
#include "common/nn/rows.h"
#include "common/nn/sink.h"
#include "common/nn/spec.h"
#include "common/random/stream.h"

namespace perennial::nn {

template <typename T>
class Workspace;
template <typename T>
class PackedRow;
template <typename T>
class AffinePass;
template <typename T>
class HessianPass;

enum class Mode {
  kTrain,     // Dropout drops; batch norms use the batch's statistics.
  kEvaluate,  // Dropout is the identity; batch norms use the running statistics.
};

// Rows [begin, end) of a batch.
struct RowRange {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
};

struct ForwardOptions {
  Mode mode = Mode::kEvaluate;
  // Keys the masks of dropout layers, a new stream for each step: Split(step). Needed to train a
  // network that has some.
  std::optional<random::Stream> dropout = {};
  // The rows that each block sees, in the order of blocks, each within those of the block that it
  // reads. Empty: all blocks see all rows.
  std::span<const RowRange> rows = {};
};

class Network {
 public:
  // InvalidArgument names the block and layer: no blocks or layers; an extent that is not in 1 ..
  // 2^24; a name that is missing, taken or unknown; a rate that is not in [0, 1); one-hot inputs
  // read by a layer that is not dense; an initial_scale that is negative or not finite.
  static absl::StatusOr<Network> Create(const NetworkSpec& spec);

  const ParameterLayout& layout() const { return layout_; }
  int64_t inputs() const { return spec_.inputs; }
  // Of the last block.
  int64_t outputs() const { return layers_.back().outputs; }
  const NetworkSpec& spec() const { return spec_; }

  int blocks() const { return static_cast<int>(blocks_.size()); }
  // The index of a block; CHECKs that there is one of that name.
  int block(absl::string_view name) const;
  int64_t outputs(int block) const { return layers_[blocks_[block].end - 1].outputs; }

  // Multiply-adds of one example's forward pass, of matrix products alone: what one-hot inputs
  // gather is none.
  int64_t multiply_adds() const;
  // Floating-point operations (two a multiply-add) of `rows` examples that all blocks see, whole
  // numbers. A training step needs no gradient of the inputs, which saves one of three products of
  // the layers that read them.
  double forward_flops(int64_t rows) const {
    return 2.0 * static_cast<double>(rows) * static_cast<double>(multiply_adds());
  }
  double training_flops(int64_t rows) const;

  // See NetworkSpec::initializer; gaps are zero. Float and double rows get the same numbers,
  // rounded.
  template <typename T>
  void Initialize(const random::Stream& stream, Row<T> row) const;

  // Fills the workspace. The batch's tables must have inputs() features.
  template <typename T>
  void Forward(ConstRow<T> row, const data::Batch& batch, Workspace<T>& workspace,
               const ForwardOptions& options = {}) const;
  // The same on inputs [B, inputs()], which must stay until Backward is done.
  template <typename T>
  void Forward(ConstRow<T> row, kernels::MatrixView<const T> inputs, Workspace<T>& workspace,
               const ForwardOptions& options = {}) const;
  // The same as of the row that was packed, rounded otherwise; in Mode::kEvaluate.
  template <typename T>
  void Forward(const PackedRow<T>& packed, const data::Batch& batch, Workspace<T>& workspace) const;

  // Reads the gradients that the caller wrote and what Forward left; overwrites the former. A block
  // whose gradient was not asked for since the last pass, and that no other block reads, gets none.
  // After one Forward there may be several, each with gradients written anew.
  // input_gradient [B, inputs()], if it has data, becomes dLoss/dinputs.
  template <typename T>
  void Backward(ConstRow<T> row, Workspace<T>& workspace, WeightGradientSink<T>& sink,
                kernels::MatrixView<T> input_gradient = {}) const;

  // Moves the running statistics of batch norms towards those of the last Forward in kTrain:
  // running += momentum * (batch's - running), with the unbiased variance, as LibTorch does. Blocks
  // that saw fewer than two rows keep theirs.
  template <typename T>
  void UpdateRunningStatistics(const Workspace<T>& workspace, Row<T> row,
                               T momentum = T(0.1)) const;

 private:
  template <typename T>
  friend class Workspace;
  template <typename T>
  friend class PackedRow;
  template <typename T>
  friend class AffinePass;
  template <typename T>
  friend class HessianPass;

  static constexpr int kInputs = -1;

  struct Layer {
    LayerSpec::Kind kind = LayerSpec::Kind::kDense;
    Activation activation = Activation::kIdentity;
    double rate = 0;
    int64_t inputs = 0;
    int64_t width = 0;    // Before the activation.
    int64_t outputs = 0;  // Behind it.
    DenseSlot dense;
    NormSlot norm;
    int64_t mean_offset = 0;  // Running statistics.
    int64_t variance_offset = 0;

    bool is_norm() const {
      return kind == LayerSpec::Kind::kLayerNorm || kind == LayerSpec::Kind::kBatchNorm;
    }
  };
  struct Block {
    std::string name;
    int input = kInputs;
    size_t begin = 0;  // Layers [begin, end).
    size_t end = 0;
  };

  absl::Status AddBlock(const BlockSpec& spec);
  int64_t multiply_adds(const Layer& layer) const {
    const bool gathered = spec_.one_hot && layer.dense.reads_inputs;
    return gathered ? 0 : layer.dense.inputs * layer.dense.outputs;
  }

  // The part of Forward before the layers: gathers the batch.
  template <typename T>
  void Load(const data::Batch& batch, Workspace<T>& workspace, const ForwardOptions& options) const;
  template <typename T>
  void Prepare(int64_t rows, Workspace<T>& workspace, const ForwardOptions& options) const;
  // What block `index` reads: the rows of its range.
  template <typename T>
  kernels::MatrixView<const T> BlockInput(int index, const Workspace<T>& workspace) const;
  // y = x W^T, without bias; x is `active` where a layer reads one-hot inputs.
  template <typename T>
  void Product(ConstRow<T> row, const Layer& layer, kernels::MatrixView<const T> x,
               ActiveView active, kernels::MatrixView<T> y) const;
  // All layers; the products of those that read the inputs are in place already if
  // `inputs_are_products`. `packed`, if it is not null, is the row's.
  template <typename T>
  void ForwardLayers(ConstRow<T> row, Workspace<T>& workspace, bool inputs_are_products,
                     const PackedRow<T>* packed = nullptr) const;
  template <typename T>
  void BackwardBlock(int index, ConstRow<T> row, Workspace<T>& workspace,
                     WeightGradientSink<T>& sink, kernels::MatrixView<T> input_gradient,
                     bool& input_gradient_begun) const;

  NetworkSpec spec_;
  ParameterLayout layout_;
  std::vector<Layer> layers_;
  std::vector<Block> blocks_;
};

// A row with its weights laid out as products read them (kernels::PackedMatrix): for one that is
// only evaluated, on many batches.
//
//   nn::PackedRow<float> packed(network);
//   packed.Pack(row);
//   network.Forward<float>(packed, batch, workspace);
template <typename T>
class PackedRow {
 public:
  // `network` must outlive it.
  explicit PackedRow(const Network& network);

  // Memory that one takes.
  static int64_t Bytes(const Network& network);

  // The row must stay as it is until the next Pack.
  void Pack(ConstRow<T> row);

 private:
  friend class Network;

  static bool Packs(const Network& network, int64_t layer);

  const Network* network_;
  ConstRow<T> row_;
  // By layer; absent where there is no product of matrices, or one too narrow to gain.
  std::vector<std::optional<kernels::PackedMatrix<T>>> weights_;
};

// Scratch memory of one forward and backward pass, made once and used for batches up to `max_rows`.
template <typename T>
class Workspace {
 public:
  // `network` must outlive it.
  Workspace(const Network& network, int64_t max_rows);
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  // Memory that one takes.
  static int64_t Bytes(const Network& network, int64_t max_rows);

  int64_t max_rows() const { return max_rows_; }
  // Of the last Forward: outputs [rows of its range, outputs] of a block, or of the last one.
  kernels::MatrixView<const T> output(int block) const;
  kernels::MatrixView<const T> output() const { return output(network_->blocks() - 1); }
  // Where the caller writes dLoss/doutput of that block, in full: what it holds before is
  // undefined. What flows back from blocks that read this one is added to it.
  kernels::MatrixView<T> gradient(int block);
  kernels::MatrixView<T> output_gradient() { return gradient(network_->blocks() - 1); }

 private:
  friend class Network;
  friend class AffinePass<T>;
  friend class HessianPass<T>;

  struct Buffers {
    kernels::MatrixView<T> y;           // Behind the activation.
    kernels::MatrixView<T> delta;       // dLoss/dy; after Backward's visit dLoss/dz in front.
    kernels::MatrixView<T> saved;       // z, for activations that need it.
    kernels::MatrixView<T> normalized;  // Of norms.
    T* inverse_deviation = nullptr;     // Of layer norms, [B].
    T* mean = nullptr;                  // Of batch norms, [features].
    T* variance = nullptr;
  };
  class Allocator;
  enum class GradientState { kNone, kWritten };

  // Without memory.
  explicit Workspace(const Network& network) : network_(&network) {}

  // Lays out all buffers; returns the number of elements. Without memory: only counts.
  int64_t LayOut(T* memory);
  // The rows that a block sees, of a matrix with a row for each of those of the block it reads.
  template <typename U>
  kernels::MatrixView<U> InputRows(int block, kernels::MatrixView<U> all) const;
  // Whether what flows back from a block into the one it reads is added to what is there. Matrices
  // of which it would leave rows unwritten are cleared first.
  bool BeginFlow(int block, std::initializer_list<kernels::MatrixView<T>> deltas);
  // The one-hot inputs that a block sees.
  ActiveView ActiveRows(int block) const;
  void Resize(std::span<const RowRange> ranges, int64_t rows);

  const Network* network_;
  int64_t max_rows_ = 0;
  kernels::AlignedVector<T> memory_;
  kernels::MatrixView<T> gathered_;      // Inputs of a batch.
  kernels::MatrixView<const T> inputs_;  // What the network reads.
  std::vector<int32_t> active_;          // The same for one-hot inputs.
  int64_t active_per_row_ = 0;
  std::vector<Buffers> layers_;
  // dLoss/dinputs of blocks that do not begin with a dense layer.
  std::vector<kernels::MatrixView<T>> entry_deltas_;
  std::vector<RowRange> ranges_;
  std::vector<GradientState> gradients_;
  Mode mode_ = Mode::kEvaluate;
  std::optional<random::Stream> dropout_;
};

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_NETWORK_H_
