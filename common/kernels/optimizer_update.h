// One parameter's step of SGD, Adam and RMSprop, on CPU and GPU: the arithmetic of the CUDA kernels
// and the oracle of the SIMD kernels (optimizer.h). common/optim/optimizer.h has the formulas.
//
// Every product that is added is a fused multiply-add, so that a GPU and a CPU that has them round
// alike; division and square root are correctly rounded on both.
#ifndef PERENNIAL_COMMON_KERNELS_OPTIMIZER_UPDATE_H_
#define PERENNIAL_COMMON_KERNELS_OPTIMIZER_UPDATE_H_

#include <cmath>

#include "common/kernels/host_device.h"

namespace perennial::kernels {

// `gradient_scale` multiplies the gradient before anything else (clipping).
template <typename T>
struct SgdCoefficients {
  T rate = 0;
  T momentum = 0;
  T decay = 0;
  T gradient_scale = 1;
  bool nesterov = false;
};

template <typename T>
struct AdamCoefficients {
  T rate = 0;  // Learning rate / (1 - beta1^t).
  T beta1 = 0;
  T gradient_weight = 1;  // 1 - beta1
  T beta2 = 0;
  T square_weight = 1;    // 1 - beta2
  T deviation_scale = 1;  // 1 / sqrt(1 - beta2^t)
  T epsilon = 0;
  T decay = 0;      // Adam's, into the gradient.
  T shrinkage = 1;  // AdamW's 1 - learning rate * decay, on the parameter.
  T gradient_scale = 1;
};

template <typename T>
struct RmspropCoefficients {
  T rate = 0;
  T momentum = 0;
  T smoothing = 0;
  T square_weight = 1;  // 1 - smoothing
  T epsilon = 0;
  T decay = 0;
  T gradient_scale = 1;
};

// Without momentum (c.momentum and c.nesterov are not read).
template <typename T>
PERENNIAL_HOST_DEVICE inline void SgdUpdate(const SgdCoefficients<T>& c, T g, T& w) {
  using std::fma;
  w = fma(-c.rate, fma(c.decay, w, c.gradient_scale * g), w);
}

template <typename T>
PERENNIAL_HOST_DEVICE inline void SgdUpdate(const SgdCoefficients<T>& c, T g, T& w, T& v) {
  using std::fma;
  g = fma(c.decay, w, c.gradient_scale * g);
  v = fma(c.momentum, v, g);
  w = fma(-c.rate, c.nesterov ? fma(c.momentum, v, g) : v, w);
}

// m and s: running means of the gradient and of its square.
template <typename T>
PERENNIAL_HOST_DEVICE inline void AdamUpdate(const AdamCoefficients<T>& c, T g, T& w, T& m, T& s) {
  using std::fma;
  using std::sqrt;
  g = fma(c.decay, w, c.gradient_scale * g);
  m = fma(c.beta1, m, c.gradient_weight * g);
  s = fma(c.beta2, s, c.square_weight * g * g);
  w = fma(-c.rate, m / fma(sqrt(s), c.deviation_scale, c.epsilon), c.shrinkage * w);
}

// Without momentum. s: running mean of the squared gradient.
template <typename T>
PERENNIAL_HOST_DEVICE inline void RmspropUpdate(const RmspropCoefficients<T>& c, T g, T& w, T& s) {
  using std::fma;
  using std::sqrt;
  g = fma(c.decay, w, c.gradient_scale * g);
  s = fma(c.smoothing, s, c.square_weight * g * g);
  w = fma(-c.rate, g / (sqrt(s) + c.epsilon), w);
}

// b: the momentum of the normalised gradient.
template <typename T>
PERENNIAL_HOST_DEVICE inline void RmspropUpdate(const RmspropCoefficients<T>& c, T g, T& w, T& s,
                                                T& b) {
  using std::fma;
  using std::sqrt;
  g = fma(c.decay, w, c.gradient_scale * g);
  s = fma(c.smoothing, s, c.square_weight * g * g);
  b = fma(c.momentum, b, g / (sqrt(s) + c.epsilon));
  w = fma(-c.rate, b, w);
}

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_OPTIMIZER_UPDATE_H_
