// One parameter's step of SGD with momentum, on CPU and GPU (see SgdMomentumStep in elementwise.h).
#ifndef PERENNIAL_COMMON_KERNELS_SGD_UPDATE_H_
#define PERENNIAL_COMMON_KERNELS_SGD_UPDATE_H_

#include <cmath>

#include "common/kernels/host_device.h"

namespace perennial::kernels {

// v = momentum * v + (g + decay * w);  w = w - rate * v. Fused multiply-adds, so that a GPU and a
// CPU that has them round alike.
template <typename T>
PERENNIAL_HOST_DEVICE inline void SgdMomentumUpdate(T rate, T momentum, T decay, T g, T& w, T& v) {
  using std::fma;
  v = fma(momentum, v, fma(decay, w, g));
  w = fma(-rate, v, w);
}

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_SGD_UPDATE_H_
