// Functions of covariates as sums of simple terms, written down or drawn at random.
//
//   const Surface f = {.constant = 1,
//                      .terms = {{.kind = SurfaceTerm::Kind::kLinear, .column = 0, .weight = 2},
//                                {.kind = SurfaceTerm::Kind::kProduct, .column = 1, .other = 2}}};
//   SurfaceAt(f, x);  // 1 + 2 x[0] + x[1] x[2]
#ifndef PERENNIAL_CAUSAL_DATA_RANDOM_SURFACE_H_
#define PERENNIAL_CAUSAL_DATA_RANDOM_SURFACE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "common/kernels/aligned.h"
#include "common/random/stream.h"

namespace perennial::causal {

struct SurfaceTerm {
  enum class Kind {
    kLinear,   // x
    kSquare,   // x^2
    kProduct,  // x x', x' the column `other`
    kSine,     // sin(parameter x)
    kStep,     // 1 if x > parameter, else 0
  };
  Kind kind = Kind::kLinear;
  int32_t column = 0;
  int32_t other = 0;
  double parameter = 0;
  double weight = 1;
};

struct Surface {
  double constant = 0;
  std::vector<SurfaceTerm> terms = {};
};

double SurfaceAt(const Surface& surface, std::span<const double> x);

// A random surface over `columns` (not empty) with mean 0 and standard deviation 1 on the rows of
// `reference` [rows, columns of x], on which no column may be constant.
//
// Linear terms: each column, with a weight of random sign whose size is uniform in [1/2, 1] in
// units of the column. Other terms: as many as columns, at least 2, of random kind and columns
// (sine: parameter uniform in [1, 3]; step: N(0, 1/2^2)), weights of random sign likewise. The two
// parts, each with variance 1, are added with weights sqrt(1 - nonlinearity) and
// sqrt(nonlinearity), nonlinearity in [0, 1], the sign of the second such that they do not work
// against each other; the sum is scaled again, since they may correlate.
Surface RandomSurface(std::span<const int32_t> columns, double nonlinearity,
                      kernels::MatrixView<const double> reference, random::Stream stream);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_RANDOM_SURFACE_H_
