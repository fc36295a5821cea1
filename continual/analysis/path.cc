#include "continual/analysis/path.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "common/base/logging.h"
#include "common/data/batch.h"
#include "common/nn/affine.h"
#include "common/nn/evaluate.h"
#include "continual/streams/view_batches.h"

namespace perennial::continual {
namespace {

using Pass = nn::AffinePass<float>;

}  // namespace

std::vector<double> PathAlpha(const PathOptions& options) {
  CHECK_GE(options.points, 2);
  std::vector<double> alpha;
  for (int k = 0; k < options.points; ++k) {
    alpha.push_back(static_cast<double>(k) / (options.points - 1));
  }
  return alpha;
}

Path EvaluatePath(const nn::Network& network, nn::ConstRow<float> from, nn::ConstRow<float> to,
                  const ImageView& images, const PathOptions& options) {
  CHECK(!images.empty());
  Path path = {.alpha = PathAlpha(options)};
  std::vector<nn::EvaluationSum> sums(options.points);
  const nn::ConstRow<float> ends[] = {from, to};
  Pass pass(network, kMeasuringBatch, std::size(ends));
  ForEachBatch(images, kMeasuringBatch,
               [&](const data::Batch& batch, std::span<const int32_t> labels) {
                 pass.Begin(ends, batch);
                 for (int k = 0; k < options.points; ++k) {
                   const float alpha = static_cast<float>(path.alpha[k]);
                   const float point[] = {1 - alpha, alpha};
                   pass.Forward(point);
                   sums[k].AddOutputs(labels, pass.workspace());
                 }
               });
  for (const nn::EvaluationSum& sum : sums) {
    const nn::Evaluation mean = sum.mean();
    path.loss.push_back(mean.loss);
    path.accuracy.push_back(mean.accuracy);
  }
  return path;
}

double PathFlops(const nn::Network& network, int64_t images, const PathOptions& options) {
  // Without points and targets: the products of the layers that read the inputs, for each end.
  const double inputs = Pass::TrainingFlops(network, images, 1, 0, 0);
  return 2 * inputs + options.points * (network.forward_flops(images) - inputs);
}

int64_t PathBytes(const nn::Network& network) {
  return Pass::Bytes(network, kMeasuringBatch, 2) + kMeasuringBatch * network.inputs();
}

double Barrier(const Path& path) {
  CHECK(!path.loss.empty());
  double barrier = 0;
  for (size_t k = 0; k < path.loss.size(); ++k) {
    const double chord = (1 - path.alpha[k]) * path.loss.front() + path.alpha[k] * path.loss.back();
    const double rise = path.loss[k] - chord;
    if (std::isnan(rise)) return rise;
    barrier = std::max(barrier, rise);
  }
  return barrier;
}

}  // namespace perennial::continual
