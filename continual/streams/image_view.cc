#include "continual/streams/image_view.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "common/base/logging.h"

namespace perennial::continual {

ImageView::Staging::Slot& ImageView::Staging::Next() {
  if (used_ == slots_.size()) slots_.emplace_back();
  return slots_[used_++];
}

void ImageView::Append(Piece piece) {
  const int32_t count = piece.size();
  if (!pieces_.empty()) {
    const data::LabeledImages& first = *pieces_[0].images;
    CHECK(piece.images->classes == first.classes && piece.images->height == first.height &&
          piece.images->width == first.width)
        << "images of other shapes or classes";
  }
  CHECK(piece.feature_map == nullptr || std::ssize(*piece.feature_map) == piece.images->features());
  ends_.push_back(size() + count);
  pieces_.push_back(std::move(piece));
}

void ImageView::Append(const ImageView& other) {
  for (const Piece& piece : other.pieces_) Append(piece);
}

size_t ImageView::PieceOf(int32_t index) const {
  CHECK(index >= 0 && index < size()) << index << " of " << size() << " images";
  return std::ranges::upper_bound(ends_, index) - ends_.begin();
}

int32_t ImageView::label(int32_t index) const {
  const size_t p = PieceOf(index);
  const Piece& piece = pieces_[p];
  const int32_t place = index - Begin(p);
  return piece.images->labels[piece.rows == nullptr ? place : (*piece.rows)[place]];
}

const ImageView::Piece& ImageView::TakeRun(std::span<const int32_t> indices, size_t& at,
                                           std::vector<int32_t>& rows) const {
  const size_t p = PieceOf(indices[at]);
  const Piece& piece = pieces_[p];
  rows.clear();
  for (; at < indices.size() && indices[at] >= Begin(p) && indices[at] < ends_[p]; ++at) {
    const int32_t place = indices[at] - Begin(p);
    rows.push_back(piece.rows == nullptr ? place : (*piece.rows)[place]);
  }
  return piece;
}

void ImageView::AddParts(std::span<const int32_t> indices, Staging& staging,
                         std::vector<data::BatchPart>& parts) const {
  for (size_t i = 0; i < indices.size();) {
    Staging::Slot& slot = staging.Next();
    const Piece& piece = TakeRun(indices, i, slot.indices);
    const data::LabeledImages* images = piece.images.get();
    if (piece.rotation != nullptr) {
      slot.Turn(*images, *piece.rotation);
      images = &slot.turned;
    }
    data::BatchPart part = {images, slot.indices};
    if (piece.feature_map != nullptr) part.feature_map = *piece.feature_map;
    parts.push_back(part);
  }
}

void ImageView::Staging::Slot::Turn(const data::LabeledImages& images,
                                    const data::Rotation& rotation) {
  if (turned.features() != images.features()) turned = images.Empty();
  turned.scale = images.scale;
  turned.shift = images.shift;
  turned.pixels.resize(indices.size() * images.features());
  sources.clear();
  for (const int32_t index : indices) sources.push_back(images.image(index).data());
  rotation.Apply(std::span<const uint8_t* const>(sources), turned.pixels);
  std::iota(indices.begin(), indices.end(), 0);
}

data::LabeledImages ImageView::Select(std::span<const int32_t> indices) const {
  data::LabeledImages copy = pieces_.empty() ? data::LabeledImages() : pieces_[0].images->Empty();
  const int64_t pixels = features();
  copy.pixels.reserve(indices.size() * pixels);
  copy.labels.reserve(indices.size());
  Staging staging;
  std::vector<data::BatchPart> parts;
  AddParts(indices, staging, parts);
  for (const data::BatchPart& part : parts) {
    for (const int32_t index : part.indices) {
      const std::span<const uint8_t> image(part.inputs.bytes() + index * pixels, pixels);
      if (part.feature_map.empty()) {
        copy.pixels.insert(copy.pixels.end(), image.begin(), image.end());
      } else {
        for (const int32_t c : part.feature_map) copy.pixels.push_back(image[c]);
      }
    }
  }
  for (const int32_t index : indices) copy.labels.push_back(label(index));
  return copy;
}

ImageView ImageView::Subset(std::span<const int32_t> indices) const {
  ImageView subset;
  for (size_t i = 0; i < indices.size();) {
    auto rows = std::make_shared<std::vector<int32_t>>();
    Piece piece = TakeRun(indices, i, *rows);
    piece.rows = std::move(rows);
    subset.Append(std::move(piece));
  }
  return subset;
}

}  // namespace perennial::continual
