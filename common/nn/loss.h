// Losses, forward and backward fused, and the action of their second derivative.
//
// Every loss has the form
//   double Loss(outputs [B, C], targets, weights [B], gradient [B, C])
// and returns sum over rows r of weights[r] * loss_r (weights 1/B: the mean of the batch), summed
// in double in an order that depends on the shape only, and writes the gradient of that sum with
// respect to the outputs. `gradient` may be the outputs themselves, not the targets. Its companion
//   void LossHessian(outputs [B, C], targets, weights [B], tangent [B, C], product [B, C])
// writes the derivative of that gradient in the direction `tangent`, d/de gradient(outputs + e
// tangent): the Gauss-Newton product's inner factor, or with it a Hessian-vector product. `product`
// may be the outputs, not the tangent or the targets.
//
// Row weights may have any sign; a weight of 0 makes the row's share 0 if its loss is finite, else
// NaN. NaN in an output makes the loss NaN, and its gradient; with softmax that of its whole row.
// Shapes that disagree are CHECKed.
//
//   const double loss = nn::SoftmaxCrossEntropy<float>(logits, labels, weights, gradient);
//   nn::SoftmaxCrossEntropy<float>(logits, labels, weights, gradient, {.mask = seen_classes});
//   nn::SquaredError<double>(outputs, targets, weights, gradient);
//   nn::SquaredErrorHessian<double>(outputs, targets, weights, tangent, product);
#ifndef PERENNIAL_COMMON_NN_LOSS_H_
#define PERENNIAL_COMMON_NN_LOSS_H_

#include <cstdint>
#include <span>

#include "common/kernels/aligned.h"

namespace perennial::nn {

struct SoftmaxOptions {
  // [B, C], or [1, C] for all rows; 0 takes the class out of the row: its probability and gradient
  // are exactly 0, and its logit and target are not looked at. Empty: all classes take part.
  kernels::MatrixView<const uint8_t> mask;
  // e in [0, 1]: targets t become (1 - e) t + e / n over the n classes that take part (Szegedy et
  // al. 2016, LibTorch's label_smoothing).
  double label_smoothing = 0;
};

// Softmax cross-entropy: loss_r = -log p[labels[r]] with p = softmax(logits[r, :]), or with soft
// targets - sum_c t[c] log p[c]; gradient weights[r] (S p - t) with S = sum_c t[c], which need not
// be 1.
//
// logits [B, C] in nats; labels [B] in [0, C) and not masked (CHECK); targets [B, C]. Stable for
// any finite logits. A logit of minus infinity excludes its class like a mask, but the loss is
// infinite if the class has a target other than 0; plus infinity makes the result NaN, as does a
// row of nothing but minus infinity. A row with soft targets whose classes are all masked has loss
// and gradient 0.
template <typename T>
double SoftmaxCrossEntropy(kernels::MatrixView<const T> logits, std::span<const int32_t> labels,
                           std::span<const T> weights, kernels::MatrixView<T> gradient,
                           const SoftmaxOptions& options = {});
template <typename T>
double SoftmaxCrossEntropy(kernels::MatrixView<const T> logits,
                           kernels::MatrixView<const T> targets, std::span<const T> weights,
                           kernels::MatrixView<T> gradient, const SoftmaxOptions& options = {});

// The class at which the running sum of softmax(logits) passes `uniform` in [0, 1): a draw from the
// prediction. logits [C], finite.
template <typename T>
int32_t SampleSoftmax(std::span<const T> logits, double uniform);

// product = weights[r] S p (v - sum_c p[c] v[c]) for tangent v. With labels S = 1, and the labels
// are only checked.
template <typename T>
void SoftmaxCrossEntropyHessian(kernels::MatrixView<const T> logits,
                                std::span<const int32_t> labels, std::span<const T> weights,
                                kernels::MatrixView<const T> tangent,
                                kernels::MatrixView<T> product, const SoftmaxOptions& options = {});
template <typename T>
void SoftmaxCrossEntropyHessian(kernels::MatrixView<const T> logits,
                                kernels::MatrixView<const T> targets, std::span<const T> weights,
                                kernels::MatrixView<const T> tangent,
                                kernels::MatrixView<T> product, const SoftmaxOptions& options = {});

// loss_r = sum_c (y - t)^2; gradient 2 weights[r] (y - t), second derivative 2 weights[r].
template <typename T>
double SquaredError(kernels::MatrixView<const T> outputs, kernels::MatrixView<const T> targets,
                    std::span<const T> weights, kernels::MatrixView<T> gradient);
template <typename T>
void SquaredErrorHessian(kernels::MatrixView<const T> outputs, kernels::MatrixView<const T> targets,
                         std::span<const T> weights, kernels::MatrixView<const T> tangent,
                         kernels::MatrixView<T> product);

// loss_r = sum_c h(y - t), h(x) = x^2 / 2 where |x| < delta, else delta (|x| - delta / 2) (Huber
// 1964, LibTorch's HuberLoss); delta > 0 (CHECK). Second derivative weights[r] where |x| < delta,
// else 0.
template <typename T>
double HuberLoss(kernels::MatrixView<const T> outputs, kernels::MatrixView<const T> targets,
                 std::span<const T> weights, kernels::MatrixView<T> gradient, double delta = 1);
template <typename T>
void HuberLossHessian(kernels::MatrixView<const T> outputs, kernels::MatrixView<const T> targets,
                      std::span<const T> weights, kernels::MatrixView<const T> tangent,
                      kernels::MatrixView<T> product, double delta = 1);

// Binary cross-entropy of logits: loss_r = - sum_c (t log s(y) + (1 - t) log s(-y)), s(y) = 1 / (1
// + exp(-y)), targets t in [0, 1]; gradient weights[r] (s(y) - t), second derivative weights[r]
// s(y) s(-y). Stable for any logit. An infinite one has loss 0 if the target is wholly on its side,
// else infinity, and a finite gradient.
template <typename T>
double LogisticLoss(kernels::MatrixView<const T> outputs, kernels::MatrixView<const T> targets,
                    std::span<const T> weights, kernels::MatrixView<T> gradient);
template <typename T>
void LogisticLossHessian(kernels::MatrixView<const T> outputs, kernels::MatrixView<const T> targets,
                         std::span<const T> weights, kernels::MatrixView<const T> tangent,
                         kernels::MatrixView<T> product);

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_LOSS_H_
