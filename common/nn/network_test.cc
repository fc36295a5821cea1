#include "common/nn/network.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "common/nn/sink.h"
#include "common/testing/eager.h"
#include "common/testing/gradient_check.h"
#include "common/testing/networks.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::nn {
namespace {

using testing::NetworkCase;

template <typename T>
ForwardOptions Options(const NetworkCase& network, Mode mode) {
  return {.mode = mode, .dropout = random::Stream(17), .rows = network.ranges()};
}

// What LibTorch multiplies by where we drop: the definition of dropout.h, from the stream itself.
std::vector<std::vector<double>> DropoutFactors(const NetworkCase& network) {
  std::vector<std::vector<double>> factors;
  for (size_t b = 0; b < network.spec().blocks.size(); ++b) {
    int64_t columns = 0;
    const Network made = network.network();
    const BlockSpec& block = network.spec().blocks[b];
    if (!block.input.empty()) columns = made.outputs(made.block(block.input));
    for (const LayerSpec& layer : block.layers) {
      std::vector<double>& factor = factors.emplace_back();
      if (layer.kind == LayerSpec::Kind::kDense) columns = layer.outputs;
      if (layer.kind != LayerSpec::Kind::kDropout) continue;
      const random::Stream mask = random::Stream(17).Split(factors.size() - 1);
      for (int64_t i = 0; i < network.ranges()[b].size() * columns; ++i) {
        const double u = mask.At(i / 4)[i % 4] * 0x1p-32;
        factor.push_back(u >= layer.rate ? 1 / (1 - layer.rate) : 0);
      }
    }
  }
  return factors;
}

std::vector<double> Doubles(std::span<const float> row) { return {row.begin(), row.end()}; }
std::vector<double> Doubles(std::span<const double> row) { return {row.begin(), row.end()}; }

class NetworkTest : public ::testing::TestWithParam<const NetworkCase*> {
 protected:
  const NetworkCase& network_case() const { return *GetParam(); }

  // Norms' scales, shifts and statistics too are random, so that nothing cancels.
  template <typename T>
  static Rows<T> RandomRows(const Network& network, int64_t count) {
    Rows<T> rows(count, network.layout().size());
    network.Initialize<T>(random::Stream(1), rows.row(0));
    random::Stream stream(2);
    for (const ParameterSlice& slice : network.layout().slices()) {
      if (slice.role == ParameterRole::kWeight || slice.role == ParameterRole::kBias) continue;
      for (T& value : rows.row(0).subspan(slice.offset, slice.size)) {
        value = static_cast<T>(stream.Uniform(0.5, 1.5));
      }
    }
    return rows;
  }

  template <typename T>
  void ExpectAsEager(Mode mode, int without, double tolerance) {
    const Network network = network_case().network();
    Rows<T> rows = RandomRows<T>(network, 2);
    testing::EagerNetworkInput input = {.inputs = network_case().inputs(),
                                        .rows = network_case().rows(),
                                        .mode = mode,
                                        .ranges = network_case().ranges(),
                                        .cotangents = testing::Cotangents(network_case(), without),
                                        .dropout = DropoutFactors(network_case())};
    const testing::EagerNetworkResult expected =
        testing::EagerNetwork(network_case().spec(), network.layout(), Doubles(rows.row(0)), input);

    Workspace<T> workspace(network, 11);
    network.Forward<T>(rows.row(0), network_case().batch(), workspace,
                       Options<T>(network_case(), mode));
    for (int b = 0; b < network.blocks(); ++b) {
      EXPECT_THAT(testing::ToDoubles(workspace.output(b)),
                  ::testing::Pointwise(::testing::DoubleNear(tolerance), expected.outputs[b]));
    }
    testing::WriteCotangents(input.cotangents, workspace);
    // What a gradient row holds before does not matter, but for gaps and buffers.
    for (const ParameterSlice& slice : network.layout().slices()) {
      if (slice.role == ParameterRole::kBuffer) continue;
      std::ranges::fill(rows.row(1).subspan(slice.offset, slice.size), T(7));
    }
    GradientSink<T> sink(rows.row(1), GradientSink<T>::Mode::kOverwrite);
    std::vector<T> input_gradient(network.inputs() * network_case().rows(), T(7));
    kernels::MatrixView<T> input_view;
    if (!network_case().spec().one_hot) {
      input_view = {input_gradient.data(), network_case().rows(), network.inputs(),
                    network.inputs()};
    }
    network.Backward<T>(rows.row(0), workspace, sink, input_view);
    EXPECT_THAT(Doubles(rows.row(1)),
                ::testing::Pointwise(::testing::DoubleNear(tolerance), expected.gradient));
    if (input_view.data != nullptr) {
      EXPECT_THAT(Doubles(std::span<const T>(input_gradient)),
                  ::testing::Pointwise(::testing::DoubleNear(tolerance), expected.input_gradient));
    }
    if (mode == Mode::kTrain) {
      network.UpdateRunningStatistics<T>(workspace, rows.row(0));
      EXPECT_THAT(Doubles(rows.row(0)),
                  ::testing::Pointwise(::testing::DoubleNear(tolerance), expected.row));
    }
  }
};

TEST_P(NetworkTest, MatchesEagerLibTorchInDouble) {
  ExpectAsEager<double>(Mode::kTrain, -1, 1e-12);
  ExpectAsEager<double>(Mode::kEvaluate, -1, 1e-12);
}

TEST_P(NetworkTest, MatchesEagerLibTorchInFloat) {
  ExpectAsEager<float>(Mode::kTrain, -1, 1e-4);
  ExpectAsEager<float>(Mode::kEvaluate, -1, 1e-4);
}

TEST_P(NetworkTest, ABlockWithoutGradientGetsWhatFlowsBackFromOthers) {
  for (int b = 0; b < static_cast<int>(network_case().spec().blocks.size()); ++b) {
    SCOPED_TRACE(b);
    ExpectAsEager<double>(Mode::kTrain, b, 1e-12);
  }
}

TEST_P(NetworkTest, GradientMatchesFiniteDifferences) {
  const Network network = network_case().network();
  Rows<double> rows = RandomRows<double>(network, 2);
  const auto cotangents = testing::Cotangents(network_case());
  Workspace<double> workspace(network, 9);
  const auto loss = [&](std::span<const double> row) {
    network.Forward<double>(row, network_case().batch(), workspace,
                            Options<double>(network_case(), Mode::kTrain));
    double sum = 0;
    for (int b = 0; b < network.blocks(); ++b) {
      const std::vector<double> outputs = testing::ToDoubles(workspace.output(b));
      sum = std::inner_product(outputs.begin(), outputs.end(), cotangents[b].begin(), sum);
    }
    return sum;
  };
  loss(rows.row(0));
  testing::WriteCotangents(cotangents, workspace);
  GradientSink<double> sink(rows.row(1), GradientSink<double>::Mode::kOverwrite);
  network.Backward<double>(rows.row(0), workspace, sink);
  EXPECT_LT(testing::GradientError(loss, rows.row(0), rows.row(1)), 1e-7);
}

TEST_P(NetworkTest, SinkScalesAndAccumulates) {
  const Network network = network_case().network();
  Rows<double> rows = RandomRows<double>(network, 3);
  Workspace<double> workspace(network, 9);
  const auto backward = [&](int64_t target, GradientSink<double>::Mode mode, double scale) {
    network.Forward<double>(rows.row(0), network_case().batch(), workspace,
                            Options<double>(network_case(), Mode::kTrain));
    testing::WriteCotangents(testing::Cotangents(network_case()), workspace);
    GradientSink<double> sink(rows.row(target), mode, scale);
    network.Backward<double>(rows.row(0), workspace, sink);
  };
  backward(1, GradientSink<double>::Mode::kOverwrite, 1);
  backward(2, GradientSink<double>::Mode::kOverwrite, 0.5);
  backward(2, GradientSink<double>::Mode::kAccumulate, 2);
  for (int64_t i = 0; i < rows.size(); ++i) {
    EXPECT_NEAR(rows.row(2)[i], 2.5 * rows.row(1)[i], 1e-13);
  }
}

TEST_P(NetworkTest, InputsAsAMatrixAreTheSameAsABatch) {
  const Network network = network_case().network();
  const Rows<double> rows = RandomRows<double>(network, 1);
  Workspace<double> first(network, 9), second(network, 9);
  const auto options = Options<double>(network_case(), Mode::kTrain);
  network.Forward<double>(rows.row(0), network_case().batch(), first, options);
  const kernels::MatrixView<const double> inputs = {network_case().inputs().data(), 9,
                                                    network.inputs(), network.inputs()};
  if (network_case().spec().one_hot) {
    EXPECT_DEATH(network.Forward<double>(rows.row(0), inputs, second, options), "come as batches");
    return;
  }
  network.Forward<double>(rows.row(0), inputs, second, options);
  EXPECT_THAT(
      testing::ToDoubles(second.output()),
      ::testing::Pointwise(::testing::DoubleNear(1e-13), testing::ToDoubles(first.output())));
}

// Outputs of all blocks, of a packed row and of the row itself, which others test.
template <typename T>
void ExpectSameWhenPacked(const Network& network, ConstRow<T> row, const data::Batch& batch,
                          double tolerance) {
  Workspace<T> workspace(network, batch.size());
  network.Forward<T>(row, batch, workspace);
  std::vector<std::vector<double>> expected;
  for (int b = 0; b < network.blocks(); ++b) {
    expected.push_back(testing::ToDoubles(workspace.output(b)));
  }
  const Rows<T> zeros(1, network.layout().size());
  PackedRow<T> packed(network);
  packed.Pack(zeros.row(0));
  network.Forward<T>(packed, batch, workspace);
  packed.Pack(row);
  network.Forward<T>(packed, batch, workspace);
  for (int b = 0; b < network.blocks(); ++b) {
    EXPECT_THAT(testing::ToDoubles(workspace.output(b)),
                ::testing::Pointwise(::testing::DoubleNear(tolerance), expected[b]));
  }
}

TEST_P(NetworkTest, APackedRowIsEvaluatedAsTheRowItself) {
  const Network network = network_case().network();
  const Rows<double> rows = RandomRows<double>(network, 1);
  ExpectSameWhenPacked<double>(network, rows.row(0), network_case().batch(), 1e-12);
}

// A pass of a Jacobian, say: gradients are written anew for each.
TEST_P(NetworkTest, ASecondBackwardAfterOneForwardIsThatOfItsGradients) {
  const Network network = network_case().network();
  Rows<double> rows = RandomRows<double>(network, 3);
  Workspace<double> workspace(network, 9);
  const auto options = Options<double>(network_case(), Mode::kTrain);
  const auto backward = [&](int without, int64_t target) {
    testing::WriteCotangents(testing::Cotangents(network_case(), without), workspace);
    GradientSink<double> sink(rows.row(target), GradientSink<double>::Mode::kOverwrite);
    network.Backward<double>(rows.row(0), workspace, sink);
  };
  const int last = network.blocks() - 1;
  network.Forward<double>(rows.row(0), network_case().batch(), workspace, options);
  backward(-1, 1);
  backward(last, 1);
  network.Forward<double>(rows.row(0), network_case().batch(), workspace, options);
  backward(last, 2);
  EXPECT_EQ(Doubles(rows.row(1)), Doubles(rows.row(2)));
}

TEST(WorkspaceTest, TakesInputsAndTwoMatricesALayer) {
  const Network network = *Network::Create(MultilayerPerceptron(784, {250, 64}, 10));
  // Rows of matrices are padded to multiples of 16 numbers.
  EXPECT_EQ(Workspace<float>::Bytes(network, 100), 4 * 100 * (784 + 2 * (256 + 64 + 16)));
  EXPECT_EQ(Workspace<double>::Bytes(network, 100), 8 * 100 * (784 + 2 * (256 + 64 + 16)));
}

// In float: with heads, norms, and inputs of either kind.
TEST(PackedRowTest, LayersAreEvaluatedAsTheRowItself) {
  std::vector<float> dense;
  std::vector<int32_t> active;
  const std::vector<int32_t> indices = {2, 0, 4, 1, 3, 3, 0};
  random::Stream stream(3);
  for (int i = 0; i < 5 * 70; ++i) dense.push_back(static_cast<float>(stream.Normal()));
  for (int i = 0; i < 5; ++i) active.insert(active.end(), {i, 30 + 5 * i});
  for (const bool one_hot : {false, true}) {
    const Network network = *Network::Create(
        {.inputs = 70,
         .blocks = {{.name = "trunk",
                     .layers = {Dense(64, Activation::kRelu), LayerNorm(Activation::kTanh)}},
                    {.name = "wide", .layers = {Dense(130)}, .input = "trunk"},
                    {.name = "narrow", .layers = {Dense(3)}, .input = "trunk"}},
         .one_hot = one_hot});
    const data::InputTable table =
        one_hot ? data::InputTable::OneHot(active, 2, 70) : data::InputTable::Floats(dense, 70);
    const data::BatchPart part = {table, indices};
    Rows<float> rows(1, network.layout().size());
    network.Initialize<float>(random::Stream(1), rows.row(0));
    ExpectSameWhenPacked<float>(network, rows.row(0), data::Batch({&part, 1}), 1e-5);
    // Panels of 32 outputs.
    EXPECT_EQ(PackedRow<float>::Bytes(network), 4 * 64 * (160 + 32 + (one_hot ? 0 : 70)));
  }
  const Network vector = *Network::Create(MultilayerPerceptron(70, {}, 1));
  EXPECT_EQ(PackedRow<float>::Bytes(vector), 0);
}

TEST(NetworkForwardDeathTest, RefusesExamplesAndFeaturesThatAreNotThere) {
  const Network network = *Network::Create(MultilayerPerceptron(2, {}, 1));
  const Rows<float> rows(1, network.layout().size());
  Workspace<float> workspace(network, 4);
  const std::vector<float> table = {1, 2, 3, 4};
  const auto forward = [&](std::vector<int32_t> indices, std::vector<int32_t> map) {
    const data::BatchPart part = {data::InputTable::Floats(table, 2), indices, map};
    network.Forward<float>(rows.row(0), data::Batch({&part, 1}), workspace);
  };
  forward({0, 1, 1}, {1, 0});
  EXPECT_DEATH(forward({0, 2}, {}), "example 2 of 2");
  EXPECT_DEATH(forward({-1}, {}), "example -1 of 2");
  EXPECT_DEATH(forward({0}, {0, 2}), "feature 2");
}

INSTANTIATE_TEST_SUITE_P(Cases, NetworkTest, ::testing::ValuesIn(testing::NetworkCases()),
                         [](const auto& instance) { return instance.param->name(); });

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

// A row of a network with one dense layer, from `initializer`.
std::vector<double> InitialWeights(Initializer initializer, double scale) {
  NetworkSpec spec = MultilayerPerceptron(100, {}, 50);
  spec.initializer = initializer;
  spec.initial_scale = scale;
  const Network network = *Network::Create(spec);
  Rows<double> rows(1, network.layout().size());
  network.Initialize<double>(random::Stream(1), rows.row(0));
  const ParameterSlice& bias = network.layout().slices()[1];
  for (const double value : rows.row(0).subspan(bias.offset, bias.size)) EXPECT_EQ(value, 0);
  return {rows.row(0).begin(), rows.row(0).begin() + 100 * 50};
}

double Variance(const std::vector<double>& values) {
  double squares = 0;
  for (const double value : values) squares += value * value;
  return squares / static_cast<double>(values.size());
}

TEST(NetworkInitializationTest, HeAndXavierHaveTheirVariance) {
  EXPECT_NEAR(Variance(InitialWeights(Initializer::kHeNormal, 1)), 2.0 / 100, 0.0015);
  EXPECT_NEAR(Variance(InitialWeights(Initializer::kHeNormal, 2)), 8.0 / 100, 0.006);
  EXPECT_NEAR(Variance(InitialWeights(Initializer::kXavierUniform, 1)), 2.0 / 150, 0.001);
  EXPECT_NEAR(Variance(InitialWeights(Initializer::kXavierUniform, 3)), 18.0 / 150, 0.009);
}

TEST(NetworkInitializationTest, TheScaleIsThatOfWeightsAlone) {
  NetworkSpec spec = MultilayerPerceptron(100, {}, 50);
  Rows<double> rows(2, Network::Create(spec)->layout().size());
  Network::Create(spec)->Initialize<double>(random::Stream(1), rows.row(0));
  spec.initial_scale = 0.25;
  Network::Create(spec)->Initialize<double>(random::Stream(1), rows.row(1));
  for (int64_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows.row(1)[i], rows.row(0)[i] * (i < 100 * 50 ? 0.25 : 1));
  }
}

TEST(NetworkInitializationTest, NormsBeginAsTheIdentity) {
  const NetworkSpec spec = {.inputs = 3, .blocks = {{.layers = {Dense(2), BatchNorm()}}}};
  const Network network = *Network::Create(spec);
  Rows<float> rows(1, network.layout().size());
  network.Initialize<float>(random::Stream(1), rows.row(0));
  for (const ParameterSlice& slice : network.layout().slices()) {
    if (slice.name.starts_with("0.")) continue;
    const bool one = slice.name == "1.scale" || slice.name == "1.running_variance";
    for (const float value : rows.row(0).subspan(slice.offset, slice.size)) EXPECT_EQ(value, one);
  }
  EXPECT_EQ(network.layout().size() - network.layout().trainable(), 32);
}

TEST(NetworkCreateTest, RefusesWhatCannotBeANetwork) {
  const auto message = [](const NetworkSpec& spec) {
    const auto network = Network::Create(spec);
    EXPECT_FALSE(network.ok());
    return std::string(network.status().message());
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(message({.inputs = 3, .blocks = {}}), HasSubstr("needs a block"));
  EXPECT_THAT(message({.inputs = 3, .blocks = {{.name = "a", .layers = {}}}}),
              HasSubstr("block \"a\" needs a layer"));
  EXPECT_THAT(message(MultilayerPerceptron(4, {0}, 2)), HasSubstr("maps 4 numbers to 0"));
  NetworkSpec scaled = MultilayerPerceptron(4, {3}, 2);
  scaled.initial_scale = std::numeric_limits<double>::infinity();
  EXPECT_THAT(message(scaled), HasSubstr("initial_scale is inf"));
  EXPECT_THAT(message({.inputs = 3, .blocks = {{.layers = {Dense(2), Dropout(1)}}}}),
              HasSubstr("drops at a rate of 1; allowed: [0, 1)"));
  const BlockSpec named = {.name = "a", .layers = {Dense(2)}};
  const BlockSpec unnamed = {.layers = {Dense(2)}};
  const BlockSpec lost = {.name = "b", .layers = {Dense(2)}, .input = "c"};
  EXPECT_THAT(message({.inputs = 3, .blocks = {named, unnamed}}), HasSubstr("needs a name"));
  EXPECT_THAT(message({.inputs = 3, .blocks = {named, named}}), HasSubstr("two blocks are called"));
  EXPECT_THAT(message({.inputs = 3, .blocks = {named, lost}}),
              HasSubstr("block \"b\" reads \"c\", which no block before it is called"));
  EXPECT_THAT(
      message({.inputs = 3, .blocks = {{.layers = {LayerNorm(), Dense(2)}}}, .one_hot = true}),
      HasSubstr("must be dense"));
}

// Methods with and without dropout are compared from the same start.
TEST(NetworkTest, DropoutLeavesTheInitialParametersAlone) {
  const Network plain = *Network::Create(MultilayerPerceptron(6, {5, 4}, 3));
  const Network dropping = *Network::Create(
      {.inputs = 6,
       .blocks = {{.layers = {Dense(5, Activation::kRelu), Dropout(0.5),
                              Dense(4, Activation::kRelu), Dropout(0.5), Dense(3)}}}});
  Rows<float> rows(2, plain.layout().size());
  ASSERT_EQ(dropping.layout().size(), rows.size());
  plain.Initialize<float>(random::Stream(1), rows.row(0));
  dropping.Initialize<float>(random::Stream(1), rows.row(1));
  EXPECT_TRUE(std::ranges::equal(rows.row(0), rows.row(1)));
  const BlockSpec block = {.name = "head", .layers = dropping.spec().blocks[0].layers};
  EXPECT_EQ(LayerName(block, 0), "head.0");
  EXPECT_EQ(LayerName(block, 4), "head.2");
  EXPECT_EQ(LayerName(dropping.spec().blocks[0], 2), "1");
}

}  // namespace
}  // namespace perennial::nn
