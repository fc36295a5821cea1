#include "continual/streams/rotated.h"

#include <numeric>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/config/validate.h"
#include "common/data/rotation.h"
#include "common/random/stream.h"

namespace perennial::continual {
namespace {

absl::Status CheckAngles(const RotatedStreamConfig& config) {
  if (config.degrees_size() == 0) return absl::OkStatus();
  if (config.random_range_degrees() > 0) {
    return absl::InvalidArgumentError(
        "stream.rotated.degrees and random_range_degrees: give a list of angles or a range of "
        "random ones, not both");
  }
  if (config.degrees_size() != config.tasks()) {
    return absl::InvalidArgumentError(
        absl::StrCat("stream.rotated.degrees: ", config.degrees_size(), " angles for ",
                     config.tasks(), " tasks (stream.rotated.tasks); give one for each"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<RotatedStream>> RotatedStream::Create(
    const RotatedStreamConfig& config, const TaskImagesConfig& images,
    const data::ImageSplits& splits, uint64_t seed) {
  PERENNIAL_RETURN_IF_ERROR(config::Validate(config));
  PERENNIAL_RETURN_IF_ERROR(CheckAngles(config));
  PERENNIAL_ASSIGN_OR_RETURN(TaskDraws draws, TaskDraws::Create(images, splits, seed));
  return absl::WrapUnique(new RotatedStream(config, std::move(draws), seed));
}

RotatedStream::RotatedStream(const RotatedStreamConfig& config, TaskDraws draws, uint64_t seed)
    : DrawnStream(std::move(draws)), test_(config.tasks()) {
  const random::Stream stream = random::Stream(seed).Split("stream");
  const double offset =
      config.offset_degrees() + stream.Split("offset").Uniform(0, config.offset_range_degrees());
  for (int task = 0; task < config.tasks(); ++task) {
    const double turn =
        config.degrees_size() > 0 ? config.degrees(task)
        : config.random_range_degrees() > 0
            ? stream.Split("angle").Split(task).Uniform(0, config.random_range_degrees())
            : task * config.step_degrees();
    degrees_.push_back(offset + turn);
  }
}

ImageView::Piece RotatedStream::Turned(ImageView::Piece piece, int task) const {
  piece.rotation =
      std::make_shared<const data::Rotation>(draws().height(), draws().width(), degrees_[task]);
  return piece;
}

ImageView RotatedStream::Train(int task) const {
  return ImageView(Turned(draws().Train(task), task));
}

ImageView RotatedStream::Test(int task) const {
  Slot& slot = test_[task];
  const std::lock_guard<std::mutex> lock(slot.mutex);
  std::shared_ptr<const data::LabeledImages> images = slot.shared.lock();
  if (images == nullptr) {
    std::vector<int32_t> all(draws().test_size());
    std::iota(all.begin(), all.end(), 0);
    images = std::make_shared<const data::LabeledImages>(
        ImageView(Turned(draws().Test(), task)).Select(all));
    slot.shared = images;
  }
  return ImageView(std::move(images));
}

}  // namespace perennial::continual
