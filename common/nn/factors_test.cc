#include "common/nn/factors.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "common/testing/networks.h"
#include "gtest/gtest.h"

namespace perennial::nn {
namespace {

// Gradients of each example of a batch, one by one, and their factors.
template <typename T>
struct PerSample {
  Network network;
  Rows<T> gradients;
  GradientFactors<T> factors;
};

template <typename T>
PerSample<T> MakePerSample(uint64_t seed) {
  const testing::NetworkCase inputs("inputs", MultilayerPerceptron(15, {7, 5}, 4));
  PerSample<T> made = {inputs.network(), Rows<T>(9, inputs.network().layout().size()), {}};
  Rows<T> rows(1, made.gradients.size());
  made.network.template Initialize<T>(random::Stream(seed), rows.row(0));
  Workspace<T> workspace(made.network, 9);
  const auto cotangents = testing::Cotangents(inputs);
  for (int64_t example = 0; example < 9; ++example) {
    auto alone = cotangents;
    for (int64_t i = 0; i < 9 * 4; ++i) alone[0][i] *= i / 4 == example;
    made.network.template Forward<T>(rows.row(0), inputs.batch(), workspace);
    testing::WriteCotangents(alone, workspace);
    GradientSink<T> sink(made.gradients.row(example), GradientSink<T>::Mode::kOverwrite);
    made.network.template Backward<T>(rows.row(0), workspace, sink);
  }
  made.network.template Forward<T>(rows.row(0), inputs.batch(), workspace);
  testing::WriteCotangents(cotangents, workspace);
  FactorSink<T> sink(made.factors);
  made.network.template Backward<T>(rows.row(0), workspace, sink);
  return made;
}

template <typename T>
double Inner(ConstRow<T> a, ConstRow<T> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

template <typename T>
class FactorsTest : public ::testing::Test {
 protected:
  static constexpr double kTolerance = sizeof(T) == 8 ? 1e-12 : 1e-4;
};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(FactorsTest, Scalars);

TYPED_TEST(FactorsTest, TheGramMatrixHoldsInnerProductsOfGradients) {
  const auto a = MakePerSample<TypeParam>(1);
  const auto b = MakePerSample<TypeParam>(2);
  std::vector<TypeParam> memory(9 * 9);
  const kernels::MatrixView<TypeParam> gram = {memory.data(), 9, 9, 9};
  GradientGram<TypeParam>(a.factors, b.factors, gram);
  for (int64_t r = 0; r < 9; ++r) {
    for (int64_t s = 0; s < 9; ++s) {
      const double expected = Inner<TypeParam>(a.gradients.row(r), b.gradients.row(s));
      EXPECT_NEAR(gram(r, s), expected, this->kTolerance * (1 + std::abs(expected)));
    }
  }
}

TYPED_TEST(FactorsTest, DotsAreInnerProductsWithADirection) {
  const auto made = MakePerSample<TypeParam>(1);
  Rows<TypeParam> direction(1, made.gradients.size());
  made.network.template Initialize<TypeParam>(random::Stream(5), direction.row(0));
  std::vector<TypeParam> dots(9);
  GradientDots<TypeParam>(made.factors, direction.row(0), dots);
  for (int64_t r = 0; r < 9; ++r) {
    const double expected =
        Inner<TypeParam>(made.gradients.row(r), std::as_const(direction).row(0));
    EXPECT_NEAR(dots[r], expected, this->kTolerance * (1 + std::abs(expected)));
  }
}

TYPED_TEST(FactorsTest, SumsOfGradientsComeBack) {
  const auto made = MakePerSample<TypeParam>(1);
  std::vector<TypeParam> coefficients(9);
  for (int r = 0; r < 9; ++r) coefficients[r] = static_cast<TypeParam>(r % 4 - 1.5);
  Rows<TypeParam> sum(1, made.gradients.size());
  AddGradients<TypeParam>(made.factors, coefficients, sum.row(0));
  AddGradients<TypeParam>(made.factors, coefficients, sum.row(0));
  for (int64_t i = 0; i < sum.size(); ++i) {
    double expected = 0;
    for (int64_t r = 0; r < 9; ++r) expected += 2.0 * coefficients[r] * made.gradients.row(r)[i];
    ASSERT_NEAR(sum.row(0)[i], expected, this->kTolerance * (1 + std::abs(expected)));
  }
}

// One head of several is trained, as in a stream of tasks.
TEST(FactorSinkTest, AHeadWithoutGradientHasNoFactors) {
  const testing::NetworkCase heads(
      "heads", {.inputs = 15,
                .blocks = {{.name = "trunk", .layers = {Dense(6, Activation::kTanh)}},
                           {.name = "first", .layers = {Dense(2)}, .input = "trunk"},
                           {.name = "second", .layers = {Dense(2)}, .input = "trunk"}}});
  const Network network = heads.network();
  Rows<double> rows(2, network.layout().size());
  network.Initialize<double>(random::Stream(1), rows.row(0));
  Workspace<double> workspace(network, 9);
  std::vector<GradientFactors<double>> factors(2);
  for (int head = 0; head < 2; ++head) {
    auto cotangents = testing::Cotangents(heads);
    cotangents[0].clear();
    cotangents[2 - head].clear();
    network.Forward<double>(rows.row(0), heads.batch(), workspace);
    testing::WriteCotangents(cotangents, workspace);
    FactorSink<double> sink(factors[head]);
    network.Backward<double>(rows.row(0), workspace, sink);
    EXPECT_EQ(factors[head].layers.size(), 2u);
    EXPECT_EQ(factors[head].rows, 9);
  }
  // Examples of different heads meet in the trunk alone.
  std::vector<double> memory(81), dots(9);
  const kernels::MatrixView<double> gram = {memory.data(), 9, 9, 9};
  GradientGram<double>(factors[0], factors[1], gram);
  for (int64_t s = 0; s < 9; ++s) {
    std::vector<double> one(9);
    one[s] = 1;
    std::ranges::fill(rows.row(1), 0.0);
    AddGradients<double>(factors[1], one, rows.row(1));
    GradientDots<double>(factors[0], rows.row(1), dots);
    for (int64_t r = 0; r < 9; ++r) EXPECT_NEAR(gram(r, s), dots[r], 1e-12);
  }
}

TEST(FactorSinkDeathTest, IsForOnePass) {
  const testing::NetworkCase inputs("inputs", MultilayerPerceptron(15, {}, 4));
  const Network network = inputs.network();
  const Rows<double> rows(1, network.layout().size());
  Workspace<double> workspace(network, 9);
  GradientFactors<double> factors;
  FactorSink<double> sink(factors);
  const auto pass = [&] {
    network.Forward<double>(rows.row(0), inputs.batch(), workspace);
    testing::WriteCotangents(testing::Cotangents(inputs), workspace);
    network.Backward<double>(rows.row(0), workspace, sink);
  };
  pass();
  EXPECT_DEATH(pass(), "a second pass needs a new sink");
}

}  // namespace
}  // namespace perennial::nn
