// Rotated images: task t shows the images turned by offset + t * step degrees.
//
// Source: rotated MNIST of Lopez-Paz and Ranzato 2017 (arXiv:1706.08840), in the form of MC-SGD
// (arXiv:2010.04495): twenty tasks, nine degrees a task. Here the stream varies with the seed: the
// offset, the training images of each task, and the test images (the same ones in all tasks).
//
// A task's images are turned once, into eight bits, and shared by all who hold them; nothing is
// kept that nobody holds, so that memory grows with the units that run, not with the seeds of a
// run.
//
//   continual::RotatedStream stream(config, splits, /*seed=*/0);
//   std::shared_ptr<const data::LabeledImages> task = stream.Train(3);
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
#include "continual/streams/stream.h"

namespace perennial::continual {

class RotatedStream final : public TaskStream {
 public:
  // `splits` must outlive the stream. InvalidArgument if a task asks for more images than there
  // are.
  static absl::StatusOr<std::unique_ptr<RotatedStream>> Create(const RotatedStreamConfig& config,
                                                               const data::ImageSplits& splits,
                                                               uint64_t seed);

  std::string name() const override { return "rotated"; }
  int tasks() const override { return config_.tasks(); }
  int32_t features() const override { return splits_.train.features(); }
  int32_t classes() const override { return splits_.train.classes; }
  int32_t train_size(int) const override { return config_.train_per_task(); }
  int32_t test_size(int) const override { return config_.test_per_task(); }
  std::shared_ptr<const data::LabeledImages> Train(int task) const override;
  std::shared_ptr<const data::LabeledImages> Test(int task) const override;

  double degrees(int task) const { return offset_ + task * config_.step_degrees(); }

 private:
  // Images that are made when they are asked for and nobody holds them.
  struct Slot {
    std::mutex mutex;
    std::weak_ptr<const data::LabeledImages> shared;
  };

  RotatedStream(const RotatedStreamConfig& config, const data::ImageSplits& splits, uint64_t seed);
  std::shared_ptr<const data::LabeledImages> Get(Slot& slot, const data::LabeledImages& source,
                                                 const std::vector<int32_t>& indices,
                                                 double angle) const;

  RotatedStreamConfig config_;
  const data::ImageSplits& splits_;
  uint64_t seed_;
  double offset_;
  std::vector<int32_t> test_indices_;
  mutable std::vector<Slot> train_;
  mutable std::vector<Slot> test_;
};

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_STREAMS_ROTATED_H_
