// A perceptron as a building block of meta-learners: one output, mini-batches of Adam.
//
// Covariates and targets are standardised (not binary targets, which have the logistic loss); of
// the units a share is held out, and the weights with the smallest loss on them are kept.
//
//   const NetRegressor regressor({.hidden = {64, 64}});
//   PERENNIAL_ASSIGN_OR_RETURN(const auto fit, regressor.Fit({.x = x, .y = y, .stream = stream}));
#ifndef PERENNIAL_CAUSAL_NETS_NET_REGRESSOR_H_
#define PERENNIAL_CAUSAL_NETS_NET_REGRESSOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "causal/models/regressor.h"
#include "common/nn/spec.h"

namespace perennial::causal {

struct NetRegressorOptions {
  std::vector<int64_t> hidden = {64, 64, 64};
  nn::Activation activation = nn::Activation::kElu;
  double learning_rate = 1e-3;
  double weight_decay = 0;  // Added to the gradient, times the weights.
  int32_t batch_size = 100;
  int64_t steps = 3000;
  double validation_share = 0.3;  // 0: the last weights are kept.
  int64_t evaluate_every = 50;    // Steps.
};

class NetRegressor final : public Regressor {
 public:
  // InvalidArgument names the option and its range.
  static absl::StatusOr<std::unique_ptr<NetRegressor>> Create(const NetRegressorOptions& options);

  // InvalidArgument for numbers that are not finite, or weights that are negative or all 0;
  // FailedPrecondition if the loss is not a number.
  absl::StatusOr<std::unique_ptr<Regression>> Fit(const RegressionData& data) const override;
  absl::StatusOr<std::unique_ptr<Regression>> Restore(const std::string& bytes) const override;

 private:
  explicit NetRegressor(const NetRegressorOptions& options) : options_(options) {}

  NetRegressorOptions options_;
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_NETS_NET_REGRESSOR_H_
