#include "common/nn/network.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "common/nn/loss.h"
#include "common/nn/sink.h"
#include "common/testing/eager.h"
#include "common/testing/gradient_check.h"
#include "common/testing/images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::nn {
namespace {

// Two data sets, so that a batch has two parts.
struct Problem {
  NetworkSpec spec;
  Network network;
  data::LabeledImages first;
  data::LabeledImages second;
  std::vector<int32_t> first_indices = {3, 0, 4, 4, 1};
  std::vector<int32_t> second_indices = {2, 2, 0};
  std::vector<int32_t> labels;
  std::vector<double> weights;
  std::vector<double> inputs;  // As LibTorch gets them.
};

Problem MakeProblem(const std::vector<int64_t>& hidden) {
  const random::Stream stream(5);
  const NetworkSpec spec = MultilayerPerceptron(3 * 5, hidden, 4);
  Problem problem = {.spec = spec,
                     .network = *Network::Create(spec),
                     .first = testing::ClassImages(6, 3, 5, 4, 0.5, stream, stream.Split("a")),
                     .second = testing::ClassImages(3, 3, 5, 4, 0.5, stream, stream.Split("b"))};
  problem.second.scale = 0.01f;
  problem.second.shift = -0.5f;
  random::Stream draws = stream.Split("weights");
  const auto add = [&](const data::LabeledImages& images, const std::vector<int32_t>& indices) {
    for (const int32_t index : indices) {
      problem.labels.push_back(images.labels[index]);
      problem.weights.push_back(draws.Uniform(0.1, 1));
      for (const uint8_t pixel : images.image(index)) {
        problem.inputs.push_back(pixel * static_cast<double>(images.scale) + images.shift);
      }
    }
  };
  add(problem.first, problem.first_indices);
  add(problem.second, problem.second_indices);
  return problem;
}

template <typename T>
double LossAndGradient(const Problem& problem, ConstRow<T> row, Row<T> gradient,
                       typename GradientSink<T>::Mode mode, T scale,
                       std::vector<T>* logits = nullptr) {
  const data::BatchPart parts[] = {{&problem.first, problem.first_indices},
                                   {&problem.second, problem.second_indices}};
  Workspace<T> workspace(problem.network, 11);
  problem.network.Forward<T>(row, data::Batch(parts), workspace);
  if (logits != nullptr) {
    const auto output = workspace.output();
    for (int64_t r = 0; r < output.rows; ++r) {
      logits->insert(logits->end(), output.row(r), output.row(r) + output.columns);
    }
  }
  const std::vector<T> weights(problem.weights.begin(), problem.weights.end());
  const double loss = SoftmaxCrossEntropy<T>(workspace.output(), problem.labels, weights,
                                             workspace.output_gradient());
  GradientSink<T> sink(gradient, mode, scale);
  problem.network.Backward<T>(row, workspace, sink);
  return loss;
}

class NetworkTest : public ::testing::TestWithParam<std::vector<int64_t>> {};

TEST_P(NetworkTest, MatchesEagerLibTorchInBothPrecisions) {
  const Problem problem = MakeProblem(GetParam());
  Rows<double> rows(2, problem.network.layout().size());
  problem.network.Initialize<double>(random::Stream(1), rows.row(0));
  const testing::EagerResult expected =
      testing::EagerCrossEntropy(problem.spec, problem.network.layout(), rows.row(0),
                                 problem.inputs, problem.labels, problem.weights);

  std::vector<double> logits;
  const double loss = LossAndGradient<double>(problem, rows.row(0), rows.row(1),
                                              GradientSink<double>::Mode::kOverwrite, 1, &logits);
  EXPECT_NEAR(loss, expected.loss, 1e-12);
  EXPECT_THAT(logits, ::testing::Pointwise(::testing::DoubleNear(1e-12), expected.logits));
  EXPECT_THAT(std::vector<double>(rows.row(1).begin(), rows.row(1).end()),
              ::testing::Pointwise(::testing::DoubleNear(1e-12), expected.gradient));

  Rows<float> single(2, rows.size());
  problem.network.Initialize<float>(random::Stream(1), single.row(0));
  EXPECT_NEAR(LossAndGradient<float>(problem, single.row(0), single.row(1),
                                     GradientSink<float>::Mode::kOverwrite, 1),
              expected.loss, 1e-5);
  EXPECT_THAT(std::vector<double>(single.row(1).begin(), single.row(1).end()),
              ::testing::Pointwise(::testing::DoubleNear(1e-5), expected.gradient));
}

TEST_P(NetworkTest, GradientMatchesFiniteDifferences) {
  const Problem problem = MakeProblem(GetParam());
  Rows<double> rows(3, problem.network.layout().size());
  problem.network.Initialize<double>(random::Stream(2), rows.row(0));
  const auto mode = GradientSink<double>::Mode::kOverwrite;
  LossAndGradient<double>(problem, rows.row(0), rows.row(1), mode, 1);
  const auto loss = [&](std::span<const double> point) {
    return LossAndGradient<double>(problem, point, rows.row(2), mode, 1);
  };
  EXPECT_LT(testing::GradientError(loss, rows.row(0), rows.row(1)), 1e-8);
}

TEST_P(NetworkTest, SinkScalesAndAccumulates) {
  const Problem problem = MakeProblem(GetParam());
  Rows<double> rows(3, problem.network.layout().size());
  problem.network.Initialize<double>(random::Stream(3), rows.row(0));
  LossAndGradient<double>(problem, rows.row(0), rows.row(1), GradientSink<double>::Mode::kOverwrite,
                          1);
  LossAndGradient<double>(problem, rows.row(0), rows.row(2), GradientSink<double>::Mode::kOverwrite,
                          0.5);
  LossAndGradient<double>(problem, rows.row(0), rows.row(2),
                          GradientSink<double>::Mode::kAccumulate, 2);
  for (int64_t i = 0; i < rows.size(); ++i) {
    EXPECT_NEAR(rows.row(2)[i], 2.5 * rows.row(1)[i], 1e-14);
  }
}

INSTANTIATE_TEST_SUITE_P(HiddenLayers, NetworkTest,
                         ::testing::Values(std::vector<int64_t>{}, std::vector<int64_t>{7},
                                           std::vector<int64_t>{16, 5},
                                           std::vector<int64_t>{3, 9, 8}));

TEST(NetworkInitializationTest, IsUniformWithinTheBoundOfTheFanInAndLeavesGapsZero) {
  const Network network = *Network::Create(MultilayerPerceptron(100, {301}, 10));
  Rows<float> rows(2, network.layout().size());
  std::fill(rows.row(0).begin(), rows.row(0).end(), 9.0f);
  network.Initialize<float>(random::Stream(1), rows.row(0));
  network.Initialize<float>(random::Stream(2), rows.row(1));
  EXPECT_NE(rows.row(0)[0], rows.row(1)[0]);
  double total = 0;
  int64_t end = 0;
  for (const ParameterSlice& slice : network.layout().slices()) {
    for (int64_t i = end; i < slice.offset; ++i) EXPECT_EQ(rows.row(0)[i], 0);
    end = slice.offset + slice.size;
    const auto values = rows.row(0).subspan(slice.offset, slice.size);
    const double bound = 1 / std::sqrt(static_cast<double>(slice.fan_in));
    double sum = 0, squares = 0;
    for (const float value : values) {
      EXPECT_LE(std::abs(value), bound);
      sum += value;
      squares += value * value;
      total += std::abs(value);
    }
    if (slice.size < 1000) continue;
    const double n = static_cast<double>(slice.size);
    EXPECT_NEAR(sum / n, 0, 5 * bound / std::sqrt(3 * n));
    EXPECT_NEAR(squares / n, bound * bound / 3, 5 * bound * bound * std::sqrt(4 / 45.0 / n));
  }
  EXPECT_GT(total, 0);
}

TEST(NetworkFlopsTest, CountsTheProductsOfAStep) {
  const Network network = *Network::Create(MultilayerPerceptron(784, {256, 256}, 10));
  EXPECT_EQ(network.layout().parameters(), 269322);
  EXPECT_EQ(network.multiply_adds(), 268800);
  // Forward, weight gradients, and input gradients of all but the first layer.
  EXPECT_EQ(network.training_flops(64), 2 * 64 * (3 * 268800 - 784 * 256));
  EXPECT_EQ(network.forward_flops(10), 2 * 10 * 268800);
}

TEST(NetworkCreateTest, RefusesImpossibleExtents) {
  EXPECT_FALSE(Network::Create({.inputs = 3, .layers = {}}).ok());
  const auto network = Network::Create(MultilayerPerceptron(4, {0}, 2));
  EXPECT_THAT(std::string(network.status().message()), ::testing::HasSubstr("maps 4 numbers to 0"));
}

}  // namespace
}  // namespace perennial::nn
