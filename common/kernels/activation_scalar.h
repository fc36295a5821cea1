// Activation functions of one number: their values, slopes and curvatures.
//
// The oracle of the SIMD kernels of activation.h and the arithmetic of the CUDA kernels. z is the
// input of the function and y = Activate(f, z) its output; a slope needs z for kGelu only, all
// others follow from y.
//
// CReLU has two outputs of one input, each a ReLU: the first is Activate(kCrelu, z), the second
// Activate(kCrelu, -z), and slope and curvature are those of either half with respect to its own
// argument. Of two gradients d1, d2 the input's is d1 * slope1 - d2 * slope2.
//
//   const float y = Activate(Activation::kTanh, z);
//   const float gradient = delta * ActivationSlope(Activation::kTanh, y, z);
#ifndef PERENNIAL_COMMON_KERNELS_ACTIVATION_SCALAR_H_
#define PERENNIAL_COMMON_KERNELS_ACTIVATION_SCALAR_H_

#include <cmath>

#include "common/kernels/host_device.h"

namespace perennial::kernels {

// Constants are LibTorch's defaults.
enum class Activation {
  kIdentity,
  kRelu,       // max(z, 0)
  kLeakyRelu,  // z where positive, else 0.01 z
  kElu,        // z where positive, else exp(z) - 1 (Clevert et al. 2016, alpha = 1)
  kTanh,
  kGelu,   // z * Phi(z), Phi the normal distribution function (Hendrycks & Gimpel 2016, exact)
  kCrelu,  // [max(z, 0), max(-z, 0)]: twice as wide (Shang et al. 2016)
};

inline constexpr double kLeakySlope = 0.01;

// The distribution function of the standard normal, accurate in the lower tail too, and its
// density.
template <typename T>
PERENNIAL_HOST_DEVICE inline T NormalDistribution(T z) {
  using std::erfc;
  return T(0.5) * erfc(z * T(-0.70710678118654752440));
}
template <typename T>
PERENNIAL_HOST_DEVICE inline T NormalDensity(T z) {
  using std::exp;
  return T(0.39894228040143267794) * exp(T(-0.5) * z * z);
}

// NaN stays NaN.
template <typename T>
PERENNIAL_HOST_DEVICE inline T Activate(Activation f, T z) {
  using std::expm1;
  using std::tanh;
  switch (f) {
    case Activation::kIdentity:
      return z;
    case Activation::kRelu:
    case Activation::kCrelu:
      return z <= 0 ? T(0) : z;
    case Activation::kLeakyRelu:
      return z <= 0 ? T(kLeakySlope) * z : z;
    case Activation::kElu:
      return z <= 0 ? expm1(z) : z;
    case Activation::kTanh:
      return tanh(z);
    case Activation::kGelu:
      return z * NormalDistribution(z);
  }
  return z;
}

// The first derivative; at a kink, the one from below.
template <typename T>
PERENNIAL_HOST_DEVICE inline T ActivationSlope(Activation f, T y, T z) {
  switch (f) {
    case Activation::kIdentity:
      return T(1);
    case Activation::kRelu:
    case Activation::kCrelu:
      return y <= 0 ? T(0) : T(1);
    case Activation::kLeakyRelu:
      return y <= 0 ? T(kLeakySlope) : T(1);
    case Activation::kElu:
      return y > 0 ? T(1) : y + 1;
    case Activation::kTanh:
      return 1 - y * y;
    case Activation::kGelu:
      return NormalDistribution(z) + z * NormalDensity(z);
  }
  return T(1);
}

// The second derivative, 0 for what is piecewise linear.
template <typename T>
PERENNIAL_HOST_DEVICE inline T ActivationCurvature(Activation f, T y, T z) {
  switch (f) {
    case Activation::kIdentity:
    case Activation::kRelu:
    case Activation::kCrelu:
    case Activation::kLeakyRelu:
      return T(0);
    case Activation::kElu:
      return y > 0 ? T(0) : y + 1;
    case Activation::kTanh:
      return -2 * y * (1 - y * y);
    case Activation::kGelu:
      return NormalDensity(z) * (2 - z * z);
  }
  return T(0);
}

}  // namespace perennial::kernels

#endif  // PERENNIAL_COMMON_KERNELS_ACTIVATION_SCALAR_H_
