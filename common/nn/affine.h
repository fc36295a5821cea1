// Networks at points of a line, a plane or a simplex of parameters, at less than the price of as
// many networks.
//
// The points are sums of the rows of a basis, w_p = sum over m of c[p, m] basis[m]. All of them
// read the same inputs, and what the first layer does to them is linear in the parameters: X W_p^T
// = sum over m of c[p, m] (X W_m^T). So the first layer takes one product for each row of the basis
// instead of one for each point, and its weight gradients one each too: dLoss/dW_m = (sum over p of
// c[p, m] d_p)^T X. Later layers run at the point itself.
//
// Gradients are those with respect to the basis, by the chain rule: the gradient at a point counts
// c[p, m] times for basis row m.
//
//   nn::AffinePass<float> pass(network, /*max_rows=*/64, /*max_basis=*/2);
//   const nn::ConstRow<float> basis[] = {anchor, row};
//   const nn::Row<float> gradients[] = {{}, gradient};          // of the second row alone
//   pass.Begin(basis, batch, {.mode = nn::Mode::kTrain});
//   pass.BeginGradients(gradients, nn::GradientSink<float>::Mode::kOverwrite);
//   for (const float alpha : {0.25f, 0.5f, 0.75f, 1.0f}) {
//     const float point[] = {1 - alpha, alpha};
//     pass.Forward(point);
//     loss += nn::SoftmaxCrossEntropy<float>(pass.workspace().output(), labels, weights,
//                                            pass.workspace().output_gradient());
//     pass.Backward(point);
//   }
//   pass.EndGradients();
#ifndef PERENNIAL_COMMON_NN_AFFINE_H_
#define PERENNIAL_COMMON_NN_AFFINE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "common/data/batch.h"
#include "common/kernels/aligned.h"
#include "common/nn/network.h"
#include "common/nn/rows.h"
#include "common/nn/sink.h"

namespace perennial::nn {

template <typename T>
class AffinePass {
 public:
  // For batches of up to `max_rows` and bases of up to `max_basis` rows. `network` must outlive it.
  AffinePass(const Network& network, int64_t max_rows, int64_t max_basis);
  AffinePass(const AffinePass&) = delete;
  AffinePass& operator=(const AffinePass&) = delete;

  // Memory that one takes.
  static int64_t Bytes(const Network& network, int64_t max_rows, int64_t max_basis);

  // Floating-point operations of the matrix products of a batch of `rows`: forward and backward at
  // `points` points, with gradients for `targets` rows of the basis.
  static double TrainingFlops(const Network& network, int64_t rows, int64_t basis, int64_t targets,
                              int64_t points);

  // Gathers the batch and multiplies it with each row of the basis. The rows must stay as they are
  // until the last Backward. A dropout mask is the same at all points.
  void Begin(std::span<const ConstRow<T>> basis, const data::Batch& batch,
             const ForwardOptions& options = {});

  // The network at sum over m of point[m] basis[m]; running statistics of batch norms are combined
  // likewise. Then workspace() holds outputs and takes gradients, as after Network::Forward.
  void Forward(std::span<const T> point);
  Workspace<T>& workspace() { return workspace_; }
  const Workspace<T>& workspace() const { return workspace_; }

  // Where gradients go: one for each row of the basis, empty for those that need none. They are
  // overwritten, or added to, and complete after EndGradients.
  void BeginGradients(std::span<const Row<T>> gradients, typename GradientSink<T>::Mode mode);
  // After Forward at the same point, with the loss's gradients written.
  void Backward(std::span<const T> point);
  void EndGradients();

 private:
  class Sink;

  // A layer that reads the inputs.
  struct InputLayer {
    size_t layer = 0;
    int block = 0;
    std::vector<kernels::MatrixView<T>> products;  // One a row of the basis, [B, width].
    std::vector<kernels::MatrixView<T>> deltas;    // sum over p of c[p, m] d_p
  };
  // Part of a row, without weights of input layers.
  struct Span {
    int64_t offset = 0;
    int64_t size = 0;
  };
  struct Target {
    size_t basis = 0;
    Row<T> gradient;
  };

  int64_t LayOut(const Network& network, T* memory);

  const Network& network_;
  int64_t max_rows_;
  int64_t max_basis_;
  Workspace<T> workspace_;
  kernels::AlignedVector<T> memory_;
  std::vector<InputLayer> input_layers_;
  std::vector<Span> later_;
  Rows<T> point_;           // Later layers at the point.
  Rows<T> point_gradient_;  // Of one layer at a time, where several rows need gradients.
  std::vector<ConstRow<T>> basis_;
  std::vector<Target> targets_;
  typename GradientSink<T>::Mode mode_ = GradientSink<T>::Mode::kOverwrite;
  bool first_backward_ = true;
};

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_AFFINE_H_
