// The steps of SGD, Adam and RMSprop on runs of parameters, SIMD by Highway with the instruction
// set chosen at run time. One pass each; common/optim/optimizer.h has the formulas and the state
// that belongs to them, optimizer_update.h the coefficients and the arithmetic of one number.
//
// All runs of a call have the same length and do not overlap. They need no alignment; nothing
// beyond them is read or written. A number's result depends on its own inputs only, whatever its
// place. NaN and infinity spread as in the formulas; denormal numbers are kept.
//
//   const SgdCoefficients<float> c = {.rate = 0.1f, .momentum = 0.9f};
//   SgdStep<float>(c, gradient, weights, velocity);
#ifndef PERENNIAL_COMMON_KERNELS_OPTIMIZER_H_
#define PERENNIAL_COMMON_KERNELS_OPTIMIZER_H_

#include <span>

#include "common/kernels/aligned.h"
#include "common/kernels/optimizer_update.h"

namespace perennial::kernels {

// Without momentum (`velocity` empty, c.momentum and c.nesterov not read), or with.
template <typename T>
void SgdStep(const SgdCoefficients<T>& c, std::span<const T> gradient, std::span<T> weights,
             std::span<T> velocity);

// Adam and AdamW. `mean` and `square` are the running means of the gradient and of its square.
template <typename T>
void AdamStep(const AdamCoefficients<T>& c, std::span<const T> gradient, std::span<T> weights,
              std::span<T> mean, std::span<T> square);

// Without momentum (`buffer` empty, c.momentum not read), or with.
template <typename T>
void RmspropStep(const RmspropCoefficients<T>& c, std::span<const T> gradient, std::span<T> weights,
                 std::span<T> square, std::span<T> buffer);

// The same steps for a dense layer's weights [outputs, inputs], whose gradient is the product
// delta^T x of delta [B, outputs] and x [B, inputs]. It is computed in registers, a tile at a time,
// and used at once: it never goes through memory, and parameters and state are read and written
// once. Sums run over B in order.
template <typename T>
void SgdProductStep(const SgdCoefficients<T>& c, MatrixView<const T> delta, MatrixView<const T> x,
                    std::span<T> weights, std::span<T> velocity);
template <typename T>
void AdamProductStep(const AdamCoefficients<T>& c, MatrixView<const T> delta, MatrixView<const T> x,
                     std::span<T> weights, std::span<T> mean, std::span<T> square);
template <typename T>
void RmspropProductStep(const RmspropCoefficients<T>& c, MatrixView<const T> delta,
                        MatrixView<const T> x, std::span<T> weights, std::span<T> square,
                        std::span<T> buffer);

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_OPTIMIZER_H_
