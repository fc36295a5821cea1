// A pass over all images of a view, in order, in batches.
//
//   ForEachBatch(images, 250, [&](const data::Batch& batch, std::span<const int32_t> labels) {
//     network.Forward<float>(row, batch, workspace);
//     ...
//   });
#ifndef PERENNIAL_CONTINUAL_STREAMS_VIEW_BATCHES_H_
#define PERENNIAL_CONTINUAL_STREAMS_VIEW_BATCHES_H_

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "common/data/batch.h"
#include "continual/streams/image_view.h"

namespace perennial::continual {

// Rows of a batch that is only measured: enough for the GEMM's peak, few enough for the
// second-level cache.
inline constexpr int32_t kMeasuringBatch = 250;

// Calls use(batch, labels) for images [0, rows), [rows, 2 rows), ...; the last batch may be
// smaller.
template <typename Use>
void ForEachBatch(const ImageView& images, int32_t rows, Use use) {
  ImageView::Staging staging;
  std::vector<int32_t> indices, labels;
  std::vector<data::BatchPart> parts;
  for (int32_t begin = 0; begin < images.size(); begin += rows) {
    indices.resize(std::min(rows, images.size() - begin));
    std::iota(indices.begin(), indices.end(), begin);
    labels.clear();
    for (const int32_t index : indices) labels.push_back(images.label(index));
    staging.Clear();
    parts.clear();
    images.AddParts(indices, staging, parts);
    use(data::Batch(parts), std::span<const int32_t>(labels));
  }
}

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_STREAMS_VIEW_BATCHES_H_
