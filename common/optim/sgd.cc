#include "common/optim/sgd.h"

#include "common/kernels/elementwise.h"

namespace perennial::optim {

template <typename T>
void Sgd<T>::Step(nn::ConstRow<T> gradient, nn::Row<T> row) {
  kernels::SgdMomentumStep<T>(
      static_cast<T>(config_.learning_rate), static_cast<T>(config_.momentum),
      static_cast<T>(config_.weight_decay), gradient, row, velocity_.row(0));
}

template class Sgd<float>;
template class Sgd<double>;

}  // namespace perennial::optim
