#include "causal/balance/wasserstein.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/base/logging.h"

namespace perennial::causal {

template <typename T>
Wasserstein1d<T>::Wasserstein1d(WassersteinKind kind, int64_t max_rows_x, int64_t max_rows_y)
    : kind_(kind) {
  CHECK_GE(max_rows_x, 0);
  CHECK_GE(max_rows_y, 0);
  x_.points.resize(max_rows_x);
  y_.points.resize(max_rows_y);
}

template <typename T>
int64_t Wasserstein1d<T>::Bytes(int64_t max_rows_x, int64_t max_rows_y) {
  return (max_rows_x + max_rows_y) * static_cast<int64_t>(sizeof(Point));
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
    sample.points[sample.size++] = {value, weight, 0, 0, r};
  }
  // By weight too, so that sums over equal values have the same bits for any order of the rows.
  std::sort(sample.points.begin(), sample.points.begin() + sample.size,
            [](const Point& a, const Point& b) {
              return a.value != b.value ? a.value < b.value : a.weight < b.weight;
            });
  double mass = 0;
  for (int64_t i = 0; i < sample.size; ++i) {
    mass += sample.points[i].weight;
    sample.points[i].boundary = mass;
  }
  return std::isfinite(mass);
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
