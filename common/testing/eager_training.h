// Training and testing in eager LibTorch: what our fast path is timed against.
//
// Data is resident; a step selects its rows by index, and runs nn::Sequential, autograd and
// torch::optim in float on one thread.
#ifndef PERENNIAL_COMMON_TESTING_EAGER_TRAINING_H_
#define PERENNIAL_COMMON_TESTING_EAGER_TRAINING_H_

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/data/input_table.h"

namespace perennial::testing {

struct EagerTrainingOptions {
  std::vector<int64_t> widths;  // Of a perceptron with ReLU: inputs, hidden layers, outputs.
  data::InputTable inputs;      // Bytes or floats.
  std::span<const int32_t> labels;
  bool adam = false;  // Else SGD with momentum 0.8.
  double learning_rate = 0.01;
};

class EagerTraining {
 public:
  explicit EagerTraining(const EagerTrainingOptions& options);
  ~EagerTraining();
  EagerTraining(EagerTraining&&) noexcept;

  // A step on the mean cross-entropy of a batch; returns the loss before it.
  double Step(std::span<const int32_t> indices);
  // The share of all examples that is classified right, and their mean loss; batches of 1000.
  std::pair<double, double> Evaluate();
  // Adds each example's squared gradient to a tensor of each parameter, by a backward pass an
  // example. Returns the sum of all.
  double PerSampleSquares(std::span<const int32_t> indices);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_EAGER_TRAINING_H_
