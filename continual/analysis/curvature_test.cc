#include "continual/analysis/curvature.h"

#include <ATen/ATen.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "common/data/batch.h"
#include "common/nn/loss.h"
#include "common/nn/sink.h"
#include "common/testing/images.h"
#include "continual/streams/view_batches.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

constexpr int32_t kClasses = 3;

// More images than a batch takes.
ImageView View(int32_t size = 270) {
  return std::make_shared<const data::LabeledImages>(testing::ClassImages(
      size, 2, 3, kClasses, 0.5, random::Stream(1).Split("templates"), random::Stream(1)));
}

nn::Network SmallNetwork() {
  return *nn::Network::Create(nn::MultilayerPerceptron(6, {5, 4}, kClasses, nn::Activation::kTanh));
}

template <typename T>
nn::Rows<T> Row(const nn::Network& network, uint64_t seed) {
  nn::Rows<T> rows(1, network.layout().size());
  network.Initialize<T>(random::Stream(seed), rows.row(0));
  return rows;
}

// The mean loss over all images, and its gradient, without any Hessian pass.
double LossAndGradient(const nn::Network& network, nn::ConstRow<double> row, const ImageView& view,
                       nn::Row<double> gradient) {
  nn::Workspace<double> workspace(network, view.size());
  const std::vector<double> weights(view.size(), 1.0 / view.size());
  double loss = 0;
  ForEachBatch(view, view.size(), [&](const data::Batch& batch, std::span<const int32_t> labels) {
    network.Forward<double>(row, batch, workspace);
    loss = nn::SoftmaxCrossEntropy<double>(workspace.output(), labels, weights,
                                           workspace.output_gradient());
    nn::GradientSink<double> sink(gradient, nn::GradientSink<double>::Mode::kOverwrite);
    network.Backward<double>(row, workspace, sink);
  });
  return loss;
}

// H by columns, over parameters without gaps, from central differences of the gradient.
std::vector<std::vector<double>> DenseHessian(const nn::Network& network, nn::ConstRow<double> row,
                                              const ImageView& view) {
  std::vector<int64_t> places;
  for (const nn::ParameterSlice& slice : network.layout().slices()) {
    for (int64_t i = 0; i < slice.size; ++i) places.push_back(slice.offset + i);
  }
  nn::Rows<double> rows(3, network.layout().size());
  std::vector<std::vector<double>> hessian;
  constexpr double kStep = 1e-5;
  for (const int64_t place : places) {
    for (const int side : {0, 1}) {
      std::ranges::copy(row, rows.row(2).begin());
      rows.row(2)[place] += side == 0 ? kStep : -kStep;
      LossAndGradient(network, rows.row(2), view, rows.row(side));
    }
    std::vector<double>& column = hessian.emplace_back();
    for (const int64_t other : places) {
      column.push_back((rows.row(0)[other] - rows.row(1)[other]) / (2 * kStep));
    }
  }
  return hessian;
}

double LargestEigenvalue(const std::vector<std::vector<double>>& matrix) {
  const int64_t n = std::ssize(matrix);
  at::Tensor tensor = at::zeros({n, n}, at::kDouble);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) tensor.data_ptr<double>()[i * n + j] = matrix[i][j];
  }
  return at::linalg_eigvalsh((tensor + tensor.t()) / 2)[n - 1].item<double>();
}

TEST(CurvatureAlong, IsTheSecondDifferenceOfTheLoss) {
  const nn::Network network = SmallNetwork();
  const ImageView view = View();
  const nn::Rows<double> row = Row<double>(network, 1);
  const nn::Rows<double> direction = Row<double>(network, 2);
  double length = 0;
  for (const double value : direction.row(0)) length += value * value;
  length = std::sqrt(length);

  constexpr double kStep = 1e-3;
  nn::Rows<double> moved(2, row.size());
  const auto loss = [&](double step) {
    for (int64_t i = 0; i < row.size(); ++i) {
      moved.row(0)[i] = row.row(0)[i] + step * direction.row(0)[i] / length;
    }
    return LossAndGradient(network, moved.row(0), view, moved.row(1));
  };
  const double expected = (loss(kStep) - 2 * loss(0) + loss(-kStep)) / (kStep * kStep);
  LossHessian<double> hessian(network, row.row(0), view);
  const double curvature = CurvatureAlong<double>(hessian, direction.row(0)).value();
  EXPECT_NEAR(curvature, expected, 1e-6);
  EXPECT_GT(std::abs(curvature), 1e-3);
}

TEST(CurvatureAlong, InFloatIsThatInDouble) {
  const nn::Network network = SmallNetwork();
  const ImageView view = View();
  const auto row = Row<double>(network, 1), direction = Row<double>(network, 2);
  const auto row_float = Row<float>(network, 1), direction_float = Row<float>(network, 2);
  LossHessian<double> exact(network, row.row(0), view);
  LossHessian<float> hessian(network, row_float.row(0), view);
  EXPECT_NEAR(CurvatureAlong<float>(hessian, direction_float.row(0)).value(),
              CurvatureAlong<double>(exact, direction.row(0)).value(), 1e-6);
}

TEST(LossHessian, IsTheDenseHessian) {
  const nn::Network network = SmallNetwork();
  const ImageView view = View();
  const nn::Rows<double> row = Row<double>(network, 3);
  const std::vector<std::vector<double>> dense = DenseHessian(network, row.row(0), view);
  LossHessian<double> hessian(network, row.row(0), view);
  nn::Rows<double> rows(2, row.size());
  size_t column = 0;
  for (const nn::ParameterSlice& slice : network.layout().slices()) {
    for (int64_t i = 0; i < slice.size; ++i, ++column) {
      std::ranges::fill(rows.row(0), 0.0);
      rows.row(0)[slice.offset + i] = 1;
      hessian.Multiply(rows.row(0), rows.row(1));
      size_t k = 0;
      for (const nn::ParameterSlice& other : network.layout().slices()) {
        for (int64_t j = 0; j < other.size; ++j, ++k) {
          ASSERT_NEAR(rows.row(1)[other.offset + j], dense[column][k], 1e-8);
        }
      }
    }
  }
}

TEST(FindTopEigenvalue, IsThatOfTheDenseHessian) {
  const nn::Network network = SmallNetwork();
  const ImageView view = View();
  for (const uint64_t seed : {3, 4}) {
    const nn::Rows<double> row = Row<double>(network, seed);
    const double expected = LargestEigenvalue(DenseHessian(network, row.row(0), view));
    ASSERT_GT(expected, 0.1);
    LossHessian<double> hessian(network, row.row(0), view);
    const TopEigenvalue top =
        FindTopEigenvalue<double>(hessian, random::Stream(5), {.products = 40});
    EXPECT_NEAR(top.value, expected, 1e-7 * expected);
    EXPECT_LT(top.residual, 1e-6 * expected);
    EXPECT_EQ(top.products, 40);

    const nn::Rows<float> row_float = Row<float>(network, seed);
    LossHessian<float> hessian_float(network, row_float.row(0), view);
    EXPECT_NEAR(FindTopEigenvalue<float>(hessian_float, random::Stream(6)).value, expected,
                1e-5 * expected);
  }
}

// With few products the value is too small, and the residual says by how much at most it can be
// away from an eigenvalue.
TEST(FindTopEigenvalue, RisesWithTheProducts) {
  const nn::Network network = SmallNetwork();
  const ImageView view = View();
  const nn::Rows<double> row = Row<double>(network, 3);
  LossHessian<double> hessian(network, row.row(0), view);
  const double converged =
      FindTopEigenvalue<double>(hessian, random::Stream(5), {.products = 40}).value;
  double last = -HUGE_VAL;
  for (const int products : {1, 2, 3, 4, 6, 8}) {
    const TopEigenvalue top =
        FindTopEigenvalue<double>(hessian, random::Stream(5), {.products = products});
    EXPECT_EQ(top.products, products);
    EXPECT_GT(top.value, last);
    EXPECT_LT(top.value, converged * (1 + 1e-12));
    last = top.value;
    if (products == 1) {
      EXPECT_GT(top.residual, 1e-3);
      EXPECT_LT(top.value, 0.9 * converged);
    }
  }
}

// One product more than there are parameters would find nothing new.
TEST(FindTopEigenvalue, EndsWhenTheHessianIsExhausted) {
  const nn::Network network = *nn::Network::Create(nn::MultilayerPerceptron(6, {}, kClasses));
  const ImageView view = View(20);
  const nn::Rows<double> row = Row<double>(network, 1);
  LossHessian<double> hessian(network, row.row(0), view);
  const TopEigenvalue top =
      FindTopEigenvalue<double>(hessian, random::Stream(5), {.products = 1000});
  EXPECT_LE(top.products, 21);
  EXPECT_NEAR(top.value, LargestEigenvalue(DenseHessian(network, row.row(0), view)), 1e-8);

  // All weights zero, and as many images of each class: only the last bias has second derivatives,
  // which leave two different eigenvalues.
  const nn::Network deep = SmallNetwork();
  const ImageView balanced = View(21);
  const nn::Rows<double> zeros(1, deep.layout().size());
  LossHessian<double> of_bias(deep, zeros.row(0), balanced);
  const TopEigenvalue bias = FindTopEigenvalue<double>(of_bias, random::Stream(5));
  EXPECT_EQ(bias.products, 2);
  EXPECT_NEAR(bias.value, 1.0 / 3, 1e-12);  // diag(p) - p p^T, with p = 1/3.
}

TEST(CurvatureAlong, AtTheTopEigenvectorNothingIsSteeper) {
  const nn::Network network = SmallNetwork();
  const ImageView view = View();
  const nn::Rows<double> row = Row<double>(network, 3);
  LossHessian<double> hessian(network, row.row(0), view);
  const double top = FindTopEigenvalue<double>(hessian, random::Stream(1)).value;
  nn::Rows<double> direction(1, row.size());
  for (uint64_t k = 0; k < 20; ++k) {
    FillUnitGaussian<double>(network.layout(), random::Stream(k), direction.row(0));
    EXPECT_LT(CurvatureAlong<double>(hessian, direction.row(0)).value(), top);
  }
}

TEST(CurvatureAlong, RefusesADirectionWithoutLength) {
  const nn::Network network = SmallNetwork();
  const ImageView view = View(5);
  const nn::Rows<float> row = Row<float>(network, 3);
  LossHessian<float> hessian(network, row.row(0), view);
  nn::Rows<float> direction(1, row.size());
  const absl::Status status = CurvatureAlong<float>(hessian, direction.row(0)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("length 0"));
  direction.row(0)[1] = NAN;
  EXPECT_FALSE(CurvatureAlong<float>(hessian, direction.row(0)).ok());
}

TEST(FillUnitGaussian, IsOfLengthOneAndZeroInGapsAndBuffers) {
  const nn::Network network = *nn::Network::Create(
      {.inputs = 90, .blocks = {{.layers = {nn::Dense(70), nn::BatchNorm(), nn::Dense(3)}}}});
  const nn::ParameterLayout& layout = network.layout();
  nn::Rows<double> rows(2, layout.size());
  std::ranges::fill(rows.row(0), 7.0);
  FillUnitGaussian<double>(layout, random::Stream(1), rows.row(0));
  FillUnitGaussian<double>(layout, random::Stream(2), rows.row(1));
  double squares = 0, fourths = 0, overlap = 0;
  std::vector<bool> parameter(layout.size(), false);
  for (const nn::ParameterSlice& slice : layout.slices()) {
    if (slice.role == nn::ParameterRole::kBuffer) continue;
    for (int64_t i = slice.offset; i < slice.offset + slice.size; ++i) parameter[i] = true;
  }
  for (int64_t i = 0; i < layout.size(); ++i) {
    const double value = rows.row(0)[i];
    if (!parameter[i]) {
      EXPECT_EQ(value, 0) << i;
    } else {
      EXPECT_NE(value, 0) << i;
    }
    squares += value * value;
    fourths += value * value * value * value;
    overlap += value * rows.row(1)[i];
  }
  EXPECT_NEAR(squares, 1, 1e-12);
  // E x^4 = 3 (E x^2)^2 for normal numbers.
  EXPECT_NEAR(fourths * static_cast<double>(layout.parameters()), 3, 0.3);
  EXPECT_LT(std::abs(overlap), 0.06);
}

// 6 x 5 and 5 x 4, 4 x 3 multiply-adds an image.
TEST(LossHessian, CountsItsProducts) {
  EXPECT_EQ(LossHessian<float>::Flops(SmallNetwork(), 10), 2.0 * 10 * (3 * 30 + 8 * (20 + 12)));
}

}  // namespace
}  // namespace perennial::continual
