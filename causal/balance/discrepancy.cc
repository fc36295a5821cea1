#include "causal/balance/discrepancy.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "causal/balance/pairwise.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/kernels/matrix.h"

namespace perennial::causal {

using kernels::MatrixView;
using kernels::RoundUp;

namespace {

// Written so that NaN is out of range.
absl::Status CheckRange(const char* field, double value, bool in_range, const char* range) {
  if (in_range) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, "; it must be ", range));
}

bool InRange(double value) { return value >= 1e-15 && value <= 1e15; }

// What the public code adds to the kernel of its transport.
constexpr double kKernelFloor = 1e-6;
// Rows that kSlackSinkhorn has behind those of either sample.
constexpr int64_t kSlackRows = 2;

// Columns [begin, begin + columns) of some rows.
template <typename T>
MatrixView<T> Block(MatrixView<T> view, int64_t row, int64_t rows, int64_t column,
                    int64_t columns) {
  return {view.row(row) + column, rows, columns, view.stride};
}

// Writes the weights divided by their sum. Returns the sum, and the share of the squared sum that
// lies in products of different rows' weights.
struct WeightSums {
  double sum = 0;
  double different = 0;
};

template <typename T>
WeightSums Normalize(std::span<const T> weights, int64_t rows, T* out) {
  if (weights.empty()) {
    std::fill_n(out, rows, static_cast<T>(1.0 / static_cast<double>(rows)));
    return {static_cast<double>(rows), 1 - 1 / static_cast<double>(rows)};
  }
  CHECK_EQ(static_cast<int64_t>(weights.size()), rows);
  double sum = 0;
  double squares = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const double weight = weights[i];
    CHECK(!(weight < 0)) << "the weight of row " << i << " is " << weight;
    sum += weight;
    squares += weight * weight;
  }
  if (sum == 0) return {};
  for (int64_t i = 0; i < rows; ++i) out[i] = static_cast<T>(weights[i] / sum);
  return {sum, (sum * sum - squares) / (sum * sum)};
}

}  // namespace

absl::Status Validate(const DiscrepancyConfig& config) {
  switch (config.kind) {
    case DiscrepancyKind::kLinear:
    case DiscrepancyKind::kEnergy:
      return absl::OkStatus();
    case DiscrepancyKind::kRbf:
      return CheckRange("bandwidth", config.bandwidth,
                        config.bandwidth == 0 || InRange(config.bandwidth),
                        "0 (the median heuristic) or in [1e-15, 1e15]");
    case DiscrepancyKind::kSlackSinkhorn:
      PERENNIAL_RETURN_IF_ERROR(
          CheckRange("mass_x", config.mass_x, config.mass_x > 0 && config.mass_x < 1, "in (0, 1)"));
      [[fallthrough]];
    case DiscrepancyKind::kSinkhorn:
      PERENNIAL_RETURN_IF_ERROR(
          CheckRange("epsilon", config.epsilon, InRange(config.epsilon), "in [1e-15, 1e15]"));
      return CheckRange("iterations", config.iterations,
                        config.iterations >= 1 && config.iterations <= 1000000, "in [1, 1e6]");
  }
  return absl::InvalidArgumentError(
      absl::StrCat("kind is ", static_cast<int>(config.kind), ", which is none of the kinds"));
}

template <typename T>
struct Discrepancy<T>::Call {
  int64_t rows() const { return x.rows + y.rows; }
  MatrixView<const T> x;
  MatrixView<const T> y;
  double scale;
  MatrixView<T> gradient_x;
  MatrixView<T> gradient_y;
  double different_x;
  double different_y;
};

template <typename T>
auto Discrepancy<T>::Divide(T* memory, const DiscrepancyConfig& config, int64_t rows,
                            int64_t features) -> Scratch {
  Scratch scratch;
  const auto take = [&](int64_t elements) {
    T* const part = memory == nullptr ? nullptr : memory + scratch.elements;
    scratch.elements += elements;
    return part;
  };
  if (config.kind == DiscrepancyKind::kSlackSinkhorn) rows += 2 * kSlackRows;
  const int64_t stride = RoundUp(rows);
  scratch.weights = take(stride);
  scratch.scales = take(stride);
  if (config.kind == DiscrepancyKind::kLinear) {
    scratch.points = take(RoundUp(features));
    return scratch;
  }
  for (T*& work : scratch.work) work = take(stride);
  scratch.points = take(rows * RoundUp(features));
  scratch.transposed = take(features * stride);
  scratch.pairs = take(rows * stride);
  return scratch;
}

template <typename T>
Discrepancy<T>::Discrepancy(const DiscrepancyConfig& config, int64_t max_rows_x, int64_t max_rows_y,
                            int64_t features)
    : config_(config), max_rows_x_(max_rows_x), max_rows_y_(max_rows_y), features_(features) {
  const absl::Status status = Validate(config);
  CHECK(status.ok()) << status;
  CHECK(max_rows_x >= 0 && max_rows_y >= 0 && features >= 1);
  const int64_t rows = max_rows_x + max_rows_y;
  memory_.resize(Divide(nullptr, config, rows, features).elements);
  scratch_ = Divide(memory_.data(), config, rows, features);
}

template <typename T>
int64_t Discrepancy<T>::Bytes(const DiscrepancyConfig& config, int64_t max_rows_x,
                              int64_t max_rows_y, int64_t features) {
  return Divide(nullptr, config, max_rows_x + max_rows_y, features).elements *
         static_cast<int64_t>(sizeof(T));
}

template <typename T>
double Discrepancy<T>::Evaluate(MatrixView<const T> x, MatrixView<const T> y, double scale,
                                MatrixView<T> gradient_x, MatrixView<T> gradient_y,
                                std::span<const T> weights_x, std::span<const T> weights_y) {
  CHECK(x.columns == features_ && y.columns == features_)
      << x.columns << " and " << y.columns << " features, not " << features_;
  CHECK(x.rows <= max_rows_x_ && y.rows <= max_rows_y_);
  CHECK(gradient_x.data == nullptr || SameShape(x, gradient_x));
  CHECK(gradient_y.data == nullptr || SameShape(y, gradient_y));
  if (x.rows == 0 || y.rows == 0) return 0;
  const WeightSums sums_x = Normalize(weights_x, x.rows, scratch_.weights);
  const WeightSums sums_y = Normalize(weights_y, y.rows, scratch_.weights + x.rows);
  if (sums_x.sum == 0 || sums_y.sum == 0) return 0;
  const Call call = {
      .x = x,
      .y = y,
      .scale = scale,
      .gradient_x = gradient_x,
      .gradient_y = gradient_y,
      .different_x = sums_x.different,
      .different_y = sums_y.different,
  };
  switch (config_.kind) {
    case DiscrepancyKind::kLinear:
      return Linear(call);
    case DiscrepancyKind::kRbf:
      return Gaussian(call);
    case DiscrepancyKind::kEnergy:
      return Energy(call);
    case DiscrepancyKind::kSinkhorn:
      return Sinkhorn(call);
    case DiscrepancyKind::kSlackSinkhorn:
      return SlackSinkhorn(call);
  }
  LOG(FATAL) << "not reached";
}

template <typename T>
double Discrepancy<T>::Linear(const Call& call) {
  const int64_t n = call.x.rows;
  const int64_t rows = call.rows();
  for (int64_t i = 0; i < rows; ++i) {
    scratch_.scales[i] = i < n ? scratch_.weights[i] : -scratch_.weights[i];
  }
  T* const difference = scratch_.points;
  WeightedColumnSums<T>(call.x, scratch_.scales, /*accumulate=*/false, difference);
  WeightedColumnSums<T>(call.y, scratch_.scales + n, /*accumulate=*/true, difference);
  double value = 0;
  for (int64_t k = 0; k < features_; ++k) {
    value += static_cast<double>(difference[k]) * difference[k];
  }
  for (int64_t i = 0; i < rows; ++i) {
    scratch_.scales[i] = static_cast<T>(2 * call.scale * scratch_.scales[i]);
  }
  if (call.gradient_x.data != nullptr) {
    AddOuter<T>(scratch_.scales, difference, call.gradient_x);
  }
  if (call.gradient_y.data != nullptr) {
    AddOuter<T>(scratch_.scales + n, difference, call.gradient_y);
  }
  return value;
}

// With `room` rows and columns of nothing behind those of x, and of y.
template <typename T>
MatrixView<T> Discrepancy<T>::SquaredDistancesOf(const Call& call, int64_t room) {
  const int64_t n = call.x.rows;
  const int64_t rows = call.rows() + 2 * room;
  const MatrixView<T> points = {scratch_.points, rows, features_, RoundUp(features_)};
  const MatrixView<T> transposed = {scratch_.transposed, features_, rows, RoundUp(rows)};
  const MatrixView<T> pairs = {scratch_.pairs, rows, rows, RoundUp(rows)};
  kernels::CopyMatrix(call.x, kernels::SubRows(points, 0, n));
  kernels::CopyMatrix(call.y, kernels::SubRows(points, n + room, call.y.rows));
  kernels::FillZero(kernels::SubRows(points, n, room));
  kernels::FillZero(kernels::SubRows(points, rows - room, room));
  for (int64_t k = 0; k < features_; ++k) {
    T* const to = transposed.row(k);
    for (int64_t i = 0; i < rows; ++i) to[i] = points(i, k);
  }
  SquaredDistances<T>(points, transposed, pairs);
  return pairs;
}

// work[0] and work[1]: the coefficients of all rows in sums for a row of x, and for one of y.
template <typename T>
void Discrepancy<T>::SetCoefficients(const Call& call, double share_x, double share_y) {
  const int64_t n = call.x.rows;
  for (int64_t i = 0; i < call.rows(); ++i) {
    const T weight = scratch_.weights[i];
    scratch_.work[0][i] = i < n ? static_cast<T>(weight / share_x) : -weight;
    scratch_.work[1][i] = i < n ? -weight : static_cast<T>(weight / share_y);
  }
}

// Of work[2], the rows' sums.
template <typename T>
double Discrepancy<T>::WeightedSums(const Call& call) const {
  double total = 0;
  for (int64_t i = 0; i < call.rows(); ++i) {
    total += static_cast<double>(scratch_.weights[i]) * scratch_.work[2][i];
  }
  return total;
}

template <typename T>
void Discrepancy<T>::AddGradients(const Call& call, MatrixView<const T> pull) {
  const int64_t n = call.x.rows;
  const int64_t m = call.y.rows;
  const MatrixView<const T> points = {scratch_.points, n + m, features_, RoundUp(features_)};
  if (call.gradient_x.data != nullptr) {
    AddPull<T>(Block(pull, 0, n, 0, n + m), Block(points, 0, n, 0, features_), points,
               scratch_.scales, call.gradient_x);
  }
  if (call.gradient_y.data != nullptr) {
    AddPull<T>(Block(pull, n, m, 0, n + m), Block(points, n, m, 0, features_), points,
               scratch_.scales + n, call.gradient_y);
  }
}

template <typename T>
double Discrepancy<T>::Gaussian(const Call& call) {
  const bool unbiased = config_.unbiased;
  if (unbiased && (call.different_x <= 0 || call.different_y <= 0)) return 0;
  const int64_t n = call.x.rows;
  const int64_t m = call.y.rows;
  const MatrixView<T> pairs = SquaredDistancesOf(call);
  const auto set_diagonal = [&](T value) {
    for (int64_t i = 0; i < n + m; ++i) pairs(i, i) = value;
  };
  double squared_bandwidth = config_.bandwidth * config_.bandwidth;
  if (config_.bandwidth == 0) {
    set_diagonal(std::numeric_limits<T>::infinity());
    squared_bandwidth = MedianOfPairs<T>(pairs);
    if (squared_bandwidth == 0) {
      for (int64_t i = 0; i < n + m; ++i) {
        for (int64_t j = 0; j < i; ++j) squared_bandwidth += pairs(i, j);
      }
      squared_bandwidth /= static_cast<double>((n + m) * (n + m - 1) / 2);
    }
    // All points are one, as far as T can tell.
    if (squared_bandwidth < std::numeric_limits<T>::min()) return 0;
  }
  // A row's pair with itself is left out as one that is infinitely far.
  set_diagonal(unbiased ? std::numeric_limits<T>::infinity() : 0);
  SetCoefficients(call, unbiased ? call.different_x : 1, unbiased ? call.different_y : 1);
  const T factor = static_cast<T>(0.5 / squared_bandwidth);
  GaussianRows<T>(factor, scratch_.work[0], scratch_.work[2], Block(pairs, 0, n, 0, n + m));
  GaussianRows<T>(factor, scratch_.work[1], scratch_.work[2] + n, Block(pairs, n, m, 0, n + m));
  const double strength = -2 * call.scale / squared_bandwidth;
  for (int64_t i = 0; i < n + m; ++i) {
    scratch_.scales[i] = static_cast<T>(strength * scratch_.weights[i]);
  }
  AddGradients(call, pairs);
  const double value = WeightedSums(call);
  // Below 0 by rounding only, and NaN stays.
  return !unbiased && value < 0 ? 0 : value;
}

template <typename T>
double Discrepancy<T>::Energy(const Call& call) {
  const int64_t n = call.x.rows;
  const int64_t m = call.y.rows;
  const MatrixView<T> pairs = SquaredDistancesOf(call);
  SetCoefficients(call, 1, 1);
  DistanceRows<T>(scratch_.work[0], scratch_.work[2], Block(pairs, 0, n, 0, n + m));
  DistanceRows<T>(scratch_.work[1], scratch_.work[2] + n, Block(pairs, n, m, 0, n + m));
  for (int64_t i = 0; i < n + m; ++i) {
    scratch_.scales[i] = static_cast<T>(-2 * call.scale * scratch_.weights[i]);
  }
  AddGradients(call, pairs);
  const double value = -WeightedSums(call);
  return value < 0 ? 0 : value;
}

template <typename T>
double Discrepancy<T>::Sinkhorn(const Call& call) {
  const bool root = config_.cost == TransportCost::kEuclidean;
  const int64_t n = call.x.rows;
  const int64_t m = call.y.rows;
  const MatrixView<T> pairs = SquaredDistancesOf(call);
  if (root) SquareRoots<T>(1, pairs);
  double epsilon = config_.epsilon;
  if (config_.relative_epsilon) {
    double total = 0;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = n; j < n + m; ++j) total += pairs(i, j);
    }
    epsilon *= total / static_cast<double>(n * m);
    // All points are one, as far as T can tell.
    if (epsilon < std::numeric_limits<T>::min()) return 0;
  }
  // From here on l = -C / e, and potentials u = f / e + log a and v = g / e + log b.
  const T negative = static_cast<T>(-1 / epsilon);
  for (int64_t i = 0; i < n + m; ++i) {
    T* const row = pairs.row(i);
    for (int64_t j = 0; j < n + m; ++j) row[j] *= negative;
  }
  T* const log_weights = scratch_.work[0];
  for (int64_t i = 0; i < n + m; ++i) log_weights[i] = std::log(scratch_.weights[i]);
  const MatrixView<T> xx = Block(pairs, 0, n, 0, n), xy = Block(pairs, 0, n, n, m),
                      yx = Block(pairs, n, m, 0, n), yy = Block(pairs, n, m, n, m);

  const auto iterate = [&](MatrixView<const T> l, MatrixView<const T> transposed, const T* log_rows,
                           const T* log_columns, T* u, T* v) {
    std::copy_n(log_rows, l.rows, u);  // f = 0.
    for (int i = 0; i < config_.iterations; ++i) {
      NegativeLogSumExp<T>(transposed, u, log_columns, v);
      NegativeLogSumExp<T>(l, v, log_rows, u);
    }
  };
  const auto sum = [&](int64_t begin, int64_t count, const T* potentials) {
    double total = 0;
    for (int64_t i = 0; i < count; ++i) {
      const double weight = scratch_.weights[begin + i];
      if (weight == 0) continue;
      total += weight * (static_cast<double>(potentials[i]) - log_weights[begin + i]);
    }
    return total;
  };
  const auto plan = [&](double factor, bool symmetric, const T* u, const T* v, MatrixView<T> l) {
    // Of |p - q|^2 the derivative is 2 (p - q), of |p - q| it is (p - q) / C with C = -e l.
    PlanRows<T>(symmetric, u, v, static_cast<T>(2 * factor),
                root ? static_cast<T>(-factor / epsilon) : 0, l);
  };

  T* const cross = scratch_.work[1];
  iterate(xy, yx, log_weights, log_weights + n, cross, cross + n);
  double value = sum(0, n, cross) + sum(n, m, cross + n);
  plan(1, /*symmetric=*/false, cross, cross + n, xy);
  plan(1, /*symmetric=*/false, cross + n, cross, yx);
  if (config_.debiased) {
    T* const u = scratch_.work[2];
    T* const v = scratch_.work[3];
    iterate(xx, xx, log_weights, log_weights, u, v);
    iterate(yy, yy, log_weights + n, log_weights + n, u + n, v + n);
    value -= 0.5 * (sum(0, n, u) + sum(0, n, v));
    value -= 0.5 * (sum(n, m, u + n) + sum(n, m, v + n));
    // Both arguments of OT(X, X) are x, hence the sum over the plan and its transpose.
    plan(-0.5, /*symmetric=*/true, u, v, xx);
    plan(-0.5, /*symmetric=*/true, u + n, v + n, yy);
  } else {
    kernels::FillZero(xx);
    kernels::FillZero(yy);
  }
  std::fill_n(scratch_.scales, n + m, static_cast<T>(call.scale));
  AddGradients(call, pairs);
  return epsilon * value;
}

template <typename T>
double Discrepancy<T>::SlackSinkhorn(const Call& call) {
  const bool root = config_.cost == TransportCost::kEuclidean;
  const int64_t n = call.x.rows;
  const int64_t m = call.y.rows;
  // Behind the rows of x stand their slack and the column of the floor, and so behind those of y.
  const int64_t y0 = n + kSlackRows;
  const MatrixView<T> pairs = SquaredDistancesOf(call, kSlackRows);
  const MatrixView<T> points = {scratch_.points, pairs.rows, features_, RoundUp(features_)};
  if (root) SquareRoots<T>(1, pairs);
  const MatrixView<T> xy = Block(pairs, 0, n + 1, y0, m + 2),
                      yx = Block(pairs, y0, m + 1, 0, n + 2);
  double total = 0;
  T largest = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < m; ++j) {
      total += xy(i, j);
      largest = std::max(largest, xy(i, j));
    }
  }
  double epsilon = config_.epsilon;
  if (config_.relative_epsilon) {
    epsilon *= total / static_cast<double>(n * m);
    // All points are one, as far as T can tell.
    if (epsilon < std::numeric_limits<T>::min()) return 0;
  }
  // From here on l = -M / e, and u and v are the logarithms of those of the header.
  const T negative = static_cast<T>(-1 / epsilon);
  const T far = negative * largest;
  for (int64_t i = 0; i <= n; ++i) {
    for (int64_t j = 0; j <= m; ++j) {
      const bool slack = i == n || j == m;
      xy(i, j) = yx(j, i) = !slack ? negative * xy(i, j) : i == n && j == m ? T(0) : far;
    }
  }
  for (int64_t i = 0; i <= n; ++i) xy(i, m + 1) = 0;
  for (int64_t j = 0; j <= m; ++j) yx(j, n + 1) = 0;
  const MatrixView<T> zeros_x = Block(pairs, n + 1, 1, 0, n + 1),
                      zeros_y = Block(pairs, n + 1, 1, y0, m + 1);
  kernels::FillZero(zeros_x);
  kernels::FillZero(zeros_y);

  T* const log_x = scratch_.work[0];
  T* const log_y = scratch_.work[0] + y0;
  const double p = config_.mass_x;
  for (int64_t i = 0; i < n; ++i) log_x[i] = static_cast<T>(std::log(p * scratch_.weights[i]));
  log_x[n] = static_cast<T>(std::log(1 - p));
  for (int64_t j = 0; j < m; ++j) {
    log_y[j] = static_cast<T>(std::log((1 - p) * scratch_.weights[n + j]));
  }
  log_y[m] = static_cast<T>(std::log(p));

  T* const u = scratch_.work[1];
  T* const v = scratch_.work[1] + y0;
  const T log_floor = static_cast<T>(std::log(kKernelFloor));
  const T minus_log_floor = -log_floor;
  // Behind the potentials, the logarithm of the floor times the sum of what they are logarithms of.
  const auto add_floor = [&](MatrixView<const T> zeros, T* potentials) {
    T sum = 0;
    NegativeLogSumExp<T>(zeros, potentials, &minus_log_floor, &sum);
    potentials[zeros.columns] = -sum;
  };
  const auto update_v = [&] {
    add_floor(zeros_x, u);
    NegativeLogSumExp<T>(yx, u, log_y, v);
  };
  std::copy_n(log_x, n + 1, u);
  for (int i = 0; i < config_.iterations; ++i) {
    update_v();
    add_floor(zeros_y, v);
    NegativeLogSumExp<T>(xy, v, log_x, u);
  }
  update_v();

  // The plan is exp(l + u + v) and the floor's share, a product of factors that are at most 1.
  PlanRows<T>(/*symmetric=*/false, v, u, 1, 0, Block(pairs, y0, m + 1, 0, n + 1));
  const T most = *std::max_element(u, u + n + 1);
  T* const floor_x = scratch_.work[2];
  T* const floor_y = scratch_.work[2] + y0;
  for (int64_t i = 0; i <= n; ++i) floor_x[i] = std::exp(u[i] - most);
  for (int64_t j = 0; j <= m; ++j) floor_y[j] = std::exp(v[j] + most + log_floor);
  double value = 0;
  for (int64_t i = 0; i <= n; ++i) {
    for (int64_t j = 0; j <= m; ++j) {
      const double cost = -epsilon * xy(i, j);
      const double mass = yx(j, i) + static_cast<double>(floor_x[i]) * floor_y[j];
      value += mass * cost;
      // Of |p - q|^2 the derivative is 2 (p - q), of |p - q| it is (p - q) / |p - q|.
      const double slope = !root ? 2 : cost > 0 ? 1 / cost : 0;
      xy(i, j) = yx(j, i) = static_cast<T>(2 * mass * slope);
    }
  }
  std::fill_n(scratch_.scales, std::max(n, m), static_cast<T>(call.scale));
  const MatrixView<T> x = kernels::SubRows(points, 0, n), y = kernels::SubRows(points, y0, m);
  if (call.gradient_x.data != nullptr) {
    AddPull<T>(Block(xy, 0, n, 0, m), x, y, scratch_.scales, call.gradient_x);
  }
  if (call.gradient_y.data != nullptr) {
    AddPull<T>(Block(yx, 0, m, 0, n), y, x, scratch_.scales, call.gradient_y);
  }
  return 2 * value;
}

template class Discrepancy<float>;
template class Discrepancy<double>;

}  // namespace perennial::causal
