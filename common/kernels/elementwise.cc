#include "common/kernels/elementwise.h"

#include <algorithm>

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

// The bytes of a stretch are collected first: byte loads and stores run at one a cycle, which no
// vector gather does.
template <typename T>
void GatherPixelsMappedT(const uint8_t* pixels, int64_t features, const int32_t* pixel_map,
                         std::span<const int32_t> indices, T scale, T shift, MatrixView<T> out) {
  constexpr int64_t kStretch = 1024;
  uint8_t collected[kStretch];
  for (size_t r = 0; r < indices.size(); ++r) {
    const uint8_t* source = pixels + indices[r] * features;
    T* target = out.row(static_cast<int64_t>(r));
    for (int64_t begin = 0; begin < out.columns; begin += kStretch) {
      const int64_t count = std::min(kStretch, out.columns - begin);
      const int32_t* map = pixel_map + begin;
      for (int64_t i = 0; i < count; ++i) collected[i] = source[map[i]];
      ForEach<T>(count, [&](auto d, int64_t i) HWY_ATTR {
        hn::StoreU(hn::MulAdd(PixelsAs(d, collected + i), hn::Set(d, scale), hn::Set(d, shift)), d,
                   target + begin + i);
      });
    }
  }
}

template <typename T>
void ColumnSumsT(MatrixView<const T> x, T scale, bool accumulate, T* out) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto finish = [=](auto tag, auto sum, int64_t i) HWY_ATTR {
    sum = hn::Mul(sum, hn::Set(tag, scale));
    if (accumulate) sum = hn::Add(sum, hn::LoadU(tag, out + i));
    hn::StoreU(sum, tag, out + i);
  };
  // Four sums at a time, so that an addition need not wait for the one before.
  int64_t i = 0;
  for (; i + 4 * lanes <= x.columns; i += 4 * lanes) {
    auto sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    const T* from = x.data + i;
    for (int64_t r = 0; r < x.rows; ++r, from += x.stride) {
      sum0 = hn::Add(sum0, hn::LoadU(d, from));
      sum1 = hn::Add(sum1, hn::LoadU(d, from + lanes));
      sum2 = hn::Add(sum2, hn::LoadU(d, from + 2 * lanes));
      sum3 = hn::Add(sum3, hn::LoadU(d, from + 3 * lanes));
    }
    finish(d, sum0, i);
    finish(d, sum1, i + lanes);
    finish(d, sum2, i + 2 * lanes);
    finish(d, sum3, i + 3 * lanes);
  }
  const int64_t begin = i;
  ForEach<T>(x.columns - begin, [&](auto tag, int64_t at) HWY_ATTR {
    auto sum = hn::Zero(tag);
    for (int64_t r = 0; r < x.rows; ++r) sum = hn::Add(sum, hn::LoadU(tag, x.row(r) + begin + at));
    finish(tag, sum, begin + at);
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

template <typename T>
void AddQuadraticGradientT(T scale, const T* precision, const T* centre, const T* x, T* gradient,
                           int64_t count) {
  ForEach<T>(count, [&](auto d, int64_t i) HWY_ATTR {
    const auto pull =
        hn::MulSub(hn::LoadU(d, precision + i), hn::LoadU(d, x + i), hn::LoadU(d, centre + i));
    hn::StoreU(hn::MulAdd(hn::Set(d, scale), pull, hn::LoadU(d, gradient + i)), d, gradient + i);
  });
}

template <typename T>
void QuadraticProximalStepT(T scale, const T* precision, const T* centre, T* x, int64_t count) {
  ForEach<T>(count, [&](auto d, int64_t i) HWY_ATTR {
    const auto s = hn::Set(d, scale);
    const auto pulled = hn::MulAdd(s, hn::LoadU(d, centre + i), hn::LoadU(d, x + i));
    const auto weight = hn::MulAdd(s, hn::LoadU(d, precision + i), hn::Set(d, T(1)));
    hn::StoreU(hn::Div(pulled, weight), d, x + i);
  });
}

// Sums of products in double: four vectors, then one, then single elements.
template <typename T>
void DotT(const T* x, const T* y, int64_t count, double* result) {
  const Tag<double> d;
  const auto load = [](auto tag, const T* from) HWY_ATTR {
    if constexpr (sizeof(T) == 4) {
      const hn::Rebind<float, decltype(tag)> narrow;
      return hn::PromoteTo(tag, hn::LoadU(narrow, from));
    } else {
      return hn::LoadU(tag, from);
    }
  };
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  auto sum2 = hn::Zero(d);
  auto sum3 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    sum0 = hn::MulAdd(load(d, x + i), load(d, y + i), sum0);
    sum1 = hn::MulAdd(load(d, x + i + lanes), load(d, y + i + lanes), sum1);
    sum2 = hn::MulAdd(load(d, x + i + 2 * lanes), load(d, y + i + 2 * lanes), sum2);
    sum3 = hn::MulAdd(load(d, x + i + 3 * lanes), load(d, y + i + 3 * lanes), sum3);
  }
  for (; i + lanes <= count; i += lanes) {
    sum0 = hn::MulAdd(load(d, x + i), load(d, y + i), sum0);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3))));
  for (; i < count; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  *result = sum;
}

template <typename T>
void SquareT(MatrixView<const T> x, MatrixView<T> out) {
  for (int64_t r = 0; r < x.rows; ++r) {
    const T* row = x.row(r);
    T* target = out.row(r);
    ForEach<T>(x.columns, [&](auto d, int64_t i) HWY_ATTR {
      const auto v = hn::LoadU(d, row + i);
      hn::StoreU(hn::Mul(v, v), d, target + i);
    });
  }
}

template <typename T>
void CombineT(std::span<const T> coefficients, std::span<const MatrixView<const T>> matrices,
              MatrixView<T> out) {
  for (int64_t r = 0; r < out.rows; ++r) {
    T* target = out.row(r);
    ForEach<T>(out.columns, [&](auto d, int64_t i) HWY_ATTR {
      auto sum = hn::Zero(d);
      for (size_t m = 0; m < matrices.size(); ++m) {
        sum = hn::MulAdd(hn::Set(d, coefficients[m]), hn::LoadU(d, matrices[m].row(r) + i), sum);
      }
      hn::StoreU(sum, d, target + i);
    });
  }
}

PERENNIAL_KERNEL(GatherPixels)
PERENNIAL_KERNEL(GatherPixelsMapped)
PERENNIAL_KERNEL(ColumnSums)
PERENNIAL_KERNEL(LinePoint)
PERENNIAL_KERNEL(Axpy)
PERENNIAL_KERNEL(AddQuadraticGradient)
PERENNIAL_KERNEL(QuadraticProximalStep)
PERENNIAL_KERNEL(Dot)
PERENNIAL_KERNEL(Square)
PERENNIAL_KERNEL(Combine)

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perennial::kernels {

PERENNIAL_EXPORT(GatherPixels)
PERENNIAL_EXPORT(GatherPixelsMapped)
PERENNIAL_EXPORT(ColumnSums)
PERENNIAL_EXPORT(LinePoint)
PERENNIAL_EXPORT(Axpy)
PERENNIAL_EXPORT(AddQuadraticGradient)
PERENNIAL_EXPORT(QuadraticProximalStep)
PERENNIAL_EXPORT(Dot)
PERENNIAL_EXPORT(Square)
PERENNIAL_EXPORT(Combine)

template <typename T>
void GatherPixels(const uint8_t* pixels, int64_t features, std::span<const int32_t> indices,
                  T scale, T shift, MatrixView<T> out) {
  CHECK(out.rows >= static_cast<int64_t>(indices.size()) && out.columns >= features);
  PERENNIAL_DISPATCH(GatherPixels, pixels, features, indices, scale, shift, out);
}

template <typename T>
void GatherPixelsMapped(const uint8_t* pixels, int64_t features, const int32_t* pixel_map,
                        std::span<const int32_t> indices, T scale, T shift, MatrixView<T> out) {
  CHECK_GE(out.rows, static_cast<int64_t>(indices.size()));
  PERENNIAL_DISPATCH(GatherPixelsMapped, pixels, features, pixel_map, indices, scale, shift, out);
}

template <typename T>
void GatherRows(const float* values, int64_t features, std::span<const int32_t> indices,
                MatrixView<T> out) {
  CHECK(out.rows >= static_cast<int64_t>(indices.size()) && out.columns >= features);
  for (size_t r = 0; r < indices.size(); ++r) {
    const float* source = values + indices[r] * features;
    T* target = out.row(static_cast<int64_t>(r));
    for (int64_t c = 0; c < features; ++c) target[c] = static_cast<T>(source[c]);
  }
}

template <typename T>
void GatherRowsMapped(const float* values, int64_t features, const int32_t* column_map,
                      std::span<const int32_t> indices, MatrixView<T> out) {
  CHECK_GE(out.rows, static_cast<int64_t>(indices.size()));
  for (size_t r = 0; r < indices.size(); ++r) {
    const float* source = values + indices[r] * features;
    T* target = out.row(static_cast<int64_t>(r));
    for (int64_t c = 0; c < out.columns; ++c) target[c] = static_cast<T>(source[column_map[c]]);
  }
}

template <typename T>
void ColumnSums(MatrixView<const T> x, T scale, bool accumulate, T* out) {
  PERENNIAL_DISPATCH(ColumnSums, x, scale, accumulate, out);
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

template <typename T>
void AddQuadraticGradient(T scale, std::span<const T> precision, std::span<const T> centre,
                          std::span<const T> x, std::span<T> gradient) {
  CHECK(precision.size() == x.size() && centre.size() == x.size() && gradient.size() == x.size());
  PERENNIAL_DISPATCH(AddQuadraticGradient, scale, precision.data(), centre.data(), x.data(),
                     gradient.data(), static_cast<int64_t>(x.size()));
}

template <typename T>
void QuadraticProximalStep(T scale, std::span<const T> precision, std::span<const T> centre,
                           std::span<T> x) {
  CHECK(precision.size() == x.size() && centre.size() == x.size());
  PERENNIAL_DISPATCH(QuadraticProximalStep, scale, precision.data(), centre.data(), x.data(),
                     static_cast<int64_t>(x.size()));
}

template <typename T>
double Dot(std::span<const T> x, std::span<const T> y) {
  CHECK(x.size() == y.size());
  double result = 0;
  PERENNIAL_DISPATCH(Dot, x.data(), y.data(), static_cast<int64_t>(x.size()), &result);
  return result;
}

template <typename T>
double SquaredNorm(std::span<const T> x) {
  return Dot<T>(x, x);
}

template <typename T>
void Square(MatrixView<const T> x, MatrixView<T> out) {
  CHECK(SameShape(x, out));
  PERENNIAL_DISPATCH(Square, x, out);
}

template <typename T>
void Combine(std::span<const T> coefficients, std::span<const MatrixView<const T>> matrices,
             MatrixView<T> out) {
  CHECK(coefficients.size() == matrices.size());
  for (const MatrixView<const T>& x : matrices) {
    CHECK(SameShape(x, out));
  }
  PERENNIAL_DISPATCH(Combine, coefficients, matrices, out);
}

#define PERENNIAL_INSTANTIATE(T)                                                                   \
  template void GatherPixels<T>(const uint8_t*, int64_t, std::span<const int32_t>, T, T,           \
                                MatrixView<T>);                                                    \
  template void ColumnSums<T>(MatrixView<const T>, T, bool, T*);                                   \
  template void LinePoint<T>(T, std::span<const T>, std::span<const T>, std::span<T>);             \
  template void Axpy<T>(T, std::span<const T>, std::span<T>);                                      \
  template void GatherPixelsMapped<T>(const uint8_t*, int64_t, const int32_t*,                     \
                                      std::span<const int32_t>, T, T, MatrixView<T>);              \
  template void GatherRows<T>(const float*, int64_t, std::span<const int32_t>, MatrixView<T>);     \
  template void GatherRowsMapped<T>(const float*, int64_t, const int32_t*,                         \
                                    std::span<const int32_t>, MatrixView<T>);                      \
  template void AddQuadraticGradient<T>(T, std::span<const T>, std::span<const T>,                 \
                                        std::span<const T>, std::span<T>);                         \
  template void QuadraticProximalStep<T>(T, std::span<const T>, std::span<const T>, std::span<T>); \
  template double Dot<T>(std::span<const T>, std::span<const T>);                                  \
  template double SquaredNorm<T>(std::span<const T>);                                              \
  template void Square<T>(MatrixView<const T>, MatrixView<T>);                                     \
  template void Combine<T>(std::span<const T>, std::span<const MatrixView<const T>>, MatrixView<T>);
PERENNIAL_INSTANTIATE(float)
PERENNIAL_INSTANTIATE(double)
#undef PERENNIAL_INSTANTIATE

}  // namespace perennial::kernels
#endif  // HWY_ONCE
