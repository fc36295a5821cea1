#include "common/nn/evaluate.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "common/base/logging.h"
#include "common/nn/loss.h"

namespace perennial::nn {

void EvaluationSum::Add(const Network& network, ConstRow<float> row, const data::Batch& batch,
                        std::span<const int32_t> labels, Workspace<float>& workspace) {
  CHECK_EQ(std::ssize(labels), batch.size());
  network.Forward<float>(row, batch, workspace);
  AddOutputs(labels, workspace);
}

void EvaluationSum::Add(const Network& network, const PackedRow<float>& row,
                        const data::Batch& batch, std::span<const int32_t> labels,
                        Workspace<float>& workspace) {
  CHECK_EQ(std::ssize(labels), batch.size());
  network.Forward<float>(row, batch, workspace);
  AddOutputs(labels, workspace);
}

void EvaluationSum::AddOutputs(std::span<const int32_t> labels, Workspace<float>& workspace) {
  const kernels::MatrixView<const float> logits = workspace.output();
  for (int64_t r = 0; r < logits.rows; ++r) {
    const float* z = logits.row(r);
    correct_ += std::max_element(z, z + logits.columns) - z == labels[r];
  }
  if (ones_.size() < labels.size()) ones_.assign(labels.size(), 1.0f);
  loss_ += SoftmaxCrossEntropy<float>(logits, labels, std::span(ones_).first(labels.size()),
                                      workspace.output_gradient());
  examples_ += logits.rows;
}

Evaluation EvaluationSum::mean() const {
  CHECK_GT(examples_, 0);
  const double examples = static_cast<double>(examples_);
  return {static_cast<double>(correct_) / examples, loss_ / examples};
}

Evaluation Evaluate(const Network& network, ConstRow<float> row, const data::LabeledImages& images,
                    Workspace<float>& workspace) {
  const int32_t step = static_cast<int32_t>(workspace.max_rows());
  std::vector<int32_t> indices(step);
  EvaluationSum sum;
  for (int32_t begin = 0; begin < images.size(); begin += step) {
    const int32_t count = std::min(step, images.size() - begin);
    std::iota(indices.begin(), indices.begin() + count, begin);
    const data::BatchPart part = {&images, std::span(indices).first(count)};
    sum.Add(network, row, data::Batch({&part, 1}), std::span(images.labels).subspan(begin, count),
            workspace);
  }
  return sum.mean();
}

}  // namespace perennial::nn
