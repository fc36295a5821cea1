#include "common/testing/networks.h"

#include <utility>

#include "common/base/logging.h"
#include "common/random/stream.h"
#include "common/testing/images.h"

namespace perennial::testing {
namespace {

using nn::Activation;
using nn::BatchNorm;
using nn::Dense;
using nn::Dropout;
using nn::LayerNorm;

constexpr int32_t kInputs = 15;
constexpr int32_t kActive = 3;

nn::NetworkSpec Stack(std::vector<nn::LayerSpec> layers) {
  return {.inputs = kInputs, .blocks = {{.name = "", .layers = std::move(layers)}}};
}

nn::LayerSpec WithoutBias(nn::LayerSpec layer) {
  layer.bias = false;
  return layer;
}

std::vector<const NetworkCase*> MakeCases() {
  std::vector<const NetworkCase*> cases;
  const auto add = [&](std::string name, nn::NetworkSpec spec,
                       std::vector<nn::RowRange> ranges = {}) {
    cases.push_back(new NetworkCase(std::move(name), std::move(spec), std::move(ranges)));
  };
  add("Linear", nn::MultilayerPerceptron(kInputs, {}, 4));
  add("Relu", nn::MultilayerPerceptron(kInputs, {7, 17}, 4));
  add("LeakyRelu", nn::MultilayerPerceptron(kInputs, {7, 5}, 4, Activation::kLeakyRelu));
  add("Elu", nn::MultilayerPerceptron(kInputs, {7, 5}, 4, Activation::kElu));
  add("Tanh", nn::MultilayerPerceptron(kInputs, {7, 5}, 4, Activation::kTanh));
  add("Gelu", nn::MultilayerPerceptron(kInputs, {7, 5}, 4, Activation::kGelu));
  add("Crelu", nn::MultilayerPerceptron(kInputs, {7, 5}, 4, Activation::kCrelu));
  add("Dropout", Stack({Dense(8, Activation::kElu), Dropout(0.3), Dense(6, Activation::kRelu),
                        Dropout(0.5), Dense(3)}));
  add("LayerNorm", Stack({Dense(8), LayerNorm(Activation::kGelu), Dense(6, Activation::kTanh),
                          LayerNorm(), Dense(3)}));
  // A bias in front of a batch norm has no gradient but rounding, which Adam would blow up.
  add("BatchNorm", Stack({WithoutBias(Dense(8)), BatchNorm(Activation::kCrelu),
                          WithoutBias(Dense(6)), BatchNorm(Activation::kElu), Dense(3)}));
  add("NormFirst", Stack({BatchNorm(), Dense(6, Activation::kTanh), Dense(2)}));
  add("NoBias", Stack({WithoutBias(Dense(6, Activation::kTanh)), Dense(2)}));
  {
    nn::NetworkSpec spec = nn::MultilayerPerceptron(kInputs, {7, 5}, 4, Activation::kElu);
    spec.one_hot = true;
    add("OneHot", spec);
  }
  add("Twins", {.inputs = kInputs,
                .blocks = {{.name = "first", .layers = {Dense(6, Activation::kTanh), Dense(1)}},
                           {.name = "second", .layers = {Dense(6, Activation::kRelu), Dense(2)}}}});
  // A trunk with heads for the two parts of the batch, and one for all.
  const nn::NetworkSpec heads = {
      .inputs = kInputs,
      .blocks = {
          {.name = "trunk", .layers = {Dense(6, Activation::kElu)}},
          {.name = "control", .layers = {Dense(4, Activation::kElu), Dense(1)}, .input = "trunk"},
          {.name = "treated", .layers = {Dense(4, Activation::kTanh), Dense(1)}, .input = "trunk"},
          {.name = "propensity", .layers = {Dense(2)}, .input = "trunk"}}};
  add("Heads", heads, {{0, 9}, {0, 5}, {5, 9}, {0, 9}});
  add("HeadsThatLeaveRowsOut", heads, {{0, 9}, {1, 3}, {5, 8}, {2, 2}});
  add("HeadWithoutRows", heads, {{0, 9}, {0, 9}, {9, 9}, {0, 9}});
  // Inner blocks that see fewer rows, stacks of blocks, heads that do not begin with a dense layer.
  add("Chain",
      {.inputs = kInputs,
       .blocks = {{.name = "a", .layers = {Dense(6, Activation::kElu)}},
                  {.name = "b", .layers = {LayerNorm(Activation::kTanh)}, .input = "a"},
                  {.name = "c", .layers = {Dropout(0.25), Dense(3)}, .input = "b"},
                  {.name = "d", .layers = {Dense(2)}, .input = "b"},
                  {.name = "e", .layers = {Dense(2, Activation::kTanh)}, .input = "a"}}},
      {{1, 9}, {2, 8}, {3, 7}, {2, 5}, {1, 6}});
  return cases;
}

}  // namespace

NetworkCase::NetworkCase(std::string name, nn::NetworkSpec spec, std::vector<nn::RowRange> ranges)
    : name_(std::move(name)), spec_(std::move(spec)), ranges_(std::move(ranges)) {
  ranges_.resize(spec_.blocks.size(), {0, rows()});
  random::Stream stream(11);
  if (spec_.one_hot) {
    for (int example = 0; example < 7; ++example) {
      const std::vector<int32_t> drawn = stream.Sample(kInputs, kActive);
      active_.insert(active_.end(), drawn.begin(), drawn.end());
    }
    image_indices_ = {6, 0, 3, 3};
    table_indices_ = {1, 2, 5, 4, 6};
    const auto table = data::InputTable::OneHot(active_, kActive, kInputs);
    parts_ = {{table, image_indices_}, {table, table_indices_}};
    inputs_.resize(rows() * kInputs);
    int64_t row = 0;
    for (const data::BatchPart& part : parts_) {
      for (const int32_t index : part.indices) {
        for (int k = 0; k < kActive; ++k) inputs_[row * kInputs + active_[index * kActive + k]] = 1;
        ++row;
      }
    }
    return;
  }
  images_ = ClassImages(6, 3, 5, 4, 0.5, stream.Split("templates"), stream.Split("images"));
  for (int i = 0; i < 4 * kInputs; ++i) table_.push_back(static_cast<float>(stream.Normal()));
  image_indices_ = {3, 0, 4, 4, 1};
  table_indices_ = {2, 3, 0, 2};
  map_ = stream.Sample(kInputs, kInputs);
  parts_ = {{&images_, image_indices_},
            {data::InputTable::Floats(table_, kInputs), table_indices_, map_}};
  for (const int32_t index : image_indices_) {
    for (const uint8_t pixel : images_.image(index)) {
      inputs_.push_back(pixel * static_cast<double>(images_.scale) + images_.shift);
    }
  }
  for (const int32_t index : table_indices_) {
    for (int c = 0; c < kInputs; ++c) inputs_.push_back(table_[index * kInputs + map_[c]]);
  }
}

nn::Network NetworkCase::network() const {
  auto network = nn::Network::Create(spec_);
  CHECK(network.ok()) << network.status().message();
  return *std::move(network);
}

bool NetworkCase::Has(nn::LayerSpec::Kind kind) const {
  for (const nn::BlockSpec& block : spec_.blocks) {
    for (const nn::LayerSpec& layer : block.layers) {
      if (layer.kind == kind) return true;
    }
  }
  return false;
}

void PrintTo(const NetworkCase* network, std::ostream* stream) { *stream << network->name(); }

const std::vector<const NetworkCase*>& NetworkCases() {
  static const auto* const cases = new std::vector<const NetworkCase*>(MakeCases());
  return *cases;
}

std::vector<const NetworkCase*> NetworkCasesWhere(bool (*keep)(const NetworkCase&)) {
  std::vector<const NetworkCase*> kept;
  for (const NetworkCase* network : NetworkCases()) {
    if (keep(*network)) kept.push_back(network);
  }
  return kept;
}

std::vector<std::vector<double>> Cotangents(const NetworkCase& network_case, int without) {
  const nn::Network network = network_case.network();
  random::Stream stream(13);
  std::vector<std::vector<double>> cotangents(network.blocks());
  for (int b = 0; b < network.blocks(); ++b) {
    if (b == without) continue;
    cotangents[b].resize(network_case.ranges()[b].size() * network.outputs(b));
    for (double& value : cotangents[b]) value = stream.Normal();
  }
  return cotangents;
}

}  // namespace perennial::testing
