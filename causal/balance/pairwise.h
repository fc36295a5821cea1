// What discrepancies between samples are made of: sums over pairs of points, SIMD by Highway with
// the instruction set chosen at run time. Templates of float and double.
//
// Distances are sums of squared differences, not |a|^2 + |b|^2 - 2 ab by a matrix product: a
// symmetric matrix is computed once, which makes it as cheap, and near and equal points, which a
// collapsing representation is full of, keep their digits. Sums run in an order that depends on the
// shapes and the instruction set only. Views have any stride and need no alignment; nothing beyond
// them is written.
#ifndef PERENNIAL_CAUSAL_BALANCE_PAIRWISE_H_
#define PERENNIAL_CAUSAL_BALANCE_PAIRWISE_H_

#include "common/kernels/aligned.h"

namespace perennial::causal {

// squared(i, j) = |p_i - p_j|^2 of points [N, d]; `transposed` [d, N] holds them too. Symmetric bit
// by bit, 0 for equal points.
template <typename T>
void SquaredDistances(kernels::MatrixView<const T> points, kernels::MatrixView<const T> transposed,
                      kernels::MatrixView<T> squared);

// The median of squared(i, j) over the pairs i < j, of the two middle ones their mean. `squared`
// [N, N] is symmetric, not negative, infinite on its diagonal; N is at least 2.
template <typename T>
double MedianOfPairs(kernels::MatrixView<const T> squared);

// For the rows i of squared distances q: sums[i] = sum over j of c[j] exp(-factor q(i, j)), and
// q(i, j) = c[j] exp(-factor q(i, j)) in its place. factor >= 0.
template <typename T>
void GaussianRows(T factor, const T* c, T* sums, kernels::MatrixView<T> q);

// For the rows i of squared distances q: sums[i] = sum over j of c[j] sqrt(q(i, j)), and q(i, j) =
// c[j] / sqrt(q(i, j)), or 0 of distance 0, in its place.
template <typename T>
void DistanceRows(const T* c, T* sums, kernels::MatrixView<T> q);

// q = scale * sqrt(q).
template <typename T>
void SquareRoots(T scale, kernels::MatrixView<T> q);

// out[i] = offset[i] - log sum over j of exp(l(i, j) + shift[j]): half an iteration of Sinkhorn. At
// least one column; shift may be -inf in some of them, not in all.
template <typename T>
void NegativeLogSumExp(kernels::MatrixView<const T> l, const T* shift, const T* offset, T* out);

// l(i, j) = s(i, j) exp(l(i, j) + u[i] + v[j]); if `symmetric`, of a square l, s(i, j) times the
// sum of this and of exp(l(i, j) + v[i] + u[j]). Exponents are at most 0, but for rounding. s(i, j)
// = `constant` if root is 0, else root / l(i, j), or 0 of l = 0.
template <typename T>
void PlanRows(bool symmetric, const T* u, const T* v, T constant, T root, kernels::MatrixView<T> l);

// out_i += scale[i] sum over j of pull(i, j) (p_i - o_j): of rows p [n, d], out [n, d], others o
// [m, d], pull [n, m].
template <typename T>
void AddPull(kernels::MatrixView<const T> pull, kernels::MatrixView<const T> points,
             kernels::MatrixView<const T> others, const T* scale, kernels::MatrixView<T> out);

// out[k] = sum over i of weights[i] x(i, k), + out[k] if `accumulate`.
template <typename T>
void WeightedColumnSums(kernels::MatrixView<const T> x, const T* weights, bool accumulate, T* out);

// out(i, k) += weights[i] row[k].
template <typename T>
void AddOuter(const T* weights, const T* row, kernels::MatrixView<T> out);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_BALANCE_PAIRWISE_H_
