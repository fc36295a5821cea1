// Row-wise softmax in three parts, as fused losses need it.
//
//   std::vector<float> shift(B), total(B);
//   SoftmaxRows<float>(logits, shift.data(), total.data(), p);
//   // softmax[r, c] = p(r, c) / total[r];  log-sum-exp of row r = shift[r] + log(total[r])
#ifndef PERENNIAL_COMMON_KERNELS_SOFTMAX_H_
#define PERENNIAL_COMMON_KERNELS_SOFTMAX_H_

#include "common/kernels/aligned.h"

namespace perennial::kernels {

// For each row r of logits [B, C]: shift[r] = max over c of logits[r, c]; numerators[r, c] =
// exp(logits[r, c] - shift[r]); total[r] = their sum, at least 1. C >= 1. `numerators` has the
// shape of the logits and may be them.
//
// A logit of -inf gives a numerator of 0, as may one below the smallest normal number. A row with
// NaN or +inf, or of -inf alone, has a total of NaN; its shift and numerators are unspecified.
template <typename T>
void SoftmaxRows(MatrixView<const T> logits, T* shift, T* total, MatrixView<T> numerators);

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_SOFTMAX_H_
