#include "continual/streams/image_view.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "common/nn/gather.h"
#include "common/random/stream.h"
#include "common/testing/images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

using Images = std::shared_ptr<const data::LabeledImages>;
using Indices = std::shared_ptr<const std::vector<int32_t>>;

constexpr int32_t kSide = 4;
constexpr int32_t kPixels = kSide * kSide;

// Random pixels.
Images RandomImages(int32_t size, uint64_t seed) {
  return std::make_shared<data::LabeledImages>(testing::ClassImages(
      size, kSide, kSide, 3, 1, random::Stream(seed), random::Stream(seed).Split("pixels")));
}

Indices List(std::vector<int32_t> values) {
  return std::make_shared<const std::vector<int32_t>>(std::move(values));
}

Indices Permutation(uint64_t seed) { return List(random::Stream(seed).Sample(kPixels, kPixels)); }

std::shared_ptr<const data::Rotation> QuarterTurn() {
  return std::make_shared<const data::Rotation>(kSide, kSide, 90);
}

// Image `place` of a piece, by the definitions: picked, turned by a quarter, permuted.
std::vector<uint8_t> Shown(const ImageView::Piece& piece, int32_t place) {
  const int32_t row = piece.rows == nullptr ? place : (*piece.rows)[place];
  std::vector<uint8_t> image(kPixels);
  for (int32_t y = 0; y < kSide; ++y) {
    for (int32_t x = 0; x < kSide; ++x) {
      // Counter-clockwise: what was right is on top.
      const int32_t from = piece.rotation == nullptr ? y * kSide + x : x * kSide + kSide - 1 - y;
      image[y * kSide + x] = piece.images->pixels[row * kPixels + from];
    }
  }
  std::vector<uint8_t> permuted(kPixels);
  for (int32_t c = 0; c < kPixels; ++c) {
    permuted[c] = image[piece.feature_map == nullptr ? c : (*piece.feature_map)[c]];
  }
  return permuted;
}

struct Expected {
  std::vector<std::vector<uint8_t>> images;
  std::vector<int32_t> labels;
};

Expected ShownBy(const std::vector<ImageView::Piece>& pieces) {
  Expected expected;
  for (const ImageView::Piece& piece : pieces) {
    const auto count = piece.rows == nullptr ? std::ssize(piece.images->labels)  //
                                             : std::ssize(*piece.rows);
    for (int32_t i = 0; i < count; ++i) {
      expected.images.push_back(Shown(piece, i));
      expected.labels.push_back(piece.images->labels[piece.rows == nullptr ? i : (*piece.rows)[i]]);
    }
  }
  return expected;
}

// Pieces of every kind, one without images among them.
std::vector<ImageView::Piece> AllKinds() {
  const Images first = RandomImages(7, 1);
  const Images second = RandomImages(5, 2);
  return {{.images = first},
          {.images = second, .rows = List({4, 0, 4})},
          {.images = first, .rows = List({})},
          {.images = first, .rows = List({6, 5}), .feature_map = Permutation(3)},
          {.images = second, .rotation = QuarterTurn()},
          {.images = first,
           .rows = List({1, 3, 2}),
           .feature_map = Permutation(4),
           .rotation = QuarterTurn()}};
}

ImageView ViewOf(const std::vector<ImageView::Piece>& pieces) {
  ImageView view;
  for (const ImageView::Piece& piece : pieces) view.Append(piece);
  return view;
}

std::vector<int32_t> UpTo(int32_t size) {
  std::vector<int32_t> all(size);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// Every image several times, in an order that jumps between the pieces.
std::vector<int32_t> Jumping(int32_t size) {
  std::vector<int32_t> order;
  for (int round = 0; round < 3; ++round) {
    const std::vector<int32_t> all = random::Stream(round).Sample(size, size);
    order.insert(order.end(), all.begin(), all.end());
  }
  return order;
}

std::vector<std::vector<float>> Gathered(const std::vector<data::BatchPart>& parts) {
  const data::Batch batch(parts);
  std::vector<float> values(static_cast<size_t>(batch.size()) * kPixels);
  nn::Gather<float>(batch, {values.data(), batch.size(), kPixels, kPixels});
  std::vector<std::vector<float>> rows;
  for (int32_t r = 0; r < batch.size(); ++r) {
    rows.emplace_back(values.begin() + r * kPixels, values.begin() + (r + 1) * kPixels);
  }
  return rows;
}

void ExpectGathered(const std::vector<std::vector<float>>& rows, const Expected& expected,
                    const std::vector<int32_t>& indices) {
  ASSERT_EQ(rows.size(), indices.size());
  for (size_t r = 0; r < rows.size(); ++r) {
    for (int32_t c = 0; c < kPixels; ++c) {
      ASSERT_FLOAT_EQ(rows[r][c], static_cast<float>(expected.images[indices[r]][c]) / 255.0f)
          << "image " << indices[r] << ", pixel " << c;
    }
  }
}

TEST(ImageViewTest, ShowsItsPiecesOneBehindTheOther) {
  const std::vector<ImageView::Piece> pieces = AllKinds();
  const Expected expected = ShownBy(pieces);
  const ImageView view = ViewOf(pieces);
  ASSERT_EQ(view.size(), 7 + 3 + 0 + 2 + 5 + 3);
  EXPECT_EQ(view.classes(), 3);
  EXPECT_EQ(view.features(), kPixels);
  const std::vector<int32_t> order = Jumping(view.size());
  const data::LabeledImages copy = view.Select(order);
  ASSERT_EQ(copy.size(), std::ssize(order));
  EXPECT_EQ(copy.height, kSide);
  EXPECT_EQ(copy.width, kSide);
  EXPECT_EQ(copy.classes, 3);
  for (int32_t i = 0; i < copy.size(); ++i) {
    EXPECT_EQ(copy.labels[i], expected.labels[order[i]]);
    EXPECT_EQ(view.label(order[i]), expected.labels[order[i]]);
    EXPECT_THAT(copy.image(i), ::testing::ElementsAreArray(expected.images[order[i]]));
  }
}

TEST(ImageViewTest, AWholeDataSetIsAView) {
  const Images images = RandomImages(6, 1);
  const ImageView view = images;
  EXPECT_EQ(view.size(), 6);
  EXPECT_EQ(view.Select(UpTo(6)).pixels, images->pixels);
  EXPECT_EQ(view.Select(UpTo(6)).labels, images->labels);
}

TEST(ImageViewTest, PartsOfABatchAreWhatTheViewShows) {
  const ImageView view = ViewOf(AllKinds());
  const Expected expected = ShownBy(AllKinds());
  const std::vector<int32_t> order = Jumping(view.size());
  ImageView::Staging staging;
  std::vector<data::BatchPart> parts;
  {
    std::vector<int32_t> indices = order;
    view.AddParts(indices, staging, parts);
    std::ranges::fill(indices, 0);  // They need not stay.
  }
  ExpectGathered(Gathered(parts), expected, order);

  // The same numbers as of a copy.
  const data::LabeledImages copy = view.Select(order);
  const std::vector<int32_t> all = UpTo(copy.size());
  EXPECT_EQ(Gathered(parts), Gathered({{&copy, all}}));
}

TEST(ImageViewTest, PixelsKeepTheScaleOfTheirDataSet) {
  const Images plain = RandomImages(4, 1);
  data::LabeledImages images = *plain;
  images.scale = 0.5f;
  images.shift = -3;
  const auto scaled = std::make_shared<const data::LabeledImages>(images);
  for (const auto& rotation : {std::shared_ptr<const data::Rotation>(), QuarterTurn()}) {
    const ImageView first({.images = plain, .rotation = rotation});
    const ImageView second({.images = scaled, .rotation = rotation});
    const Expected expected = ShownBy(second.pieces());
    // Memory that was of other images before keeps nothing of theirs.
    ImageView::Staging staging;
    for (int round = 0; round < 2; ++round) {
      std::vector<data::BatchPart> parts;
      staging.Clear();
      first.AddParts(UpTo(4), staging, parts);
      EXPECT_FLOAT_EQ(Gathered(parts)[2][5], static_cast<float>(expected.images[2][5]) / 255.0f);
      parts.clear();
      staging.Clear();
      second.AddParts(UpTo(4), staging, parts);
      EXPECT_FLOAT_EQ(Gathered(parts)[2][5], expected.images[2][5] * 0.5f - 3);
    }
    EXPECT_EQ(second.Select(UpTo(4)).scale, 0.5f);
    EXPECT_EQ(second.Select(UpTo(4)).shift, -3);
  }
}

// Neighbours in one piece are one part: the gather takes them together.
TEST(ImageViewTest, NeighboursOfAPieceShareAPart) {
  const ImageView view = ViewOf(AllKinds());
  ImageView::Staging staging;
  std::vector<data::BatchPart> parts;
  view.AddParts(UpTo(view.size()), staging, parts);
  EXPECT_EQ(parts.size(), 5u) << "the piece without images has none";
}

TEST(ImageViewTest, SeveralViewsShareStagingAndItIsUsedAgain) {
  const ImageView turned({.images = RandomImages(6, 1), .rotation = QuarterTurn()});
  const ImageView mixed = ViewOf(AllKinds());
  const Expected shown_turned = ShownBy(turned.pieces());
  const Expected shown_mixed = ShownBy(mixed.pieces());
  ImageView::Staging staging;
  std::vector<const uint8_t*> memory;
  for (int round = 0; round < 3; ++round) {
    const std::vector<int32_t> first = random::Stream(round).Sample(6, 6);
    const std::vector<int32_t> second = random::Stream(round).Sample(mixed.size(), mixed.size());
    staging.Clear();
    std::vector<data::BatchPart> parts;
    turned.AddParts(first, staging, parts);
    const size_t behind = parts.size();
    mixed.AddParts(second, staging, parts);
    const auto middle = parts.begin() + static_cast<std::ptrdiff_t>(behind);
    ExpectGathered(Gathered({parts.begin(), middle}), shown_turned, first);
    ExpectGathered(Gathered({middle, parts.end()}), shown_mixed, second);
    // Equal needs: no new memory.
    memory.push_back(parts[0].inputs.bytes());
    EXPECT_EQ(memory.back(), memory[0]);
  }
}

TEST(ImageViewTest, ASubsetShowsTheSameImagesWithoutACopy) {
  const ImageView view = ViewOf(AllKinds());
  const Expected expected = ShownBy(AllKinds());
  const std::vector<int32_t> chosen = Jumping(view.size());
  const ImageView subset = view.Subset(chosen);
  ASSERT_EQ(subset.size(), std::ssize(chosen));
  const data::LabeledImages copy = subset.Select(UpTo(subset.size()));
  for (int32_t i = 0; i < subset.size(); ++i) {
    EXPECT_EQ(subset.label(i), expected.labels[chosen[i]]);
    EXPECT_THAT(copy.image(i), ::testing::ElementsAreArray(expected.images[chosen[i]]));
  }
  const auto is_resident = [&](const Images& images) {
    return std::ranges::any_of(view.pieces(),
                               [&](const auto& piece) { return piece.images == images; });
  };
  for (const ImageView::Piece& piece : subset.pieces()) EXPECT_TRUE(is_resident(piece.images));

  // A choice of a choice.
  const std::vector<int32_t> again = {11, 3, 3, 29};
  const data::LabeledImages twice = subset.Subset(again).Select(UpTo(4));
  for (int32_t i = 0; i < 4; ++i) {
    EXPECT_THAT(twice.image(i), ::testing::ElementsAreArray(expected.images[chosen[again[i]]]));
  }
  EXPECT_TRUE(view.Subset({}).empty());
}

TEST(ImageViewTest, ViewsCanStandOneBehindTheOther) {
  const std::vector<ImageView::Piece> pieces = AllKinds();
  ImageView all = ViewOf({pieces[0], pieces[1]});
  const ImageView rest = ViewOf({pieces[3], pieces[4], pieces[5]});
  all.Append(ImageView());
  EXPECT_EQ(all.size(), 10);
  all.Append(rest);
  EXPECT_EQ(rest.size(), 10) << "what is appended stays as it is";
  const data::LabeledImages copy = all.Select(UpTo(all.size()));
  const Expected expected = ShownBy(pieces);
  ASSERT_EQ(copy.size(), std::ssize(expected.labels));
  EXPECT_EQ(copy.labels, expected.labels);
  for (int32_t i = 0; i < copy.size(); ++i) {
    EXPECT_THAT(copy.image(i), ::testing::ElementsAreArray(expected.images[i]));
  }
}

TEST(ImageViewTest, AnEmptyViewHasNothing) {
  const ImageView empty;
  EXPECT_TRUE(empty.empty());
  EXPECT_EQ(empty.size(), 0);
  EXPECT_EQ(empty.classes(), 0);
  EXPECT_EQ(empty.features(), 0);
  EXPECT_EQ(empty.Select({}).size(), 0);
  ImageView::Staging staging;
  std::vector<data::BatchPart> parts;
  empty.AddParts({}, staging, parts);
  EXPECT_TRUE(parts.empty());
}

TEST(ImageViewDeathTest, ImagesThatAreNotThereAreAProgrammersError) {
  const ImageView view = ViewOf(AllKinds());
  ImageView::Staging staging;
  std::vector<data::BatchPart> parts;
  const std::vector<int32_t> bad = {0, 20};
  EXPECT_DEATH(static_cast<void>(view.label(20)), "20 of 20 images");
  EXPECT_DEATH(static_cast<void>(view.label(-1)), "-1 of 20 images");
  EXPECT_DEATH(view.AddParts(bad, staging, parts), "20 of 20 images");
  EXPECT_DEATH(static_cast<void>(view.Select(bad)), "20 of 20 images");
  EXPECT_DEATH(static_cast<void>(view.Subset(bad)), "20 of 20 images");
  EXPECT_DEATH(static_cast<void>(ImageView().label(0)), "0 of 0 images");
}

TEST(ImageViewDeathTest, PiecesThatDoNotFitAreAProgrammersError) {
  const Images images = RandomImages(4, 1);
  ImageView view = images;
  const auto append = [&](int32_t height, int32_t width, int32_t classes) {
    data::LabeledImages other = *images;
    other.height = height;
    other.width = width;
    other.classes = classes;
    view.Append(ImageView(std::make_shared<const data::LabeledImages>(std::move(other))));
  };
  EXPECT_DEATH(append(kSide, kSide, 4), "other shapes or classes");
  EXPECT_DEATH(append(2, 2, 3), "other shapes or classes");
  EXPECT_DEATH(append(2, 8, 3), "other shapes or classes");
  EXPECT_DEATH(view.Append({.images = images, .feature_map = List({1, 0})}), "feature_map");
}

}  // namespace
}  // namespace perennial::continual
