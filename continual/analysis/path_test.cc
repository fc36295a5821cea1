#include "continual/analysis/path.h"

#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "common/data/labeled_images.h"
#include "common/data/rotation.h"
#include "common/nn/evaluate.h"
#include "common/testing/images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

constexpr int32_t kClasses = 4;

std::shared_ptr<const data::LabeledImages> Images(int32_t size, uint64_t seed) {
  return std::make_shared<data::LabeledImages>(testing::ClassImages(
      size, 5, 5, kClasses, 0.3, random::Stream(seed).Split("templates"), random::Stream(seed)));
}

// Two pieces, neither as it came, and more images than a batch takes.
ImageView View() {
  auto rows = std::make_shared<std::vector<int32_t>>(310);
  for (int32_t i = 0; i < 310; ++i) (*rows)[i] = (i * 7) % 200;
  ImageView view({.images = Images(200, 1),
                  .rows = rows,
                  .rotation = std::make_shared<data::Rotation>(5, 5, 30)});
  auto map = std::make_shared<std::vector<int32_t>>(random::Stream(2).Sample(25, 25));
  view.Append({.images = Images(103, 3), .feature_map = map});
  return view;
}

data::LabeledImages Copy(const ImageView& view) {
  std::vector<int32_t> all(view.size());
  std::iota(all.begin(), all.end(), 0);
  return view.Select(all);
}

nn::NetworkSpec Perceptron() { return nn::MultilayerPerceptron(25, {12, 9}, kClasses); }

nn::NetworkSpec WithDropoutAndNorm() {
  return {.inputs = 25,
          .blocks = {{.layers = {nn::Dense(12), nn::BatchNorm(nn::Activation::kRelu),
                                 nn::Dropout(0.5), nn::Dense(kClasses)}}}};
}

// Ends that differ in everything, running statistics included.
nn::Rows<float> Ends(const nn::Network& network) {
  nn::Rows<float> rows(3, network.layout().size());
  for (int64_t k = 0; k < 2; ++k) {
    network.Initialize<float>(random::Stream(k), rows.row(k));
    for (float& value : rows.row(k)) value *= 1.5f + static_cast<float>(k);
  }
  return rows;
}

TEST(EvaluatePath, EndsAreThoseOfEvaluate) {
  for (const nn::NetworkSpec& spec : {Perceptron(), WithDropoutAndNorm()}) {
    const nn::Network network = *nn::Network::Create(spec);
    const nn::Rows<float> rows = Ends(network);
    const ImageView view = View();
    const data::LabeledImages copy = Copy(view);
    nn::Workspace<float> workspace(network, 250);
    const Path path = EvaluatePath(network, rows.row(0), rows.row(1), view, {.points = 3});
    for (const int end : {0, 1}) {
      const nn::Evaluation expected = nn::Evaluate(network, rows.row(end), copy, workspace);
      EXPECT_EQ(path.accuracy[2 * end], expected.accuracy);
      EXPECT_NEAR(path.loss[2 * end], expected.loss, 1e-12 * expected.loss);
    }
  }
}

TEST(EvaluatePath, PointsAreThoseOfInterpolatedRows) {
  for (const nn::NetworkSpec& spec : {Perceptron(), WithDropoutAndNorm()}) {
    const nn::Network network = *nn::Network::Create(spec);
    nn::Rows<float> rows = Ends(network);
    const ImageView view = View();
    const data::LabeledImages copy = Copy(view);
    nn::Workspace<float> workspace(network, 250);
    const Path path = EvaluatePath(network, rows.row(0), rows.row(1), view, {.points = 6});
    ASSERT_THAT(path.alpha, ::testing::Pointwise(::testing::DoubleEq(),
                                                 std::vector<double>{0, 0.2, 0.4, 0.6, 0.8, 1}));
    ASSERT_EQ(path.loss.size(), 6);
    for (size_t k = 0; k < 6; ++k) {
      for (int64_t i = 0; i < rows.size(); ++i) {
        rows.row(2)[i] = static_cast<float>((1 - path.alpha[k]) * rows.row(0)[i] +
                                            path.alpha[k] * rows.row(1)[i]);
      }
      const nn::Evaluation expected = nn::Evaluate(network, rows.row(2), copy, workspace);
      EXPECT_NEAR(path.loss[k], expected.loss, 1e-5 * expected.loss) << k;
      EXPECT_NEAR(path.accuracy[k], expected.accuracy, 1.01 / view.size()) << k;
    }
    // The losses differ, so that the comparison says something.
    EXPECT_GT(std::abs(path.loss[5] - path.loss[0]), 0.1);
    EXPECT_GT(std::abs(path.loss[2] - path.loss[1]), 1e-3);
  }
}

TEST(EvaluatePath, HasFortyOnePointsUnlessToldOtherwise) {
  const nn::Network network = *nn::Network::Create(Perceptron());
  const nn::Rows<float> rows = Ends(network);
  const Path path = EvaluatePath(network, rows.row(0), rows.row(1), Images(10, 1));
  ASSERT_EQ(path.alpha.size(), 41);
  for (int k = 0; k <= 40; ++k) EXPECT_NEAR(path.alpha[k], 0.025 * k, 1e-15);
  EXPECT_EQ(path.alpha[40], 1);
}

TEST(EvaluatePath, KeepsWhatIsNotFinite) {
  const nn::Network network = *nn::Network::Create(Perceptron());
  nn::Rows<float> rows = Ends(network);
  rows.row(1)[0] = NAN;
  const Path path = EvaluatePath(network, rows.row(0), rows.row(1), Images(10, 1), {.points = 3});
  EXPECT_TRUE(std::isnan(path.loss[1]));
  EXPECT_TRUE(std::isnan(Barrier(path)));
}

TEST(Barrier, IsTheRiseAboveTheChordOfTheEnds) {
  // The chord goes from 1 to 3; above it 0.5 at the middle and 0.75 at three quarters.
  const std::vector<double> quarters = {0, 0.25, 0.5, 0.75, 1};
  EXPECT_EQ(Barrier({.alpha = quarters, .loss = {1, 1.25, 2.5, 3.25, 3}}), 0.75);
  // A maximum that lies below the higher end is a barrier too.
  EXPECT_EQ(Barrier({.alpha = quarters, .loss = {1, 2.75, 2, 2.5, 3}}), 1.25);
}

TEST(Barrier, IsZeroBelowTheChord) {
  EXPECT_EQ(Barrier({.alpha = {0, 0.5, 1}, .loss = {2, 1, 4}}), 0);
  EXPECT_EQ(Barrier({.alpha = {0, 0.5, 1}, .loss = {1, 2, 3}}), 0);
}

TEST(Barrier, IsNotANumberIfALossIsNot) {
  EXPECT_TRUE(std::isnan(Barrier({.alpha = {0, 0.5, 1}, .loss = {2, NAN, 4}})));
  EXPECT_TRUE(std::isnan(Barrier({.alpha = {0, 0.5, 1}, .loss = {2, 5, HUGE_VAL}})));
  EXPECT_EQ(Barrier({.alpha = {0, 0.5, 1}, .loss = {2, HUGE_VAL, 4}}), HUGE_VAL);
}

// First layer: 25 x 12 multiply-adds an image for each end; the others 12 x 9 + 9 x 4 for each
// point.
TEST(PathFlops, CountsTheFirstLayerOnceAnEnd) {
  const nn::Network network = *nn::Network::Create(Perceptron());
  EXPECT_EQ(PathFlops(network, 100, {.points = 7}), 2.0 * 100 * (2 * 300 + 7 * (108 + 36)));
}

}  // namespace
}  // namespace perennial::continual
