// The logistic function, its inverse and its integral, without overflow.
//
//   const double e = Sigmoid(0.3);                         // Logit(e) = 0.3
#ifndef PERENNIAL_CAUSAL_DATA_LOGIT_H_
#define PERENNIAL_CAUSAL_DATA_LOGIT_H_

#include <algorithm>
#include <cmath>

namespace perennial::causal {

// 1 / (1 + exp(-x)); a tail keeps its digits.
inline double Sigmoid(double x) {
  if (x >= 0) return 1 / (1 + std::exp(-x));
  const double odds = std::exp(x);
  return odds / (1 + odds);
}

// log(p / (1 - p))
inline double Logit(double p) { return std::log(p) - std::log1p(-p); }

// log(1 + exp(x))
inline double Softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_LOGIT_H_
