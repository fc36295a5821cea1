#include "continual/streams/permuted.h"

#include <utility>

#include "absl/memory/memory.h"
#include "common/base/status_macros.h"
#include "common/config/validate.h"
#include "common/random/stream.h"

namespace perennial::continual {

absl::StatusOr<std::unique_ptr<PermutedStream>> PermutedStream::Create(
    const PermutedStreamConfig& config, const TaskImagesConfig& images,
    const data::ImageSplits& splits, uint64_t seed) {
  PERENNIAL_RETURN_IF_ERROR(config::Validate(config));
  PERENNIAL_ASSIGN_OR_RETURN(TaskDraws draws, TaskDraws::Create(images, splits, seed));
  return absl::WrapUnique(new PermutedStream(config, std::move(draws), seed));
}

PermutedStream::PermutedStream(const PermutedStreamConfig& config, TaskDraws draws, uint64_t seed)
    : DrawnStream(std::move(draws)), maps_(config.tasks()) {
  const random::Stream stream = random::Stream(seed).Split("stream").Split("permutation");
  for (int task = config.first_identity() ? 1 : 0; task < config.tasks(); ++task) {
    maps_[task] = std::make_shared<const std::vector<int32_t>>(
        stream.Split(task).Sample(features(), features()));
  }
}

ImageView PermutedStream::Train(int task) const {
  ImageView::Piece piece = draws().Train(task);
  piece.feature_map = maps_[task];
  return ImageView(std::move(piece));
}

ImageView PermutedStream::Test(int task) const {
  ImageView::Piece piece = draws().Test();
  piece.feature_map = maps_[task];
  return ImageView(std::move(piece));
}

}  // namespace perennial::continual
