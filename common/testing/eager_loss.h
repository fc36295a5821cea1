// LibTorch's losses, with autograd's first and second derivatives, as the oracle of
// common/nn/loss.h, behind one source file that pays for torch/torch.h. Everything is in double.
#ifndef PERENNIAL_COMMON_TESTING_EAGER_LOSS_H_
#define PERENNIAL_COMMON_TESTING_EAGER_LOSS_H_

#include <cstdint>
#include <span>
#include <vector>

namespace perennial::testing {

enum class EagerLossKind {
  kLabels,       // torch cross_entropy with class indices
  kSoftTargets,  // torch cross_entropy with class probabilities
  kSquared,      // mse_loss
  kHuber,        // huber_loss
  kLogistic,     // binary_cross_entropy_with_logits
};

struct EagerLossProblem {
  int64_t columns = 0;
  std::span<const double> outputs;  // [B, columns], packed, like targets and tangent
  std::span<const int32_t> labels;  // [B], kLabels
  std::span<const double> targets;  // All others.
  std::span<const double> weights;  // [B]
  std::span<const double> tangent;
  double label_smoothing = 0;  // kLabels, kSoftTargets
  double delta = 1;            // kHuber
};

struct EagerLossResult {
  double loss = 0;               // sum over rows of weights[r] * loss_r, summed over columns
  std::vector<double> gradient;  // with respect to the outputs
  std::vector<double> product;   // the Hessian times the tangent
};

EagerLossResult EagerLoss(EagerLossKind kind, const EagerLossProblem& problem);

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_EAGER_LOSS_H_
