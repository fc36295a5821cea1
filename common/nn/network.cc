#include "common/nn/network.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/kernels/elementwise.h"
#include "common/kernels/gemm.h"

namespace perennial::nn {
namespace {

constexpr int64_t kMaxExtent = int64_t{1} << 24;

template <typename T>
kernels::MatrixView<const T> Weights(ConstRow<T> row, const DenseSlot& slot) {
  return {row.data() + slot.weight_offset, slot.outputs, slot.inputs, slot.inputs};
}

}  // namespace

NetworkSpec MultilayerPerceptron(int64_t inputs, const std::vector<int64_t>& hidden,
                                 int64_t outputs) {
  NetworkSpec spec;
  spec.inputs = inputs;
  for (const int64_t width : hidden) spec.layers.push_back({width, Activation::kRelu});
  spec.layers.push_back({outputs, Activation::kIdentity});
  return spec;
}

absl::StatusOr<Network> Network::Create(const NetworkSpec& spec) {
  if (spec.layers.empty()) return absl::InvalidArgumentError("a network needs a layer");
  Network network;
  network.spec_ = spec;
  int64_t inputs = spec.inputs;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const int64_t outputs = spec.layers[i].outputs;
    if (inputs < 1 || inputs > kMaxExtent || outputs < 1 || outputs > kMaxExtent) {
      return absl::InvalidArgumentError(absl::StrCat("layer ", i, " of the network maps ", inputs,
                                                     " numbers to ", outputs,
                                                     "; both must lie in 1 .. ", kMaxExtent));
    }
    DenseSlot slot;
    slot.inputs = inputs;
    slot.outputs = outputs;
    slot.weight_offset = network.layout_.Add(absl::StrCat(i, ".weight"), {outputs, inputs},
                                             ParameterRole::kWeight, inputs);
    slot.bias_offset =
        network.layout_.Add(absl::StrCat(i, ".bias"), {outputs}, ParameterRole::kBias, inputs);
    network.slots_.push_back(slot);
    inputs = outputs;
  }
  return network;
}

int64_t Network::multiply_adds() const {
  int64_t total = 0;
  for (const DenseSlot& slot : slots_) total += slot.inputs * slot.outputs;
  return total;
}

int64_t Network::training_flops(int64_t rows) const {
  return 2 * rows * (3 * multiply_adds() - slots_[0].inputs * slots_[0].outputs);
}

template <typename T>
void Network::Initialize(const random::Stream& stream, Row<T> row) const {
  CHECK_EQ(static_cast<int64_t>(row.size()), layout_.size());
  std::fill(row.begin(), row.end(), T(0));
  for (const ParameterSlice& slice : layout_.slices()) {
    random::Stream draws = stream.Split(slice.name);
    const double bound = 1 / std::sqrt(static_cast<double>(slice.fan_in));
    for (T& value : row.subspan(slice.offset, slice.size)) {
      value = static_cast<T>(draws.Uniform(-bound, bound));
    }
  }
}

template <typename T>
void Network::Forward(ConstRow<T> row, const data::Batch& batch, Workspace<T>& workspace) const {
  CHECK_EQ(static_cast<int64_t>(row.size()), layout_.size());
  CHECK_LE(batch.size(), workspace.max_rows());
  workspace.Resize(batch.size());
  kernels::MatrixView<T> rest = workspace.activations_[0];
  for (const data::BatchPart& part : batch.parts()) {
    CHECK_EQ(part.images->features(), spec_.inputs);
    kernels::GatherPixels<T>(part.images->pixels.data(), spec_.inputs, part.indices,
                             static_cast<T>(part.images->scale), static_cast<T>(part.images->shift),
                             rest);
    rest.data += static_cast<int64_t>(part.indices.size()) * rest.stride;
    rest.rows -= static_cast<int64_t>(part.indices.size());
  }
  for (size_t i = 0; i < slots_.size(); ++i) {
    const kernels::MatrixView<T> y = workspace.activations_[i + 1];
    kernels::Gemm<T>(kernels::Transpose::kNo, kernels::Transpose::kYes, 1,
                     workspace.activations_[i], Weights(row, slots_[i]), 0, y);
    const T* bias = row.data() + slots_[i].bias_offset;
    switch (spec_.layers[i].activation) {
      case Activation::kIdentity:
        kernels::AddBias<T>(bias, y);
        break;
      case Activation::kRelu:
        kernels::AddBiasRelu<T>(bias, y);
        break;
    }
  }
}

template <typename T>
void Network::Backward(ConstRow<T> row, Workspace<T>& workspace,
                       WeightGradientSink<T>& sink) const {
  for (size_t i = slots_.size(); i-- > 0;) {
    const kernels::MatrixView<T> delta = workspace.deltas_[i];
    if (spec_.layers[i].activation == Activation::kRelu) {
      kernels::ReluBackward<T>(workspace.activations_[i + 1], delta);
    }
    sink.Dense(slots_[i], workspace.activations_[i], delta);
    if (i > 0) {
      kernels::Gemm<T>(kernels::Transpose::kNo, kernels::Transpose::kNo, 1, delta,
                       Weights(row, slots_[i]), 0, workspace.deltas_[i - 1]);
    }
  }
}

template <typename T>
Workspace<T>::Workspace(const Network& network, int64_t max_rows) : max_rows_(max_rows) {
  CHECK_GT(max_rows, 0);
  int64_t total = kernels::RoundUp(network.inputs());
  for (const DenseSlot& slot : network.slots_) total += 2 * kernels::RoundUp(slot.outputs);
  memory_.resize(total * max_rows);
  T* next = memory_.data();
  const auto take = [&](int64_t columns) {
    const int64_t stride = kernels::RoundUp(columns);
    const kernels::MatrixView<T> view = {next, 0, columns, stride};
    next += stride * max_rows;
    return view;
  };
  activations_.push_back(take(network.inputs()));
  for (const DenseSlot& slot : network.slots_) {
    activations_.push_back(take(slot.outputs));
    deltas_.push_back(take(slot.outputs));
  }
}

template <typename T>
void Workspace<T>::Resize(int64_t rows) {
  for (kernels::MatrixView<T>& view : activations_) view.rows = rows;
  for (kernels::MatrixView<T>& view : deltas_) view.rows = rows;
}

#define PERENNIAL_INSTANTIATE(T)                                                                \
  template void Network::Initialize<T>(const random::Stream&, Row<T>) const;                    \
  template void Network::Forward<T>(ConstRow<T>, const data::Batch&, Workspace<T>&) const;      \
  template void Network::Backward<T>(ConstRow<T>, Workspace<T>&, WeightGradientSink<T>&) const; \
  template class Workspace<T>;
PERENNIAL_INSTANTIATE(float)
PERENNIAL_INSTANTIATE(double)
#undef PERENNIAL_INSTANTIATE

}  // namespace perennial::nn
