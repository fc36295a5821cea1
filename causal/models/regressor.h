// Regression as a building block: what meta-learners compose.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const auto fit, regressor.Fit({.x = x, .y = y, .stream = stream}));
//   std::vector<double> predicted(n);
//   fit->Predict(x_new, predicted);
#ifndef PERENNIAL_CAUSAL_MODELS_REGRESSOR_H_
#define PERENNIAL_CAUSAL_MODELS_REGRESSOR_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "common/kernels/aligned.h"
#include "common/random/stream.h"

namespace perennial::causal {

// A fitted function of covariates.
class Regression {
 public:
  virtual ~Regression() = default;
  // x [n, p] with the p of the fit -> predicted [n]. A binary target's is its probability.
  virtual void Predict(kernels::MatrixView<const double> x, std::span<double> predicted) const = 0;
  // The whole of it, for its kind's Restore.
  virtual std::string Serialize() const = 0;
};

struct RegressionData {
  kernels::MatrixView<const double> x;   // [n, p], n at least 1.
  std::span<const double> y;             // [n]
  std::span<const double> weights = {};  // [n], not negative; empty: all 1.
  bool binary = false;                   // y is 0 or 1, and its probability is wanted.
  // [n], units of equal number are not independent (copies of a unit in a bootstrap sample, say),
  // so that none is held out while another is fitted to; empty: all are independent.
  std::span<const int32_t> cluster = {};
  random::Stream stream;
};

// A way to fit one. Deterministic: equal data and stream give equal bits.
class Regressor {
 public:
  virtual ~Regressor() = default;
  virtual absl::StatusOr<std::unique_ptr<Regression>> Fit(const RegressionData& data) const = 0;
  // Untrusted bytes of Serialize.
  virtual absl::StatusOr<std::unique_ptr<Regression>> Restore(const std::string& bytes) const = 0;
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_MODELS_REGRESSOR_H_
