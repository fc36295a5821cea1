#include "common/nn/hessian.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "common/nn/loss.h"
#include "common/testing/networks.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::nn {
namespace {

using testing::NetworkCase;

// The loss 1/2 sum over blocks of sum (output - target)^4 / 6, whose derivatives are short.
constexpr double kTarget = 0.3;
double Slope(double y) { return (y - kTarget) * (y - kTarget) * (y - kTarget) / 3; }
double Curvature(double y) { return (y - kTarget) * (y - kTarget); }

class HessianPassTest : public ::testing::TestWithParam<const NetworkCase*> {};

TEST_P(HessianPassTest, IsTheDerivativeOfTheGradientAlongTheVector) {
  const NetworkCase& network_case = *GetParam();
  const Network network = network_case.network();
  Rows<double> rows(6, network.layout().size());
  const auto row = rows.row(0), vector = rows.row(1), moved = rows.row(2), above = rows.row(3),
             below = rows.row(4), product = rows.row(5);
  network.Initialize<double>(random::Stream(1), row);
  network.Initialize<double>(random::Stream(2), vector);
  const ForwardOptions options = {
      .mode = Mode::kTrain, .dropout = random::Stream(17), .rows = network_case.ranges()};

  Workspace<double> workspace(network, 9);
  const auto gradient = [&](double step, Row<double> out) {
    for (int64_t i = 0; i < rows.size(); ++i) moved[i] = row[i] + step * vector[i];
    network.Forward<double>(moved, network_case.batch(), workspace, options);
    for (int b = 0; b < network.blocks(); ++b) {
      const auto y = workspace.output(b);
      const auto d = workspace.gradient(b);
      for (int64_t r = 0; r < y.rows; ++r) {
        for (int64_t c = 0; c < y.columns; ++c) d(r, c) = Slope(y(r, c));
      }
    }
    GradientSink<double> sink(out, GradientSink<double>::Mode::kOverwrite);
    network.Backward<double>(moved, workspace, sink);
  };
  constexpr double kStep = 1e-5;
  gradient(kStep, above);
  gradient(-kStep, below);

  HessianPass<double> pass(network, 9);
  pass.Forward(row, vector, network_case.batch(), options);
  for (int b = 0; b < network.blocks(); ++b) {
    const auto y = pass.workspace().output(b);
    const auto d = pass.workspace().gradient(b);
    const auto tangent = pass.output_tangent(b);
    const auto gradient_tangent = pass.gradient_tangent(b);
    for (int64_t r = 0; r < y.rows; ++r) {
      for (int64_t c = 0; c < y.columns; ++c) {
        d(r, c) = Slope(y(r, c));
        gradient_tangent(r, c) = Curvature(y(r, c)) * tangent(r, c);
      }
    }
  }
  pass.Backward(product);
  double largest = 0;
  for (int64_t i = 0; i < rows.size(); ++i) {
    const double expected = (above[i] - below[i]) / (2 * kStep);
    ASSERT_NEAR(product[i], expected, 1e-7 * (1 + std::abs(expected))) << i;
    largest = std::max(largest, std::abs(expected));
  }
  EXPECT_GT(largest, 1e-3);
}

// Norms have no R-operator here.
INSTANTIATE_TEST_SUITE_P(Cases, HessianPassTest,
                         ::testing::ValuesIn(testing::NetworkCasesWhere(
                             [](const NetworkCase& network) { return !network.has_norm(); })),
                         [](const auto& instance) { return instance.param->name(); });

// <u, H v> = <v, H u>, and a Gauss-Newton matrix (here of a linear network) is not negative.
TEST(HessianPassTest, IsSymmetricInFloat) {
  const Network network = *Network::Create(MultilayerPerceptron(15, {8}, 4, Activation::kTanh));
  const NetworkCase* inputs = testing::NetworkCases()[0];
  const std::vector<int32_t> labels = {0, 1, 2, 3, 0, 1, 2, 3, 0};
  const std::vector<float> weights(9, 1.0f);
  Rows<float> rows(5, network.layout().size());
  for (int64_t k = 0; k < 3; ++k) network.Initialize<float>(random::Stream(k), rows.row(k));
  HessianPass<float> pass(network, 9);
  double products[2] = {0, 0};
  for (int side = 0; side < 2; ++side) {
    pass.Forward(rows.row(0), rows.row(1 + side), inputs->batch());
    SoftmaxCrossEntropy<float>(pass.workspace().output(), labels, weights,
                               pass.workspace().output_gradient());
    SoftmaxCrossEntropyHessian<float>(pass.workspace().output(), labels, weights,
                                      pass.output_tangent(), pass.gradient_tangent());
    pass.Backward(rows.row(3));
    for (int64_t i = 0; i < rows.size(); ++i) {
      products[side] += double{rows.row(3)[i]} * rows.row(2 - side)[i];
    }
  }
  EXPECT_NEAR(products[0], products[1], 1e-5 * (1 + std::abs(products[0])));
  EXPECT_NE(products[0], 0);
}

TEST(HessianPassTest, SaysWhichLayerItCannotTake) {
  const Network network = *Network::Create(
      {.inputs = 3, .blocks = {{.name = "head", .layers = {Dense(2), LayerNorm()}}}});
  EXPECT_THAT(std::string(HessianPass<float>::Supports(network).message()),
              ::testing::HasSubstr("layer 1 of block \"head\""));
}

}  // namespace
}  // namespace perennial::nn
