#include "continual/analysis/matching.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "common/nn/network.h"
#include "continual/analysis/distance.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

using ::testing::HasSubstr;

const nn::ParameterSlice& Slice(const nn::Network& network, const std::string& name) {
  for (const nn::ParameterSlice& slice : network.layout().slices()) {
    if (slice.name == name) return slice;
  }
  ADD_FAILURE() << name;
  return network.layout().slices()[0];
}

// Element by element from the definition: unit u of dense layer `layer` becomes unit source[u].
void Reorder(const nn::Network& network, const std::string& layer, const std::string& next,
             const std::vector<int32_t>& source, int copies, nn::Row<float> row) {
  const std::vector<float> old(row.begin(), row.end());
  const nn::ParameterSlice& weight = Slice(network, layer + ".weight");
  const nn::ParameterSlice& outgoing = Slice(network, next + ".weight");
  const int64_t width = weight.shape[0];
  for (int64_t u = 0; u < width; ++u) {
    for (int64_t i = 0; i < weight.shape[1]; ++i) {
      row[weight.offset + u * weight.shape[1] + i] =
          old[weight.offset + source[u] * weight.shape[1] + i];
    }
    for (const nn::ParameterSlice& slice : network.layout().slices()) {
      if (slice.name == layer + ".bias") row[slice.offset + u] = old[slice.offset + source[u]];
    }
    for (int64_t o = 0; o < outgoing.shape[0]; ++o) {
      for (int c = 0; c < copies; ++c) {
        const int64_t begin = outgoing.offset + o * outgoing.shape[1] + c * width;
        row[begin + u] = old[begin + source[u]];
      }
    }
  }
}

std::vector<float> Outputs(const nn::Network& network, nn::ConstRow<float> row) {
  constexpr int64_t kExamples = 20;
  std::vector<float> inputs(kExamples * network.inputs());
  random::Stream stream(99);
  for (float& value : inputs) value = static_cast<float>(stream.Normal());
  nn::Workspace<float> workspace(network, kExamples);
  network.Forward<float>(row, {inputs.data(), kExamples, network.inputs(), network.inputs()},
                         workspace);
  std::vector<float> outputs;
  for (int64_t r = 0; r < kExamples; ++r) {
    const float* y = workspace.output().row(r);
    outputs.insert(outputs.end(), y, y + network.outputs());
  }
  return outputs;
}

void ExpectEqualOutputs(const nn::Network& network, nn::ConstRow<float> a, nn::ConstRow<float> b) {
  const std::vector<float> of_a = Outputs(network, a), of_b = Outputs(network, b);
  double size = 0;
  for (size_t i = 0; i < of_a.size(); ++i) {
    EXPECT_NEAR(of_a[i], of_b[i], 1e-5);
    size = std::max(size, std::abs(double{of_a[i]}));
  }
  EXPECT_GT(size, 0.05);
}

struct Case {
  std::string name;
  nn::NetworkSpec spec;
  std::vector<std::string> dense;  // Names of the dense layers.
  int copies = 1;
};

std::vector<Case> Cases() {
  nn::LayerSpec no_bias = nn::Dense(11, nn::Activation::kTanh);
  no_bias.bias = false;
  return {
      {"one_hidden", nn::MultilayerPerceptron(20, {15}, 4), {"0", "1"}},
      {"two_hidden", nn::MultilayerPerceptron(20, {15, 12}, 4), {"0", "1", "2"}},
      {"three_hidden", nn::MultilayerPerceptron(20, {15, 12, 17}, 4), {"0", "1", "2", "3"}},
      {"crelu",
       nn::MultilayerPerceptron(20, {9, 8}, 4, nn::Activation::kCrelu),
       {"0", "1", "2"},
       2},
      {"dropout_and_no_bias",
       {.inputs = 20,
        .blocks = {{.name = "all",
                    .layers = {nn::Dropout(0.2), nn::Dense(13, nn::Activation::kGelu),
                               nn::Dropout(0.5), no_bias, nn::Dense(4), nn::Dropout(0.1)}}}},
       {"all.0", "all.1", "all.2"}},
  };
}

class MatchWeightsTest : public ::testing::TestWithParam<Case> {
 protected:
  MatchWeightsTest()
      : network_(*nn::Network::Create(GetParam().spec)), rows_(4, network_.layout().size()) {
    network_.Initialize<float>(random::Stream(1), rows_.row(0));
    network_.Initialize<float>(random::Stream(2), rows_.row(1));
  }

  // Hidden layer l of `row`, in random order.
  void Hide(size_t l, const random::Stream& stream, nn::Row<float> row) {
    const std::string& layer = GetParam().dense[l];
    const int32_t width = static_cast<int32_t>(Slice(network_, layer + ".weight").shape[0]);
    Reorder(network_, layer, GetParam().dense[l + 1],
            random::Stream(stream).Split(l).Sample(width, width), GetParam().copies, row);
  }
  void HideAll(const random::Stream& stream, nn::Row<float> row) {
    for (size_t l = 0; l + 1 < GetParam().dense.size(); ++l) Hide(l, stream, row);
  }

  nn::Network network_;
  nn::Rows<float> rows_;
};

TEST_P(MatchWeightsTest, FindsHiddenPermutations) {
  rows_.CopyRow(0, 2);
  HideAll(random::Stream(3), rows_.row(2));
  ASSERT_GT(Distance(network_.layout(), rows_.row(0), rows_.row(2)), 1);
  ExpectEqualOutputs(network_, rows_.row(0), rows_.row(2));
  const Matching matching = MatchWeights(network_, rows_.row(0), rows_.row(2), rows_.row(3),
                                         {.random = random::Stream(4)})
                                .value();
  EXPECT_EQ(Distance(network_.layout(), rows_.row(0), rows_.row(3)), 0);
  EXPECT_GE(matching.sweeps(), 2);
}

TEST_P(MatchWeightsTest, TheObjectiveNeverFallsAndOutputsStay) {
  const std::vector<float> before(rows_.row(1).begin(), rows_.row(1).end());
  double best = -HUGE_VAL;
  for (const int searches : {1, 6}) {
    const Matching matching = MatchWeights(network_, rows_.row(0), rows_.row(1), rows_.row(2),
                                           {.random = random::Stream(5), .searches = searches})
                                  .value();
    EXPECT_TRUE(std::ranges::equal(before, rows_.row(1)));
    ASSERT_GE(matching.sweeps(), 2);
    EXPECT_TRUE(std::ranges::is_sorted(matching.inner_products));
    EXPECT_GT(matching.inner_products[1], matching.inner_products[0]);
    EXPECT_EQ(matching.inner_products[matching.sweeps() - 1], matching.inner_product());
    double product = 0;
    for (int64_t i = 0; i < rows_.size(); ++i) {
      product += double{rows_.row(0)[i]} * double{rows_.row(2)[i]};
    }
    EXPECT_NEAR(matching.inner_product(), product, 1e-9);
    ExpectEqualOutputs(network_, rows_.row(1), rows_.row(2));
    EXPECT_GE(product, best);
    best = product;
  }
}

// Whatever pair of units of a layer changes places then, the rows come no nearer.
TEST_P(MatchWeightsTest, NoExchangeOfTwoUnitsImprovesTheResult) {
  ASSERT_TRUE(MatchWeights(network_, rows_.row(0), rows_.row(1), rows_.row(2),
                           {.random = random::Stream(5)})
                  .ok());
  const double distance = Distance(network_.layout(), rows_.row(0), rows_.row(2));
  for (size_t l = 0; l + 1 < GetParam().dense.size(); ++l) {
    const int32_t width =
        static_cast<int32_t>(Slice(network_, GetParam().dense[l] + ".weight").shape[0]);
    for (int32_t i = 0; i < width; ++i) {
      for (int32_t j = 0; j < i; ++j) {
        std::vector<int32_t> source(width);
        std::iota(source.begin(), source.end(), 0);
        std::swap(source[i], source[j]);
        rows_.CopyRow(2, 3);
        Reorder(network_, GetParam().dense[l], GetParam().dense[l + 1], source, GetParam().copies,
                rows_.row(3));
        EXPECT_GE(Distance(network_.layout(), rows_.row(0), rows_.row(3)), distance - 1e-9);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, MatchWeightsTest, ::testing::ValuesIn(Cases()),
                         [](const auto& instance) { return instance.param.name; });

// All permutations of one hidden layer, by brute force.
TEST(MatchWeights, OneHiddenLayerIsSolvedExactly) {
  const nn::Network network = *nn::Network::Create(nn::MultilayerPerceptron(3, {6}, 2));
  nn::Rows<float> rows(4, network.layout().size());
  for (uint64_t seed = 0; seed < 10; ++seed) {
    network.Initialize<float>(random::Stream(seed).Split("a"), rows.row(0));
    network.Initialize<float>(random::Stream(seed).Split("b"), rows.row(1));
    std::vector<int32_t> source(6);
    std::iota(source.begin(), source.end(), 0);
    double least = HUGE_VAL;
    do {
      rows.CopyRow(1, 3);
      Reorder(network, "0", "1", source, 1, rows.row(3));
      least = std::min(least, Distance(network.layout(), rows.row(0), rows.row(3)));
    } while (std::ranges::next_permutation(source).found);
    ASSERT_TRUE(MatchWeights(network, rows.row(0), rows.row(1), rows.row(2),
                             {.random = random::Stream(seed)})
                    .ok());
    EXPECT_NEAR(Distance(network.layout(), rows.row(0), rows.row(2)), least, 1e-6);
  }
}

// A search that begins elsewhere may end elsewhere: with several the best counts.
TEST(MatchWeights, MoreSearchesFindBetterMatches) {
  const nn::Network network = *nn::Network::Create(nn::MultilayerPerceptron(4, {20, 20, 20}, 3));
  nn::Rows<float> rows(3, network.layout().size());
  int better = 0;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    network.Initialize<float>(random::Stream(seed).Split("a"), rows.row(0));
    network.Initialize<float>(random::Stream(seed).Split("b"), rows.row(1));
    double last = -HUGE_VAL;
    double start = 0;
    for (const int searches : {1, 10}) {
      const Matching matching = MatchWeights(network, rows.row(0), rows.row(1), rows.row(2),
                                             {.random = random::Stream(1), .searches = searches})
                                    .value();
      EXPECT_GE(matching.inner_product(), last);
      if (searches == 1) {
        start = matching.inner_products[0];
      } else if (matching.inner_product() > last) {
        ++better;
        EXPECT_NE(matching.inner_products[0], start);
      }
      last = matching.inner_product();
      ExpectEqualOutputs(network, rows.row(1), rows.row(2));
    }
  }
  EXPECT_GE(better, 3);
}

TEST(MatchWeights, IsAFunctionOfItsArguments) {
  const nn::Network network = *nn::Network::Create(nn::MultilayerPerceptron(4, {20, 20}, 3));
  nn::Rows<float> rows(4, network.layout().size());
  network.Initialize<float>(random::Stream(1), rows.row(0));
  network.Initialize<float>(random::Stream(2), rows.row(1));
  const MatchingOptions options = {.random = random::Stream(3), .searches = 3};
  ASSERT_TRUE(MatchWeights(network, rows.row(0), rows.row(1), rows.row(2), options).ok());
  ASSERT_TRUE(MatchWeights(network, rows.row(0), rows.row(1), rows.row(1), options).ok());
  EXPECT_TRUE(std::ranges::equal(rows.row(1), rows.row(2)));  // In place.
}

TEST(MatchWeights, EqualUnitsStayWhereTheyAre) {
  const nn::Network network = *nn::Network::Create(nn::MultilayerPerceptron(3, {8, 8}, 2));
  nn::Rows<float> rows(3, network.layout().size());
  for (const float value : {0.0f, 0.37f}) {
    std::ranges::fill(rows.row(0), 0.0f);
    for (const nn::ParameterSlice& slice : network.layout().slices()) {
      std::fill_n(rows.row(0).begin() + slice.offset, slice.size, value);
    }
    network.Initialize<float>(random::Stream(2), rows.row(1));
    const Matching matching =
        MatchWeights(network, rows.row(0), rows.row(1), rows.row(2), {.random = random::Stream(3)})
            .value();
    EXPECT_EQ(matching.sweeps(), 1);
    EXPECT_TRUE(std::ranges::equal(rows.row(1), rows.row(2)));
  }
}

TEST(MatchWeights, ALinearClassifierHasNothingToMatch) {
  const nn::Network network = *nn::Network::Create(nn::MultilayerPerceptron(3, {}, 2));
  nn::Rows<float> rows(3, network.layout().size());
  network.Initialize<float>(random::Stream(1), rows.row(0));
  network.Initialize<float>(random::Stream(2), rows.row(1));
  EXPECT_TRUE(
      MatchWeights(network, rows.row(0), rows.row(1), rows.row(2), {.random = random::Stream(3)})
          .ok());
  EXPECT_TRUE(std::ranges::equal(rows.row(1), rows.row(2)));
}

TEST(MatchWeights, SaysWhichLayerItCannotTake) {
  const auto message = [](const nn::NetworkSpec& spec) {
    const nn::Network network = *nn::Network::Create(spec);
    const absl::Status status = SupportsMatching(network);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    nn::Rows<float> rows(3, network.layout().size());
    EXPECT_EQ(
        MatchWeights(network, rows.row(0), rows.row(1), rows.row(2), {.random = random::Stream(3)})
            .status(),
        status);
    return std::string(status.message());
  };
  EXPECT_THAT(
      message({.inputs = 3, .blocks = {{.layers = {nn::Dense(2), nn::LayerNorm(), nn::Dense(2)}}}}),
      HasSubstr("layer 1 (layer norm)"));
  EXPECT_THAT(
      message({.inputs = 3, .blocks = {{.layers = {nn::Dense(2), nn::Dense(2), nn::BatchNorm()}}}}),
      HasSubstr("layer 2 (batch norm)"));
  EXPECT_THAT(message({.inputs = 3,
                       .blocks = {{.name = "trunk", .layers = {nn::Dense(2)}},
                                  {.name = "head", .layers = {nn::Dense(2)}, .input = "trunk"}}}),
              HasSubstr("block \"head\""));
  EXPECT_THAT(
      message({.inputs = 3, .blocks = {{.layers = {nn::Dense(2), nn::Dense(2)}}}, .one_hot = true}),
      HasSubstr("one-hot"));
}

TEST(MatchWeights, RefusesNumbersThatAreNotFinite) {
  const nn::Network network = *nn::Network::Create(nn::MultilayerPerceptron(3, {4}, 2));
  for (const int bad : {0, 1}) {
    nn::Rows<float> rows(3, network.layout().size());
    rows.row(bad)[1] = HUGE_VALF;
    const absl::Status status =
        MatchWeights(network, rows.row(0), rows.row(1), rows.row(2), {.random = random::Stream(3)})
            .status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad == 0 ? "reference" : "row to match"));
  }
}

}  // namespace
}  // namespace perennial::continual
