#include "common/nn/autograd_loss.h"

#include <cmath>
#include <limits>
#include <string>

#include "ATen/ATen.h"
#include "ATen/core/grad_mode.h"
#include "common/nn/sink.h"
#include "common/random/stream.h"
#include "common/testing/gradient_check.h"
#include "common/testing/loss_check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::nn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A random matrix and its gradient, with gaps between rows that hold a mark.
template <typename T>
struct Leaf {
  static constexpr int64_t kGap = 5;
  static constexpr T kMark = 77;

  Leaf(int64_t row_count, int64_t column_count, uint64_t seed)
      : rows(row_count), columns(column_count) {
    random::Stream draws(seed);
    values.assign(rows * (columns + kGap), kMark);
    gradients.assign(values.size(), kMark);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) value()(r, c) = static_cast<T>(draws.Normal());
    }
  }
  kernels::MatrixView<T> value() { return {values.data(), rows, columns, columns + kGap}; }
  kernels::MatrixView<T> gradient() { return {gradients.data(), rows, columns, columns + kGap}; }
  bool GapsAreUntouched() const {
    for (size_t i = 0; i < values.size(); ++i) {
      const int64_t column = static_cast<int64_t>(i) % (columns + kGap);
      if (column >= columns && (values[i] != kMark || gradients[i] != kMark)) return false;
    }
    return true;
  }

  int64_t rows;
  int64_t columns;
  std::vector<T> values;
  std::vector<T> gradients;
};

template <typename T>
absl::StatusOr<double> Evaluate(std::vector<Leaf<T>*> leaves, const LossExpression& loss) {
  std::vector<kernels::MatrixView<const T>> values;
  std::vector<kernels::MatrixView<T>> gradients;
  for (Leaf<T>* leaf : leaves) {
    values.push_back(leaf->value());
    gradients.push_back(leaf->gradient());
  }
  return AutogradLoss<T>(values, gradients, loss);
}

at::Tensor Kernel(const at::Tensor& x, const at::Tensor& y) {
  // exp(-|x - y|^2 / 2)
  return (x.unsqueeze(1) - y.unsqueeze(0)).square().sum(2).mul(-0.5).exp();
}

// The squared maximum mean discrepancy (biased) of two taps' rows.
at::Tensor Mmd(const std::vector<at::Tensor>& leaves) {
  return Kernel(leaves[0], leaves[0]).mean() + Kernel(leaves[1], leaves[1]).mean() -
         2 * Kernel(leaves[0], leaves[1]).mean();
}

template <typename T>
class AutogradLossTest : public ::testing::Test {
 protected:
  static constexpr double kTolerance = sizeof(T) == 8 ? 1e-14 : 1e-6;
};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(AutogradLossTest, Scalars);

TYPED_TEST(AutogradLossTest, MeanSquareHasItsClosedFormGradientBetweenUntouchedGaps) {
  using T = TypeParam;
  Leaf<T> leaf(4, 3, 1);
  const auto loss = Evaluate<T>({&leaf}, [](const std::vector<at::Tensor>& leaves) {
    return (leaves[0] - 1).square().mean();
  });
  ASSERT_TRUE(loss.ok()) << loss.status();
  double expected = 0;
  for (int64_t r = 0; r < 4; ++r) {
    for (int64_t c = 0; c < 3; ++c) {
      const double difference = static_cast<double>(leaf.value()(r, c)) - 1;
      expected += difference * difference / 12;
      EXPECT_NEAR(leaf.gradient()(r, c), difference / 6, this->kTolerance);
    }
  }
  EXPECT_NEAR(*loss, expected, 10 * this->kTolerance);
  EXPECT_TRUE(leaf.GapsAreUntouched());
}

TYPED_TEST(AutogradLossTest, SoftmaxCrossEntropyHasItsClosedFormGradient) {
  using T = TypeParam;
  Leaf<T> leaf(6, 5, 2);
  const std::vector<int64_t> labels = {0, 4, 2, 2, 1, 3};
  const auto loss = Evaluate<T>({&leaf}, [&](const std::vector<at::Tensor>& leaves) {
    return at::cross_entropy_loss(leaves[0], at::tensor(labels, at::kLong));
  });
  ASSERT_TRUE(loss.ok()) << loss.status();
  double expected = 0;
  for (int64_t r = 0; r < 6; ++r) {
    double sum = 0;
    for (int64_t c = 0; c < 5; ++c) sum += std::exp(static_cast<double>(leaf.value()(r, c)));
    for (int64_t c = 0; c < 5; ++c) {
      const double p = std::exp(static_cast<double>(leaf.value()(r, c))) / sum;
      if (c == labels[r]) expected -= std::log(p) / 6;
      EXPECT_NEAR(leaf.gradient()(r, c), (p - (c == labels[r])) / 6, this->kTolerance);
    }
  }
  EXPECT_NEAR(*loss, expected, 10 * this->kTolerance);
}

TYPED_TEST(AutogradLossTest, ALeafThatTheLossIgnoresHasGradientZero) {
  using T = TypeParam;
  Leaf<T> read(2, 2, 3);
  Leaf<T> ignored(3, 4, 4);
  const auto loss = Evaluate<T>(
      {&ignored, &read}, [](const std::vector<at::Tensor>& leaves) { return leaves[1].sum(); });
  ASSERT_TRUE(loss.ok()) << loss.status();
  EXPECT_EQ(read.gradient()(1, 1), 1);
  for (int64_t r = 0; r < 3; ++r) {
    for (int64_t c = 0; c < 4; ++c) EXPECT_EQ(ignored.gradient()(r, c), 0);
  }
  EXPECT_TRUE(ignored.GapsAreUntouched());
}

TYPED_TEST(AutogradLossTest, AMatrixWithoutRowsIsALeaf) {
  using T = TypeParam;
  Leaf<T> leaf(2, 2, 3);
  Leaf<T> empty(1, 4, 4);
  empty.rows = 0;
  const auto loss = Evaluate<T>({&leaf, &empty}, [](const std::vector<at::Tensor>& leaves) {
    return leaves[0].sum() + leaves[1].sum();
  });
  ASSERT_TRUE(loss.ok()) << loss.status();
  EXPECT_EQ(leaf.gradient()(0, 1), 1);
}

TEST(AutogradLossCheckTest, AcceptsRightGradients) {
  const at::Tensor labels = at::tensor({0, 2, 1, 1, 2}, at::kLong);
  EXPECT_LT(testing::LossGradientError(
                [&](const auto& leaves) { return at::cross_entropy_loss(leaves[0], labels); },
                {{5, 3}}, 1),
            1e-9);
  EXPECT_LT(testing::LossGradientError(Mmd, {{6, 3}, {4, 3}}, 2), 1e-9);
  EXPECT_LT(testing::LossGradientError([](const auto& leaves) { return leaves[1].tanh().sum(); },
                                       {{2, 3}, {4, 1}}, 3),
            1e-9);
}

TEST(AutogradLossCheckTest, FindsAPathThatWasCut) {
  // The gradient of x^2 with one factor detached is x, not 2 x.
  EXPECT_GT(
      testing::LossGradientError(
          [](const auto& leaves) { return (leaves[0] * leaves[0].detach()).sum(); }, {{3, 2}}, 4),
      0.01);
}

TEST(AutogradLossCheckTest, AnExpressionThatFailsIsInfinitelyWrong) {
  EXPECT_EQ(testing::LossGradientError([](const auto& leaves) { return leaves[0]; }, {{3, 2}}, 4),
            std::numeric_limits<double>::infinity());
}

TEST(AutogradLossNetworkTest, LossOnHeadsAndATapGivesTheGradientOfTheRow) {
  const Network network =
      *Network::Create({.inputs = 5,
                        .blocks = {{"features", {Dense(4, Activation::kTanh)}},
                                   {"control", {Dense(3, Activation::kElu), Dense(1)}, "features"},
                                   {"treated", {Dense(1)}, "features"}}});
  constexpr int64_t kControl = 4;
  constexpr int64_t kRows = 9;
  const RowRange ranges[] = {{0, kRows}, {0, kControl}, {kControl, kRows}};
  Leaf<double> inputs(kRows, 5, 1);
  const at::Tensor outcomes = at::linspace(-1, 1, kRows, at::kDouble).view({kRows, 1});
  const LossExpression loss = [&](const std::vector<at::Tensor>& leaves) {
    const at::Tensor& features = leaves[2];
    return at::mse_loss(leaves[0], outcomes.slice(0, kControl)) +
           at::huber_loss(leaves[1], outcomes.slice(0, 0, kControl)) +
           3 * Mmd({features.slice(0, 0, kControl), features.slice(0, kControl)});
  };
  Workspace<double> workspace(network, kRows);
  const auto evaluate = [&](ConstRow<double> row) {
    network.Forward<double>(row, inputs.value(), workspace, {.mode = Mode::kTrain, .rows = ranges});
    const auto value = AutogradLoss(network, {"treated", "control", "features"}, workspace, loss);
    EXPECT_TRUE(value.ok()) << value.status();
    return *value;
  };
  Rows<double> rows(2, network.layout().size());
  network.Initialize<double>(random::Stream(2), rows.row(0));
  evaluate(rows.row(0));
  GradientSink<double> sink(rows.row(1), GradientSink<double>::Mode::kOverwrite);
  network.Backward<double>(rows.row(0), workspace, sink);
  EXPECT_LT(testing::GradientError(evaluate, rows.row(0), rows.row(1)), 1e-9);
}

std::string ErrorOf(const LossExpression& loss) {
  Leaf<double> leaf(4, 3, 5);
  const auto value = Evaluate<double>({&leaf}, loss);
  EXPECT_EQ(value.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(value.status().message());
}

TEST(AutogradLossErrorTest, NamesWhatIsWrongOnOneLine) {
  EXPECT_EQ(ErrorOf([](const auto& leaves) { return leaves[0].sum(0); }),
            "the loss must be one floating-point number; it is Double of shape [3]");
  EXPECT_EQ(ErrorOf([](const auto& leaves) { return leaves[0].argmax(); }),
            "the loss must be one floating-point number; it is Long of shape []");
  EXPECT_EQ(ErrorOf([](const auto&) { return at::Tensor(); }), "the loss is an undefined tensor");
  EXPECT_EQ(ErrorOf([](const auto& leaves) { return (leaves[0].sum() * 0) / 0; }),
            "the loss is not a number (NaN)");
  EXPECT_EQ(ErrorOf([](const auto& leaves) { return leaves[0].detach().sum(); }),
            "the loss depends on nothing that requires a gradient; was it detached?");
  EXPECT_THAT(ErrorOf([](const auto& leaves) { return leaves[0].mm(leaves[0]).sum(); }),
              AllOf(HasSubstr("shapes cannot be multiplied (4x3 and 4x3)"), Not(HasSubstr("\n")),
                    Not(HasSubstr("Exception raised"))));
  EXPECT_THAT(ErrorOf([](const auto& leaves) { return at::Tensor(leaves[0]).zero_().sum(); }),
              HasSubstr("in-place"));
  EXPECT_EQ(ErrorOf([](const auto& leaves) {
              leaves[0].mutable_grad() = at::Tensor();
              return leaves[0].sum();
            }),
            "the loss expression replaced the gradient of a leaf");
}

TEST(AutogradLossDeathTest, GradientsAmongTheValuesAreRefused) {
  Leaf<float> first(4, 3, 5), second(1, 3, 6);
  const auto evaluate = [&](kernels::MatrixView<float> a, kernels::MatrixView<float> b) {
    const std::vector<kernels::MatrixView<const float>> values = {first.value(), second.value()};
    const std::vector<kernels::MatrixView<float>> gradients = {a, b};
    return AutogradLoss<float>(values, gradients,
                               [](const auto& leaves) { return leaves[0].sum() + leaves[1].sum(); })
        .ok();
  };
  // The last row of the first leaf is where the second gradient begins.
  kernels::MatrixView<float> shared = second.gradient();
  shared.data = first.value().row(3) + 2;
  shared.stride = 3;
  const char* message = "a gradient lies where values lie";
  EXPECT_DEATH(evaluate(first.value(), second.gradient()), message);
  EXPECT_DEATH(evaluate(first.gradient(), shared), message);
  shared.data += 1;
  EXPECT_TRUE(evaluate(first.gradient(), shared));
}

TEST(AutogradLossErrorTest, WorksWhereTheCallerSwitchedGradientsOff) {
  const at::NoGradGuard guard;
  Leaf<double> leaf(4, 3, 5);
  const auto value =
      Evaluate<double>({&leaf}, [](const auto& leaves) { return leaves[0].square().sum(); });
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(leaf.gradient()(2, 1), 2 * leaf.value()(2, 1));
}

}  // namespace
}  // namespace perennial::nn
