// Rotated images: every task turns the same images by another angle.
//
// Source: rotated MNIST of Lopez-Paz and Ranzato 2017 (arXiv:1706.08840). Angles are those of
// MC-SGD (arXiv:2010.04495), nine degrees further each task, or a list, or random. Here the stream
// varies with the seed: the offset (or the random angles), the training images of each task, and
// the test images (the same ones in all tasks).
//
// Training images are turned, into eight bits, as batches are put together. Test images, which are
// seen often, are turned once and shared by all who hold them; nothing is kept that nobody holds.
//
//   auto stream = RotatedStream::Create(config, images, splits, /*seed=*/0);
//   ImageView task = (*stream)->Train(3);
#ifndef PERENNIAL_CONTINUAL_STREAMS_ROTATED_H_
#define PERENNIAL_CONTINUAL_STREAMS_ROTATED_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/data/fashion_mnist.h"
#include "common/data/labeled_images.h"
#include "continual/continual.pb.h"
#include "continual/streams/draws.h"
#include "continual/streams/stream.h"

namespace perennial::continual {

class RotatedStream final : public DrawnStream {
 public:
  // `splits` must outlive the stream and its views. InvalidArgument if a task asks for more images
  // than there are, or if the angles do not fit together.
  static absl::StatusOr<std::unique_ptr<RotatedStream>> Create(const RotatedStreamConfig& config,
                                                               const TaskImagesConfig& images,
                                                               const data::ImageSplits& splits,
                                                               uint64_t seed);

  std::string name() const override { return "rotated"; }
  int tasks() const override { return static_cast<int>(degrees_.size()); }
  ImageView Train(int task) const override;
  ImageView Test(int task) const override;

  double degrees(int task) const { return degrees_[task]; }

 private:
  // Images that are made when they are asked for and nobody holds them.
  struct Slot {
    std::mutex mutex;
    std::weak_ptr<const data::LabeledImages> shared;
  };

  RotatedStream(const RotatedStreamConfig& config, TaskDraws draws, uint64_t seed);
  ImageView::Piece Turned(ImageView::Piece piece, int task) const;

  std::vector<double> degrees_;
  mutable std::vector<Slot> test_;
};

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_STREAMS_ROTATED_H_
