#include "common/kernels/elementwise.h"

#include "common/base/logging.h"

// The rest of this file is compiled once for every instruction set that Highway knows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/elementwise.cc"
#include "common/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace perennial::kernels {
namespace HWY_NAMESPACE {
template <class D>
HWY_INLINE hn::VFromD<D> PixelsAs(D d, const uint8_t* pixels) {
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    const hn::Rebind<int32_t, D> d32;
    const hn::Rebind<uint8_t, D> d8;
    return hn::ConvertTo(d, hn::PromoteTo(d32, hn::LoadU(d8, pixels)));
  } else {
    const hn::Rebind<int32_t, D> d32;
    const hn::Rebind<uint8_t, D> d8;
    return hn::PromoteTo(d, hn::PromoteTo(d32, hn::LoadU(d8, pixels)));
  }
}

template <typename T>
void GatherPixelsT(const uint8_t* pixels, int64_t features, std::span<const int32_t> indices,
                   T scale, T shift, MatrixView<T> out) {
  for (size_t r = 0; r < indices.size(); ++r) {
    const uint8_t* source = pixels + indices[r] * features;
    T* target = out.row(static_cast<int64_t>(r));
    ForEach<T>(features, [&](auto d, int64_t i) HWY_ATTR {
      hn::StoreU(hn::MulAdd(PixelsAs(d, source + i), hn::Set(d, scale), hn::Set(d, shift)), d,
                 target + i);
    });
  }
}

template <typename T>
void AddBiasT(const T* bias, MatrixView<T> y) {
  for (int64_t r = 0; r < y.rows; ++r) {
    T* row = y.row(r);
    ForEach<T>(y.columns, [&](auto d, int64_t i) HWY_ATTR {
      hn::StoreU(hn::Add(hn::LoadU(d, row + i), hn::LoadU(d, bias + i)), d, row + i);
    });
  }
}

template <typename T>
void AddBiasReluT(const T* bias, MatrixView<T> y) {
  for (int64_t r = 0; r < y.rows; ++r) {
    T* row = y.row(r);
    ForEach<T>(y.columns, [&](auto d, int64_t i) HWY_ATTR {
      const auto sum = hn::Add(hn::LoadU(d, row + i), hn::LoadU(d, bias + i));
      // A comparison, not Max: Max would turn NaN into a number on some instruction sets.
      hn::StoreU(hn::IfThenElseZero(hn::Not(hn::Le(sum, hn::Zero(d))), sum), d, row + i);
    });
  }
}

template <typename T>
void ReluBackwardT(MatrixView<const T> y, MatrixView<T> delta) {
  for (int64_t r = 0; r < y.rows; ++r) {
    const T* activation = y.row(r);
    T* row = delta.row(r);
    ForEach<T>(y.columns, [&](auto d, int64_t i) HWY_ATTR {
      const auto off = hn::Le(hn::LoadU(d, activation + i), hn::Zero(d));
      hn::StoreU(hn::IfThenZeroElse(off, hn::LoadU(d, row + i)), d, row + i);
    });
  }
}

template <typename T>
void ColumnSumsT(MatrixView<const T> x, T scale, bool accumulate, T* out) {
  ForEach<T>(x.columns, [&](auto d, int64_t i) HWY_ATTR {
    auto sum = hn::Zero(d);
    for (int64_t r = 0; r < x.rows; ++r) sum = hn::Add(sum, hn::LoadU(d, x.row(r) + i));
    sum = hn::Mul(sum, hn::Set(d, scale));
    if (accumulate) sum = hn::Add(sum, hn::LoadU(d, out + i));
    hn::StoreU(sum, d, out + i);
  });
}

template <typename T>
void SgdMomentumStepT(T rate, T momentum, T decay, const T* gradient, T* weights, T* velocity,
                      int64_t count) {
  ForEach<T>(count, [&](auto d, int64_t i) HWY_ATTR {
    const auto w = hn::LoadU(d, weights + i);
    const auto g = hn::MulAdd(hn::Set(d, decay), w, hn::LoadU(d, gradient + i));
    const auto v = hn::MulAdd(hn::Set(d, momentum), hn::LoadU(d, velocity + i), g);
    hn::StoreU(v, d, velocity + i);
    hn::StoreU(hn::NegMulAdd(hn::Set(d, rate), v, w), d, weights + i);
  });
}

template <typename T>
void LinePointT(T alpha, const T* anchor, const T* end, T* out, int64_t count) {
  ForEach<T>(count, [&](auto d, int64_t i) HWY_ATTR {
    const auto a = hn::LoadU(d, anchor + i);
    const auto step = hn::Sub(hn::LoadU(d, end + i), a);
    hn::StoreU(hn::MulAdd(hn::Set(d, alpha), step, a), d, out + i);
  });
}

template <typename T>
void AxpyT(T alpha, const T* x, T* out, int64_t count) {
  ForEach<T>(count, [&](auto d, int64_t i) HWY_ATTR {
    hn::StoreU(hn::MulAdd(hn::Set(d, alpha), hn::LoadU(d, x + i), hn::LoadU(d, out + i)), d,
               out + i);
  });
}

PERENNIAL_KERNEL(GatherPixels)
PERENNIAL_KERNEL(AddBias)
PERENNIAL_KERNEL(AddBiasRelu)
PERENNIAL_KERNEL(ReluBackward)
PERENNIAL_KERNEL(ColumnSums)
PERENNIAL_KERNEL(SgdMomentumStep)
PERENNIAL_KERNEL(LinePoint)
PERENNIAL_KERNEL(Axpy)

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perennial::kernels {

PERENNIAL_EXPORT(GatherPixels)
PERENNIAL_EXPORT(AddBias)
PERENNIAL_EXPORT(AddBiasRelu)
PERENNIAL_EXPORT(ReluBackward)
PERENNIAL_EXPORT(ColumnSums)
PERENNIAL_EXPORT(SgdMomentumStep)
PERENNIAL_EXPORT(LinePoint)
PERENNIAL_EXPORT(Axpy)

template <typename T>
void GatherPixels(const uint8_t* pixels, int64_t features, std::span<const int32_t> indices,
                  T scale, T shift, MatrixView<T> out) {
  CHECK(out.rows >= static_cast<int64_t>(indices.size()) && out.columns >= features);
  PERENNIAL_DISPATCH(GatherPixels, pixels, features, indices, scale, shift, out);
}

template <typename T>
void AddBias(const T* bias, MatrixView<T> y) {
  PERENNIAL_DISPATCH(AddBias, bias, y);
}

template <typename T>
void AddBiasRelu(const T* bias, MatrixView<T> y) {
  PERENNIAL_DISPATCH(AddBiasRelu, bias, y);
}

template <typename T>
void ReluBackward(MatrixView<const T> y, MatrixView<T> delta) {
  CHECK(y.rows == delta.rows && y.columns == delta.columns);
  PERENNIAL_DISPATCH(ReluBackward, y, delta);
}

template <typename T>
void ColumnSums(MatrixView<const T> x, T scale, bool accumulate, T* out) {
  PERENNIAL_DISPATCH(ColumnSums, x, scale, accumulate, out);
}

template <typename T>
void SgdMomentumStep(T rate, T momentum, T decay, std::span<const T> gradient, std::span<T> weights,
                     std::span<T> velocity) {
  CHECK(gradient.size() == weights.size() && velocity.size() == weights.size());
  PERENNIAL_DISPATCH(SgdMomentumStep, rate, momentum, decay, gradient.data(), weights.data(),
                     velocity.data(), static_cast<int64_t>(weights.size()));
}

template <typename T>
void LinePoint(T alpha, std::span<const T> anchor, std::span<const T> end, std::span<T> out) {
  CHECK(anchor.size() == out.size() && end.size() == out.size());
  PERENNIAL_DISPATCH(LinePoint, alpha, anchor.data(), end.data(), out.data(),
                     static_cast<int64_t>(out.size()));
}

template <typename T>
void Axpy(T alpha, std::span<const T> x, std::span<T> out) {
  CHECK(x.size() == out.size());
  PERENNIAL_DISPATCH(Axpy, alpha, x.data(), out.data(), static_cast<int64_t>(out.size()));
}

#define PERENNIAL_INSTANTIATE(T)                                                             \
  template void GatherPixels<T>(const uint8_t*, int64_t, std::span<const int32_t>, T, T,     \
                                MatrixView<T>);                                              \
  template void AddBias<T>(const T*, MatrixView<T>);                                         \
  template void AddBiasRelu<T>(const T*, MatrixView<T>);                                     \
  template void ReluBackward<T>(MatrixView<const T>, MatrixView<T>);                         \
  template void ColumnSums<T>(MatrixView<const T>, T, bool, T*);                             \
  template void SgdMomentumStep<T>(T, T, T, std::span<const T>, std::span<T>, std::span<T>); \
  template void LinePoint<T>(T, std::span<const T>, std::span<const T>, std::span<T>);       \
  template void Axpy<T>(T, std::span<const T>, std::span<T>);
PERENNIAL_INSTANTIATE(float)
PERENNIAL_INSTANTIATE(double)
#undef PERENNIAL_INSTANTIATE

}  // namespace perennial::kernels
#endif  // HWY_ONCE
