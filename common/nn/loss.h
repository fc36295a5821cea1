// Losses, forward and backward fused.
#ifndef PERENNIAL_COMMON_NN_LOSS_H_
#define PERENNIAL_COMMON_NN_LOSS_H_

#include <cstdint>
#include <span>

#include "common/kernels/aligned.h"

namespace perennial::nn {

// Weighted softmax cross-entropy: returns sum over rows r of weights[r] * -log p[r, labels[r]] with
// p = softmax(logits[r, :]), and writes its gradient dLoss/dlogits [B, C] to `gradient`, which may
// be the logits themselves. With weights 1/B this is the mean over the batch.
//
// logits [B, C] in nats; labels [B] in [0, C); weights [B]. Stable for any finite logits. A logit
// of minus infinity excludes its class (probability and gradient 0; the loss is infinite if it is
// the label's); NaN or plus infinity make the result NaN. Sums are in double, in the order of rows.
template <typename T>
double SoftmaxCrossEntropy(kernels::MatrixView<const T> logits, std::span<const int32_t> labels,
                           std::span<const T> weights, kernels::MatrixView<T> gradient);

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_LOSS_H_
