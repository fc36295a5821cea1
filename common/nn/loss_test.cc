#include "common/nn/loss.h"

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "common/kernels/every_target.h"
#include "common/random/stream.h"
#include "common/testing/eager_loss.h"
#include "common/testing/gradient_check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::nn {
namespace {

TEST(SoftmaxCrossEntropyTest, HasTheClosedFormForTwoClasses) {
  // -log of the logistic function of the logits' difference.
  const std::vector<double> logits = {1.5, -0.5};
  const std::vector<int32_t> labels = {1};
  const std::vector<double> weights = {2};
  std::vector<double> gradient(2);
  const double loss = SoftmaxCrossEntropy<double>({logits.data(), 1, 2, 2}, labels, weights,
                                                  {gradient.data(), 1, 2, 2});
  const double p = 1 / (1 + std::exp(-2.0));  // Of class 0.
  EXPECT_NEAR(loss, 2 * -std::log(1 - p), 1e-14);
  EXPECT_NEAR(gradient[0], 2 * p, 1e-14);
  EXPECT_NEAR(gradient[1], -2 * p, 1e-14);
}

TEST(SoftmaxCrossEntropyTest, GradientMatchesFiniteDifferences) {
  random::Stream stream(1);
  std::vector<double> logits(4 * 7), weights(4);
  for (double& value : logits) value = 2 * stream.Normal();
  for (double& value : weights) value = stream.Uniform();
  const std::vector<int32_t> labels = {0, 6, 3, 3};
  std::vector<double> gradient(logits.size()), unused(logits.size());
  SoftmaxCrossEntropy<double>({logits.data(), 4, 7, 7}, labels, weights,
                              {gradient.data(), 4, 7, 7});
  const auto loss = [&](std::span<const double> point) {
    return SoftmaxCrossEntropy<double>({point.data(), 4, 7, 7}, labels, weights,
                                       {unused.data(), 4, 7, 7});
  };
  EXPECT_LT(testing::GradientError(loss, logits, gradient), 1e-9);
}

TEST(SoftmaxCrossEntropyTest, LargeLogitsDoNotOverflow) {
  const std::vector<float> logits = {1e30f, -1e30f, 0};
  const std::vector<int32_t> labels = {0};
  const std::vector<float> weights = {1};
  std::vector<float> gradient(3);
  EXPECT_EQ(SoftmaxCrossEntropy<float>({logits.data(), 1, 3, 3}, labels, weights,
                                       {gradient.data(), 1, 3, 3}),
            0);
  EXPECT_EQ(gradient, (std::vector<float>{0, 0, 0}));
}

TEST(SoftmaxCrossEntropyTest, NotANumberIsPassedOn) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (int at = 0; at < 3; ++at) {
      std::vector<float> logits = {1, 2, 3};
      logits[at] = bad;
      const std::vector<int32_t> labels = {1};
      const std::vector<float> weights = {1};
      std::vector<float> gradient(3);
      EXPECT_TRUE(std::isnan(SoftmaxCrossEntropy<float>({logits.data(), 1, 3, 3}, labels, weights,
                                                        {gradient.data(), 1, 3, 3})));
    }
  }
}

TEST(SoftmaxCrossEntropyTest, MinusInfinityExcludesAClass) {
  const float excluded = -std::numeric_limits<float>::infinity();
  const std::vector<float> logits = {1, excluded, 3};
  const std::vector<float> without = {1, 3};
  const std::vector<float> weights = {1};
  std::vector<float> gradient(3), expected(2);
  const double loss = SoftmaxCrossEntropy<float>({logits.data(), 1, 3, 3}, std::vector<int32_t>{2},
                                                 weights, {gradient.data(), 1, 3, 3});
  EXPECT_EQ(loss, SoftmaxCrossEntropy<float>({without.data(), 1, 2, 2}, std::vector<int32_t>{1},
                                             weights, {expected.data(), 1, 2, 2}));
  EXPECT_EQ(gradient, (std::vector<float>{expected[0], 0, expected[1]}));
  EXPECT_EQ(SoftmaxCrossEntropy<float>({logits.data(), 1, 3, 3}, std::vector<int32_t>{1}, weights,
                                       {gradient.data(), 1, 3, 3}),
            std::numeric_limits<double>::infinity());
}

using kernels::OnEveryTarget;
using testing::EagerLossKind;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// A matrix [rows, columns] whose rows are `padding` apart, and begin one element after an aligned
// address.
template <typename T>
struct Matrix {
  Matrix(int64_t row_count, int64_t column_count, int64_t padding = 0)
      : rows(row_count),
        columns(column_count),
        stride(column_count + padding),
        values(1 + row_count * stride, T(-77)) {}
  kernels::MatrixView<T> view() { return {values.data() + 1, rows, columns, stride}; }
  kernels::MatrixView<const T> view() const { return {values.data() + 1, rows, columns, stride}; }
  void Fill(const std::vector<double>& packed) {
    for (int64_t i = 0; i < rows * columns; ++i) {
      view()(i / columns, i % columns) = static_cast<T>(packed[i]);
    }
  }
  std::vector<double> Packed() const {
    std::vector<double> packed;
    for (int64_t i = 0; i < rows * columns; ++i) packed.push_back(view()(i / columns, i % columns));
    return packed;
  }
  // What lies between the rows.
  bool PaddingIsUntouched() const {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = columns; c < stride; ++c) {
        if (values[1 + r * stride + c] != T(-77)) return false;
      }
    }
    return values[0] == T(-77);
  }

  int64_t rows, columns, stride;
  std::vector<T> values;
};

struct Problem {
  Problem(EagerLossKind which, int64_t row_count, int64_t column_count, uint64_t seed)
      : kind(which), rows(row_count), columns(column_count) {
    random::Stream stream(seed);
    for (int64_t i = 0; i < rows * columns; ++i) {
      outputs.push_back(2 * stream.Normal());
      tangent.push_back(stream.Normal());
      // Probabilities where the loss wants them; rows of soft targets do not sum to 1.
      const bool real = kind == EagerLossKind::kSquared || kind == EagerLossKind::kHuber;
      targets.push_back(real ? stream.Normal() : stream.Uniform());
    }
    for (int64_t r = 0; r < rows; ++r) {
      labels.push_back(static_cast<int32_t>(stream.Below(columns)));
      weights.push_back(r == 1 ? 0 : stream.Uniform(-0.5, 1));
    }
  }

  bool softmax() const {
    return kind == EagerLossKind::kLabels || kind == EagerLossKind::kSoftTargets;
  }
  testing::EagerLossResult Eager() const {
    return testing::EagerLoss(kind, {.columns = columns,
                                     .outputs = outputs,
                                     .labels = labels,
                                     .targets = targets,
                                     .weights = weights,
                                     .tangent = tangent,
                                     .label_smoothing = options.label_smoothing,
                                     .delta = delta});
  }

  template <typename T>
  double Gradient(kernels::MatrixView<const T> y, kernels::MatrixView<T> gradient) const {
    Matrix<T> t(rows, columns, 1);
    t.Fill(targets);
    const auto t_view = std::as_const(t).view();
    const std::vector<T> w(weights.begin(), weights.end());
    switch (kind) {
      case EagerLossKind::kLabels:
        return SoftmaxCrossEntropy<T>(y, labels, w, gradient, options);
      case EagerLossKind::kSoftTargets:
        return SoftmaxCrossEntropy<T>(y, t_view, w, gradient, options);
      case EagerLossKind::kSquared:
        return SquaredError<T>(y, t_view, w, gradient);
      case EagerLossKind::kHuber:
        return HuberLoss<T>(y, t_view, w, gradient, delta);
      case EagerLossKind::kLogistic:
        return LogisticLoss<T>(y, t_view, w, gradient);
    }
    return 0;
  }

  template <typename T>
  void Hessian(kernels::MatrixView<const T> y, kernels::MatrixView<T> product) const {
    Matrix<T> t(rows, columns, 1), v(rows, columns, 2);
    t.Fill(targets);
    v.Fill(tangent);
    const auto t_view = std::as_const(t).view(), v_view = std::as_const(v).view();
    const std::vector<T> w(weights.begin(), weights.end());
    switch (kind) {
      case EagerLossKind::kLabels:
        return SoftmaxCrossEntropyHessian<T>(y, labels, w, v_view, product, options);
      case EagerLossKind::kSoftTargets:
        return SoftmaxCrossEntropyHessian<T>(y, t_view, w, v_view, product, options);
      case EagerLossKind::kSquared:
        return SquaredErrorHessian<T>(y, t_view, w, v_view, product);
      case EagerLossKind::kHuber:
        return HuberLossHessian<T>(y, t_view, w, v_view, product, delta);
      case EagerLossKind::kLogistic:
        return LogisticLossHessian<T>(y, t_view, w, v_view, product);
    }
  }

  EagerLossKind kind;
  int64_t rows, columns;
  std::vector<double> outputs, tangent, targets, weights;
  std::vector<int32_t> labels;
  SoftmaxOptions options;
  double delta = 0.8;
};

constexpr EagerLossKind kKinds[] = {EagerLossKind::kLabels, EagerLossKind::kSoftTargets,
                                    EagerLossKind::kSquared, EagerLossKind::kHuber,
                                    EagerLossKind::kLogistic};

// Every loss, small and large, few columns and many, plain and smoothed.
std::vector<Problem> Problems() {
  std::vector<Problem> problems;
  const std::pair<int64_t, int64_t> shapes[] = {{1, 1},  {3, 2},   {5, 3},   {9, 8},  {64, 10},
                                                {70, 3}, {130, 1}, {17, 16}, {6, 33}, {3, 300}};
  for (const EagerLossKind kind : kKinds) {
    for (const auto& [rows, columns] : shapes) {
      problems.emplace_back(kind, rows, columns, problems.size());
      if (!problems.back().softmax()) continue;
      problems.emplace_back(kind, rows, columns, problems.size());
      problems.back().options.label_smoothing = 0.2;
    }
  }
  return problems;
}

std::string Name(const Problem& problem) {
  return "loss " + std::to_string(static_cast<int>(problem.kind)) + " [" +
         std::to_string(problem.rows) + ", " + std::to_string(problem.columns) + "], smoothing " +
         std::to_string(problem.options.label_smoothing);
}

template <typename T>
class Losses : public ::testing::Test {
 protected:
  static void ExpectClose(const std::vector<double>& actual, const std::vector<double>& expected) {
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i) {
      ASSERT_NEAR(actual[i], expected[i], kTolerance * (1 + std::abs(expected[i]))) << i;
    }
  }
  static constexpr double kTolerance = sizeof(T) == 4 ? 3e-6 : 1e-13;
};

using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Losses, Scalars);

TYPED_TEST(Losses, AgreeWithLibTorchIncludingTheHessiansAction) {
  using T = TypeParam;
  const std::vector<Problem> problems = Problems();
  std::vector<testing::EagerLossResult> eager;
  for (const Problem& problem : problems) eager.push_back(problem.Eager());
  OnEveryTarget([&] {
    for (size_t i = 0; i < problems.size(); ++i) {
      const Problem& problem = problems[i];
      SCOPED_TRACE(Name(problem));
      Matrix<T> outputs(problem.rows, problem.columns, 3),
          gradient(problem.rows, problem.columns, 5);
      outputs.Fill(problem.outputs);
      const std::vector<T> before = outputs.values;
      const double loss = problem.Gradient<T>(outputs.view(), gradient.view());
      EXPECT_NEAR(loss, eager[i].loss,
                  this->kTolerance * (10 + std::abs(eager[i].loss) +
                                      0.1 * static_cast<double>(problem.outputs.size())));
      this->ExpectClose(gradient.Packed(), eager[i].gradient);
      EXPECT_TRUE(gradient.PaddingIsUntouched());

      Matrix<T> product(problem.rows, problem.columns, 4);
      problem.Hessian<T>(outputs.view(), product.view());
      this->ExpectClose(product.Packed(), eager[i].product);
      EXPECT_TRUE(product.PaddingIsUntouched());
      EXPECT_EQ(outputs.values, before);

      // Over the outputs themselves.
      Matrix<T> in_place = outputs;
      EXPECT_EQ(problem.Gradient<T>(in_place.view(), in_place.view()), loss);
      EXPECT_EQ(in_place.Packed(), gradient.Packed());
      EXPECT_TRUE(in_place.PaddingIsUntouched());
      in_place = outputs;
      problem.Hessian<T>(in_place.view(), in_place.view());
      EXPECT_EQ(in_place.Packed(), product.Packed());
    }
  });
}

TEST(LossesTest, GradientsAndHessiansMatchFiniteDifferences) {
  for (const EagerLossKind kind : kKinds) {
    for (const double smoothing : {0.0, 0.3}) {
      Problem problem(kind, 4, 7, 11);
      if (!problem.softmax() && smoothing != 0) continue;
      problem.options.label_smoothing = smoothing;
      // Masked classes have neither.
      const std::vector<uint8_t> mask = {1, 0, 1, 1, 1, 1, 0};
      if (smoothing != 0) {
        problem.options.mask = {mask.data(), 1, 7, 7};
        problem.labels = {0, 2, 3, 5};
      }
      SCOPED_TRACE(Name(problem));
      Matrix<double> outputs(4, 7), gradient(4, 7), product(4, 7), moved(4, 7);
      outputs.Fill(problem.outputs);
      problem.Gradient<double>(outputs.view(), gradient.view());
      const auto loss = [&](std::span<const double> point) {
        return problem.Gradient<double>({point.data(), 4, 7, 7}, moved.view());
      };
      EXPECT_LT(testing::GradientError(loss, problem.outputs, gradient.Packed()), 1e-8);

      problem.Hessian<double>(outputs.view(), product.view());
      const double step = 1e-5;
      std::vector<double> difference(28, 0);
      for (const double sign : {1.0, -1.0}) {
        std::vector<double> point = problem.outputs;
        for (size_t i = 0; i < point.size(); ++i) point[i] += sign * step * problem.tangent[i];
        problem.Gradient<double>({point.data(), 4, 7, 7}, moved.view());
        for (size_t i = 0; i < point.size(); ++i) {
          difference[i] += sign * moved.Packed()[i] / (2 * step);
        }
      }
      EXPECT_THAT(product.Packed(), ::testing::Pointwise(::testing::DoubleNear(1e-8), difference));
    }
  }
}

TYPED_TEST(Losses, StayFiniteAndRightForExtremeOutputs) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const EagerLossKind kind : kKinds) {
      Problem problem(kind, 6, 4, 12);
      problem.outputs = {1e4, -1e4, 0,   1,  -1e4, -1e4, -1e4, -1e4, 1e4, 1e4,  1e4, 1e4,
                         0,   1e4,  -50, 50, 88,   -88,  0,    1e-6, 700, -700, 1,   -1};
      const testing::EagerLossResult eager = problem.Eager();
      SCOPED_TRACE(Name(problem));
      Matrix<T> outputs(6, 4), gradient(6, 4), product(6, 4);
      outputs.Fill(problem.outputs);
      const double loss = problem.Gradient<T>(outputs.view(), gradient.view());
      EXPECT_NEAR(loss, eager.loss, 2 * this->kTolerance * (1 + std::abs(eager.loss)));
      problem.Hessian<T>(outputs.view(), product.view());
      this->ExpectClose(gradient.Packed(), eager.gradient);
      this->ExpectClose(product.Packed(), eager.product);
    }
  });
}

TYPED_TEST(Losses, NotANumberIsPassedOn) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const EagerLossKind kind : kKinds) {
      for (const int64_t columns : {1, 5, 20}) {
        Problem problem(kind, 3, columns, 13);
        problem.weights = {1, 1, 1};
        problem.outputs[2 * columns - 1] = kNan;  // The last of row 1.
        SCOPED_TRACE(Name(problem));
        Matrix<T> outputs(3, columns), gradient(3, columns);
        outputs.Fill(problem.outputs);
        EXPECT_TRUE(std::isnan(problem.Gradient<T>(outputs.view(), gradient.view())));
        for (int64_t r = 0; r < 3; ++r) {
          for (int64_t c = 0; c < columns; ++c) {
            const bool spoilt = r == 1 && (problem.softmax() || c == columns - 1);
            EXPECT_EQ(std::isnan(gradient.view()(r, c)), spoilt) << r << " " << c;
          }
        }
      }
    }
  });
}

// Masking equals leaving the classes out; what a masked logit or target holds is not looked at.
TYPED_TEST(Losses, MaskedClassesTakeNoPart) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const EagerLossKind kind : {EagerLossKind::kLabels, EagerLossKind::kSoftTargets}) {
      for (const double smoothing : {0.0, 0.25}) {
        for (const int64_t columns : {3, 10, 40}) {
          for (const bool shared : {false, true}) {
            constexpr int64_t kRows = 5;
            Problem problem(kind, kRows, columns, 14);
            problem.options.label_smoothing = smoothing;
            random::Stream stream(columns);
            std::vector<uint8_t> mask((shared ? 1 : kRows) * columns);
            for (uint8_t& bit : mask) bit = static_cast<uint8_t>(stream.Below(2) * 3);
            problem.options.mask = {mask.data(), shared ? 1 : kRows, columns, columns};
            const auto takes_part = [&](int64_t r, int64_t c) -> uint8_t& {
              return mask[(shared ? 0 : r) * columns + c];
            };
            for (int64_t r = 0; r < kRows; ++r) takes_part(r, problem.labels[r]) = 1;
            for (int64_t i = 0; i < kRows * columns; ++i) {
              if (takes_part(i / columns, i % columns) != 0) continue;
              problem.outputs[i] = i % 2 == 0 ? kNan : kInfinity;
              problem.targets[i] = kNan;
              problem.tangent[i] = 0;
            }
            SCOPED_TRACE(Name(problem));
            Matrix<T> outputs(kRows, columns), gradient(kRows, columns), product(kRows, columns);
            outputs.Fill(problem.outputs);
            const double loss = problem.Gradient<T>(outputs.view(), gradient.view());
            problem.Hessian<T>(outputs.view(), product.view());

            double expected_loss = 0;
            for (int64_t r = 0; r < kRows; ++r) {
              std::vector<double> z, t, v;
              std::vector<int64_t> classes;
              int32_t label = 0;
              for (int64_t c = 0; c < columns; ++c) {
                if (takes_part(r, c) == 0) {
                  EXPECT_EQ(gradient.view()(r, c), 0);
                  EXPECT_EQ(product.view()(r, c), 0);
                  continue;
                }
                if (c == problem.labels[r]) label = static_cast<int32_t>(classes.size());
                classes.push_back(c);
                z.push_back(problem.outputs[r * columns + c]);
                t.push_back(problem.targets[r * columns + c]);
                v.push_back(problem.tangent[r * columns + c]);
              }
              const testing::EagerLossResult row =
                  testing::EagerLoss(kind, {.columns = static_cast<int64_t>(classes.size()),
                                            .outputs = z,
                                            .labels = {&label, 1},
                                            .targets = t,
                                            .weights = {&problem.weights[r], 1},
                                            .tangent = v,
                                            .label_smoothing = smoothing});
              expected_loss += row.loss;
              for (size_t i = 0; i < classes.size(); ++i) {
                EXPECT_NEAR(gradient.view()(r, classes[i]), row.gradient[i], 10 * this->kTolerance);
                EXPECT_NEAR(product.view()(r, classes[i]), row.product[i], 10 * this->kTolerance);
              }
            }
            EXPECT_NEAR(loss, expected_loss, 100 * this->kTolerance);
          }
        }
      }
    }
  });
}

TEST(SoftmaxCrossEntropyTest, ARowOfSoftTargetsWithoutClassesIsLeftOut) {
  const std::vector<double> logits = {1, 2, 3, 4}, targets = {0.5, 0.5, 1, 2}, weights = {1, 1};
  const std::vector<uint8_t> mask = {0, 0, 1, 1};
  std::vector<double> gradient(4), alone(2);
  const double loss = SoftmaxCrossEntropy<double>(
      {logits.data(), 2, 2, 2}, kernels::MatrixView<const double>{targets.data(), 2, 2, 2}, weights,
      {gradient.data(), 2, 2, 2}, {.mask = {mask.data(), 2, 2, 2}});
  EXPECT_EQ(loss, SoftmaxCrossEntropy<double>(
                      {logits.data() + 2, 1, 2, 2},
                      kernels::MatrixView<const double>{targets.data() + 2, 1, 2, 2},
                      std::vector<double>{1}, {alone.data(), 1, 2, 2}));
  EXPECT_THAT(gradient, ::testing::ElementsAre(0, 0, alone[0], alone[1]));
}

TEST(SoftmaxCrossEntropyTest, ATargetOfZeroOnAnExcludedClassAddsNothing) {
  const std::vector<double> logits = {-kInfinity, 1, 2}, weights = {1};
  std::vector<double> targets = {0, 0.5, 0.5}, gradient(3);
  const auto loss = [&] {
    return SoftmaxCrossEntropy<double>({logits.data(), 1, 3, 3},
                                       kernels::MatrixView<const double>{targets.data(), 1, 3, 3},
                                       weights, {gradient.data(), 1, 3, 3});
  };
  EXPECT_NEAR(loss(), std::log(std::exp(1.0) + std::exp(2.0)) - 1.5, 1e-14);
  EXPECT_EQ(gradient[0], 0);
  targets[0] = 0.25;
  EXPECT_EQ(loss(), kInfinity);
  EXPECT_EQ(gradient[0], -0.25);
}

TYPED_TEST(Losses, AnInfiniteLogitIsCertain) {
  using T = TypeParam;
  OnEveryTarget([&] {
    for (const double side : {1.0, -1.0}) {
      for (const double target : {0.0, 0.25, 1.0}) {
        Problem problem(EagerLossKind::kLogistic, 1, 1, 1);
        problem.outputs = {side * kInfinity};
        problem.targets = {target};
        problem.weights = {2};
        Matrix<T> outputs(1, 1), gradient(1, 1), product(1, 1);
        outputs.Fill(problem.outputs);
        const double probability = side > 0 ? 1 : 0;
        EXPECT_EQ(problem.Gradient<T>(outputs.view(), gradient.view()),
                  probability == target ? 0 : kInfinity);
        EXPECT_EQ(gradient.Packed()[0], 2 * (probability - target));
        problem.Hessian<T>(outputs.view(), product.view());
        EXPECT_EQ(product.Packed()[0], 0);
      }
    }
  });
}

TYPED_TEST(Losses, DenormalOutputsAndTargetsAreKept) {
  using T = TypeParam;
  const double tiny = static_cast<double>(std::numeric_limits<T>::denorm_min());
  constexpr int64_t kColumns = 37;
  OnEveryTarget([&] {
    for (const EagerLossKind kind :
         {EagerLossKind::kSquared, EagerLossKind::kHuber, EagerLossKind::kLogistic}) {
      const bool logistic = kind == EagerLossKind::kLogistic;
      Problem problem(kind, 1, kColumns, 15);
      problem.weights = {1};
      for (int64_t c = 0; c < kColumns; ++c) {
        problem.outputs[c] = static_cast<double>(c - 18) * tiny;
        problem.targets[c] = logistic ? 0 : 2 * tiny;
        problem.tangent[c] = static_cast<double>(8 * c) * tiny;
      }
      SCOPED_TRACE(Name(problem));
      Matrix<T> outputs(1, kColumns), gradient(1, kColumns), product(1, kColumns);
      outputs.Fill(problem.outputs);
      const double loss = problem.Gradient<T>(outputs.view(), gradient.view());
      problem.Hessian<T>(outputs.view(), product.view());
      // The logistic loss is that of zeros; a square of denormal numbers is 0.
      EXPECT_NEAR(loss, logistic ? kColumns * std::log(2.0) : 0, kColumns * this->kTolerance);
      const double curvature = kind == EagerLossKind::kSquared ? 2 : logistic ? 0.25 : 1;
      for (int64_t c = 0; c < kColumns; ++c) {
        const double error = problem.outputs[c] - problem.targets[c];
        EXPECT_EQ(gradient.view()(0, c), logistic ? 0.5 : curvature * error) << c;
        EXPECT_EQ(product.view()(0, c), curvature * problem.tangent[c]) << c;
      }
    }
    // A loss that is denormal itself.
    const double error = std::sqrt(static_cast<double>(std::numeric_limits<T>::min())) / 2;
    for (const EagerLossKind kind : {EagerLossKind::kSquared, EagerLossKind::kHuber}) {
      Problem problem(kind, 1, kColumns, 15);
      problem.weights = {1};
      problem.outputs.assign(kColumns, error);
      problem.targets.assign(kColumns, 0);
      Matrix<T> outputs(1, kColumns), gradient(1, kColumns);
      outputs.Fill(problem.outputs);
      EXPECT_EQ(problem.Gradient<T>(outputs.view(), gradient.view()),
                kColumns * (kind == EagerLossKind::kHuber ? 0.5 : 1) * error * error);
    }
  });
}

// The tails keep their relative accuracy: s(-y) = exp(-y) far out.
TYPED_TEST(Losses, LogisticTailsAreNotRoundedAway) {
  using T = TypeParam;
  OnEveryTarget([&] {
    Problem problem(EagerLossKind::kLogistic, 1, 2, 1);
    problem.outputs = {40, -40};
    problem.targets = {1, 0};
    problem.weights = {1};
    Matrix<T> outputs(1, 2), gradient(1, 2);
    outputs.Fill(problem.outputs);
    const double tail = std::exp(-40.0);
    EXPECT_NEAR(problem.Gradient<T>(outputs.view(), gradient.view()) / (2 * tail), 1, 1e-5);
    EXPECT_NEAR(gradient.Packed()[0] / -tail, 1, 1e-5);
    EXPECT_NEAR(gradient.Packed()[1] / tail, 1, 1e-5);
  });
}

TEST(LossesTest, NoRowsHaveNoLoss) {
  for (const EagerLossKind kind : kKinds) {
    Problem problem(kind, 0, 3, 1);
    Matrix<float> empty(0, 3);
    EXPECT_EQ(problem.Gradient<float>(empty.view(), empty.view()), 0);
    problem.Hessian<float>(empty.view(), empty.view());
  }
}

TEST(LossesDeathTest, ALabelThatIsNotAmongTheClassesIsRefused) {
  Problem problem(EagerLossKind::kLabels, 1, 3, 1);
  Matrix<float> outputs(1, 3), gradient(1, 3);
  const std::vector<uint8_t> mask = {1, 0, 1};
  problem.labels = {3};
  EXPECT_DEATH(problem.Gradient<float>(outputs.view(), gradient.view()), "label 3 of row 0");
  problem.labels = {1};
  problem.options.mask = {mask.data(), 1, 3, 3};
  EXPECT_DEATH(problem.Gradient<float>(outputs.view(), gradient.view()), "label 1 of row 0");
}

// softmax(log 1, log 5, log 2) = (1, 5, 2) / 8.
TEST(SampleSoftmaxTest, DrawsTheClassWhoseShareHoldsTheNumber) {
  const std::vector<float> logits = {std::log(1.0f), std::log(5.0f), std::log(2.0f)};
  const std::pair<double, int32_t> cases[] = {{0, 0},    {0.124, 0}, {0.126, 1},
                                              {0.74, 1}, {0.76, 2},  {0.999999, 2}};
  for (const auto& [uniform, drawn] : cases) {
    EXPECT_EQ(SampleSoftmax<float>(logits, uniform), drawn) << uniform;
  }
  // No overflow, and a class without a share is not drawn.
  EXPECT_EQ(SampleSoftmax<double>(std::vector<double>{-1000, 1000, 0}, 0), 1);
}

}  // namespace
}  // namespace perennial::nn
