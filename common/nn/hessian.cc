#include "common/nn/hessian.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/kernels/activation.h"
#include "common/kernels/dropout.h"
#include "common/kernels/elementwise.h"
#include "common/kernels/gemm.h"
#include "common/kernels/matrix.h"

namespace perennial::nn {
namespace {

using kernels::CopyMatrix;
using kernels::FirstColumns;
using kernels::MatrixView;
using kernels::Transpose;
using Kind = LayerSpec::Kind;

template <typename T>
MatrixView<const T> Weights(ConstRow<T> row, const DenseSlot& slot) {
  return {row.data() + slot.weight_offset, slot.outputs, slot.inputs, slot.inputs};
}

}  // namespace

template <typename T>
absl::Status HessianPass<T>::Supports(const Network& network) {
  for (const Network::Block& block : network.blocks_) {
    for (size_t i = block.begin; i < block.end; ++i) {
      const Network::Layer& layer = network.layers_[i];
      if (layer.kind == Kind::kDense || (layer.kind == Kind::kDropout && i > block.begin)) continue;
      return absl::UnimplementedError(absl::StrCat(
          "layer ", static_cast<int64_t>(i - block.begin), " of block \"", block.name,
          "\": Hessian-vector products are made for dense layers and dropout between them"));
    }
  }
  return absl::OkStatus();
}

template <typename T>
HessianPass<T>::HessianPass(const Network& network, int64_t max_rows)
    : network_(network), max_rows_(max_rows), workspace_(network, max_rows) {
  const absl::Status supported = Supports(network);
  CHECK(supported.ok()) << supported.message();
  memory_.resize(LayOut(nullptr));
  LayOut(memory_.data());
}

template <typename T>
int64_t HessianPass<T>::LayOut(T* memory) {
  int64_t used = 0;
  const auto take = [&](int64_t columns) {
    const int64_t stride = kernels::RoundUp(columns);
    const MatrixView<T> view = {memory == nullptr ? nullptr : memory + used, 0, columns, stride};
    used += max_rows_ * stride;
    return view;
  };
  layers_.clear();
  for (const Network::Layer& layer : network_.layers_) {
    Tangents& tangents = layers_.emplace_back();
    tangents.z = take(layer.width);
    tangents.y = take(layer.outputs);
    tangents.delta = take(layer.outputs);
  }
  return used;
}

template <typename T>
MatrixView<const T> HessianPass<T>::output_tangent(int block) const {
  return layers_[network_.blocks_[block].end - 1].y;
}

template <typename T>
MatrixView<T> HessianPass<T>::gradient_tangent(int block) {
  return layers_[network_.blocks_[block].end - 1].delta;
}

template <typename T>
MatrixView<const T> HessianPass<T>::BlockInputTangent(int block) const {
  const int input = network_.blocks_[block].input;
  if (input == Network::kInputs) return {};
  return workspace_.InputRows(block, output_tangent(input));
}

template <typename T>
void HessianPass<T>::Forward(ConstRow<T> row, ConstRow<T> vector, const data::Batch& batch,
                             const ForwardOptions& options) {
  CHECK_EQ(std::ssize(vector), network_.layout().size());
  row_ = row;
  vector_ = vector;
  network_.Forward<T>(row, batch, workspace_, options);
  const bool train = options.mode == Mode::kTrain;
  for (int b = 0; b < network_.blocks(); ++b) {
    MatrixView<const T> x = network_.BlockInput<T>(b, workspace_);
    MatrixView<const T> tangent = BlockInputTangent(b);
    for (size_t i = network_.blocks_[b].begin; i < network_.blocks_[b].end; ++i) {
      const Network::Layer& layer = network_.layers_[i];
      Tangents& tangents = layers_[i];
      const int64_t rows = workspace_.ranges_[b].size();
      tangents.z.rows = tangents.y.rows = tangents.delta.rows = rows;
      if (layer.kind == Kind::kDropout) {
        if (train && layer.rate > 0) {
          kernels::Dropout<T>(options.dropout->Split(i), layer.rate, tangent, tangents.y);
        } else {
          CopyMatrix<T>(tangent, tangents.y);
        }
      } else {
        // R{x W^T + b} = x V^T + v + R{x} W^T.
        network_.Product<T>(vector, layer, x, workspace_.ActiveRows(b), tangents.z);
        if (tangent.data != nullptr) {
          kernels::Gemm<T>(Transpose::kNo, Transpose::kYes, 1, tangent, Weights(row, layer.dense),
                           1, tangents.z);
        }
        if (layer.dense.bias_offset >= 0) {
          kernels::BiasActivation<T>(Activation::kIdentity, vector.data() + layer.dense.bias_offset,
                                     tangents.z, {});
        }
        ActivationTangent(i);
      }
      x = workspace_.layers_[i].y;
      tangent = tangents.y;
    }
  }
}

// R{y} = f'(z) R{z}.
template <typename T>
void HessianPass<T>::ActivationTangent(size_t index) {
  const Network::Layer& layer = network_.layers_[index];
  const typename Workspace<T>::Buffers& buffers = workspace_.layers_[index];
  const Tangents& tangents = layers_[index];
  const Activation f = layer.activation;
  for (int64_t r = 0; r < tangents.z.rows; ++r) {
    const T* y = buffers.y.row(r);
    const T* saved = kernels::SavesInputs(f) ? buffers.saved.row(r) : y;
    const T* z = tangents.z.row(r);
    T* out = tangents.y.row(r);
    for (int64_t c = 0; c < layer.width; ++c) {
      out[c] = kernels::ActivationSlope<T>(f, y[c], saved[c]) * z[c];
      if (f != Activation::kCrelu) continue;
      const int64_t other = layer.width + c;
      out[other] = -kernels::ActivationSlope<T>(f, y[other], y[other]) * z[c];
    }
  }
}

// delta = dLoss/dz = f'(z) dLoss/dy, and R{dLoss/dz} = f'(z) R{dLoss/dy} + f''(z) R{z} dLoss/dy.
template <typename T>
void HessianPass<T>::ActivationBackward(size_t index) {
  const Network::Layer& layer = network_.layers_[index];
  const typename Workspace<T>::Buffers& buffers = workspace_.layers_[index];
  const Tangents& tangents = layers_[index];
  const Activation f = layer.activation;
  if (f == Activation::kIdentity) return;
  for (int64_t r = 0; r < tangents.z.rows; ++r) {
    const T* y = buffers.y.row(r);
    const T* saved = kernels::SavesInputs(f) ? buffers.saved.row(r) : y;
    const T* z = tangents.z.row(r);
    T* delta = buffers.delta.row(r);
    T* tangent = tangents.delta.row(r);
    for (int64_t c = 0; c < layer.width; ++c) {
      const T slope = kernels::ActivationSlope<T>(f, y[c], saved[c]);
      const T curvature = kernels::ActivationCurvature<T>(f, y[c], saved[c]);
      tangent[c] = slope * tangent[c] + curvature * z[c] * delta[c];
      delta[c] *= slope;
      if (f != Activation::kCrelu) continue;
      const int64_t other = layer.width + c;
      const T other_slope = kernels::ActivationSlope<T>(f, y[other], y[other]);
      tangent[c] -= other_slope * tangent[other];
      delta[c] -= other_slope * delta[other];
    }
  }
}

template <typename T>
void HessianPass<T>::Backward(Row<T> product) {
  CHECK_GE(std::ssize(product), network_.layout().trainable());
  for (int b = network_.blocks(); b-- > 0;) BackwardBlock(b, product);
  std::ranges::fill(workspace_.gradients_, Workspace<T>::GradientState::kNone);
}

template <typename T>
void HessianPass<T>::BackwardBlock(int index, Row<T> product) {
  const Network::Block& block = network_.blocks_[index];
  using State = typename Workspace<T>::GradientState;
  const bool reached = workspace_.gradients_[index] != State::kNone;
  const int input = block.input;

  // As in Network::BackwardBlock, for the gradient and its tangent.
  MatrixView<T> below, below_tangent;
  bool add = false;
  if (reached && input != Network::kInputs) {
    const size_t source = network_.blocks_[input].end - 1;
    const MatrixView<T> all = workspace_.layers_[source].delta;
    const MatrixView<T> all_tangent = layers_[source].delta;
    below = workspace_.InputRows(index, all);
    below_tangent = workspace_.InputRows(index, all_tangent);
    add = workspace_.BeginFlow(index, {all, all_tangent});
  }

  for (size_t i = block.end; i-- > block.begin;) {
    const Network::Layer& layer = network_.layers_[i];
    const bool first = i == block.begin;
    if (reached) ActivationBackward(i);
    MatrixView<T> delta = FirstColumns(workspace_.layers_[i].delta, layer.width);
    MatrixView<T> tangent = FirstColumns(layers_[i].delta, layer.width);
    if (!reached) delta.rows = tangent.rows = 0;
    const MatrixView<T> lower = first ? below : workspace_.layers_[i - 1].delta;
    const MatrixView<T> lower_tangent = first ? below_tangent : layers_[i - 1].delta;
    if (layer.kind == Kind::kDropout) {
      if (!reached) continue;
      if (workspace_.mode_ == Mode::kTrain && layer.rate > 0) {
        const random::Stream mask = workspace_.dropout_->Split(i);
        kernels::Dropout<T>(mask, layer.rate, delta, lower);
        kernels::Dropout<T>(mask, layer.rate, tangent, lower_tangent);
      } else {
        CopyMatrix<T>(delta, lower);
        CopyMatrix<T>(tangent, lower_tangent);
      }
      continue;
    }

    // R{d^T x} = R{d}^T x + d^T R{x}.
    const DenseSlot& slot = layer.dense;
    GradientSink<T> sink(product, GradientSink<T>::Mode::kOverwrite);
    if (slot.reads_inputs && network_.spec().one_hot) {
      ActiveView active = workspace_.ActiveRows(index);
      active.rows = tangent.rows;
      sink.OneHot(slot, active, tangent);
    } else {
      MatrixView<const T> x =
          first ? network_.BlockInput<T>(index, workspace_) : workspace_.layers_[i - 1].y;
      x.rows = tangent.rows;
      sink.Dense(slot, x, tangent);
    }
    MatrixView<const T> x_tangent = first ? BlockInputTangent(index) : layers_[i - 1].y;
    x_tangent.rows = delta.rows;
    if (x_tangent.data != nullptr) {
      kernels::Gemm<T>(
          Transpose::kYes, Transpose::kNo, 1, delta, x_tangent, 1,
          {product.data() + slot.weight_offset, slot.outputs, slot.inputs, slot.inputs});
    }

    // R{d W} = R{d} W + d V.
    if (!reached || (first && below.data == nullptr)) continue;
    const T beta = first && add ? 1 : 0;
    kernels::Gemm<T>(Transpose::kNo, Transpose::kNo, 1, delta, Weights(row_, slot), beta, lower);
    kernels::Gemm<T>(Transpose::kNo, Transpose::kNo, 1, tangent, Weights(row_, slot), beta,
                     lower_tangent);
    kernels::Gemm<T>(Transpose::kNo, Transpose::kNo, 1, delta, Weights(vector_, slot), 1,
                     lower_tangent);
  }
}

template class HessianPass<float>;
template class HessianPass<double>;

}  // namespace perennial::nn
