// Accuracy and loss of a row on labelled examples.
#ifndef PERENNIAL_COMMON_NN_EVALUATE_H_
#define PERENNIAL_COMMON_NN_EVALUATE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "common/data/batch.h"
#include "common/data/labeled_images.h"
#include "common/nn/network.h"
#include "common/nn/rows.h"

namespace perennial::nn {

struct Evaluation {
  double accuracy = 0;  // Fraction of images whose largest logit is the label's (first, if tied).
  double loss = 0;      // Mean softmax cross-entropy, nats.
};

// Sums over batches of examples, for data sets of any kind.
//
//   nn::EvaluationSum sum;
//   for (...) sum.Add(network, row, batch, labels, workspace);
//   const nn::Evaluation result = sum.mean();
class EvaluationSum {
 public:
  // labels [batch.size()]; the workspace takes as many rows.
  void Add(const Network& network, ConstRow<float> row, const data::Batch& batch,
           std::span<const int32_t> labels, Workspace<float>& workspace);
  // The same of a packed row.
  void Add(const Network& network, const PackedRow<float>& row, const data::Batch& batch,
           std::span<const int32_t> labels, Workspace<float>& workspace);
  // The same of outputs that are there already, as of a point of a line: of the workspace's last
  // Forward. Overwrites its output_gradient().
  void AddOutputs(std::span<const int32_t> labels, Workspace<float>& workspace);
  // Of at least one example.
  Evaluation mean() const;

 private:
  int64_t examples_ = 0;
  int64_t correct_ = 0;
  double loss_ = 0;
  std::vector<float> ones_;
};

// Over all images, in batches of workspace.max_rows(). There must be at least one image.
Evaluation Evaluate(const Network& network, ConstRow<float> row, const data::LabeledImages& images,
                    Workspace<float>& workspace);

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_EVALUATE_H_
