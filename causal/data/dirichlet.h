// Draws from the symmetric Dirichlet distribution.
//
//   std::vector<double> topics(50);
//   DrawDirichlet(/*concentration=*/0.1, stream, topics);  // adds up to 1; few are large
#ifndef PERENNIAL_CAUSAL_DATA_DIRICHLET_H_
#define PERENNIAL_CAUSAL_DATA_DIRICHLET_H_

#include <span>

#include "common/random/stream.h"

namespace perennial::causal {

// The logarithm of a Gamma(shape, 1) variate, shape > 0: Marsaglia & Tsang (ACM Transactions on
// Mathematical Software 26, 2000); a shape below 1 through shape + 1 and a uniform, in logarithms,
// since the variates of a small shape are below the smallest double.
double LogGammaVariate(double shape, random::Stream& stream);

// shares: not empty; not negative, adds up to 1 within rounding. concentration > 0: the smaller,
// the fewer shares hold all; 1 is uniform on the simplex.
void DrawDirichlet(double concentration, random::Stream& stream, std::span<double> shares);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_DIRICHLET_H_
