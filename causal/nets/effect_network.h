// Networks with a head for each arm: what the models of this line train.
//
//   T-net       a network for each arm, nothing shared
//   TARNet      features shared by the heads (Shalit, Johansson, Sontag, arXiv:1606.03976)
//   Dragonnet   and a linear propensity head on the features (Shi, Blei, Veitch, arXiv:1906.02120)
//
//   PERENNIAL_ASSIGN_OR_RETURN(
//       const EffectNetwork network,
//       EffectNetwork::Create({.trunk = {64, 64, 64}, .head = {32, 32}}, /*inputs=*/25,
//       /*arms=*/2));
//   network.network.Forward(row, x, workspace, {.rows = ...});
//   workspace.output(network.heads[1])                 // [rows of its range, 1]
#ifndef PERENNIAL_CAUSAL_NETS_EFFECT_NETWORK_H_
#define PERENNIAL_CAUSAL_NETS_EFFECT_NETWORK_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "common/nn/network.h"
#include "common/nn/spec.h"

namespace perennial::causal {

struct EffectNetworkOptions {
  // Widths of the hidden layers that all arms share, and of those of each arm.
  std::vector<int64_t> trunk = {64, 64, 64};
  std::vector<int64_t> head = {32, 32};
  nn::Activation activation = nn::Activation::kElu;
  double dropout = 0;       // Behind each hidden layer.
  bool shared = true;       // false: a T-net, each arm with a trunk of its own.
  bool propensity = false;  // A linear head on the shared features, one logit an arm.
  // The head of a treated arm predicts what it adds to the control's outcome, so that effects are
  // fitted directly (as OffsetNet, Curth and van der Schaar 2021).
  bool offset = false;
};

struct EffectNetwork {
  // InvalidArgument: widths out of range; shared features without a trunk; a propensity head
  // without shared features; fewer than two arms.
  static absl::StatusOr<EffectNetwork> Create(const EffectNetworkOptions& options, int64_t inputs,
                                              int arms);

  nn::Network network;
  int features = -1;       // The block of shared features; -1: there is none.
  std::vector<int> heads;  // [arms], each with one output.
  int propensity = -1;     // The block of propensity logits, [arms]; -1: there is none.
  bool offset = false;     // Heads of treated arms are differences from the control's.

  int arms() const { return static_cast<int>(heads.size()); }
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_NETS_EFFECT_NETWORK_H_
