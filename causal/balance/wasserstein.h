// The distance between two samples of numbers as exact optimal transport, with its gradient: how
// far predicted outcomes of treated units lie from those of control units.
//
// With the quantile functions Q of the samples, whose rows may have weights,
//   W1   = integral over t in (0, 1) of |Q_x(t) - Q_y(t)|
//   W2^2 = integral over t in (0, 1) of (Q_x(t) - Q_y(t))^2
// which on a line is the least cost of moving one sample into the other (Peyre and Cuturi 2019,
// "Computational Optimal Transport", section 2.6). Both functions are steps, so the integral is a
// sum over the merged steps: O((n + m) log(n + m)), nothing is iterated or approximated. Sums are
// taken in double, in the order of the values: equal bits for any order of the rows.
//
//   Wasserstein1d<float> w1(WassersteinKind::kW1, /*max_rows_x=*/n, /*max_rows_y=*/m);
//   loss += beta * w1.Evaluate(treated, control, beta, treated_gradient, control_gradient);
//
// The gradient with respect to x_i is the mass-weighted sum of sign(x_i - y), or of 2 (x_i - y),
// over the values y that the mass of x_i is moved to. It is the derivative where the values of a
// sample differ and, for W1, no x_i is moved to an equal y. At an equal y the sub-gradient of
// |x_i - y| is taken to be 0. Equal values of a sample share the sum of their gradients in
// proportion to their weights, whatever their order. Weights are constants to the gradient.
#ifndef PERENNIAL_CAUSAL_BALANCE_WASSERSTEIN_H_
#define PERENNIAL_CAUSAL_BALANCE_WASSERSTEIN_H_

#include <cstdint>
#include <span>
#include <vector>

#include "common/kernels/aligned.h"

namespace perennial::causal {

enum class WassersteinKind { kW1, kW2Squared };

// T is float or double. One evaluation at a time; evaluations allocate nothing.
template <typename T>
class Wasserstein1d {
 public:
  Wasserstein1d(WassersteinKind kind, int64_t max_rows_x, int64_t max_rows_y);

  // Memory that one takes.
  static int64_t Bytes(int64_t max_rows_x, int64_t max_rows_y);

  // The distance of x [n, 1] and y [m, 1]; adds scale times its gradients to gradient_x [n, 1] and
  // gradient_y [m, 1], of which one without data is not wanted. 0 and no gradient if a sample is
  // empty. NaN, and gradients of NaN, if a value or a weight is not finite.
  //
  // weights_x [n] and weights_y [m] are not negative (CHECK) and need no sum; empty: all equal. A
  // row of weight 0 is as good as left out.
  double Evaluate(kernels::MatrixView<const T> x, kernels::MatrixView<const T> y, double scale,
                  kernels::MatrixView<T> gradient_x, kernels::MatrixView<T> gradient_y,
                  std::span<const T> weights_x = {}, std::span<const T> weights_y = {});

 private:
  struct Point {
    double value;
    double weight;
    double boundary;  // Where the step of this point ends, of the mass of all points up to it.
    double gradient;
    int64_t row;
  };
  struct Key {
    uint64_t bits;  // In the order of the values.
    int64_t row;
  };
  struct Sample {
    std::vector<Point> points;
    std::vector<Key> keys;
    std::vector<Key> scratch;
    int64_t size = 0;
  };

  static bool Sort(kernels::MatrixView<const T> values, std::span<const T> weights, Sample& sample);
  static void SortKeys(Sample& sample);
  static void AddGradient(Sample& sample, double scale, kernels::MatrixView<T> gradient);

  WassersteinKind kind_;
  Sample x_;
  Sample y_;
};

// Numbers that lie side by side, as a matrix of one column.
template <typename T>
kernels::MatrixView<T> AsColumn(std::span<T> values) {
  return {values.data(), static_cast<int64_t>(values.size()), 1, 1};
}

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_BALANCE_WASSERSTEIN_H_
