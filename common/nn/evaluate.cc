#include "common/nn/evaluate.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "common/base/logging.h"
#include "common/data/batch.h"
#include "common/nn/loss.h"

namespace perennial::nn {

Evaluation Evaluate(const Network& network, ConstRow<float> row, const data::LabeledImages& images,
                    Workspace<float>& workspace) {
  CHECK_GT(images.size(), 0);
  const int32_t step = static_cast<int32_t>(workspace.max_rows());
  std::vector<int32_t> indices(step);
  const std::vector<float> weights(step, 1.0f);
  int64_t correct = 0;
  double loss = 0;
  for (int32_t begin = 0; begin < images.size(); begin += step) {
    const int32_t count = std::min(step, images.size() - begin);
    std::iota(indices.begin(), indices.begin() + count, begin);
    const data::BatchPart part = {&images, std::span(indices).first(count)};
    network.Forward<float>(row, data::Batch({&part, 1}), workspace);
    const kernels::MatrixView<const float> logits = workspace.output();
    for (int32_t r = 0; r < count; ++r) {
      const float* z = logits.row(r);
      correct += std::max_element(z, z + logits.columns) - z == images.labels[begin + r];
    }
    loss +=
        SoftmaxCrossEntropy<float>(logits, std::span(images.labels).subspan(begin, count),
                                   std::span(weights).first(count), workspace.output_gradient());
  }
  return {static_cast<double>(correct) / images.size(), loss / images.size()};
}

}  // namespace perennial::nn
