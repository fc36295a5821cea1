#include "common/nn/network.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/kernels/activation.h"
#include "common/kernels/dropout.h"
#include "common/kernels/elementwise.h"
#include "common/kernels/gemm.h"
#include "common/kernels/matrix.h"
#include "common/kernels/norm.h"
#include "common/kernels/uniform.h"
#include "common/nn/gather.h"

namespace perennial::nn {
namespace {

using kernels::CopyMatrix;
using kernels::FillZero;
using kernels::FirstColumns;
using kernels::MatrixView;
using kernels::SubRows;
using kernels::Transpose;
using Kind = LayerSpec::Kind;

constexpr int64_t kMaxExtent = int64_t{1} << 24;
// Added to variances; LibTorch's default.
constexpr double kNormEpsilon = 1e-5;
// Products with a vector are faster by Gemm.
constexpr int64_t kLeastPackedWidth = 2;

}  // namespace

absl::StatusOr<Network> Network::Create(const NetworkSpec& spec) {
  if (spec.blocks.empty()) return absl::InvalidArgumentError("a network needs a block");
  if (!(spec.initial_scale >= 0) || !std::isfinite(spec.initial_scale)) {
    return absl::InvalidArgumentError(absl::StrCat("initial_scale is ", spec.initial_scale,
                                                   "; it must be finite and at least 0"));
  }
  Network network;
  network.spec_ = spec;
  for (const BlockSpec& block : spec.blocks) {
    PERENNIAL_RETURN_IF_ERROR(network.AddBlock(block));
  }
  // Buffers lie behind all that is trained.
  for (const Block& block : network.blocks_) {
    for (size_t i = block.begin; i < block.end; ++i) {
      Layer& layer = network.layers_[i];
      if (layer.kind != Kind::kBatchNorm) continue;
      const std::string prefix = absl::StrCat(block.name, block.name.empty() ? "" : ".",
                                              static_cast<int64_t>(i - block.begin));
      layer.mean_offset = network.layout_.Add(absl::StrCat(prefix, ".running_mean"), {layer.width},
                                              ParameterRole::kBuffer, 0);
      layer.variance_offset = network.layout_.Add(absl::StrCat(prefix, ".running_variance"),
                                                  {layer.width}, ParameterRole::kBuffer, 0);
    }
  }
  return network;
}

absl::Status Network::AddBlock(const BlockSpec& spec) {
  const std::string where =
      spec.name.empty() ? "the network" : absl::StrCat("block \"", spec.name, "\"");
  if (spec.layers.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(where, " needs a layer"));
  }
  if (spec.name.empty() && spec_.blocks.size() > 1) {
    return absl::InvalidArgumentError("every block of a network of several needs a name");
  }
  Block block = {.name = spec.name, .begin = layers_.size()};
  int64_t columns = spec_.inputs;
  if (!spec.input.empty()) {
    const auto found = std::ranges::find(blocks_, spec.input, &Block::name);
    if (found == blocks_.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, " reads \"", spec.input, "\", which no block before it is called"));
    }
    block.input = static_cast<int>(found - blocks_.begin());
    columns = outputs(block.input);
  }
  if (std::ranges::count(blocks_, spec.name, &Block::name) > 0) {
    return absl::InvalidArgumentError(absl::StrCat("two blocks are called \"", spec.name, "\""));
  }
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerSpec& from = spec.layers[i];
    const std::string prefix = LayerName(spec, i);
    Layer layer = {.kind = from.kind, .activation = from.activation, .rate = from.rate};
    layer.inputs = columns;
    layer.width = from.kind == Kind::kDense ? from.outputs : columns;
    if (columns < 1 || columns > kMaxExtent || layer.width < 1 || layer.width > kMaxExtent) {
      return absl::InvalidArgumentError(absl::StrCat("layer ", i, " of ", where, " maps ", columns,
                                                     " numbers to ", layer.width,
                                                     "; both must lie in 1 .. ", kMaxExtent));
    }
    const bool reads_inputs = i == 0 && block.input == kInputs;
    const bool one_hot = spec_.one_hot && reads_inputs;
    if (one_hot && from.kind != Kind::kDense) {
      return absl::InvalidArgumentError(
          absl::StrCat("layer ", i, " of ", where, " reads one-hot inputs; it must be dense"));
    }
    if (from.kind == Kind::kDropout && !(from.rate >= 0 && from.rate < 1)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "layer ", i, " of ", where, " drops at a rate of ", from.rate, "; allowed: [0, 1)"));
    }
    if (from.kind == Kind::kDense) {
      layer.dense.inputs = columns;
      layer.dense.outputs = layer.width;
      layer.dense.reads_inputs = reads_inputs;
      std::vector<int64_t> shape = {layer.width, columns};
      if (one_hot) std::swap(shape[0], shape[1]);
      layer.dense.weight_offset = layout_.Add(absl::StrCat(prefix, ".weight"), std::move(shape),
                                              ParameterRole::kWeight, columns);
      if (from.bias) {
        layer.dense.bias_offset = layout_.Add(absl::StrCat(prefix, ".bias"), {layer.width},
                                              ParameterRole::kBias, columns);
      }
    } else if (layer.is_norm()) {
      layer.norm.features = columns;
      layer.norm.scale_offset =
          layout_.Add(absl::StrCat(prefix, ".scale"), {columns}, ParameterRole::kScale, columns);
      layer.norm.shift_offset =
          layout_.Add(absl::StrCat(prefix, ".shift"), {columns}, ParameterRole::kShift, columns);
    } else {
      layer.activation = Activation::kIdentity;
    }
    layer.outputs = kernels::ActivationWidth(layer.activation, layer.width);
    columns = layer.outputs;
    layers_.push_back(layer);
  }
  block.end = layers_.size();
  blocks_.push_back(std::move(block));
  return absl::OkStatus();
}

int Network::block(absl::string_view name) const {
  const auto found = std::ranges::find(blocks_, name, &Block::name);
  CHECK(found != blocks_.end()) << "no block is called \"" << name << "\"";
  return static_cast<int>(found - blocks_.begin());
}

int64_t Network::multiply_adds() const {
  int64_t total = 0;
  for (const Layer& layer : layers_) total += multiply_adds(layer);
  return total;
}

double Network::training_flops(int64_t rows) const {
  int64_t without = 0;
  for (const Layer& layer : layers_) {
    if (layer.dense.reads_inputs) without += multiply_adds(layer);
  }
  return 2.0 * static_cast<double>(rows) * static_cast<double>(3 * multiply_adds() - without);
}

template <typename T>
void Network::Initialize(const random::Stream& stream, Row<T> row) const {
  CHECK_EQ(static_cast<int64_t>(row.size()), layout_.size());
  std::fill(row.begin(), row.end(), T(0));
  const auto fill = [&](int64_t offset, int64_t size, T value) {
    std::fill_n(row.data() + offset, size, value);
  };
  for (const Layer& layer : layers_) {
    if (!layer.is_norm()) continue;
    fill(layer.norm.scale_offset, layer.width, T(1));
    if (layer.kind == Kind::kBatchNorm) fill(layer.variance_offset, layer.width, T(1));
  }
  for (const ParameterSlice& slice : layout_.slices()) {
    const bool weight = slice.role == ParameterRole::kWeight;
    if (!weight && slice.role != ParameterRole::kBias) continue;
    const random::Stream draws = stream.Split(slice.name);
    const Row<T> values = row.subspan(slice.offset, slice.size);
    const double fan_in = static_cast<double>(slice.fan_in);
    double bound = weight ? spec_.initial_scale : 1;
    switch (spec_.initializer) {
      case Initializer::kLeCunUniform:
        bound /= std::sqrt(fan_in);
        break;
      case Initializer::kXavierUniform:
        if (!weight) continue;
        bound *= std::sqrt(6 / (fan_in + static_cast<double>(slice.size) / fan_in));
        break;
      case Initializer::kHeNormal: {
        if (!weight) continue;
        random::Stream normal = draws;
        for (T& value : values) {
          value = static_cast<T>(bound * std::sqrt(2 / fan_in) * normal.Normal());
        }
        continue;
      }
    }
    kernels::FillUniform<T>(draws, -bound, bound, values);
  }
}

template <typename T>
void Network::Prepare(int64_t rows, Workspace<T>& workspace, const ForwardOptions& options) const {
  CHECK(workspace.network_ == this) << "a workspace of another network";
  CHECK_LE(rows, workspace.max_rows());
  workspace.Resize(options.rows, rows);
  workspace.mode_ = options.mode;
  workspace.dropout_ = options.dropout;
}

template <typename T>
void Network::Load(const data::Batch& batch, Workspace<T>& workspace,
                   const ForwardOptions& options) const {
  Prepare(batch.size(), workspace, options);
  if (!spec_.one_hot) {
    MatrixView<T> gathered = workspace.gathered_;
    gathered.rows = batch.size();
    Gather<T>(batch, gathered);
    workspace.inputs_ = gathered;
    return;
  }
  workspace.active_.clear();
  for (const data::BatchPart& part : batch.parts()) {
    const data::InputTable& table = part.inputs;
    CHECK(table.kind() == data::InputTable::Kind::kOneHot && part.feature_map.empty())
        << "a network for one-hot inputs";
    CHECK_EQ(table.features(), spec_.inputs);
    const int64_t count = table.stored();
    CHECK(workspace.active_.empty() || workspace.active_per_row_ == count)
        << "parts of a batch must have as many active features an example";
    workspace.active_per_row_ = count;
    CheckIndices(part);
    for (const int32_t index : part.indices) {
      const int32_t* active = table.active() + index * count;
      for (int64_t k = 0; k < count; ++k) {
        CHECK(active[k] >= 0 && active[k] < spec_.inputs) << "active feature " << active[k];
        workspace.active_.push_back(active[k]);
      }
    }
  }
}

template <typename T>
void Network::Forward(ConstRow<T> row, const data::Batch& batch, Workspace<T>& workspace,
                      const ForwardOptions& options) const {
  Load<T>(batch, workspace, options);
  ForwardLayers<T>(row, workspace, /*inputs_are_products=*/false);
}

template <typename T>
void Network::Forward(ConstRow<T> row, MatrixView<const T> inputs, Workspace<T>& workspace,
                      const ForwardOptions& options) const {
  CHECK_EQ(inputs.columns, spec_.inputs);
  CHECK(!spec_.one_hot) << "one-hot inputs come as batches";
  Prepare(inputs.rows, workspace, options);
  workspace.inputs_ = inputs;
  ForwardLayers<T>(row, workspace, /*inputs_are_products=*/false);
}

template <typename T>
void Network::Forward(const PackedRow<T>& packed, const data::Batch& batch,
                      Workspace<T>& workspace) const {
  CHECK(packed.network_ == this) << "a packed row of another network";
  Load<T>(batch, workspace, {});
  ForwardLayers<T>(packed.row_, workspace, /*inputs_are_products=*/false, &packed);
}

template <typename T>
MatrixView<const T> Network::BlockInput(int index, const Workspace<T>& workspace) const {
  const int input = blocks_[index].input;
  if (input != kInputs) return workspace.InputRows(index, workspace.output(input));
  if (spec_.one_hot) return {nullptr, workspace.ranges_[index].size(), spec_.inputs, 0};
  return workspace.InputRows(index, workspace.inputs_);
}

template <typename T>
void Network::Product(ConstRow<T> row, const Layer& layer, MatrixView<const T> x, ActiveView active,
                      MatrixView<T> y) const {
  const DenseSlot& slot = layer.dense;
  const T* weights = row.data() + slot.weight_offset;
  if (!slot.reads_inputs || !spec_.one_hot) {
    kernels::Gemm<T>(Transpose::kNo, Transpose::kYes, 1, x,
                     {weights, slot.outputs, slot.inputs, slot.inputs}, 0, y);
    return;
  }
  for (int64_t r = 0; r < active.rows; ++r) {
    T* out = y.row(r);
    std::fill_n(out, slot.outputs, T(0));
    for (int64_t k = 0; k < active.per_row; ++k) {
      const T* from = weights + active.row(r)[k] * slot.outputs;
      for (int64_t c = 0; c < slot.outputs; ++c) out[c] += from[c];
    }
  }
}

template <typename T>
void Network::ForwardLayers(ConstRow<T> row, Workspace<T>& workspace, bool inputs_are_products,
                            const PackedRow<T>* packed) const {
  CHECK_EQ(static_cast<int64_t>(row.size()), layout_.size());
  const bool train = workspace.mode_ == Mode::kTrain;
  const T epsilon = static_cast<T>(kNormEpsilon);
  for (int b = 0; b < blocks(); ++b) {
    MatrixView<const T> x = BlockInput(b, workspace);
    for (size_t i = blocks_[b].begin; i < blocks_[b].end; ++i) {
      const Layer& layer = layers_[i];
      typename Workspace<T>::Buffers& buffers = workspace.layers_[i];
      const MatrixView<T> y = FirstColumns(buffers.y, layer.width);
      const T* bias = nullptr;
      Activation activation = layer.activation;
      switch (layer.kind) {
        case Kind::kDense:
          if (layer.dense.bias_offset >= 0) bias = row.data() + layer.dense.bias_offset;
          if (packed != nullptr && packed->weights_[i].has_value()) {
            const bool rectify = layer.activation == Activation::kRelu;
            packed->weights_[i]->Multiply(
                x, y, bias, rectify ? kernels::Epilogue::kRectify : kernels::Epilogue::kNone);
            bias = nullptr;
            if (rectify) activation = Activation::kIdentity;
          } else if (!(inputs_are_products && layer.dense.reads_inputs)) {
            Product<T>(row, layer, x, workspace.ActiveRows(b), y);
          }
          break;
        case Kind::kLayerNorm:
          kernels::LayerNormForward<T>(epsilon, row.data() + layer.norm.scale_offset,
                                       row.data() + layer.norm.shift_offset, x, buffers.normalized,
                                       buffers.inverse_deviation, y);
          break;
        case Kind::kBatchNorm:
          if (train) {
            kernels::BatchNormForward<T>(epsilon, row.data() + layer.norm.scale_offset,
                                         row.data() + layer.norm.shift_offset, x,
                                         buffers.normalized, buffers.mean, buffers.variance, y);
          } else {
            kernels::FixedNormForward<T>(
                epsilon, row.data() + layer.norm.scale_offset, row.data() + layer.norm.shift_offset,
                row.data() + layer.mean_offset, row.data() + layer.variance_offset, x,
                buffers.normalized, y);
          }
          break;
        case Kind::kDropout:
          if (train && layer.rate > 0) {
            CHECK(workspace.dropout_.has_value()) << "training with dropout needs its stream";
            kernels::Dropout<T>(workspace.dropout_->Split(i), layer.rate, x, y);
          } else {
            CopyMatrix<T>(x, y);
          }
          break;
      }
      if (activation != Activation::kIdentity || bias != nullptr) {
        kernels::BiasActivation<T>(activation, bias, buffers.y, buffers.saved);
      }
      x = buffers.y;
    }
  }
}

template <typename T>
void Network::Backward(ConstRow<T> row, Workspace<T>& workspace, WeightGradientSink<T>& sink,
                       MatrixView<T> input_gradient) const {
  CHECK_EQ(static_cast<int64_t>(row.size()), layout_.size());
  if (input_gradient.data != nullptr) {
    CHECK(!spec_.one_hot) << "one-hot inputs have no gradient";
    CHECK(input_gradient.rows == workspace.inputs_.rows &&
          input_gradient.columns == workspace.inputs_.columns);
  }
  bool input_gradient_begun = false;
  for (int b = blocks(); b-- > 0;) {
    BackwardBlock<T>(b, row, workspace, sink, input_gradient, input_gradient_begun);
  }
  if (input_gradient.data != nullptr && !input_gradient_begun) FillZero(input_gradient);
  // Another pass begins with gradients of its own.
  std::ranges::fill(workspace.gradients_, Workspace<T>::GradientState::kNone);
}

template <typename T>
void Network::BackwardBlock(int index, ConstRow<T> row, Workspace<T>& workspace,
                            WeightGradientSink<T>& sink, MatrixView<T> input_gradient,
                            bool& input_gradient_begun) const {
  const Block& block = blocks_[index];
  const bool reached = workspace.gradients_[index] != Workspace<T>::GradientState::kNone;
  const bool train = workspace.mode_ == Mode::kTrain;
  const MatrixView<const T> block_input = BlockInput(index, workspace);

  // Where dLoss/d(block's input) goes, and whether it is added to what is there.
  MatrixView<T> below;
  bool add = false;
  if (!reached) {
    // Nothing goes down.
  } else if (block.input == kInputs) {
    if (input_gradient.data != nullptr) {
      below = workspace.InputRows(index, input_gradient);
      add = input_gradient_begun;
      if (!add && below.rows < input_gradient.rows) {
        FillZero(input_gradient);
        add = true;
      }
      input_gradient_begun = true;
    }
  } else {
    const MatrixView<T> all = workspace.layers_[blocks_[block.input].end - 1].delta;
    below = workspace.InputRows(index, all);
    add = workspace.BeginFlow(index, {all});
  }

  for (size_t i = block.end; i-- > block.begin;) {
    const Layer& layer = layers_[i];
    typename Workspace<T>::Buffers& buffers = workspace.layers_[i];
    const bool first = i == block.begin;
    const MatrixView<const T> x = first ? block_input : workspace.layers_[i - 1].y;
    MatrixView<T> d = FirstColumns(buffers.delta, layer.width);
    if (!reached) d.rows = 0;
    if (reached && layer.activation != Activation::kIdentity) {
      kernels::ActivationBackward<T>(layer.activation, buffers.y, buffers.saved, buffers.delta);
    }
    // Downwards first: a sink may change the layer's parameters.
    const bool through = reached && (!first || below.data != nullptr);
    const bool direct = !first || layer.kind == Kind::kDense;
    MatrixView<T> lower = first ? below : workspace.layers_[i - 1].delta;
    if (!direct && through) lower = workspace.entry_deltas_[index];
    const T* scale = row.data() + layer.norm.scale_offset;
    switch (layer.kind) {
      case Kind::kDense: {
        const DenseSlot& slot = layer.dense;
        if (through) {
          kernels::Gemm<T>(
              Transpose::kNo, Transpose::kNo, 1, d,
              {row.data() + slot.weight_offset, slot.outputs, slot.inputs, slot.inputs},
              first && add ? 1 : 0, lower);
        }
        if (slot.reads_inputs && spec_.one_hot) {
          ActiveView active = workspace.ActiveRows(index);
          active.rows = d.rows;
          sink.OneHot(slot, active, d);
        } else {
          sink.Dense(slot, {x.data, d.rows, x.columns, x.stride}, d);
        }
        break;
      }
      case Kind::kLayerNorm:
        if (through) {
          kernels::LayerNormBackward<T>(scale, buffers.normalized, buffers.inverse_deviation, d,
                                        lower);
        }
        break;
      case Kind::kBatchNorm:
        if (!through) break;
        if (train) {
          kernels::BatchNormBackward<T>(static_cast<T>(kNormEpsilon), scale, buffers.normalized,
                                        buffers.variance, d, lower);
        } else {
          kernels::FixedNormBackward<T>(static_cast<T>(kNormEpsilon), scale,
                                        row.data() + layer.variance_offset, d, lower);
        }
        break;
      case Kind::kDropout:
        if (!through) break;
        if (train && layer.rate > 0) {
          kernels::Dropout<T>(workspace.dropout_->Split(i), layer.rate, d, lower);
        } else {
          CopyMatrix<T>(d, lower);
        }
        break;
    }
    if (layer.is_norm()) {
      MatrixView<const T> normalized = buffers.normalized;
      normalized.rows = d.rows;
      sink.Norm(layer.norm, normalized, d);
    }
    if (!direct && through) {
      for (int64_t r = 0; r < lower.rows; ++r) {
        if (add) {
          kernels::Axpy<T>(1, {lower.row(r), static_cast<size_t>(lower.columns)},
                           {below.row(r), static_cast<size_t>(below.columns)});
        } else {
          std::copy_n(lower.row(r), lower.columns, below.row(r));
        }
      }
    }
  }
}

template <typename T>
void Network::UpdateRunningStatistics(const Workspace<T>& workspace, Row<T> row, T momentum) const {
  CHECK(workspace.network_ == this && workspace.mode_ == Mode::kTrain);
  CHECK_EQ(static_cast<int64_t>(row.size()), layout_.size());
  for (int b = 0; b < blocks(); ++b) {
    const int64_t rows = workspace.ranges_[b].size();
    if (rows < 2) continue;
    const T unbiased = static_cast<T>(rows) / static_cast<T>(rows - 1);
    for (size_t i = blocks_[b].begin; i < blocks_[b].end; ++i) {
      const Layer& layer = layers_[i];
      if (layer.kind != Kind::kBatchNorm) continue;
      T* mean = row.data() + layer.mean_offset;
      T* variance = row.data() + layer.variance_offset;
      for (int64_t c = 0; c < layer.width; ++c) {
        mean[c] += momentum * (workspace.layers_[i].mean[c] - mean[c]);
        variance[c] += momentum * (unbiased * workspace.layers_[i].variance[c] - variance[c]);
      }
    }
  }
}

template <typename T>
bool PackedRow<T>::Packs(const Network& network, int64_t layer) {
  const Network::Layer& it = network.layers_[layer];
  return network.multiply_adds(it) > 0 && it.dense.outputs >= kLeastPackedWidth;
}

template <typename T>
PackedRow<T>::PackedRow(const Network& network)
    : network_(&network), weights_(network.layers_.size()) {
  for (size_t i = 0; i < weights_.size(); ++i) {
    const DenseSlot& slot = network.layers_[i].dense;
    if (Packs(network, i)) weights_[i].emplace(slot.outputs, slot.inputs);
  }
}

template <typename T>
int64_t PackedRow<T>::Bytes(const Network& network) {
  int64_t bytes = 0;
  for (size_t i = 0; i < network.layers_.size(); ++i) {
    const DenseSlot& slot = network.layers_[i].dense;
    if (!Packs(network, i)) continue;
    bytes += kernels::PackedMatrix<T>::Bytes(slot.outputs, slot.inputs);
  }
  return bytes;
}

template <typename T>
void PackedRow<T>::Pack(ConstRow<T> row) {
  CHECK_EQ(static_cast<int64_t>(row.size()), network_->layout().size());
  row_ = row;
  for (size_t i = 0; i < weights_.size(); ++i) {
    const DenseSlot& slot = network_->layers_[i].dense;
    if (!weights_[i].has_value()) continue;
    weights_[i]->Pack({row.data() + slot.weight_offset, slot.outputs, slot.inputs, slot.inputs});
  }
}

// Hands out matrices one behind the other; counts only, if there is no memory.
template <typename T>
class Workspace<T>::Allocator {
 public:
  explicit Allocator(T* memory) : memory_(memory) {}

  MatrixView<T> Take(int64_t rows, int64_t columns) {
    const int64_t stride = kernels::RoundUp(columns);
    MatrixView<T> view = {nullptr, 0, columns, stride};
    if (memory_ != nullptr) view.data = memory_ + used_;
    used_ += rows * stride;
    return view;
  }
  int64_t used() const { return used_; }

 private:
  T* memory_;
  int64_t used_ = 0;
};

template <typename T>
int64_t Workspace<T>::LayOut(T* memory) {
  Allocator allocator(memory);
  layers_.clear();
  entry_deltas_.clear();
  if (!network_->spec_.one_hot) gathered_ = allocator.Take(max_rows_, network_->inputs());
  for (const Network::Block& block : network_->blocks_) {
    const Network::Layer& entry = network_->layers_[block.begin];
    MatrixView<T> entry_delta;
    if (entry.kind != Kind::kDense) entry_delta = allocator.Take(max_rows_, entry.inputs);
    entry_deltas_.push_back(entry_delta);
    for (size_t i = block.begin; i < block.end; ++i) {
      const Network::Layer& layer = network_->layers_[i];
      Buffers& buffers = layers_.emplace_back();
      buffers.y = allocator.Take(max_rows_, layer.outputs);
      buffers.delta = allocator.Take(max_rows_, layer.outputs);
      if (kernels::SavesInputs(layer.activation)) {
        buffers.saved = allocator.Take(max_rows_, layer.width);
      }
      if (!layer.is_norm()) continue;
      buffers.normalized = allocator.Take(max_rows_, layer.width);
      if (layer.kind == Kind::kLayerNorm) {
        buffers.inverse_deviation = allocator.Take(1, max_rows_).data;
      } else {
        buffers.mean = allocator.Take(1, layer.width).data;
        buffers.variance = allocator.Take(1, layer.width).data;
      }
    }
  }
  return allocator.used();
}

template <typename T>
Workspace<T>::Workspace(const Network& network, int64_t max_rows)
    : network_(&network), max_rows_(max_rows), gradients_(network.blocks()) {
  CHECK_GT(max_rows, 0);
  memory_.resize(LayOut(nullptr));
  LayOut(memory_.data());
}

template <typename T>
int64_t Workspace<T>::Bytes(const Network& network, int64_t max_rows) {
  Workspace counted(network);
  counted.max_rows_ = max_rows;
  return counted.LayOut(nullptr) * static_cast<int64_t>(sizeof(T));
}

template <typename T>
void Workspace<T>::Resize(std::span<const RowRange> ranges, int64_t rows) {
  CHECK(ranges.empty() || std::ssize(ranges) == network_->blocks())
      << "rows are given for every block or for none";
  ranges_.assign(network_->blocks(), RowRange{0, rows});
  for (int b = 0; b < network_->blocks(); ++b) {
    const Network::Block& block = network_->blocks_[b];
    if (!ranges.empty()) ranges_[b] = ranges[b];
    const RowRange outer =
        block.input == Network::kInputs ? RowRange{0, rows} : ranges_[block.input];
    const RowRange range = ranges_[b];
    CHECK(outer.begin <= range.begin && range.begin <= range.end && range.end <= outer.end)
        << "block " << b << " cannot see rows " << range.begin << " .. " << range.end;
    entry_deltas_[b].rows = range.size();
    for (size_t i = block.begin; i < block.end; ++i) {
      Buffers& buffers = layers_[i];
      for (MatrixView<T>* view :
           {&buffers.y, &buffers.delta, &buffers.saved, &buffers.normalized}) {
        view->rows = range.size();
      }
    }
  }
  std::ranges::fill(gradients_, GradientState::kNone);
}

template <typename T>
template <typename U>
MatrixView<U> Workspace<T>::InputRows(int block, MatrixView<U> all) const {
  const int input = network_->blocks_[block].input;
  const int64_t first = input == Network::kInputs ? 0 : ranges_[input].begin;
  return SubRows(all, ranges_[block].begin - first, ranges_[block].size());
}

template <typename T>
bool Workspace<T>::BeginFlow(int block, std::initializer_list<MatrixView<T>> deltas) {
  GradientState& state = gradients_[network_->blocks_[block].input];
  if (std::exchange(state, GradientState::kWritten) == GradientState::kWritten) return true;
  if (ranges_[block].size() == deltas.begin()->rows) return false;
  for (const MatrixView<T>& all : deltas) FillZero(all);
  return true;
}

template <typename T>
ActiveView Workspace<T>::ActiveRows(int block) const {
  const RowRange& range = ranges_[block];
  return {active_.data() + range.begin * active_per_row_, range.size(), active_per_row_};
}

template <typename T>
MatrixView<const T> Workspace<T>::output(int block) const {
  return layers_[network_->blocks_[block].end - 1].y;
}

template <typename T>
MatrixView<T> Workspace<T>::gradient(int block) {
  gradients_[block] = GradientState::kWritten;
  return layers_[network_->blocks_[block].end - 1].delta;
}

#define PERENNIAL_INSTANTIATE(T)                                                                   \
  template void Network::Initialize<T>(const random::Stream&, Row<T>) const;                       \
  template void Network::Forward<T>(ConstRow<T>, const data::Batch&, Workspace<T>&,                \
                                    const ForwardOptions&) const;                                  \
  template void Network::Forward<T>(ConstRow<T>, MatrixView<const T>, Workspace<T>&,               \
                                    const ForwardOptions&) const;                                  \
  template void Network::Backward<T>(ConstRow<T>, Workspace<T>&, WeightGradientSink<T>&,           \
                                     MatrixView<T>) const;                                         \
  template void Network::UpdateRunningStatistics<T>(const Workspace<T>&, Row<T>, T) const;         \
  template void Network::Load<T>(const data::Batch&, Workspace<T>&, const ForwardOptions&) const;  \
  template MatrixView<const T> Network::BlockInput<T>(int, const Workspace<T>&) const;             \
  template void Network::ForwardLayers<T>(ConstRow<T>, Workspace<T>&, bool, const PackedRow<T>*)   \
      const;                                                                                       \
  template void Network::Forward<T>(const PackedRow<T>&, const data::Batch&, Workspace<T>&) const; \
  template class PackedRow<T>;                                                                     \
  template void Network::Product<T>(ConstRow<T>, const Layer&, MatrixView<const T>, ActiveView,    \
                                    MatrixView<T>) const;                                          \
  template class Workspace<T>;                                                                     \
  template MatrixView<T> Workspace<T>::InputRows(int, MatrixView<T>) const;                        \
  template MatrixView<const T> Workspace<T>::InputRows(int, MatrixView<const T>) const;
PERENNIAL_INSTANTIATE(float)
PERENNIAL_INSTANTIATE(double)
#undef PERENNIAL_INSTANTIATE

}  // namespace perennial::nn
