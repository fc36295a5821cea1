// TARNet in eager LibTorch: what our step is timed against, and agrees with.
//
// Data is resident; a step selects a batch's rows, runs the trunk on all of them and each head on
// its arm's rows, then autograd and torch::optim::Adam, in float on one thread.
#ifndef PERENNIAL_CAUSAL_NETS_EAGER_TARNET_H_
#define PERENNIAL_CAUSAL_NETS_EAGER_TARNET_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace perennial::causal {

struct EagerTarnetOptions {
  std::vector<int64_t> trunk;
  std::vector<int64_t> head;
  std::span<const float> covariates;   // [n, features], row by row.
  std::span<const int32_t> treatment;  // [n], 0 or 1.
  std::span<const float> outcome;      // [n]
  double learning_rate = 1e-3;
};

class EagerTarnet {
 public:
  explicit EagerTarnet(const EagerTarnetOptions& options);
  ~EagerTarnet();

  // Weights [outputs, inputs], row by row, and biases of each layer: the trunk's, the control
  // head's, the treated head's.
  void SetParameters(const std::vector<std::span<const float>>& parameters);

  // A step on the mean squared error of the batch's own arms; returns it as it was before.
  double Step(std::span<const int32_t> indices);

  // What the head of an arm says of units [m, features]: [m].
  std::vector<float> Predict(int arm, std::span<const float> covariates) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_NETS_EAGER_TARNET_H_
