// How far two samples of points lie apart, with the gradient: the treated and the control units of
// a batch in a learned representation.
//
// D(X, Y) between the rows of x [n, d] and y [m, d], with weights a [n] and b [m] that sum to 1:
// 1 / n and 1 / m if none are given; inverse propensities, to compare weighted groups.
//
//   kLinear    |sum a_i x_i - sum b_j y_j|^2: the MMD of a linear kernel.
//   kRbf       sum a_i a_k k(x_i, x_k) + sum b_j b_l k(y_j, y_l) - 2 sum a_i b_j k(x_i, y_j) with
//              k(p, q) = exp(-|p - q|^2 / (2 s^2)): the squared MMD (Gretton et al. 2012, "A Kernel
//              Two-Sample Test"). This is the V-statistic, at least 0. Unbiased, as U-statistic,
//              the first two sums are over different rows and divided by the sum of those products
//              of weights; it may be negative, and of a single row there is none.
//   kEnergy    2 sum a_i b_j |x_i - y_j| - sum a_i a_k |x_i - x_k| - sum b_j b_l |y_j - y_l|: the
//              energy distance (Szekely and Rizzo 2013, "Energy statistics"), at least 0. It has no
//              bandwidth. At distance 0 the gradient of a distance is taken to be 0.
//   kSinkhorn  OT(X, Y) - (OT(X, X) + OT(Y, Y)) / 2, 0 for equal samples (Feydy et al. 2019,
//              "Interpolating between Optimal Transport and MMD using Sinkhorn Divergences"), of
//              entropic optimal transport (Cuturi 2013, "Sinkhorn Distances"):
//              OT(X, Y) = min over P of sum P_ij C_ij + e KL(P | a b^T), where the plan P >= 0 has
//              sums a and b, and C_ij = |x_i - y_j|^2 or |x_i - y_j|. Or OT(X, Y) alone.
//   kSlackSinkhorn
//              2 sum T_ij M_ij over the rows and one more on either side, its slack: the transport
//              of the public code (cfrnet) of arXiv:1606.03976. M_ij is C_ij between rows, max C
//              between a row and a slack, 0 between the slacks. The plan T_ij = u_i K_ij v_j with
//              K = exp(-M / e) + 1e-6 has masses p a_i, and 1 - p of the slack, on the side of x,
//              (1 - p) b_j, and p of the slack, on that of y. Of equal samples it is not 0. As e
//              grows T becomes the product of the masses, and the value
//              2 p (1 - p) sum a_i b_j C_ij + 2 (p^2 + (1 - p)^2) max C.
//
// Sinkhorn's iterations run on logarithms, so no exponential over- or underflows however small e
// is. Each updates the potentials g of y, then f of x, from f = 0, and their number is fixed. The
// value of OT is that of the dual at the last potentials, sum a_i f_i + sum b_j g_j, never above
// the minimum. The gradient is the envelope theorem's, sum over j of P_ij dC_ij / dx_i with the
// last plan P_ij = a_i b_j exp((f_i + g_j - C_ij) / e), the derivative of the value at fixed
// potentials. Once these have converged they are stationary, and this is the derivative of OT.
// Before, its error is of the order of the difference between the plan's column sums and b. Equal
// samples in equal order have divergence 0 after any number of iterations, and no gradient once
// converged.
//
// kSlackSinkhorn starts from u = its masses, updates v, then u, `iterations` times, and v once
// more, so that the plan's sums on the side of y are exact. The 1e-6, which keeps the public code's
// kernel from 0, is part of the form: it rules K where M > 13.8 e. In the logarithms it is one more
// column of cost 0, as sum of (exp(-M_ij / e) + 1e-6) v_j = sum of exp(-M_ij / e) v_j + 1e-6 sum of
// v_j, so the kernel is the same. The gradient is that of the value with T, max C and e held, 2 sum
// over j of T_ij dC_ij / dx_i: the default of the public code, whose example for IHDP
// differentiates T, too; that is not offered. The public code also takes distances below 1e-5 for
// 1e-5, which is left out: of points that are all one the value is 0.
//
// What is chosen from the data (the bandwidth of the median heuristic, a relative e, max C) and
// weights are constants to the gradient. Numbers depend on the order of the rows by rounding only.
//
//   DiscrepancyConfig config = {.kind = DiscrepancyKind::kRbf};
//   PERENNIAL_RETURN_IF_ERROR(Validate(config));
//   Discrepancy<float> mmd(config, /*max_rows_x=*/batch, /*max_rows_y=*/batch, /*features=*/64);
//   loss += alpha * mmd.Evaluate(treated, control, alpha, treated_gradient, control_gradient);
#ifndef PERENNIAL_CAUSAL_BALANCE_DISCREPANCY_H_
#define PERENNIAL_CAUSAL_BALANCE_DISCREPANCY_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "common/kernels/aligned.h"

namespace perennial::causal {

enum class DiscrepancyKind { kLinear, kRbf, kEnergy, kSinkhorn, kSlackSinkhorn };
enum class TransportCost { kSquaredEuclidean, kEuclidean };

struct DiscrepancyConfig {
  DiscrepancyKind kind = DiscrepancyKind::kLinear;

  // kRbf. The s above; 0: s^2 is the median of the squared distances between all rows of x and y,
  // whatever their weights, or the mean if the median is 0.
  double bandwidth = 0;
  bool unbiased = false;

  // Both Sinkhorns. The e above is `epsilon`, or `epsilon` times the mean of C over all pairs: of
  // the public code 1 / lambda.
  TransportCost cost = TransportCost::kSquaredEuclidean;
  double epsilon = 0.1;
  bool relative_epsilon = true;
  int iterations = 20;
  bool debiased = true;  // kSinkhorn.
  double mass_x = 0.5;   // kSlackSinkhorn: p.
};

// InvalidArgument that names the field, its value and its range: bandwidth 0 or in [1e-15, 1e15];
// epsilon in [1e-15, 1e15]; iterations in [1, 1e6]; mass_x in (0, 1). Fields of other kinds are not
// looked at.
absl::Status Validate(const DiscrepancyConfig& config);

// Of a valid config (CHECK). T is float or double. One evaluation at a time; evaluations allocate
// nothing. O((n + m) d) of kLinear, else O((n + m)^2 d).
template <typename T>
class Discrepancy {
 public:
  Discrepancy(const DiscrepancyConfig& config, int64_t max_rows_x, int64_t max_rows_y,
              int64_t features);
  Discrepancy(const Discrepancy&) = delete;
  Discrepancy& operator=(const Discrepancy&) = delete;
  Discrepancy(Discrepancy&&) = default;
  Discrepancy& operator=(Discrepancy&&) = default;

  // Memory that one takes.
  static int64_t Bytes(const DiscrepancyConfig& config, int64_t max_rows_x, int64_t max_rows_y,
                       int64_t features);

  // D(x, y); adds scale times its gradients to gradient_x [n, d] and gradient_y [m, d], which
  // overlap nothing else, and of which one without data is not wanted. 0 and no gradient if a
  // sample is empty (unbiased: or has one row). NaN if something in x, y or the weights is NaN.
  //
  // weights_x [n] and weights_y [m] are not negative (CHECK) and need no sum; empty: all equal. A
  // row of weight 0 is as good as left out, but for what is chosen from the data.
  double Evaluate(kernels::MatrixView<const T> x, kernels::MatrixView<const T> y, double scale,
                  kernels::MatrixView<T> gradient_x, kernels::MatrixView<T> gradient_y,
                  std::span<const T> weights_x = {}, std::span<const T> weights_y = {});

 private:
  // One piece of memory; N = n + m, x before y. kSlackSinkhorn: N = n + 2 + m + 2.
  struct Scratch {
    T* weights = nullptr;     // [N], a and b.
    T* scales = nullptr;      // [N], of the rows' gradients.
    T* work[4] = {};          // [N] each; kLinear: none.
    T* points = nullptr;      // [N, d]; kLinear: [d].
    T* transposed = nullptr;  // [d, N]; kLinear: none.
    T* pairs = nullptr;       // [N, N]; kLinear: none.
    int64_t elements = 0;
  };
  struct Call;

  static Scratch Divide(T* memory, const DiscrepancyConfig& config, int64_t rows, int64_t features);

  double Linear(const Call& call);
  double Gaussian(const Call& call);
  double Energy(const Call& call);
  double Sinkhorn(const Call& call);
  double SlackSinkhorn(const Call& call);
  kernels::MatrixView<T> SquaredDistancesOf(const Call& call, int64_t room = 0);
  void SetCoefficients(const Call& call, double share_x, double share_y);
  double WeightedSums(const Call& call) const;
  void AddGradients(const Call& call, kernels::MatrixView<const T> pull);

  DiscrepancyConfig config_;
  int64_t max_rows_x_;
  int64_t max_rows_y_;
  int64_t features_;
  kernels::AlignedVector<T> memory_;
  Scratch scratch_;
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_BALANCE_DISCREPANCY_H_
