// Accuracy and loss of a row on labelled images.
#ifndef PERENNIAL_COMMON_NN_EVALUATE_H_
#define PERENNIAL_COMMON_NN_EVALUATE_H_

#include "common/data/labeled_images.h"
#include "common/nn/network.h"
#include "common/nn/rows.h"

namespace perennial::nn {

struct Evaluation {
  double accuracy = 0;  // Fraction of images whose largest logit is the label's (first, if tied).
  double loss = 0;      // Mean softmax cross-entropy, nats.
};

// Over all images, in batches of workspace.max_rows(). There must be at least one image.
Evaluation Evaluate(const Network& network, ConstRow<float> row, const data::LabeledImages& images,
                    Workspace<float>& workspace);

}  // namespace perennial::nn

#endif  // PERENNIAL_COMMON_NN_EVALUATE_H_
