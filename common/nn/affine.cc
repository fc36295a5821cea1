#include "common/nn/affine.h"

#include <algorithm>

#include "common/base/logging.h"
#include "common/kernels/elementwise.h"
#include "common/kernels/gemm.h"

namespace perennial::nn {
namespace {

using kernels::MatrixView;
using kernels::Transpose;

template <typename T>
MatrixView<T> AsMatrix(std::span<T> values) {
  const int64_t size = std::ssize(values);
  return {values.data(), 1, size, size};
}

// out = sum over m of coefficients[m] * rows[m][offset ...].
template <typename T>
void CombineSpan(std::span<const T> coefficients, std::span<const ConstRow<T>> rows, int64_t offset,
                 int64_t size, std::span<T> out) {
  std::vector<MatrixView<const T>> parts;
  parts.reserve(rows.size());
  for (const ConstRow<T>& row : rows) parts.push_back(AsMatrix(row.subspan(offset, size)));
  kernels::Combine<T>(coefficients, parts, AsMatrix(out));
}

// out (+)= scale * x, row by row.
template <typename T>
void AddScaled(T scale, MatrixView<const T> x, bool accumulate, MatrixView<T> out) {
  for (int64_t r = 0; r < x.rows; ++r) {
    const std::span<T> to(out.row(r), x.columns);
    if (!accumulate) std::ranges::fill(to, T(0));
    kernels::Axpy<T>(scale, {x.row(r), static_cast<size_t>(x.columns)}, to);
  }
}

}  // namespace

// Gradients at a point, on their way to the basis.
template <typename T>
class AffinePass<T>::Sink final : public WeightGradientSink<T> {
 public:
  Sink(AffinePass& pass, std::span<const T> point)
      : pass_(pass),
        point_(point),
        accumulate_(!pass.first_backward_ || pass.mode_ == GradientSink<T>::Mode::kAccumulate) {}

  void Dense(const DenseSlot& slot, MatrixView<const T> x, MatrixView<const T> d) override {
    if (slot.reads_inputs) {
      Input(slot, d);
    } else {
      Forward([&](WeightGradientSink<T>& sink) { sink.Dense(slot, x, d); });
      Spread(slot.weight_offset, slot.outputs * slot.inputs);
      if (slot.bias_offset >= 0) Spread(slot.bias_offset, slot.outputs);
    }
  }

  void OneHot(const DenseSlot& slot, ActiveView, MatrixView<const T> d) override { Input(slot, d); }

  void Norm(const NormSlot& slot, MatrixView<const T> n, MatrixView<const T> d) override {
    Forward([&](WeightGradientSink<T>& sink) { sink.Norm(slot, n, d); });
    Spread(slot.scale_offset, slot.features);
    Spread(slot.shift_offset, slot.features);
  }

 private:
  using Mode = typename GradientSink<T>::Mode;

  bool single() const { return pass_.targets_.size() == 1; }

  // The gradient of a later layer: straight into the only row that needs it, or to scratch memory.
  template <typename Call>
  void Forward(Call call) {
    const Target& target = pass_.targets_[0];
    GradientSink<T> sink =
        single()
            ? GradientSink<T>(target.gradient, accumulate_ ? Mode::kAccumulate : Mode::kOverwrite,
                              point_[target.basis])
            : GradientSink<T>(pass_.point_gradient_.row(0), Mode::kOverwrite);
    call(sink);
  }

  void Spread(int64_t offset, int64_t size) {
    if (single()) return;
    const MatrixView<const T> gradient =
        AsMatrix(ConstRow<T>(pass_.point_gradient_.row(0).subspan(offset, size)));
    for (const Target& target : pass_.targets_) {
      AddScaled<T>(point_[target.basis], gradient, accumulate_,
                   AsMatrix(target.gradient.subspan(offset, size)));
    }
  }

  void Input(const DenseSlot& slot, MatrixView<const T> d) {
    for (InputLayer& input : pass_.input_layers_) {
      if (pass_.network_.layers_[input.layer].dense.weight_offset != slot.weight_offset) continue;
      for (const Target& target : pass_.targets_) {
        AddScaled<T>(point_[target.basis], d, true, input.deltas[target.basis]);
      }
    }
  }

  AffinePass& pass_;
  std::span<const T> point_;
  bool accumulate_;
};

template <typename T>
AffinePass<T>::AffinePass(const Network& network, int64_t max_rows, int64_t max_basis)
    : network_(network),
      max_rows_(max_rows),
      max_basis_(max_basis),
      workspace_(network, max_rows),
      point_(1, network.layout().size()),
      point_gradient_(1, max_basis > 1 ? network.layout().trainable() : 0) {
  CHECK_GT(max_basis, 0);
  for (int b = 0; b < network.blocks(); ++b) {
    const Network::Block& block = network.blocks_[b];
    const Network::Layer& layer = network.layers_[block.begin];
    if (block.input == Network::kInputs && layer.kind == LayerSpec::Kind::kDense) {
      input_layers_.push_back({.layer = block.begin, .block = b});
    }
  }
  memory_.resize(LayOut(network, nullptr));
  LayOut(network, memory_.data());

  for (const ParameterSlice& slice : network.layout().slices()) {
    const bool input_weights = std::ranges::any_of(input_layers_, [&](const InputLayer& input) {
      return network.layers_[input.layer].dense.weight_offset == slice.offset;
    });
    if (input_weights) continue;
    // Neighbours are combined at once, with the gap between them.
    if (!later_.empty() &&
        kernels::RoundUp(later_.back().offset + later_.back().size) == slice.offset) {
      later_.back().size = slice.offset + slice.size - later_.back().offset;
    } else {
      later_.push_back({slice.offset, slice.size});
    }
  }
}

template <typename T>
int64_t AffinePass<T>::LayOut(const Network& network, T* memory) {
  int64_t used = 0;
  for (InputLayer& input : input_layers_) {
    const int64_t width = network.layers_[input.layer].width;
    const int64_t stride = kernels::RoundUp(width);
    input.products.clear();
    input.deltas.clear();
    for (std::vector<MatrixView<T>>* views : {&input.products, &input.deltas}) {
      for (int64_t m = 0; m < max_basis_; ++m) {
        views->push_back({memory == nullptr ? nullptr : memory + used, 0, width, stride});
        used += max_rows_ * stride;
      }
    }
  }
  return used;
}

template <typename T>
int64_t AffinePass<T>::Bytes(const Network& network, int64_t max_rows, int64_t max_basis) {
  int64_t elements = network.layout().size() + (max_basis > 1 ? network.layout().trainable() : 0);
  for (const Network::Layer& layer : network.layers_) {
    if (layer.dense.reads_inputs) {
      elements += 2 * max_basis * max_rows * kernels::RoundUp(layer.width);
    }
  }
  return elements * static_cast<int64_t>(sizeof(T)) + Workspace<T>::Bytes(network, max_rows);
}

template <typename T>
double AffinePass<T>::TrainingFlops(const Network& network, int64_t rows, int64_t basis,
                                    int64_t targets, int64_t points) {
  int64_t first = 0;  // Multiply-adds of an example in layers that read the inputs.
  for (const Network::Layer& layer : network.layers_) {
    if (layer.dense.reads_inputs) first += network.multiply_adds(layer);
  }
  const double later = static_cast<double>(network.multiply_adds() - first);
  return 2.0 * static_cast<double>(rows) *
         (static_cast<double>((basis + targets) * first) +
          3.0 * static_cast<double>(points) * later);
}

template <typename T>
void AffinePass<T>::Begin(std::span<const ConstRow<T>> basis, const data::Batch& batch,
                          const ForwardOptions& options) {
  CHECK(!basis.empty() && std::ssize(basis) <= max_basis_);
  for (const ConstRow<T>& row : basis) CHECK_EQ(std::ssize(row), network_.layout().size());
  basis_.assign(basis.begin(), basis.end());
  targets_.clear();
  network_.Load<T>(batch, workspace_, options);
  for (InputLayer& input : input_layers_) {
    const RowRange range = workspace_.ranges_[input.block];
    const MatrixView<const T> x = network_.BlockInput<T>(input.block, workspace_);
    for (size_t m = 0; m < basis.size(); ++m) {
      input.products[m].rows = range.size();
      input.deltas[m].rows = range.size();
      network_.Product<T>(basis[m], network_.layers_[input.layer], x,
                          workspace_.ActiveRows(input.block), input.products[m]);
    }
  }
}

template <typename T>
void AffinePass<T>::Forward(std::span<const T> point) {
  CHECK_EQ(point.size(), basis_.size());
  for (const Span& span : later_) {
    CombineSpan<T>(point, basis_, span.offset, span.size,
                   point_.row(0).subspan(span.offset, span.size));
  }
  for (const InputLayer& input : input_layers_) {
    const std::vector<MatrixView<const T>> products(input.products.begin(),
                                                    input.products.begin() + std::ssize(basis_));
    MatrixView<T> y = workspace_.layers_[input.layer].y;
    y.columns = network_.layers_[input.layer].width;
    kernels::Combine<T>(point, products, y);
  }
  std::ranges::fill(workspace_.gradients_, Workspace<T>::GradientState::kNone);
  network_.ForwardLayers<T>(point_.row(0), workspace_, /*inputs_are_products=*/true);
}

template <typename T>
void AffinePass<T>::BeginGradients(std::span<const Row<T>> gradients,
                                   typename GradientSink<T>::Mode mode) {
  CHECK_EQ(gradients.size(), basis_.size());
  mode_ = mode;
  first_backward_ = true;
  targets_.clear();
  for (size_t m = 0; m < gradients.size(); ++m) {
    if (gradients[m].empty()) continue;
    targets_.push_back({m, gradients[m]});
    for (InputLayer& input : input_layers_) {
      const MatrixView<T>& deltas = input.deltas[m];
      std::fill_n(deltas.data, deltas.rows * deltas.stride, T(0));
    }
  }
  CHECK(!targets_.empty()) << "no row of the basis asks for a gradient";
}

template <typename T>
void AffinePass<T>::Backward(std::span<const T> point) {
  CHECK_EQ(point.size(), basis_.size());
  CHECK(!targets_.empty()) << "Backward before BeginGradients";
  Sink sink(*this, point);
  network_.Backward<T>(point_.row(0), workspace_, sink);
  first_backward_ = false;
}

template <typename T>
void AffinePass<T>::EndGradients() {
  CHECK(!first_backward_) << "EndGradients without Backward";
  for (const InputLayer& input : input_layers_) {
    const DenseSlot& slot = network_.layers_[input.layer].dense;
    const MatrixView<const T> x = network_.BlockInput<T>(input.block, workspace_);
    for (const Target& target : targets_) {
      GradientSink<T> sink(target.gradient, mode_);
      if (network_.spec().one_hot) {
        sink.OneHot(slot, workspace_.ActiveRows(input.block), input.deltas[target.basis]);
      } else {
        sink.Dense(slot, x, input.deltas[target.basis]);
      }
    }
  }
  targets_.clear();
}

template class AffinePass<float>;
template class AffinePass<double>;

}  // namespace perennial::nn
