#include "common/kernels/optimizer.h"

#include "common/base/logging.h"

// The rest of this file is compiled once for every instruction set that Highway knows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/optimizer.cc"
#include "common/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace perennial::kernels {
namespace HWY_NAMESPACE {

// Every operation is the one of optimizer_update.h, in its order.

// gradient_scale * g + decay * w.
template <class D, typename T, class V>
HWY_INLINE V DecayedGradient(D d, T gradient_scale, T decay, const T* gradient, V w) {
  return hn::MulAdd(hn::Set(d, decay), w,
                    hn::Mul(hn::Set(d, gradient_scale), hn::LoadU(d, gradient)));
}

// smoothing * s + square_weight * g * g.
template <class D, typename T, class V>
HWY_INLINE V RunningSquare(D d, T smoothing, T square_weight, V s, V g) {
  return hn::MulAdd(hn::Set(d, smoothing), s, hn::Mul(hn::Mul(hn::Set(d, square_weight), g), g));
}

template <typename T>
void SgdStepT(const SgdCoefficients<T>& coefficients, const T* gradient, T* weights, T* velocity,
              int64_t count) {
  const SgdCoefficients<T> c = coefficients;  // A copy, which no store can alias.
  const auto step = [=](auto d, int64_t i, auto velocity_and_direction) HWY_ATTR {
    const auto w = hn::LoadU(d, weights + i);
    const auto g = DecayedGradient(d, c.gradient_scale, c.decay, gradient + i, w);
    hn::StoreU(hn::NegMulAdd(hn::Set(d, c.rate), velocity_and_direction(d, i, g), w), d,
               weights + i);
  };
  const auto update_velocity = [=](auto d, int64_t i, auto g) HWY_ATTR {
    const auto v = hn::MulAdd(hn::Set(d, c.momentum), hn::LoadU(d, velocity + i), g);
    hn::StoreU(v, d, velocity + i);
    return v;
  };
  if (velocity == nullptr) {
    ForEach<T>(count, [=](auto d, int64_t i) HWY_ATTR {
      step(d, i, [](auto, int64_t, auto g) HWY_ATTR { return g; });
    });
  } else if (c.nesterov) {
    ForEach<T>(count, [=](auto d, int64_t i) HWY_ATTR {
      step(d, i, [=](auto dd, int64_t at, auto g) HWY_ATTR {
        return hn::MulAdd(hn::Set(dd, c.momentum), update_velocity(dd, at, g), g);
      });
    });
  } else {
    ForEach<T>(count, [=](auto d, int64_t i) HWY_ATTR { step(d, i, update_velocity); });
  }
}

template <typename T>
void ApplyVelocityT(T rate, T decay, T* weights, T* velocity, int64_t count) {
  ForEach<T>(count, [=](auto d, int64_t i) HWY_ATTR {
    const auto w = hn::LoadU(d, weights + i);
    const auto v = hn::MulAdd(hn::Set(d, decay), w, hn::LoadU(d, velocity + i));
    hn::StoreU(v, d, velocity + i);
    hn::StoreU(hn::NegMulAdd(hn::Set(d, rate), v, w), d, weights + i);
  });
}

template <typename T>
void AdamStepT(const AdamCoefficients<T>& coefficients, const T* gradient, T* weights, T* mean,
               T* square, int64_t count) {
  const AdamCoefficients<T> c = coefficients;
  ForEach<T>(count, [=](auto d, int64_t i) HWY_ATTR {
    const auto w = hn::LoadU(d, weights + i);
    const auto g = DecayedGradient(d, c.gradient_scale, c.decay, gradient + i, w);
    const auto m = hn::MulAdd(hn::Set(d, c.beta1), hn::LoadU(d, mean + i),
                              hn::Mul(hn::Set(d, c.gradient_weight), g));
    const auto s = RunningSquare(d, c.beta2, c.square_weight, hn::LoadU(d, square + i), g);
    hn::StoreU(m, d, mean + i);
    hn::StoreU(s, d, square + i);
    const auto deviation =
        hn::MulAdd(hn::Sqrt(s), hn::Set(d, c.deviation_scale), hn::Set(d, c.epsilon));
    hn::StoreU(hn::NegMulAdd(hn::Set(d, c.rate), hn::Div(m, deviation),
                             hn::Mul(hn::Set(d, c.shrinkage), w)),
               d, weights + i);
  });
}

template <typename T>
void RmspropStepT(const RmspropCoefficients<T>& coefficients, const T* gradient, T* weights,
                  T* square, T* buffer, int64_t count) {
  const RmspropCoefficients<T> c = coefficients;
  const auto step = [=](auto d, int64_t i, auto direction) HWY_ATTR {
    const auto w = hn::LoadU(d, weights + i);
    const auto g = DecayedGradient(d, c.gradient_scale, c.decay, gradient + i, w);
    const auto s = RunningSquare(d, c.smoothing, c.square_weight, hn::LoadU(d, square + i), g);
    hn::StoreU(s, d, square + i);
    const auto normalized = hn::Div(g, hn::Add(hn::Sqrt(s), hn::Set(d, c.epsilon)));
    hn::StoreU(hn::NegMulAdd(hn::Set(d, c.rate), direction(d, i, normalized), w), d, weights + i);
  };
  if (buffer == nullptr) {
    ForEach<T>(count, [=](auto d, int64_t i) HWY_ATTR {
      step(d, i, [](auto, int64_t, auto normalized) HWY_ATTR { return normalized; });
    });
  } else {
    ForEach<T>(count, [=](auto d, int64_t i) HWY_ATTR {
      step(d, i, [=](auto dd, int64_t at, auto normalized) HWY_ATTR {
        const auto b = hn::MulAdd(hn::Set(dd, c.momentum), hn::LoadU(dd, buffer + at), normalized);
        hn::StoreU(b, dd, buffer + at);
        return b;
      });
    });
  }
}

PERENNIAL_KERNEL(SgdStep)
PERENNIAL_KERNEL(ApplyVelocity)
PERENNIAL_KERNEL(AdamStep)
PERENNIAL_KERNEL(RmspropStep)

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perennial::kernels {

PERENNIAL_EXPORT(SgdStep)
PERENNIAL_EXPORT(ApplyVelocity)
PERENNIAL_EXPORT(AdamStep)
PERENNIAL_EXPORT(RmspropStep)

template <typename T>
void SgdStep(const SgdCoefficients<T>& c, std::span<const T> gradient, std::span<T> weights,
             std::span<T> velocity) {
  CHECK(gradient.size() == weights.size());
  CHECK(velocity.empty() || velocity.size() == weights.size());
  PERENNIAL_DISPATCH(SgdStep, c, gradient.data(), weights.data(),
                     velocity.empty() ? nullptr : velocity.data(),
                     static_cast<int64_t>(weights.size()));
}

template <typename T>
void ApplyVelocity(T rate, T decay, std::span<T> weights, std::span<T> velocity) {
  CHECK(velocity.size() == weights.size());
  PERENNIAL_DISPATCH(ApplyVelocity, rate, decay, weights.data(), velocity.data(),
                     static_cast<int64_t>(weights.size()));
}

template <typename T>
void AdamStep(const AdamCoefficients<T>& c, std::span<const T> gradient, std::span<T> weights,
              std::span<T> mean, std::span<T> square) {
  CHECK(gradient.size() == weights.size());
  CHECK(mean.size() == weights.size() && square.size() == weights.size());
  PERENNIAL_DISPATCH(AdamStep, c, gradient.data(), weights.data(), mean.data(), square.data(),
                     static_cast<int64_t>(weights.size()));
}

template <typename T>
void RmspropStep(const RmspropCoefficients<T>& c, std::span<const T> gradient, std::span<T> weights,
                 std::span<T> square, std::span<T> buffer) {
  CHECK(gradient.size() == weights.size() && square.size() == weights.size());
  CHECK(buffer.empty() || buffer.size() == weights.size());
  PERENNIAL_DISPATCH(RmspropStep, c, gradient.data(), weights.data(), square.data(),
                     buffer.empty() ? nullptr : buffer.data(),
                     static_cast<int64_t>(weights.size()));
}

#define PERENNIAL_INSTANTIATE(T)                                                                \
  template void SgdStep<T>(const SgdCoefficients<T>&, std::span<const T>, std::span<T>,         \
                           std::span<T>);                                                       \
  template void ApplyVelocity<T>(T, T, std::span<T>, std::span<T>);                             \
  template void AdamStep<T>(const AdamCoefficients<T>&, std::span<const T>, std::span<T>,       \
                            std::span<T>, std::span<T>);                                        \
  template void RmspropStep<T>(const RmspropCoefficients<T>&, std::span<const T>, std::span<T>, \
                               std::span<T>, std::span<T>);
PERENNIAL_INSTANTIATE(float)
PERENNIAL_INSTANTIATE(double)
#undef PERENNIAL_INSTANTIATE

}  // namespace perennial::kernels
#endif  // HWY_ONCE
