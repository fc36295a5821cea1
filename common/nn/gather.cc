#include "common/nn/gather.h"

#include <cstdint>

#include "common/base/logging.h"
#include "common/kernels/elementwise.h"

namespace perennial::nn {
namespace {

template <typename T>
void GatherPart(const data::BatchPart& part, kernels::MatrixView<T> out) {
  const data::InputTable& table = part.inputs;
  const bool mapped = !part.feature_map.empty();
  if (table.kind() == data::InputTable::Kind::kBytes) {
    const T scale = static_cast<T>(table.scale());
    const T shift = static_cast<T>(table.shift());
    if (mapped) {
      kernels::GatherPixelsMapped<T>(table.bytes(), table.features(), part.feature_map.data(),
                                     part.indices, scale, shift, out);
    } else {
      kernels::GatherPixels<T>(table.bytes(), table.features(), part.indices, scale, shift, out);
    }
  } else if (mapped) {
    kernels::GatherRowsMapped<T>(table.floats(), table.features(), part.feature_map.data(),
                                 part.indices, out);
  } else {
    kernels::GatherRows<T>(table.floats(), table.features(), part.indices, out);
  }
}

}  // namespace

void CheckIndices(const data::BatchPart& part) {
  for (const int32_t index : part.indices) {
    CHECK(index >= 0 && index < part.inputs.size())
        << "example " << index << " of " << part.inputs.size();
  }
}

template <typename T>
void Gather(const data::Batch& batch, kernels::MatrixView<T> out) {
  CHECK_EQ(batch.size(), out.rows);
  for (const data::BatchPart& part : batch.parts()) {
    CHECK(part.inputs.kind() != data::InputTable::Kind::kOneHot) << "one-hot inputs are not dense";
    CHECK_EQ(part.feature_map.empty() ? part.inputs.features() : std::ssize(part.feature_map),
             out.columns);
    CheckIndices(part);
    for (const int32_t feature : part.feature_map) {
      CHECK(feature >= 0 && feature < part.inputs.features()) << "feature " << feature;
    }
    out.rows = std::ssize(part.indices);
    GatherPart<T>(part, out);
    out.data += out.rows * out.stride;
  }
}

template void Gather<float>(const data::Batch&, kernels::MatrixView<float>);
template void Gather<double>(const data::Batch&, kernels::MatrixView<double>);

}  // namespace perennial::nn
