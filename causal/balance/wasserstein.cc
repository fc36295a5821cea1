#include "causal/balance/wasserstein.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "common/base/logging.h"

namespace perennial::causal {
namespace {

// Fewer are sorted faster by comparisons.
constexpr int64_t kRadixRows = 700;
constexpr int kDigitBits = 11;
constexpr int kDigits = 6;  // 64 bits.
constexpr uint64_t kSign = uint64_t{1} << 63;

// Unsigned numbers in the order of the doubles; both zeros are one.
uint64_t OrderedBits(double value) {
  const auto bits = std::bit_cast<uint64_t>(value + 0.0);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

double ValueOf(uint64_t bits) {
  return std::bit_cast<double>((bits & kSign) != 0 ? bits & ~kSign : ~bits);
}

}  // namespace

template <typename T>
Wasserstein1d<T>::Wasserstein1d(WassersteinKind kind, int64_t max_rows_x, int64_t max_rows_y)
    : kind_(kind) {
  CHECK_GE(max_rows_x, 0);
  CHECK_GE(max_rows_y, 0);
  for (const auto& [sample, rows] : {std::pair(&x_, max_rows_x), std::pair(&y_, max_rows_y)}) {
    sample->points.resize(rows);
    sample->keys.resize(rows);
    if (rows >= kRadixRows) sample->scratch.resize(rows);
  }
}

template <typename T>
int64_t Wasserstein1d<T>::Bytes(int64_t max_rows_x, int64_t max_rows_y) {
  const auto bytes = [](int64_t rows) {
    const int64_t keys = rows >= kRadixRows ? 2 : 1;
    return rows * static_cast<int64_t>(sizeof(Point) + keys * sizeof(Key));
  };
  return bytes(max_rows_x) + bytes(max_rows_y);
}

// False if something is not finite, which has no place in an order.
template <typename T>
bool Wasserstein1d<T>::Sort(kernels::MatrixView<const T> values, std::span<const T> weights,
                            Sample& sample) {
  CHECK_EQ(values.columns, 1);
  CHECK_LE(values.rows, static_cast<int64_t>(sample.points.size()));
  CHECK(weights.empty() || static_cast<int64_t>(weights.size()) == values.rows)
      << weights.size() << " weights for " << values.rows << " rows";
  sample.size = 0;
  for (int64_t r = 0; r < values.rows; ++r) {
    const double value = values(r, 0);
    const double weight = weights.empty() ? 1 : weights[r];
    CHECK(!(weight < 0)) << "the weight of row " << r << " is " << weight;
    if (!std::isfinite(value) || !std::isfinite(weight)) return false;
    if (weight == 0) continue;
    sample.keys[sample.size++] = {OrderedBits(value), r};
  }
  SortKeys(sample);
  const auto weight_of = [&](const Key& key) { return weights.empty() ? T{1} : weights[key.row]; };
  const auto keys = std::span<Key>(sample.keys).first(sample.size);
  // By weight too, so that sums over equal values have the same bits for any order of the rows.
  for (size_t begin = 0; !weights.empty() && begin < keys.size();) {
    size_t end = begin + 1;
    while (end < keys.size() && keys[end].bits == keys[begin].bits) ++end;
    std::ranges::sort(keys.subspan(begin, end - begin), {}, weight_of);
    begin = end;
  }
  double mass = 0;
  for (int64_t i = 0; i < sample.size; ++i) {
    const double weight = weight_of(keys[i]);
    mass += weight;
    sample.points[i] = {ValueOf(keys[i].bits), weight, mass, 0, keys[i].row};
  }
  return std::isfinite(mass);
}

// By the radix of eleven bits, least first; digits that are all the same are passed over: those of
// floats, and of values that lie close together.
template <typename T>
void Wasserstein1d<T>::SortKeys(Sample& sample) {
  const int64_t size = sample.size;
  if (size < kRadixRows) {
    std::ranges::sort(std::span<Key>(sample.keys).first(size), {}, &Key::bits);
    return;
  }
  constexpr uint64_t kMask = (uint64_t{1} << kDigitBits) - 1;
  std::array<std::array<int32_t, kMask + 1>, kDigits> counts = {};
  for (int64_t i = 0; i < size; ++i) {
    for (int digit = 0; digit < kDigits; ++digit) {
      ++counts[digit][(sample.keys[i].bits >> (digit * kDigitBits)) & kMask];
    }
  }
  for (int digit = 0; digit < kDigits; ++digit) {
    const int shift = digit * kDigitBits;
    std::array<int32_t, kMask + 1>& places = counts[digit];
    if (places[(sample.keys[0].bits >> shift) & kMask] == size) continue;
    int32_t place = 0;
    for (int32_t& count : places) place += std::exchange(count, place);
    for (int64_t i = 0; i < size; ++i) {
      const Key& key = sample.keys[i];
      sample.scratch[places[(key.bits >> shift) & kMask]++] = key;
    }
    std::swap(sample.keys, sample.scratch);
  }
}

template <typename T>
void Wasserstein1d<T>::AddGradient(Sample& sample, double scale, kernels::MatrixView<T> gradient) {
  const std::vector<Point>& points = sample.points;
  for (int64_t begin = 0; begin < sample.size;) {
    int64_t end = begin;
    double pull = 0;
    double weight = 0;
    for (; end < sample.size && points[end].value == points[begin].value; ++end) {
      pull += points[end].gradient;
      weight += points[end].weight;
    }
    for (; begin < end; ++begin) {
      gradient(points[begin].row, 0) +=
          static_cast<T>(scale * pull * (points[begin].weight / weight));
    }
  }
}

template <typename T>
double Wasserstein1d<T>::Evaluate(kernels::MatrixView<const T> x, kernels::MatrixView<const T> y,
                                  double scale, kernels::MatrixView<T> gradient_x,
                                  kernels::MatrixView<T> gradient_y, std::span<const T> weights_x,
                                  std::span<const T> weights_y) {
  const bool want_x = gradient_x.data != nullptr;
  const bool want_y = gradient_y.data != nullptr;
  CHECK(!want_x || SameShape(x, gradient_x));
  CHECK(!want_y || SameShape(y, gradient_y));
  const bool finite_x = Sort(x, weights_x, x_);
  const bool finite_y = Sort(y, weights_y, y_);
  if (x.rows == 0 || y.rows == 0) return 0;
  if (!finite_x || !finite_y) {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    for (int64_t r = 0; want_x && r < x.rows; ++r) gradient_x(r, 0) = static_cast<T>(kNan);
    for (int64_t r = 0; want_y && r < y.rows; ++r) gradient_y(r, 0) = static_cast<T>(kNan);
    return kNan;
  }
  if (x_.size == 0 || y_.size == 0) return 0;

  // Both masses are brought to the same number: without weights by whole numbers, so that steps
  // that end together do so exactly, else by division, after which the last boundaries are 1.
  const double mass_x = x_.points[x_.size - 1].boundary;
  const double mass_y = y_.points[y_.size - 1].boundary;
  const bool counted = weights_x.empty() && weights_y.empty();
  for (int64_t i = 0; i < x_.size; ++i) {
    double& boundary = x_.points[i].boundary;
    boundary = counted ? boundary * mass_y : boundary / mass_x;
  }
  for (int64_t j = 0; j < y_.size; ++j) {
    double& boundary = y_.points[j].boundary;
    boundary = counted ? boundary * mass_x : boundary / mass_y;
  }
  const double total = counted ? mass_x * mass_y : 1;

  double sum = 0;
  double begin = 0;
  for (int64_t i = 0, j = 0; i < x_.size && j < y_.size;) {
    Point& from = x_.points[i];
    Point& to = y_.points[j];
    const double end = std::min(from.boundary, to.boundary);
    const double mass = end - begin;
    const double difference = from.value - to.value;
    double pull;
    if (kind_ == WassersteinKind::kW1) {
      sum += mass * std::abs(difference);
      pull = difference > 0 ? mass : difference < 0 ? -mass : 0;
    } else {
      sum += mass * difference * difference;
      pull = 2 * mass * difference;
    }
    from.gradient += pull;
    to.gradient -= pull;
    begin = end;
    if (from.boundary <= end) ++i;
    if (to.boundary <= end) ++j;
  }
  if (want_x) AddGradient(x_, scale / total, gradient_x);
  if (want_y) AddGradient(y_, scale / total, gradient_y);
  return sum / total;
}

template class Wasserstein1d<float>;
template class Wasserstein1d<double>;

}  // namespace perennial::causal
