#include "continual/analysis/distance.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/nn/network.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

// Two weights, a bias, a norm and its running statistics.
nn::Network SmallNetwork() {
  return *nn::Network::Create(
      {.inputs = 2, .blocks = {{.layers = {nn::Dense(1), nn::BatchNorm()}}}});
}

const nn::ParameterSlice& Slice(const nn::Network& network, const char* name) {
  for (const nn::ParameterSlice& slice : network.layout().slices()) {
    if (slice.name == name) return slice;
  }
  ADD_FAILURE() << name;
  return network.layout().slices()[0];
}

TEST(Distance, IsThatOfTheTrainedParameters) {
  const nn::Network network = SmallNetwork();
  nn::Rows<float> rows(3, network.layout().size());
  const int64_t weight = Slice(network, "0.weight").offset;
  const int64_t bias = Slice(network, "0.bias").offset;
  // Row 0 is (3, 0 | 4), row 1 (0, 0 | 0), row 2 (3, 12 | 4).
  rows.row(0)[weight] = rows.row(2)[weight] = 3;
  rows.row(0)[bias] = rows.row(2)[bias] = 4;
  rows.row(2)[weight + 1] = 12;
  rows.row(1)[Slice(network, "1.running_variance").offset] = 100;

  EXPECT_EQ(Distance(network.layout(), rows.row(0), rows.row(1)), 5);
  EXPECT_EQ(Distance(network.layout(), rows.row(2), rows.row(1)), 13);
  EXPECT_EQ(RelativeDistance(network.layout(), rows.row(0), rows.row(2)), 12.0 / 5);
  EXPECT_EQ(RelativeDistance(network.layout(), rows.row(2), rows.row(0)), 12.0 / 13);
  EXPECT_EQ(RelativeDistance(network.layout(), rows.row(1), rows.row(0)), HUGE_VAL);

  const nn::ConstRow<float> all[] = {rows.row(0), rows.row(1), rows.row(2)};
  EXPECT_THAT(
      DistanceMatrix(network.layout(), all),
      ::testing::ElementsAre(::testing::ElementsAre(0, 5, 12), ::testing::ElementsAre(5, 0, 13),
                             ::testing::ElementsAre(12, 13, 0)));
}

// In float the small squares would be lost beside the large one, and the difference rounded.
TEST(Distance, SubtractsAndSumsInDouble) {
  const nn::Network network = *nn::Network::Create(nn::MultilayerPerceptron(1000, {}, 10));
  nn::Rows<float> rows(2, network.layout().size());
  for (int64_t i = 0; i < 10000; ++i) rows.row(0)[i] = i == 0 ? 10000.0f : 1.0f;
  EXPECT_EQ(Distance(network.layout(), rows.row(0), rows.row(1)), std::sqrt(1e8 + 9999));
  std::ranges::fill(rows.row(0), 0.0f);
  rows.row(0)[0] = 16777216;
  rows.row(1)[0] = -1;
  EXPECT_EQ(Distance(network.layout(), rows.row(0), rows.row(1)), 16777217);
}

}  // namespace
}  // namespace perennial::continual
