// Stochastic gradient descent with momentum on rows.
//
//   optim::Sgd<float> sgd({.learning_rate = 0.1, .momentum = 0.8}, row.size());
//   sgd.Step(gradient, row);
#ifndef PERENNIAL_COMMON_OPTIM_SGD_H_
#define PERENNIAL_COMMON_OPTIM_SGD_H_

#include <cstdint>

#include "common/nn/rows.h"

namespace perennial::optim {

struct SgdConfig {
  double learning_rate = 0.01;
  double momentum = 0;
  double weight_decay = 0;  // Added to the gradient as weight_decay * w.
};

// v = momentum v + g + weight_decay w;  w = w - learning_rate v  (LibTorch's convention).
template <typename T>
class Sgd {
 public:
  Sgd(const SgdConfig& config, int64_t size) : config_(config), velocity_(1, size) {}

  void Step(nn::ConstRow<T> gradient, nn::Row<T> row);

  // The state that a checkpoint keeps.
  nn::Row<T> velocity() { return velocity_.row(0); }
  nn::ConstRow<T> velocity() const { return velocity_.row(0); }

 private:
  SgdConfig config_;
  nn::Rows<T> velocity_;
};

}  // namespace perennial::optim

#endif  // PERENNIAL_COMMON_OPTIM_SGD_H_
