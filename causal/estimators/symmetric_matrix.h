// Small symmetric systems in double: Cholesky's factor, and eigenvalues by Jacobi's rotations.
//
// For matrices of up to some hundred rows, on one thread; the result is a function of the numbers
// alone. Source: Golub and Van Loan, Matrix Computations (4th ed.), sections 4.2 and 8.5.
//
//   std::vector<double> factor = a;                        // [n, n]
//   if (Cholesky(factor, n, 1e-10)) CholeskySolve(factor, n, b);
#ifndef PERENNIAL_CAUSAL_ESTIMATORS_SYMMETRIC_MATRIX_H_
#define PERENNIAL_CAUSAL_ESTIMATORS_SYMMETRIC_MATRIX_H_

#include <cstdint>
#include <span>
#include <vector>

namespace perennial::causal {

// Turns the lower triangle of a [n, n], row by row, into L with L L^T = a; reads nothing above it.
// False, and a is spoilt, when a pivot (the square of a diagonal element of L) is not above
// `least_pivot`, at least 0.
bool Cholesky(std::span<double> a, int64_t n, double least_pivot);

// b [n] := (L L^T)^-1 b.
void CholeskySolve(std::span<const double> factor, int64_t n, std::span<double> b);

struct SymmetricEigen {
  std::vector<double> values;   // [n], falling.
  std::vector<double> vectors;  // [n, n]; row k is of length 1 and belongs to values[k].
};

// Of a symmetric a [n, n], both triangles given. Errors are some 1e-15 of the largest magnitude.
SymmetricEigen EigenOf(std::vector<double> a, int64_t n);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATORS_SYMMETRIC_MATRIX_H_
