// Permuted images: every task shows the pixels in an order of its own, task 1 as they are.
//
// Source: Goodfellow et al. 2013 (arXiv:1312.6211), Kirkpatrick et al. 2017 (arXiv:1612.00796). A
// seed fixes the permutations, the training images of each task and the test images. Nothing is
// copied: the permutation is part of the gather that feeds the first layer.
//
//   auto stream = PermutedStream::Create(config, images, splits, /*seed=*/0);
#ifndef PERENNIAL_CONTINUAL_STREAMS_PERMUTED_H_
#define PERENNIAL_CONTINUAL_STREAMS_PERMUTED_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/data/fashion_mnist.h"
#include "continual/continual.pb.h"
#include "continual/streams/draws.h"
#include "continual/streams/stream.h"

namespace perennial::continual {

class PermutedStream final : public DrawnStream {
 public:
  // `splits` must outlive the stream and its views. InvalidArgument if a task asks for more images
  // than there are.
  static absl::StatusOr<std::unique_ptr<PermutedStream>> Create(const PermutedStreamConfig& config,
                                                                const TaskImagesConfig& images,
                                                                const data::ImageSplits& splits,
                                                                uint64_t seed);

  std::string name() const override { return "permuted"; }
  int tasks() const override { return static_cast<int>(maps_.size()); }
  ImageView Train(int task) const override;
  ImageView Test(int task) const override;

 private:
  PermutedStream(const PermutedStreamConfig& config, TaskDraws draws, uint64_t seed);

  // Pixel c of a task is pixel map[c] of the image; null: the identity.
  std::vector<std::shared_ptr<const std::vector<int32_t>>> maps_;
};

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_STREAMS_PERMUTED_H_
