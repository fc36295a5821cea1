#include "common/nn/factors.h"

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

}  // namespace
}  // namespace perennial::nn
