#include "continual/learners/memory.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace perennial::continual {

namespace {

// The first image of every class, in the order given, then the second of every class, and so on.
std::vector<int32_t> ByRounds(const ImageView& images, const std::vector<int32_t>& order,
                              int32_t count) {
  std::vector<int32_t> seen(images.classes());
  std::vector<std::pair<int32_t, int32_t>> rounds;  // (round, index)
  rounds.reserve(order.size());
  for (const int32_t index : order) rounds.emplace_back(seen[images.label(index)]++, index);
  std::ranges::stable_sort(rounds, {}, &std::pair<int32_t, int32_t>::first);
  rounds.resize(std::min<size_t>(rounds.size(), count));
  std::vector<int32_t> chosen;
  chosen.reserve(rounds.size());
  for (const auto& [round, index] : rounds) chosen.push_back(index);
  return chosen;
}

}  // namespace

std::vector<int32_t> ChooseBalanced(const ImageView& images, int32_t count, random::Stream stream) {
  std::vector<int32_t> order(images.size());
  std::iota(order.begin(), order.end(), 0);
  stream.Shuffle(std::span<int32_t>(order));
  return ByRounds(images, order, count);
}

std::vector<int32_t> ChooseLast(const ImageView& images, int32_t count) {
  std::vector<int32_t> order(images.size());
  std::iota(order.rbegin(), order.rend(), 0);
  return ByRounds(images, order, count);
}

void ReplayMemory::Add(const ImageView& images, int tasks, random::Stream stream) {
  if (config_.policy() != MemoryConfig::RESERVOIR) {
    auto grown = std::make_shared<data::LabeledImages>(empty() ? images.Select({}) : *images_);
    grown->Append(images.Select(config_.policy() == MemoryConfig::RING
                                    ? ChooseLast(images, config_.per_task())
                                    : ChooseBalanced(images, config_.per_task(), stream)));
    images_ = std::move(grown);
    return;
  }
  // Where each kept image comes from: the memory as it was, or the task.
  const int32_t before = static_cast<int32_t>(size());
  std::vector<int32_t> places(before);
  std::iota(places.begin(), places.end(), 0);
  const int64_t capacity = Capacity(tasks);
  for (int32_t i = 0; i < images.size(); ++i, ++seen_) {
    if (std::ssize(places) < capacity) {
      places.push_back(before + i);
      continue;
    }
    const uint64_t place = stream.Below(seen_ + 1);
    if (place < places.size()) places[place] = before + i;
  }
  ImageView both = this->images();
  both.Append(images);
  images_ = std::make_shared<const data::LabeledImages>(both.Select(places));
}

absl::Status ReplayMemory::Save(record::SafetensorsWriter& writer) const {
  if (empty()) return absl::OkStatus();
  const data::LabeledImages& images = *images_;
  PERENNIAL_RETURN_IF_ERROR(
      writer.Add<int32_t>("learner.memory.labels", {images.size()}, images.labels));
  return writer.Add<uint8_t>("learner.memory.pixels", {images.size(), images.height, images.width},
                             images.pixels);
}

absl::Status ReplayMemory::Load(const record::SafetensorsFile& file, const TaskStream& stream,
                                int tasks_done) {
  int64_t expected = 0;
  int64_t seen = 0;
  for (int task = 0; task < tasks_done; ++task) {
    seen += stream.train_size(task);
    expected += std::min(config_.per_task(), stream.train_size(task));
  }
  if (config_.policy() == MemoryConfig::RESERVOIR) {
    expected = std::min(seen, Capacity(stream.tasks()));
  }
  if (expected == 0) {
    seen_ = 0;
    images_ = nullptr;
    return absl::OkStatus();
  }
  // Shape and pixel values are the stream's.
  auto images = std::make_shared<data::LabeledImages>(stream.Train(0).Select({}));
  PERENNIAL_ASSIGN_OR_RETURN(images->labels, file.Read<int32_t>("learner.memory.labels"));
  PERENNIAL_ASSIGN_OR_RETURN(images->pixels, file.Read<uint8_t>("learner.memory.pixels"));
  const auto in_range = [&stream](int32_t label) { return label >= 0 && label < stream.classes(); };
  if (std::ssize(images->labels) != expected ||
      std::ssize(images->pixels) != expected * stream.features() ||
      !std::ranges::all_of(images->labels, in_range)) {
    return absl::DataLossError(absl::StrCat("learner.memory does not hold ", expected,
                                            " images of ", stream.features(), " pixels and ",
                                            stream.classes(), " classes"));
  }
  seen_ = seen;
  images_ = std::move(images);
  return absl::OkStatus();
}

}  // namespace perennial::continual
