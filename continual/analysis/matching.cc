#include "continual/analysis/matching.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/kernels/activation.h"
#include "common/kernels/aligned.h"
#include "common/kernels/elementwise.h"
#include "common/kernels/gemm.h"
#include "common/nn/layout.h"
#include "common/nn/spec.h"
#include "common/stats/assignment.h"

namespace perennial::continual {
namespace {

using kernels::MatrixView;
using kernels::Transpose;
using Kind = nn::LayerSpec::Kind;

absl::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kDense:
      return "dense";
    case Kind::kLayerNorm:
      return "layer norm";
    case Kind::kBatchNorm:
      return "batch norm";
    case Kind::kDropout:
      return "dropout";
  }
  return "unknown";
}

// Where a dense layer lies in a row.
struct Dense {
  int64_t inputs = 0;
  int64_t width = 0;
  int64_t weight = 0;
  int64_t bias = -1;
  int copies = 1;  // Of each unit among the outputs: two behind CReLU, [z, -z].
};

std::vector<Dense> DenseLayers(const nn::Network& network) {
  const nn::BlockSpec& block = network.spec().blocks[0];
  std::vector<Dense> layers;
  for (size_t i = 0; i < block.layers.size(); ++i) {
    if (block.layers[i].kind != Kind::kDense) continue;
    const std::string name = nn::LayerName(block, i);
    Dense layer;
    for (const nn::ParameterSlice& slice : network.layout().slices()) {
      if (slice.name == absl::StrCat(name, ".weight")) {
        layer.weight = slice.offset;
        layer.width = slice.shape[0];
        layer.inputs = slice.shape[1];
      } else if (slice.name == absl::StrCat(name, ".bias")) {
        layer.bias = slice.offset;
      }
    }
    CHECK_GT(layer.width, 0);
    layer.copies = static_cast<int>(kernels::ActivationWidth(block.layers[i].activation, 1));
    layers.push_back(layer);
  }
  return layers;
}

// What a hidden unit is made of, one unit a row: incoming weights, bias, and outgoing weights, of
// all copies of the unit.
class Units {
 public:
  Units(nn::ConstRow<float> row, const Dense& layer, const Dense& next) {
    const int64_t columns = layer.inputs + 1 + layer.copies * next.width;
    const int64_t stride = kernels::RoundUp(columns);
    values_.assign(layer.width * stride, 0.0);
    view_ = {values_.data(), layer.width, columns, stride};
    for (int64_t u = 0; u < layer.width; ++u) {
      double* unit = values_.data() + u * stride;
      const float* weights = row.data() + layer.weight + u * layer.inputs;
      unit = std::copy_n(weights, layer.inputs, unit);
      *unit++ = layer.bias >= 0 ? row[layer.bias + u] : 0;
      for (int copy = 0; copy < layer.copies; ++copy) {
        const float* outgoing = row.data() + next.weight + copy * layer.width + u;
        for (int64_t o = 0; o < next.width; ++o) *unit++ = outgoing[o * next.inputs];
      }
    }
  }

  MatrixView<const double> view() const { return view_; }

 private:
  kernels::AlignedVector<double> values_;
  MatrixView<const double> view_;
};

// Unit u of the layer becomes what unit source[u] was.
void Permute(std::span<const int32_t> source, const Dense& layer, const Dense& next,
             nn::Row<float> row) {
  const nn::Rows<float> old = [&] {
    nn::Rows<float> copy(1, std::ssize(row));
    std::ranges::copy(row, copy.row(0).begin());
    return copy;
  }();
  const nn::ConstRow<float> from = old.row(0);
  for (int64_t u = 0; u < layer.width; ++u) {
    std::copy_n(from.data() + layer.weight + source[u] * layer.inputs, layer.inputs,
                row.data() + layer.weight + u * layer.inputs);
    if (layer.bias >= 0) row[layer.bias + u] = from[layer.bias + source[u]];
    for (int64_t o = 0; o < next.width; ++o) {
      for (int copy = 0; copy < layer.copies; ++copy) {
        const int64_t begin = next.weight + o * next.inputs + copy * layer.width;
        row[begin + u] = from[begin + source[u]];
      }
    }
  }
}

// One assignment problem; true if the layer's units were reordered.
absl::StatusOr<bool> MatchLayer(nn::ConstRow<float> reference, const Dense& layer,
                                const Dense& next, nn::Row<float> row) {
  const int64_t width = layer.width;
  const Units ours(reference, layer, next);
  const Units theirs(row, layer, next);
  kernels::AlignedVector<double> costs(width * width);
  kernels::Gemm<double>(Transpose::kNo, Transpose::kYes, -1, ours.view(), theirs.view(), 0,
                        {costs.data(), width, width, width});
  PERENNIAL_ASSIGN_OR_RETURN(const stats::Assignment best, stats::LinearAssignment(costs, width));
  double stay = 0, size = 0;
  for (int64_t u = 0; u < width; ++u) {
    stay += costs[u * width + u];
    size += std::abs(costs[u * width + u]) + std::abs(costs[u * width + best.column[u]]);
  }
  // Among equals nothing moves, so that the search ends.
  if (!(stay - best.cost > 1e-12 * size)) return false;
  Permute(best.column, layer, next, row);
  return true;
}

bool AllFinite(nn::ConstRow<float> row) {
  return std::ranges::all_of(row, [](float value) { return std::isfinite(value); });
}

}  // namespace

absl::Status SupportsMatching(const nn::Network& network) {
  const nn::NetworkSpec& spec = network.spec();
  if (spec.blocks.size() > 1) {
    return absl::UnimplementedError(absl::StrCat("block \"", spec.blocks[1].name,
                                                 "\": weight matching is made for networks of one "
                                                 "block"));
  }
  if (spec.one_hot) {
    return absl::UnimplementedError(
        "layer 0 reads one-hot inputs: weight matching is made for dense inputs");
  }
  for (size_t i = 0; i < spec.blocks[0].layers.size(); ++i) {
    const Kind kind = spec.blocks[0].layers[i].kind;
    if (kind == Kind::kDense || kind == Kind::kDropout) continue;
    return absl::UnimplementedError(
        absl::StrCat("layer ", i, " (", KindName(kind),
                     "): weight matching is made for dense layers and dropout between them"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Matching> MatchWeights(const nn::Network& network, nn::ConstRow<float> reference,
                                      nn::ConstRow<float> row, nn::Row<float> matched,
                                      const MatchingOptions& options) {
  PERENNIAL_RETURN_IF_ERROR(SupportsMatching(network));
  const int64_t size = network.layout().size();
  CHECK(std::ssize(reference) == size && std::ssize(row) == size && std::ssize(matched) == size);
  CHECK_GT(options.searches, 0);
  if (!AllFinite(reference) || !AllFinite(row)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the ", AllFinite(reference) ? "row to match" : "reference row",
                     " holds a number that is not finite"));
  }
  const std::vector<Dense> layers = DenseLayers(network);
  const int64_t hidden = std::max<int64_t>(std::ssize(layers) - 1, 0);

  nn::Rows<float> rows(3, size);  // As it came, of a search, and the best.
  std::ranges::copy(row, rows.row(0).begin());
  const nn::Row<float> now = rows.row(1);
  Matching best;
  for (int search = 0; search < options.searches; ++search) {
    const random::Stream random = options.random.Split(search);
    rows.CopyRow(0, 1);
    for (int64_t l = 0; search > 0 && l < hidden; ++l) {
      const int32_t width = static_cast<int32_t>(layers[l].width);
      Permute(random.Split("start").Split(l).Sample(width, width), layers[l], layers[l + 1], now);
    }
    Matching matching = {.inner_products = {kernels::Dot<float>(reference, now)}};
    for (bool changed = true; changed;) {
      std::vector<int64_t> order(hidden);
      std::iota(order.begin(), order.end(), 0);
      random.Split("order").Split(matching.sweeps()).Shuffle(std::span<int64_t>(order));
      changed = false;
      for (const int64_t l : order) {
        PERENNIAL_ASSIGN_OR_RETURN(const bool moved,
                                   MatchLayer(reference, layers[l], layers[l + 1], now));
        changed |= moved;
      }
      matching.inner_products.push_back(kernels::Dot<float>(reference, now));
    }
    if (search == 0 || matching.inner_product() > best.inner_product()) {
      best = std::move(matching);
      rows.CopyRow(1, 2);
    }
  }
  std::ranges::copy(rows.row(2), matched.begin());
  return best;
}

int64_t MatchingBytes(const nn::Network& network) {
  const std::vector<Dense> layers = DenseLayers(network);
  int64_t layer_bytes = 0;  // Both rows' units and their inner products, of the largest layer.
  for (size_t l = 0; l + 1 < layers.size(); ++l) {
    const int64_t doubles =
        2 * (layers[l].inputs + 1 + layers[l].copies * layers[l + 1].width) + layers[l].width;
    layer_bytes = std::max<int64_t>(layer_bytes, layers[l].width * doubles * sizeof(double));
  }
  return 4 * network.layout().size() * static_cast<int64_t>(sizeof(float)) + layer_bytes;
}

}  // namespace perennial::continual
