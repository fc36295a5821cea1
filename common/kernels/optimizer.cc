#include "common/kernels/optimizer.h"

#include <type_traits>

#include "common/base/logging.h"

// The rest of this file is compiled once for every instruction set that Highway knows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/optimizer.cc"
#include "common/kernels/simd-inl.h"
// Only then what it compiles for each of them.
#include "common/kernels/masked-inl.h"
#include "common/kernels/optimizer-inl.h"

HWY_BEFORE_NAMESPACE();
namespace perennial::kernels {
namespace HWY_NAMESPACE {

template <typename T, class Update>
HWY_INLINE void ForEachNumber(const T* gradient, int64_t count, const Update& update) {
  ForEachPart<T>(count, [&](auto part, int64_t i) HWY_ATTR {
    const Tag<T> d;
    update(part, d, i, part.Load(d, gradient + i));
  });
}

template <typename T>
void SgdStepT(const SgdCoefficients<T>& c, const T* gradient, T* weights, T* velocity,
              int64_t count) {
  WithSgd<T>(c, weights, velocity,
             [=](const auto& update) HWY_ATTR { ForEachNumber(gradient, count, update); });
}

template <typename T>
void AdamStepT(const AdamCoefficients<T>& c, const T* gradient, T* weights, T* mean, T* square,
               int64_t count) {
  ForEachNumber(gradient, count, AdamVectorUpdate<T>{c, weights, mean, square});
}

template <typename T>
void RmspropStepT(const RmspropCoefficients<T>& c, const T* gradient, T* weights, T* square,
                  T* buffer, int64_t count) {
  WithRmsprop<T>(c, weights, square, buffer,
                 [=](const auto& update) HWY_ATTR { ForEachNumber(gradient, count, update); });
}

// ---- Steps whose gradient is a product, computed in registers ----

// Rows and vectors of a tile: as many sums as the instruction set has registers for.
constexpr int64_t kTileRows = 4;
#if HWY_TARGET <= HWY_AVX3  // Newer instruction sets have smaller numbers.
constexpr int64_t kTileVectors = 4;
#else
constexpr int64_t kTileVectors = 2;
#endif

// Whole, or the compiler keeps the sums in memory.
#define PERENNIAL_UNROLL _Pragma("GCC unroll 8")

// The sums over k of delta[k, r] x[k, c] for kRows rows at `delta` and kVectors vectors at `x`, the
// last of them a `part`; then their updates, the first at number `place` of the run.
template <int64_t kRows, int64_t kVectors, typename T, class Part, class Update>
HWY_INLINE void ProductTile(const T* HWY_RESTRICT delta, int64_t delta_stride,
                            const T* HWY_RESTRICT x, int64_t x_stride, int64_t rows, Part part,
                            int64_t place, int64_t columns, const Update& update) {
  const Tag<T> d;
  using V = hn::VFromD<decltype(d)>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  V sums[kRows][kVectors];
  PERENNIAL_UNROLL
  for (int64_t r = 0; r < kRows; ++r) {
    PERENNIAL_UNROLL
    for (int64_t c = 0; c < kVectors; ++c) sums[r][c] = hn::Zero(d);
  }
  for (int64_t k = 0; k < rows; ++k, delta += delta_stride, x += x_stride) {
    V inputs[kVectors];
    PERENNIAL_UNROLL
    for (int64_t c = 0; c + 1 < kVectors; ++c) inputs[c] = hn::LoadU(d, x + c * lanes);
    inputs[kVectors - 1] = part.Load(d, x + (kVectors - 1) * lanes);
    PERENNIAL_UNROLL
    for (int64_t r = 0; r < kRows; ++r) {
      const V factor = hn::Set(d, delta[r]);
      PERENNIAL_UNROLL
      for (int64_t c = 0; c < kVectors; ++c) {
        sums[r][c] = hn::MulAdd(factor, inputs[c], sums[r][c]);
      }
    }
  }
  PERENNIAL_UNROLL
  for (int64_t r = 0; r < kRows; ++r, place += columns) {
    PERENNIAL_UNROLL
    for (int64_t c = 0; c + 1 < kVectors; ++c) update(Whole(), d, place + c * lanes, sums[r][c]);
    const int64_t last = place + (kVectors - 1) * lanes;
    if constexpr (std::is_same_v<Part, Whole>) {
      update(part, d, last, sums[r][kVectors - 1]);
    } else {
      // One by one: masked stores are slow on some CPUs.
      HWY_ALIGN T gradients[hn::MaxLanes(d)];
      hn::Store(sums[r][kVectors - 1], d, gradients);
      for (size_t i = 0; i < part.count; ++i) {
        const One<T> one;
        update(Whole(), one, last + static_cast<int64_t>(i), hn::Set(one, gradients[i]));
      }
    }
  }
}

#undef PERENNIAL_UNROLL

// All rows of `kVectors` vectors of columns that begin at `column`.
template <int64_t kVectors, typename T, class Part, class Update>
HWY_NOINLINE void ProductColumns(MatrixView<const T> delta, MatrixView<const T> x, int64_t column,
                                 Part part, const Update& update) {
  int64_t r = 0;
  for (; r + kTileRows <= delta.columns; r += kTileRows) {
    ProductTile<kTileRows, kVectors>(delta.data + r, delta.stride, x.data + column, x.stride,
                                     x.rows, part, r * x.columns + column, x.columns, update);
  }
  for (; r < delta.columns; ++r) {
    ProductTile<1, kVectors>(delta.data + r, delta.stride, x.data + column, x.stride, x.rows, part,
                             r * x.columns + column, x.columns, update);
  }
}

template <typename T, class Part, class Update>
HWY_INLINE void ProductLastColumns(int64_t vectors, MatrixView<const T> delta,
                                   MatrixView<const T> x, int64_t column, Part part,
                                   const Update& update) {
  if (vectors == 1) return ProductColumns<1>(delta, x, column, part, update);
  if (vectors == 2) return ProductColumns<2>(delta, x, column, part, update);
  if constexpr (kTileVectors == 4) {
    if (vectors == 3) return ProductColumns<3>(delta, x, column, part, update);
    ProductColumns<4>(delta, x, column, part, update);
  }
}

template <typename T, class Update>
HWY_INLINE void ForEachProduct(MatrixView<const T> delta, MatrixView<const T> x,
                               const Update& update) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(Tag<T>()));
  int64_t column = 0;
  for (; column + kTileVectors * lanes <= x.columns; column += kTileVectors * lanes) {
    ProductColumns<kTileVectors>(delta, x, column, Whole(), update);
  }
  const int64_t rest = x.columns - column;
  if (rest == 0) return;
  const int64_t vectors = (rest + lanes - 1) / lanes;
  if (rest % lanes == 0) {
    ProductLastColumns(vectors, delta, x, column, Whole(), update);
  } else {
    ProductLastColumns(vectors, delta, x, column, Rest{static_cast<size_t>(rest % lanes)}, update);
  }
}

template <typename T>
void SgdProductStepT(const SgdCoefficients<T>& c, MatrixView<const T> delta, MatrixView<const T> x,
                     T* weights, T* velocity) {
  WithSgd<T>(c, weights, velocity,
             [=](const auto& update) HWY_ATTR { ForEachProduct(delta, x, update); });
}

template <typename T>
void AdamProductStepT(const AdamCoefficients<T>& c, MatrixView<const T> delta,
                      MatrixView<const T> x, T* weights, T* mean, T* square) {
  ForEachProduct(delta, x, AdamVectorUpdate<T>{c, weights, mean, square});
}

template <typename T>
void RmspropProductStepT(const RmspropCoefficients<T>& c, MatrixView<const T> delta,
                         MatrixView<const T> x, T* weights, T* square, T* buffer) {
  WithRmsprop<T>(c, weights, square, buffer,
                 [=](const auto& update) HWY_ATTR { ForEachProduct(delta, x, update); });
}

PERENNIAL_KERNEL(SgdStep)
PERENNIAL_KERNEL(AdamStep)
PERENNIAL_KERNEL(RmspropStep)
PERENNIAL_KERNEL(SgdProductStep)
PERENNIAL_KERNEL(AdamProductStep)
PERENNIAL_KERNEL(RmspropProductStep)

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perennial::kernels {

PERENNIAL_EXPORT(SgdStep)
PERENNIAL_EXPORT(AdamStep)
PERENNIAL_EXPORT(RmspropStep)
PERENNIAL_EXPORT(SgdProductStep)
PERENNIAL_EXPORT(AdamProductStep)
PERENNIAL_EXPORT(RmspropProductStep)

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

namespace {

// `weights` [outputs, inputs] of a product delta^T x.
template <typename T>
void CheckProduct(MatrixView<const T> delta, MatrixView<const T> x, std::span<T> weights) {
  CHECK_EQ(delta.rows, x.rows);
  CHECK_EQ(delta.columns * x.columns, std::ssize(weights));
}

}  // namespace

template <typename T>
void SgdProductStep(const SgdCoefficients<T>& c, MatrixView<const T> delta, MatrixView<const T> x,
                    std::span<T> weights, std::span<T> velocity) {
  CheckProduct(delta, x, weights);
  CHECK(velocity.empty() || velocity.size() == weights.size());
  PERENNIAL_DISPATCH(SgdProductStep, c, delta, x, weights.data(),
                     velocity.empty() ? nullptr : velocity.data());
}

template <typename T>
void AdamProductStep(const AdamCoefficients<T>& c, MatrixView<const T> delta, MatrixView<const T> x,
                     std::span<T> weights, std::span<T> mean, std::span<T> square) {
  CheckProduct(delta, x, weights);
  CHECK(mean.size() == weights.size() && square.size() == weights.size());
  PERENNIAL_DISPATCH(AdamProductStep, c, delta, x, weights.data(), mean.data(), square.data());
}

template <typename T>
void RmspropProductStep(const RmspropCoefficients<T>& c, MatrixView<const T> delta,
                        MatrixView<const T> x, std::span<T> weights, std::span<T> square,
                        std::span<T> buffer) {
  CheckProduct(delta, x, weights);
  CHECK(square.size() == weights.size());
  CHECK(buffer.empty() || buffer.size() == weights.size());
  PERENNIAL_DISPATCH(RmspropProductStep, c, delta, x, weights.data(), square.data(),
                     buffer.empty() ? nullptr : buffer.data());
}

#define PERENNIAL_INSTANTIATE(T)                                                                   \
  template void SgdStep<T>(const SgdCoefficients<T>&, std::span<const T>, std::span<T>,            \
                           std::span<T>);                                                          \
  template void AdamStep<T>(const AdamCoefficients<T>&, std::span<const T>, std::span<T>,          \
                            std::span<T>, std::span<T>);                                           \
  template void RmspropStep<T>(const RmspropCoefficients<T>&, std::span<const T>, std::span<T>,    \
                               std::span<T>, std::span<T>);                                        \
  template void SgdProductStep<T>(const SgdCoefficients<T>&, MatrixView<const T>,                  \
                                  MatrixView<const T>, std::span<T>, std::span<T>);                \
  template void AdamProductStep<T>(const AdamCoefficients<T>&, MatrixView<const T>,                \
                                   MatrixView<const T>, std::span<T>, std::span<T>, std::span<T>); \
  template void RmspropProductStep<T>(const RmspropCoefficients<T>&, MatrixView<const T>,          \
                                      MatrixView<const T>, std::span<T>, std::span<T>,             \
                                      std::span<T>);
PERENNIAL_INSTANTIATE(float)
PERENNIAL_INSTANTIATE(double)
#undef PERENNIAL_INSTANTIATE

}  // namespace perennial::kernels
#endif  // HWY_ONCE
