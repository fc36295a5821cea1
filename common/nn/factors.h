// Per-sample gradients as factors: for each dense layer the pair (inputs x, deltas d), of which the
// gradient of example r at the weights is the outer product d[r]^T x[r].
//
// A network of D parameters and sum of widths W needs W numbers an example instead of D (1,818
// instead of 269,322 for 784-256-256-10), and inner products of gradients cost sum of widths too:
// <g_r, g_s> = sum over layers of <d_r, d_s> (<x_r, x_s> + 1). So the empirical neural tangent
// kernel, angles between gradients and projections on stored gradients need no gradient at all.
//
//   nn::GradientFactors<float> factors;
//   nn::FactorSink<float> sink(factors);
//   network.Backward<float>(row, workspace, sink);
//   nn::GradientGram<float>(factors, factors, gram);       // [B, B]
#ifndef PERENNIAL_COMMON_NN_FACTORS_H_
#define PERENNIAL_COMMON_NN_FACTORS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "common/kernels/aligned.h"
#include "common/nn/rows.h"
#include "common/nn/sink.h"

namespace perennial::nn {

// Of one batch; layers in the order of the backward pass, without those that no gradient reached.
// Owns its memory.
template <typename T>
struct GradientFactors {
  // A dense layer that all examples of the batch pass.
  struct Layer {
    DenseSlot slot;
    kernels::AlignedVector<T> x;  // [rows, RoundUp(inputs)]
    kernels::AlignedVector<T> d;  // [rows, RoundUp(outputs)]
  };
  int64_t rows = 0;
  std::vector<Layer> layers;
};

// Copies the factors of a backward pass; a new sink for each pass. For networks of dense layers
// whose blocks see all rows or get no gradient, with inputs that are not one-hot (CHECK).
template <typename T>
class FactorSink final : public WeightGradientSink<T> {
 public:
  // `factors` must outlive it.
  explicit FactorSink(GradientFactors<T>& factors) : factors_(factors) { factors = {}; }

  void Dense(const DenseSlot& slot, kernels::MatrixView<const T> x,
             kernels::MatrixView<const T> d) override;
  void OneHot(const DenseSlot& slot, ActiveView x, kernels::MatrixView<const T> d) override;
  void Norm(const NormSlot& slot, kernels::MatrixView<const T> n,
            kernels::MatrixView<const T> d) override;

 private:
  GradientFactors<T>& factors_;
};

// gram[r, s] = <gradient of a's example r, gradient of b's example s>; [a.rows, b.rows]. Both from
// the same network; where only one of them has a layer, the other's gradient is zero.
template <typename T>
void GradientGram(const GradientFactors<T>& a, const GradientFactors<T>& b,
                  kernels::MatrixView<T> gram);

// dots[r] = <gradient of example r, direction>, for a direction laid out as a row.
template <typename T>
void GradientDots(const GradientFactors<T>& factors, ConstRow<T> direction, std::span<T> dots);

// gradient += sum over r of coefficients[r] * gradient of example r.
template <typename T>
void AddGradients(const GradientFactors<T>& factors, std::span<const T> coefficients,
                  Row<T> gradient);

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_FACTORS_H_
