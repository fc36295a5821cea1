#include "causal/nets/effect_network.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

void AddHidden(const std::vector<int64_t>& widths, const EffectNetworkOptions& options,
               std::vector<nn::LayerSpec>& layers) {
  for (const int64_t width : widths) {
    layers.push_back(nn::Dense(width, options.activation));
    if (options.dropout > 0) layers.push_back(nn::Dropout(options.dropout));
  }
}

}  // namespace

absl::StatusOr<EffectNetwork> EffectNetwork::Create(const EffectNetworkOptions& options,
                                                    int64_t inputs, int arms) {
  if (arms < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(arms, " arms: there must be a control and a treatment"));
  }
  if (options.shared && options.trunk.empty()) {
    return absl::InvalidArgumentError("shared features need a trunk of at least one layer");
  }
  if (options.propensity && !options.shared) {
    return absl::InvalidArgumentError("a propensity head needs features that the arms share");
  }
  nn::NetworkSpec spec = {.inputs = inputs, .blocks = {}};
  int blocks = 0;
  const int features = options.shared ? blocks++ : -1;
  if (options.shared) {
    AddHidden(options.trunk, options, spec.blocks.emplace_back(nn::BlockSpec{"features"}).layers);
  }
  std::vector<int> heads;
  for (int arm = 0; arm < arms; ++arm) {
    nn::BlockSpec& head = spec.blocks.emplace_back(nn::BlockSpec{absl::StrCat("arm_", arm)});
    if (options.shared) {
      head.input = "features";
    } else {
      AddHidden(options.trunk, options, head.layers);
    }
    AddHidden(options.head, options, head.layers);
    head.layers.push_back(nn::Dense(1));
    heads.push_back(blocks++);
  }
  if (options.propensity) {
    spec.blocks.push_back({.name = "propensity", .layers = {nn::Dense(arms)}, .input = "features"});
  }
  PERENNIAL_ASSIGN_OR_RETURN(nn::Network network, nn::Network::Create(spec));
  return EffectNetwork{.network = std::move(network),
                       .features = features,
                       .heads = std::move(heads),
                       .propensity = options.propensity ? blocks : -1,
                       .offset = options.offset};
}

}  // namespace perennial::causal
