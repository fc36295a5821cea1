#include "common/nn/affine.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/testing/networks.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::nn {
namespace {

using testing::NetworkCase;

constexpr int64_t kBasis = 3;
// Points on the plane, within the triangle and beyond, its corners, and twice the same.
const std::vector<std::vector<double>> kPoints = {
    {0.25, 0.5, 0.25}, {1, 0, 0}, {-0.5, 1.25, 0.25}, {0, 0, 1}, {0, 0, 1}};

class AffinePassTest : public ::testing::TestWithParam<const NetworkCase*> {
 protected:
  AffinePassTest() : network_(GetParam()->network()), basis_(kBasis, network_.layout().size()) {
    for (int64_t m = 0; m < kBasis; ++m) {
      network_.Initialize<double>(random::Stream(m), basis_.row(m));
      for (double& value : basis_.row(m)) value = value == 0 ? 0 : value + 0.1;
    }
  }

  ForwardOptions Options() const {
    return {.mode = Mode::kTrain, .dropout = random::Stream(17), .rows = GetParam()->ranges()};
  }
  std::vector<ConstRow<double>> Basis() const {
    std::vector<ConstRow<double>> rows;
    for (int64_t m = 0; m < kBasis; ++m) rows.push_back(basis_.row(m));
    return rows;
  }

  // By one network for each point, and the chain rule.
  struct Separate {
    std::vector<std::vector<double>> outputs;  // Of the last block at each point.
    Rows<double> gradients;                    // With respect to each row of the basis.
  };
  Separate RunSeparately() const {
    Separate result = {.outputs = {}, .gradients = Rows<double>(kBasis, basis_.size())};
    Rows<double> point(2, basis_.size());
    Workspace<double> workspace(network_, 9);
    for (const std::vector<double>& coefficients : kPoints) {
      for (int64_t i = 0; i < basis_.size(); ++i) {
        point.row(0)[i] = 0;
        for (int64_t m = 0; m < kBasis; ++m) point.row(0)[i] += coefficients[m] * basis_.row(m)[i];
      }
      network_.Forward<double>(point.row(0), GetParam()->batch(), workspace, Options());
      result.outputs.push_back(testing::ToDoubles(workspace.output()));
      testing::WriteCotangents(testing::Cotangents(*GetParam()), workspace);
      GradientSink<double> sink(point.row(1), GradientSink<double>::Mode::kOverwrite);
      network_.Backward<double>(point.row(0), workspace, sink);
      for (int64_t m = 0; m < kBasis; ++m) {
        for (int64_t i = 0; i < network_.layout().trainable(); ++i) {
          result.gradients.row(m)[i] += coefficients[m] * point.row(1)[i];
        }
      }
    }
    return result;
  }

  void ExpectGradients(std::vector<int64_t> wanted, GradientSink<double>::Mode mode) {
    const Separate expected = RunSeparately();
    Rows<double> gradients(kBasis, basis_.size());
    const double before = mode == GradientSink<double>::Mode::kAccumulate ? 0.5 : 0;
    std::vector<Row<double>> targets(kBasis);
    for (const int64_t m : wanted) {
      targets[m] = gradients.row(m);
      for (const ParameterSlice& slice : network_.layout().slices()) {
        if (slice.role == ParameterRole::kBuffer) continue;
        // Overwriting must not read what is there.
        std::ranges::fill(gradients.row(m).subspan(slice.offset, slice.size),
                          before == 0 ? std::nan("") : before);
      }
    }
    AffinePass<double> pass(network_, 9, kBasis);
    pass.Begin(Basis(), GetParam()->batch(), Options());
    pass.BeginGradients(targets, mode);
    for (const std::vector<double>& point : kPoints) {
      pass.Forward(point);
      testing::WriteCotangents(testing::Cotangents(*GetParam()), pass.workspace());
      pass.Backward(point);
    }
    pass.EndGradients();
    for (const int64_t m : wanted) {
      SCOPED_TRACE(m);
      for (const ParameterSlice& slice : network_.layout().slices()) {
        if (slice.role == ParameterRole::kBuffer) continue;
        for (int64_t i = slice.offset; i < slice.offset + slice.size; ++i) {
          ASSERT_NEAR(gradients.row(m)[i], expected.gradients.row(m)[i] + before, 1e-11)
              << slice.name;
        }
      }
    }
  }

  Network network_;
  Rows<double> basis_;
};

TEST_P(AffinePassTest, OutputsAreThoseOfTheNetworkAtThePoint) {
  const Separate expected = RunSeparately();
  AffinePass<double> pass(network_, 9, kBasis);
  pass.Begin(Basis(), GetParam()->batch(), Options());
  for (size_t p = 0; p < kPoints.size(); ++p) {
    pass.Forward(kPoints[p]);
    EXPECT_THAT(testing::ToDoubles(pass.workspace().output()),
                ::testing::Pointwise(::testing::DoubleNear(1e-12), expected.outputs[p]));
  }
}

TEST_P(AffinePassTest, GradientsOfAllRowsOfTheBasisFollowTheChainRule) {
  ExpectGradients({0, 1, 2}, GradientSink<double>::Mode::kOverwrite);
  ExpectGradients({0, 1, 2}, GradientSink<double>::Mode::kAccumulate);
}

TEST_P(AffinePassTest, GradientsOfSomeRowsAreThoseOfAll) {
  ExpectGradients({2}, GradientSink<double>::Mode::kOverwrite);
  ExpectGradients({1}, GradientSink<double>::Mode::kAccumulate);
  ExpectGradients({0, 2}, GradientSink<double>::Mode::kOverwrite);
}

TEST_P(AffinePassTest, AtACornerTheOutputsAreTheCornersBitForBit) {
  AffinePass<double> pass(network_, 9, kBasis);
  Workspace<double> workspace(network_, 9);
  pass.Begin(Basis(), GetParam()->batch(), Options());
  const double corner[] = {0, 1, 0};
  pass.Forward(corner);
  network_.Forward<double>(basis_.row(1), GetParam()->batch(), workspace, Options());
  EXPECT_EQ(testing::ToDoubles(pass.workspace().output()), testing::ToDoubles(workspace.output()));
}

TEST_P(AffinePassTest, OnePointOnABasisOfOneCostsATrainingStep) {
  EXPECT_EQ(AffinePass<double>::TrainingFlops(network_, 9, 1, 1, 1), network_.training_flops(9));
}

TEST(AffinePassFlopsTest, PointsShareTheFirstLayer) {
  const Network network = *Network::Create(MultilayerPerceptron(784, {256, 256}, 10));
  const int64_t first = 784 * 256, later = 256 * 256 + 256 * 10;
  EXPECT_EQ(AffinePass<float>::TrainingFlops(network, 64, 2, 1, 11),
            2 * 64 * (3 * first + 11 * 3 * later));
}

TEST(AffinePassFlopsTest, TakesAWorkspaceTwoMatricesABasisRowAndAPoint) {
  const Network network = *Network::Create(MultilayerPerceptron(784, {250}, 10));
  EXPECT_EQ(AffinePass<float>::Bytes(network, 100, 3),
            Workspace<float>::Bytes(network, 100) +
                4 * (2 * 3 * 100 * 256 + 2 * network.layout().size()));
}

INSTANTIATE_TEST_SUITE_P(Cases, AffinePassTest, ::testing::ValuesIn(testing::NetworkCases()),
                         [](const auto& instance) { return instance.param->name(); });

}  // namespace
}  // namespace perennial::nn
