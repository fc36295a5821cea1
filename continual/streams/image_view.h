// Images as a task shows them: some of a resident data set's, turned or with permuted pixels.
//
// A view copies no pixels. A permutation happens in the gather that feeds the first layer; a
// rotation while a batch is put together. Views can be put one behind the other (all tasks of a
// stream, say), still without a copy.
//
//   ImageView view({.images = splits, .rows = drawn, .rotation = turn});
//   ImageView::Staging staging;
//   std::vector<data::BatchPart> parts;
//   view.AddParts(indices, staging, parts);            // staging and indices must stay
//   network.Forward<float>(row, data::Batch(parts), workspace);
#ifndef PERENNIAL_CONTINUAL_STREAMS_IMAGE_VIEW_H_
#define PERENNIAL_CONTINUAL_STREAMS_IMAGE_VIEW_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/data/batch.h"
#include "common/data/labeled_images.h"
#include "common/data/rotation.h"

namespace perennial::continual {

class ImageView {
 public:
  struct Piece {
    std::shared_ptr<const data::LabeledImages> images;
    // Image i of the piece is image rows[i]; null: image i.
    std::shared_ptr<const std::vector<int32_t>> rows = {};
    // Pixel c is the image's pixel feature_map[c]; null: pixel c. A permutation of the pixels.
    std::shared_ptr<const std::vector<int32_t>> feature_map = {};
    // Turns the images, before their pixels are permuted; null: as they are.
    std::shared_ptr<const data::Rotation> rotation = {};

    int32_t size() const {
      return rows == nullptr ? images->size() : static_cast<int32_t>(rows->size());
    }
  };

  // What a batch's parts point at, beside the data sets: one for all views of a batch, cleared
  // before the next.
  class Staging {
   public:
    void Clear() { used_ = 0; }

   private:
    friend class ImageView;
    struct Slot {
      // Puts the images at `indices`, turned, into `turned`; indices then count those.
      void Turn(const data::LabeledImages& images, const data::Rotation& rotation);

      std::vector<int32_t> indices;
      data::LabeledImages turned;
      std::vector<const uint8_t*> sources;
    };
    Slot& Next();
    std::deque<Slot> slots_;  // Never move.
    size_t used_ = 0;
  };

  ImageView() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a whole data set is a view.
  ImageView(std::shared_ptr<const data::LabeledImages> images)
      : ImageView(Piece{.images = std::move(images)}) {}
  explicit ImageView(Piece piece) { Append(std::move(piece)); }

  // Puts `piece` or all of `other` behind what is there; shapes and classes must be equal (CHECK).
  void Append(Piece piece);
  void Append(const ImageView& other);

  int32_t size() const { return ends_.empty() ? 0 : ends_.back(); }
  bool empty() const { return size() == 0; }
  int32_t classes() const { return pieces_.empty() ? 0 : pieces_[0].images->classes; }
  int32_t features() const { return pieces_.empty() ? 0 : pieces_[0].images->features(); }
  int32_t label(int32_t index) const;
  const std::vector<Piece>& pieces() const { return pieces_; }

  // The images at `indices`, in that order, as parts of a batch. `staging` must outlive the parts'
  // use; `indices` need not.
  void AddParts(std::span<const int32_t> indices, Staging& staging,
                std::vector<data::BatchPart>& parts) const;

  // A view of the images at `indices`, in that order.
  ImageView Subset(std::span<const int32_t> indices) const;

  // A copy of the images at `indices`, in that order, as the view shows them.
  data::LabeledImages Select(std::span<const int32_t> indices) const;

 private:
  // The piece of an image.
  size_t PieceOf(int32_t index) const;
  // The piece of indices[at], and in `rows` the rows of the images from there on that lie in it,
  // too; `at` moves behind them.
  const Piece& TakeRun(std::span<const int32_t> indices, size_t& at,
                       std::vector<int32_t>& rows) const;
  int32_t Begin(size_t piece) const { return piece == 0 ? 0 : ends_[piece - 1]; }

  std::vector<Piece> pieces_;
  std::vector<int32_t> ends_;  // Running sums of sizes.
};

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_STREAMS_IMAGE_VIEW_H_
