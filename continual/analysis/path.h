// Loss and accuracy along the straight line between two rows of parameters, and its barrier.
//
// Sources: Mirzadeh et al. 2021 (arXiv:2010.04495), who measure solutions of continual learning by
// the loss at 41 points between them; for the barrier Frankle et al. 2020 (arXiv:1912.05671) in the
// form of Entezari et al. 2022 (arXiv:2110.06296): how far the loss on the line rises above the
// straight line between the losses of its ends (the former subtract the mean of both ends, which
// is the same if they are equal).
//
// One pass over the images serves all points: a batch is gathered once, and the products of the
// first layer are those of the two ends alone (common/nn/affine.h).
//
//   const Path path = EvaluatePath(network, rows.row(0), rows.row(1), images);
//   // path.loss[20]: at the middle; Barrier(path): 0 if the two are linearly connected
#ifndef PERENNIAL_CONTINUAL_ANALYSIS_PATH_H_
#define PERENNIAL_CONTINUAL_ANALYSIS_PATH_H_

#include <cstdint>
#include <vector>

#include "common/nn/network.h"
#include "common/nn/rows.h"
#include "continual/streams/image_view.h"

namespace perennial::continual {

struct PathOptions {
  int points = 41;  // Evenly spaced, both ends included: at least 2.
};

// One entry a point, from alpha = 0 to 1.
struct Path {
  std::vector<double> alpha;
  std::vector<double> loss;      // Mean softmax cross-entropy, nats.
  std::vector<double> accuracy;  // Fraction, as nn::Evaluation.
};

// Their places, 0, 1 / (points - 1), ..., 1.
std::vector<double> PathAlpha(const PathOptions& options);

// The network at (1 - alpha) from + alpha to, in evaluation mode (no dropout; running statistics of
// batch norms are combined like parameters). There must be at least one image (CHECK). A loss that
// is not finite stays so.
Path EvaluatePath(const nn::Network& network, nn::ConstRow<float> from, nn::ConstRow<float> to,
                  const ImageView& images, const PathOptions& options = {});

// Floating-point operations of its matrix products, and memory that it takes beside the rows.
double PathFlops(const nn::Network& network, int64_t images, const PathOptions& options = {});
int64_t PathBytes(const nn::Network& network);

// The largest loss(alpha) - ((1 - alpha) loss(0) + alpha loss(1)) over the points; never below 0,
// since the ends count. NaN if a loss is, or if one of the ends is infinite.
double Barrier(const Path& path);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_ANALYSIS_PATH_H_
