#include "common/optim/update_sink.h"

#include <algorithm>

#include "common/kernels/elementwise.h"
#include "common/kernels/norm.h"

namespace perennial::optim {

using kernels::MatrixView;

template <typename T>
int64_t UpdateSink<T>::ScratchSize(const nn::Network& network, const OptimizerConfig& config) {
  if (config.clip_norm > 0) return network.layout().trainable();
  int64_t largest = 0;
  for (const nn::ParameterSlice& slice : network.layout().slices()) {
    const bool product = slice.role == nn::ParameterRole::kWeight && !network.spec().one_hot;
    if (!product && slice.role != nn::ParameterRole::kBuffer)
      largest = std::max(largest, slice.size);
  }
  return largest;
}

template <typename T>
void UpdateSink<T>::BeginStep() {
  if (!clips()) optimizer_.BeginStep();
}

template <typename T>
void UpdateSink<T>::EndStep() {
  if (!clips()) return;
  const int64_t trained = optimizer_.state().size();
  optimizer_.Step(Scratch(trained), row_.first(trained));
}

template <typename T>
nn::GradientSink<T> UpdateSink<T>::Collect() {
  return {Scratch(optimizer_.state().size()), nn::GradientSink<T>::Mode::kOverwrite};
}

template <typename T>
nn::Row<T> UpdateSink<T>::Scratch(int64_t size) {
  if (std::ssize(scratch_) < size) scratch_.resize(size);
  return nn::Row<T>(scratch_).first(size);
}

template <typename T>
void UpdateSink<T>::UpdateBias(int64_t offset, MatrixView<const T> d) {
  if (offset < 0) return;
  const nn::Row<T> gradient = Scratch(d.columns);
  kernels::ColumnSums<T>(d, 1, false, gradient.data());
  optimizer_.Update(offset, gradient, row_.subspan(offset, d.columns));
}

template <typename T>
void UpdateSink<T>::Dense(const nn::DenseSlot& slot, MatrixView<const T> x, MatrixView<const T> d) {
  if (clips()) return Collect().Dense(slot, x, d);
  optimizer_.UpdateProduct(slot.weight_offset, d, x,
                           row_.subspan(slot.weight_offset, slot.outputs * slot.inputs));
  UpdateBias(slot.bias_offset, d);
}

template <typename T>
void UpdateSink<T>::OneHot(const nn::DenseSlot& slot, nn::ActiveView x, MatrixView<const T> d) {
  if (clips()) return Collect().OneHot(slot, x, d);
  const int64_t size = slot.outputs * slot.inputs;
  const nn::Row<T> gradient = Scratch(size);
  std::ranges::fill(gradient, T(0));
  nn::AddRowsAtActive<T>(x, d, 1, {gradient.data(), slot.inputs, slot.outputs, slot.outputs});
  optimizer_.Update(slot.weight_offset, gradient, row_.subspan(slot.weight_offset, size));
  UpdateBias(slot.bias_offset, d);
}

template <typename T>
void UpdateSink<T>::Norm(const nn::NormSlot& slot, MatrixView<const T> n, MatrixView<const T> d) {
  if (clips()) return Collect().Norm(slot, n, d);
  const nn::Row<T> gradient = Scratch(slot.features);
  kernels::ColumnProductSums<T>(n, d, 1, false, gradient.data());
  optimizer_.Update(slot.scale_offset, gradient, row_.subspan(slot.scale_offset, slot.features));
  UpdateBias(slot.shift_offset, d);
}

template class UpdateSink<float>;
template class UpdateSink<double>;

}  // namespace perennial::optim
