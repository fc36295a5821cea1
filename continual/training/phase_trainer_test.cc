// PhaseTrainer: gradients and steps of a phase against their definitions, in double.
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "common/data/epoch_sampler.h"
#include "common/nn/loss.h"
#include "common/testing/images.h"
#include "continual/training/phase_trainer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::continual {
namespace {

constexpr int32_t kClasses = 3;
constexpr int32_t kInputs = 6;

data::LabeledImages Labeled(int32_t size, uint64_t seed) {
  return testing::ClassImages(size, 2, 3, kClasses, 0.2, random::Stream(seed).Split("templates"),
                              random::Stream(seed));
}

ImageView Images(int32_t size, uint64_t seed) {
  return std::make_shared<const data::LabeledImages>(Labeled(size, seed));
}

// The same images with the labels of other classes: what one learns, the other forgets.
ImageView Contradiction(int32_t size, uint64_t seed) {
  data::LabeledImages images = Labeled(size, seed);
  for (int32_t& label : images.labels) label = (label + 1) % kClasses;
  return std::make_shared<const data::LabeledImages>(std::move(images));
}

nn::Network SmallNetwork() {
  return *nn::Network::Create(nn::MultilayerPerceptron(kInputs, {5}, kClasses));
}

nn::Network LinearNetwork() {
  return *nn::Network::Create(nn::MultilayerPerceptron(kInputs, {}, kClasses));
}

nn::Network DropoutNetwork() {
  return *nn::Network::Create({.inputs = kInputs,
                               .blocks = {{.layers = {nn::Dense(5, nn::Activation::kRelu),
                                                      nn::Dropout(0.5), nn::Dense(kClasses)}}}});
}

Phase PlainPhase(ImageView images, int32_t batch_size = 8) {
  Phase phase;
  phase.name = "train";
  phase.terms = {{.images = std::move(images), .batch_size = batch_size}};
  phase.optimizer = {.learning_rate = 0.1, .momentum = 0.5};
  return phase;
}

// Initialised rows, each another, in float and the same numbers in double.
struct Parameters {
  Parameters(const nn::Network& network, int count)
      : rows(count, network.layout().size()), exact(count, network.layout().size()) {
    for (int k = 0; k < count; ++k) network.Initialize<float>(random::Stream(k), rows.row(k));
    std::ranges::copy(rows.all(), exact.all().begin());
  }
  nn::Rows<float> rows;
  nn::Rows<double> exact;
};

using Vector = std::vector<double>;
using Function = std::function<double(std::span<const double>)>;

Vector ToVector(std::span<const float> row) { return {row.begin(), row.end()}; }
Vector ToVector(std::span<const double> row) { return {row.begin(), row.end()}; }

// Mean cross-entropy over all of `images`.
double MeanLoss(const nn::Network& network, std::span<const double> row, const ImageView& images,
                const nn::ForwardOptions& options = {}) {
  std::vector<int32_t> all(images.size());
  std::iota(all.begin(), all.end(), 0);
  const data::LabeledImages copy = images.Select(all);
  const data::BatchPart part = {&copy, all};
  nn::Workspace<double> workspace(network, copy.size());
  network.Forward<double>(row, data::Batch({&part, 1}), workspace, options);
  const Vector weights(all.size(), 1.0 / static_cast<double>(all.size()));
  return nn::SoftmaxCrossEntropy<double>(workspace.output(), copy.labels, weights,
                                         workspace.output_gradient());
}

Vector FiniteDifferences(const Function& function, std::span<const double> point) {
  constexpr double kStep = 1e-5;
  Vector at = ToVector(point), gradient;
  for (double& x : at) {
    const double before = x;
    x = before + kStep;
    const double above = function(at);
    x = before - kStep;
    gradient.push_back((above - function(at)) / (2 * kStep));
    x = before;
  }
  return gradient;
}

Vector LossGradient(const nn::Network& network, std::span<const double> row,
                    const ImageView& images) {
  return FiniteDifferences(
      [&](std::span<const double> at) { return MeanLoss(network, at, images); }, row);
}

// from + alpha (row - from)
Vector PointOf(std::span<const double> from, std::span<const double> row, double alpha) {
  Vector point;
  for (size_t i = 0; i < row.size(); ++i) point.push_back(from[i] + alpha * (row[i] - from[i]));
  return point;
}

void AddTo(Vector& sum, double factor, const Vector& x) {
  sum.resize(x.size());
  for (size_t i = 0; i < x.size(); ++i) sum[i] += factor * x[i];
}

double Dot(const Vector& x, const Vector& y) {
  return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
}

void ExpectNear(std::span<const float> values, const Vector& expected, double tolerance) {
  ASSERT_LE(values.size(), expected.size());
  EXPECT_GT(Dot(expected, expected), 1e-4) << "there is something to compare";
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_NEAR(values[i], expected[i], tolerance * (1 + std::abs(expected[i]))) << i;
  }
}

// Batches hold all images, so that a step's loss is the phase's loss.
void ExpectLossAndGradient(const nn::Network& network, const Phase& phase, nn::Rows<float>& rows,
                           double loss, const Vector& gradient, int64_t step = 0) {
  PhaseTrainer trainer(network, phase, random::Stream(1), rows);
  EXPECT_NEAR(trainer.LossAndGradient(step), loss, 1e-5);
  ExpectNear(trainer.gradient(), gradient, 2e-5);
}

TEST(PhaseTrainerTest, GradientOfWeightedTermsMatchesFiniteDifferences) {
  const nn::Network network = SmallNetwork();
  Parameters at(network, 1);
  Phase phase = PlainPhase(Images(12, 1), 12);
  phase.terms[0].weight = 0.7;
  phase.terms.push_back(
      {.images = Images(5, 2), .batch_size = 50, .draw = Draw::kRandom, .weight = 1.3});
  const auto loss = [&](std::span<const double> row) {
    return 0.7 * MeanLoss(network, row, Images(12, 1)) + 1.3 * MeanLoss(network, row, Images(5, 2));
  };
  ExpectLossAndGradient(network, phase, at.rows, loss(at.exact.row(0)),
                        FiniteDifferences(loss, at.exact.row(0)));
}

Phase LinePhase(const LineFrom& first, const LineFrom& second) {
  Phase phase;
  phase.name = "connect";
  phase.row = 1;
  phase.terms = {{.images = Images(12, 1), .batch_size = 12, .line = first},
                 {.images = Images(7, 2), .batch_size = 7, .weight = 0.5, .line = second},
                 {.images = Images(6, 3), .batch_size = 6, .weight = 0.25}};
  return phase;
}

TEST(PhaseTrainerTest, GradientAlongLinesCountsEveryPointAlphaTimes) {
  const nn::Network network = SmallNetwork();
  for (const int points : {1, 2, 5}) {
    Parameters at(network, 3);
    const Phase phase = LinePhase({.row = 0, .points = points}, {.row = 2, .points = points});
    // Without the constant that alpha = 0 adds.
    const auto loss = [&](std::span<const double> row) {
      double sum = 0.25 * MeanLoss(network, row, Images(6, 3));
      for (int k = 1; k <= points; ++k) {
        const double alpha = static_cast<double>(k) / points;
        sum +=
            MeanLoss(network, PointOf(at.exact.row(0), row, alpha), Images(12, 1)) / (points + 1) +
            0.5 * MeanLoss(network, PointOf(at.exact.row(2), row, alpha), Images(7, 2)) /
                (points + 1);
      }
      return sum;
    };
    ExpectLossAndGradient(network, phase, at.rows, loss(at.exact.row(1)),
                          FiniteDifferences(loss, at.exact.row(1)));
  }
}

TEST(PhaseTrainerTest, WithoutTheChainRuleEveryPointOfALineCountsOnceAndTheFixedEndToo) {
  const nn::Network network = SmallNetwork();
  for (const int points : {1, 2, 5}) {
    Parameters at(network, 3);
    const Phase phase = LinePhase({.row = 0, .points = points, .chain_rule = false},
                                  {.row = 2, .points = points, .chain_rule = false});
    const auto row = at.exact.row(1);
    double loss = 0.25 * MeanLoss(network, row, Images(6, 3));
    Vector gradient;
    AddTo(gradient, 0.25, LossGradient(network, row, Images(6, 3)));
    for (int k = 0; k <= points; ++k) {
      const double alpha = static_cast<double>(k) / points;
      const Vector first = PointOf(at.exact.row(0), row, alpha);
      const Vector second = PointOf(at.exact.row(2), row, alpha);
      loss += MeanLoss(network, first, Images(12, 1)) / (points + 1);
      loss += 0.5 * MeanLoss(network, second, Images(7, 2)) / (points + 1);
      AddTo(gradient, 1.0 / (points + 1), LossGradient(network, first, Images(12, 1)));
      AddTo(gradient, 0.5 / (points + 1), LossGradient(network, second, Images(7, 2)));
    }
    ExpectLossAndGradient(network, phase, at.rows, loss, gradient);
  }
}

TEST(PhaseTrainerTest, AStochasticLineIsOnePointAStepFromTheTermsStream) {
  const nn::Network network = SmallNetwork();
  std::vector<double> alphas;
  for (const bool chain_rule : {true, false}) {
    for (int64_t step = 0; step < 4; ++step) {
      Parameters at(network, 3);
      const Phase phase =
          LinePhase({.row = 0, .stochastic = true, .chain_rule = chain_rule},
                    {.row = 2, .points = 7, .stochastic = true, .chain_rule = chain_rule});
      const auto row = at.exact.row(1);
      const auto alpha_of = [step](uint64_t term) {
        return random::Stream(1).Split(term).Split("alpha").Split(step).Uniform();
      };
      alphas.push_back(alpha_of(0));
      alphas.push_back(alpha_of(1));
      const Vector first = PointOf(at.exact.row(0), row, alpha_of(0));
      const Vector second = PointOf(at.exact.row(2), row, alpha_of(1));
      const double loss = MeanLoss(network, first, Images(12, 1)) +
                          0.5 * MeanLoss(network, second, Images(7, 2)) +
                          0.25 * MeanLoss(network, row, Images(6, 3));
      Vector gradient;
      AddTo(gradient, chain_rule ? alpha_of(0) : 1, LossGradient(network, first, Images(12, 1)));
      AddTo(gradient, 0.5 * (chain_rule ? alpha_of(1) : 1),
            LossGradient(network, second, Images(7, 2)));
      AddTo(gradient, 0.25, LossGradient(network, row, Images(6, 3)));
      ExpectLossAndGradient(network, phase, at.rows, loss, gradient, step);
    }
  }
  // Another point each step and term.
  alphas.resize(8);
  std::ranges::sort(alphas);
  EXPECT_EQ(std::ranges::adjacent_find(alphas), alphas.end());
}

// Points count singly, and without the chain rule the fixed end is one more.
TEST(PhaseTrainerTest, WorkCountsThePointsOfALine) {
  const nn::Network network = SmallNetwork();
  Parameters at(network, 3);
  const auto work = [&](const LineFrom& line) {
    return PhaseTrainer(network, LinePhase(line, line), random::Stream(1), at.rows).WorkOf(0);
  };
  const auto flops = [&](int64_t rows, int64_t points) {
    return nn::AffinePass<float>::TrainingFlops(network, rows, 2, 1, points);
  };
  EXPECT_EQ(work({.row = 0, .points = 4}).passes, 4 + 4 + 1);
  EXPECT_EQ(work({.row = 0, .points = 4}).examples, 4 * 12 + 4 * 7 + 6);
  EXPECT_DOUBLE_EQ(work({.row = 0, .points = 4}).training_flops,
                   flops(12, 4) + flops(7, 4) + network.training_flops(6));
  EXPECT_EQ(work({.row = 0, .points = 4, .chain_rule = false}).passes, 5 + 5 + 1);
  EXPECT_EQ(work({.row = 0, .points = 4, .stochastic = true}).passes, 1 + 1 + 1);
  EXPECT_EQ(work({.row = 0, .points = 4, .stochastic = true, .chain_rule = false}).examples,
            12 + 7 + 6);
}

// g - min(0, <g, r>) / <r, r> r
Vector Bounded(const Vector& g, const Vector& r) {
  Vector bounded = g;
  const double along = Dot(g, r);
  if (along < 0) AddTo(bounded, -along / Dot(r, r), r);
  return bounded;
}

Phase BoundedPhase(const ImageView& now, const ImageView& past) {
  Phase phase = PlainPhase(now, now.size());
  phase.terms[0].weight = 0.8;
  phase.terms.push_back({.images = past,
                         .batch_size = past.size(),
                         .draw = Draw::kRandom,
                         .replay = true,
                         .constraint = true});
  return phase;
}

TEST(PhaseTrainerTest, AConstraintTakesAwayTheGradientsPartAgainstIt) {
  for (const nn::Network& network : {LinearNetwork(), SmallNetwork()}) {
    for (const bool disagree : {true, false}) {
      Parameters at(network, 1);
      const ImageView now = Images(12, 1);
      const ImageView past = disagree ? Contradiction(9, 1) : Images(9, 1);
      const auto row = at.exact.row(0);
      Vector g;
      AddTo(g, 0.8, LossGradient(network, row, now));
      const Vector r = LossGradient(network, row, past);
      ASSERT_EQ(Dot(g, r) < 0, disagree);
      const Phase phase = BoundedPhase(now, past);
      ExpectLossAndGradient(network, phase, at.rows, 0.8 * MeanLoss(network, row, now),
                            Bounded(g, r));

      PhaseTrainer trainer(network, phase, random::Stream(1), at.rows);
      trainer.LossAndGradient(0);
      const Vector taken = ToVector(trainer.gradient());
      const double cosine = Dot(taken, r) / std::sqrt(Dot(taken, taken) * Dot(r, r));
      if (disagree) {
        EXPECT_NEAR(cosine, 0, 1e-5) << "to first order the past loss stays";
        EXPECT_LT(Dot(taken, taken), 0.99 * Dot(g, g));
      } else {
        EXPECT_GT(cosine, 0.1);
      }
    }
  }
}

// Two constraints are one: the sum of their weighted losses.
TEST(PhaseTrainerTest, ConstraintsAddUpToOne) {
  const nn::Network network = SmallNetwork();
  Parameters at(network, 1);
  const ImageView now = Images(12, 1);
  Phase phase = BoundedPhase(now, Contradiction(9, 1));
  phase.terms[1].weight = 0.9;
  phase.terms.push_back(
      {.images = Images(7, 5), .batch_size = 7, .weight = 0.4, .constraint = true});
  const auto row = at.exact.row(0);
  Vector g, r;
  AddTo(g, 0.8, LossGradient(network, row, now));
  AddTo(r, 0.9, LossGradient(network, row, Contradiction(9, 1)));
  AddTo(r, 0.4, LossGradient(network, row, Images(7, 5)));
  ASSERT_LT(Dot(g, r), 0);
  ExpectLossAndGradient(network, phase, at.rows, 0.8 * MeanLoss(network, row, now), Bounded(g, r));
}

TEST(PhaseTrainerTest, AConstraintBoundsTheGradientAlongALineToo) {
  const nn::Network network = SmallNetwork();
  Parameters at(network, 2);
  Phase phase;
  phase.name = "connect";
  phase.row = 1;
  phase.terms = {
      {.images = Images(12, 1), .batch_size = 12, .line = LineFrom{.row = 0, .points = 2}},
      {.images = Contradiction(9, 1), .batch_size = 9, .constraint = true}};
  const auto loss = [&](std::span<const double> row) {
    return (MeanLoss(network, PointOf(at.exact.row(0), row, 0.5), Images(12, 1)) +
            MeanLoss(network, row, Images(12, 1))) /
           3;
  };
  const auto row = at.exact.row(1);
  const Vector g = FiniteDifferences(loss, row);
  const Vector r = LossGradient(network, row, Contradiction(9, 1));
  ASSERT_LT(Dot(g, r), 0);
  ExpectLossAndGradient(network, phase, at.rows, loss(row), Bounded(g, r));
}

TEST(PhaseTrainerTest, AStepTakesTheBoundedGradient) {
  const nn::Network network = SmallNetwork();
  Parameters at(network, 1);
  const Phase phase = BoundedPhase(Images(12, 1), Contradiction(9, 1));
  Vector g;
  AddTo(g, 0.8, LossGradient(network, at.exact.row(0), Images(12, 1)));
  const Vector bounded = Bounded(g, LossGradient(network, at.exact.row(0), Contradiction(9, 1)));
  PhaseTrainer trainer(network, phase, random::Stream(1), at.rows);
  EXPECT_EQ(trainer.WorkOf(0).passes, 2) << "one for each batch";
  EXPECT_EQ(trainer.WorkOf(0).examples, 12);
  EXPECT_EQ(trainer.WorkOf(0).replayed, 9);
  trainer.Step(0);
  Vector expected = ToVector(at.exact.row(0));
  AddTo(expected, -0.1, bounded);
  ExpectNear(at.rows.row(0), expected, 1e-5);
}

TEST(PhaseTrainerTest, TakesTheMemoryOfItsPassesGradientsAndTurnedImages) {
  const nn::Network network = SmallNetwork();
  Parameters at(network, 1);
  const int64_t row = network.layout().trainable() * int64_t{sizeof(float)};
  const auto bytes = [&](const Phase& phase) {
    return PhaseTrainer(network, phase, random::Stream(1), at.rows).MemoryBytes();
  };
  // Gradient and velocity.
  EXPECT_EQ(bytes(PlainPhase(Images(12, 1), 8)),
            2 * row + nn::Workspace<float>::Bytes(network, 8) + 8 * kInputs);
  // Two gradients, and a pass of both batches.
  EXPECT_EQ(bytes(BoundedPhase(Images(12, 1), Images(9, 1))),
            3 * row + nn::Workspace<float>::Bytes(network, 21) + 21 * kInputs);
}

// Nobody asks for the gradient of a plain phase: it becomes the step layer by layer.
TEST(PhaseTrainerTest, AStepWithinTheBackwardPassIsThatOfTheGradient) {
  const nn::Network network = SmallNetwork();
  const Phase phase = PlainPhase(Images(50, 1));
  Parameters at(network, 2);
  at.rows.CopyRow(0, 1);
  Phase other = phase;
  other.row = 1;
  PhaseTrainer fused(network, phase, random::Stream(2), at.rows);
  PhaseTrainer separate(network, other, random::Stream(2), at.rows);
  optim::Optimizer<float> optimizer(phase.optimizer, network.layout().trainable());
  for (int64_t step = 0; step < 20; ++step) {
    EXPECT_NEAR(fused.Step(step), separate.LossAndGradient(step), 1e-4);
    optimizer.Step(separate.gradient().first(network.layout().trainable()),
                   at.rows.row(1).first(network.layout().trainable()));
  }
  for (int64_t i = 0; i < at.rows.size(); ++i) {
    EXPECT_NEAR(at.rows.row(0)[i], at.rows.row(1)[i], 1e-4);
  }
}

// A penalty of no strength, whose gradient is asked for: the other way that a step can go.
Phase WithGradient(Phase phase) {
  phase.penalty = {.precision_row = 0, .pull_row = 0, .strength = 0, .proximal = false};
  return phase;
}

TEST(PhaseTrainerTest, ClippingBoundsTheStep) {
  const nn::Network network = SmallNetwork();
  Phase phase = PlainPhase(Images(50, 1));
  phase.optimizer = {.learning_rate = 1, .clip_norm = 1e-3};
  for (const Phase& either : {phase, WithGradient(phase)}) {
    Parameters at(network, 2);
    PhaseTrainer trainer(network, either, random::Stream(2), at.rows);
    for (int64_t step = 0; step < 5; ++step) {
      at.rows.CopyRow(0, 1);
      trainer.Step(step);
      double squares = 0;
      for (int64_t i = 0; i < at.rows.size(); ++i) {
        squares += std::pow(at.rows.row(0)[i] - at.rows.row(1)[i], 2);
      }
      EXPECT_NEAR(std::sqrt(squares), 1e-3, 2e-5);
    }
  }
}

TEST(PhaseTrainerTest, RunningStatisticsFollowTheBatches) {
  const ImageView images = Images(50, 1);
  const nn::Network network = *nn::Network::Create(
      {.inputs = kInputs,
       .blocks = {
           {.layers = {nn::Dense(4), nn::BatchNorm(nn::Activation::kRelu), nn::Dense(kClasses)}}}});
  Phase phase = PlainPhase(images);
  phase.optimizer.learning_rate = 0;
  for (const Phase& either : {phase, WithGradient(phase)}) {
    nn::Rows<float> rows(1, network.layout().size());
    network.Initialize<float>(random::Stream(1), rows.row(0));
    PhaseTrainer trainer(network, either, random::Stream(2), rows);
    // After many batches of equal parameters: the mean over all images, about.
    for (int64_t step = 0; step < 300; ++step) trainer.Step(step % trainer.steps());
    std::vector<int32_t> all(images.size());
    std::iota(all.begin(), all.end(), 0);
    ImageView::Staging staging;
    std::vector<data::BatchPart> parts;
    images.AddParts(all, staging, parts);
    nn::Workspace<float> workspace(network, images.size());
    nn::Rows<float> exact(1, rows.size());
    std::ranges::copy(rows.row(0), exact.row(0).begin());
    network.Forward<float>(exact.row(0), data::Batch(parts), workspace, {.mode = nn::Mode::kTrain});
    network.UpdateRunningStatistics<float>(workspace, exact.row(0), 1.0f);
    for (int64_t i = network.layout().trainable(); i < rows.size(); ++i) {
      EXPECT_NEAR(rows.row(0)[i], exact.row(0)[i], 0.05) << i;
    }
    EXPECT_NE(rows.row(0)[network.layout().trainable()], 0);
  }
}

TEST(PhaseTrainerTest, DropoutDrawsAMaskAStepFromThePhasesStream) {
  const nn::Network network = DropoutNetwork();
  std::vector<double> losses;
  for (int64_t step = 0; step < 3; ++step) {
    Parameters at(network, 1);
    // Within a batch the mask belongs to places: the order is that of the images.
    const ImageView images = Images(1, 1);
    const auto loss = [&](std::span<const double> row) {
      return MeanLoss(
          network, row, images,
          {.mode = nn::Mode::kTrain, .dropout = random::Stream(1).Split("dropout").Split(step)});
    };
    losses.push_back(loss(at.exact.row(0)));
    ExpectLossAndGradient(network, PlainPhase(images, 1), at.rows, losses.back(),
                          FiniteDifferences(loss, at.exact.row(0)), step);
  }
  EXPECT_NE(losses[0], losses[1]);
  EXPECT_NE(losses[1], losses[2]);
}

TEST(PhaseTrainerTest, APhaseWithoutDropoutIsThatOfTheNetworkAsItPredicts) {
  const nn::Network network = DropoutNetwork();
  Parameters at(network, 2);
  Phase phase = PlainPhase(Images(12, 1), 12);
  phase.dropout = false;
  phase.row = 1;
  for (const bool line : {false, true}) {
    if (line) phase.terms[0].line = LineFrom{.row = 0, .points = 1};
    const auto loss = [&](std::span<const double> row) {
      return MeanLoss(network, row, Images(12, 1)) / (line ? 2 : 1);
    };
    const Vector gradient = FiniteDifferences(loss, at.exact.row(1));
    ExpectLossAndGradient(network, phase, at.rows, loss(at.exact.row(1)), gradient);
    nn::Rows<float> stepped(2, at.rows.size());
    std::ranges::copy(at.rows.all(), stepped.all().begin());
    PhaseTrainer(network, phase, random::Stream(1), stepped).Step(0);
    Vector expected = ToVector(at.exact.row(1));
    AddTo(expected, -0.1, gradient);
    ExpectNear(stepped.row(1), expected, 1e-5);
  }
}

// Rows 1 and 2 of a penalty: precisions in [least, 1), some of them `least`, and their pulls to
// random centres.
void FillPenalty(nn::Rows<float>& rows, const nn::Network& network, double least = 0) {
  random::Stream stream(5);
  for (const nn::ParameterSlice& slice : network.layout().slices()) {
    for (int64_t i = slice.offset; i < slice.offset + slice.size; ++i) {
      const double precision = i % 5 == 0 ? least : stream.Uniform(least, 1);
      rows.row(1)[i] = static_cast<float>(precision);
      rows.row(2)[i] = static_cast<float>(precision * stream.Normal());
    }
  }
}

double Penalty(std::span<const double> row, const nn::Rows<float>& rows) {
  double sum = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    sum += rows.row(1)[i] * row[i] * row[i] - 2.0 * rows.row(2)[i] * row[i];
  }
  return sum / 2;
}

TEST(PhaseTrainerTest, ThePenaltysGradientMatchesFiniteDifferences) {
  const nn::Network network = SmallNetwork();
  Parameters at(network, 3);
  FillPenalty(at.rows, network);
  Phase phase = PlainPhase(Images(12, 1), 12);
  phase.penalty = {.precision_row = 1, .pull_row = 2, .strength = 2.5, .proximal = false};
  const auto both = [&](std::span<const double> row) {
    return MeanLoss(network, row, Images(12, 1)) + 2.5 * Penalty(row, at.rows);
  };
  const Vector gradient = FiniteDifferences(both, at.exact.row(0));
  ExpectLossAndGradient(network, phase, at.rows, MeanLoss(network, at.exact.row(0), Images(12, 1)),
                        gradient);
  PhaseTrainer(network, phase, random::Stream(1), at.rows).Step(0);
  Vector expected = ToVector(at.exact.row(0));
  AddTo(expected, -0.1, gradient);
  ExpectNear(at.rows.row(0), expected, 1e-5);
}

// w = argmin over y of s penalty(y) + |y - w+|^2 / 2 with the plain step's w+ and s = strength rate
// / (1 - momentum).
TEST(PhaseTrainerTest, AProximalStepIsTheClosedFormBehindAPlainStep) {
  const nn::Network network = SmallNetwork();
  for (const bool bounded : {false, true}) {
    Parameters at(network, 4);  // Row 3 takes the plain steps.
    FillPenalty(at.rows, network);
    Phase plain =
        bounded ? BoundedPhase(Images(12, 1), Contradiction(9, 1)) : PlainPhase(Images(30, 1));
    plain.optimizer = {.learning_rate = 0.2,
                       .momentum = 0.6,
                       .schedule = {.kind = optim::ScheduleKind::kExponential, .gamma = 0.5}};
    Phase phase = plain;
    phase.penalty = {.precision_row = 1, .pull_row = 2, .strength = 3, .proximal = true};
    plain.row = 3;
    PhaseTrainer penalised(network, phase, random::Stream(1), at.rows);
    PhaseTrainer free(network, plain, random::Stream(1), at.rows);
    for (int64_t step = 0; step < 6; ++step) {
      at.rows.CopyRow(0, 3);
      const double loss = free.Step(step);
      EXPECT_NEAR(penalised.Step(step), loss, 1e-6) << "the penalty is no part of it";
      const double s = 3 * 0.2 * std::pow(0.5, static_cast<double>(step)) / (1 - 0.6);
      Vector expected;
      for (int64_t i = 0; i < at.rows.size(); ++i) {
        expected.push_back((at.rows.row(3)[i] + s * at.rows.row(2)[i]) /
                           (1 + s * at.rows.row(1)[i]));
      }
      ExpectNear(at.rows.row(0).first(network.layout().trainable()), expected, 1e-6);
    }
  }
}

// A convex loss, full batches, momentum: both ways come to rest where loss and penalty balance.
TEST(PhaseTrainerTest, TrainingComesToRestWhereLossAndPenaltyBalance) {
  const nn::Network network = LinearNetwork();
  const int64_t trainable = network.layout().trainable();
  const ImageView images = Images(12, 1);
  constexpr double kStrength = 0.5;
  for (const bool proximal : {true, false}) {
    Parameters at(network, 3);
    // What nothing held would move for ever.
    FillPenalty(at.rows, network, /*least=*/0.2);
    Phase phase = PlainPhase(images, images.size());
    phase.optimizer = {.learning_rate = 0.2, .momentum = 0.8};
    phase.epochs = 3000;
    phase.penalty = {
        .precision_row = 1, .pull_row = 2, .strength = kStrength, .proximal = proximal};
    PhaseTrainer trainer(network, phase, random::Stream(1), at.rows);
    for (int64_t step = 0; step < trainer.steps(); ++step) trainer.Step(step);
    const Vector row = ToVector(at.rows.row(0));
    const Vector gradient = LossGradient(network, row, images);
    EXPECT_GT(Dot(gradient, gradient), 1e-3) << "each pulls";
    for (int64_t i = 0; i < trainable; ++i) {
      EXPECT_NEAR(gradient[i] + kStrength * (at.rows.row(1)[i] * row[i] - at.rows.row(2)[i]), 0,
                  1e-5)
          << i;
    }
  }
}

TEST(PhaseTrainerTest, AHugeStrengthHoldsTheRowAtTheCentreIfItIsProximalAndElseDiverges) {
  const nn::Network network = SmallNetwork();
  const int64_t trainable = network.layout().trainable();
  for (const bool proximal : {true, false}) {
    Parameters at(network, 3);
    FillPenalty(at.rows, network);
    Phase phase = PlainPhase(Images(30, 1));
    phase.optimizer.momentum = 0.8;
    phase.epochs = 20;
    phase.penalty = {.precision_row = 1, .pull_row = 2, .strength = 1e9, .proximal = proximal};
    PhaseTrainer trainer(network, phase, random::Stream(1), at.rows);
    double loss = 0;
    for (int64_t step = 0; step < trainer.steps() && std::isfinite(loss); ++step) {
      loss = trainer.Step(step);
    }
    EXPECT_EQ(std::isfinite(loss), proximal);
    if (!proximal) continue;
    bool moved = false;
    for (int64_t i = 0; i < trainable; ++i) {
      const float precision = at.rows.row(1)[i];
      EXPECT_TRUE(std::isfinite(at.rows.row(0)[i]));
      if (precision > 0) {
        EXPECT_NEAR(at.rows.row(0)[i], at.rows.row(2)[i] / precision, 1e-5) << i;
      } else {
        moved = moved || std::abs(at.rows.row(0)[i] - at.exact.row(0)[i]) > 1e-2;
      }
    }
    EXPECT_TRUE(moved) << "what has no precision is free";
  }
}

// The gradient of the loss of one image with the label given, by a pass of its own.
Vector ExampleGradient(const nn::Network& network, std::span<const double> row,
                       const data::LabeledImages& images, int32_t index, int32_t label,
                       Vector* probabilities = nullptr) {
  const int32_t indices[] = {index};
  const data::BatchPart part = {&images, indices};
  nn::Workspace<double> workspace(network, 1);
  network.Forward<double>(row, data::Batch({&part, 1}), workspace);
  if (probabilities != nullptr) {
    double sum = 0;
    probabilities->clear();
    for (int c = 0; c < kClasses; ++c) {
      probabilities->push_back(std::exp(workspace.output()(0, c)));
      sum += probabilities->back();
    }
    for (double& p : *probabilities) p /= sum;
  }
  const int32_t labels[] = {label};
  const double weights[] = {1};
  nn::SoftmaxCrossEntropy<double>(workspace.output(), labels, weights, workspace.output_gradient());
  Vector gradient(row.size());
  nn::GradientSink<double> sink(gradient, nn::GradientSink<double>::Mode::kOverwrite);
  network.Backward<double>(row, workspace, sink);
  return gradient;
}

void AddSquares(Vector& sum, double factor, const Vector& x) {
  sum.resize(x.size());
  for (size_t i = 0; i < x.size(); ++i) sum[i] += factor * x[i] * x[i];
}

Phase FisherPhase(const data::LabeledImages& images, FisherEstimate::Kind kind,
                  int32_t batch_size) {
  Phase phase;
  phase.name = "fisher";
  phase.terms = {
      {.images = std::make_shared<const data::LabeledImages>(images), .batch_size = batch_size}};
  phase.fisher = {.kind = kind, .row = 1};
  return phase;
}

// Row 1 of `rows`, which begins with something else; returns the mean loss of the steps.
double EstimateFisher(const nn::Network& network, const Phase& phase, nn::Rows<float>& rows,
                      const random::Stream& random = random::Stream(1)) {
  ApplyStart(phase, rows);
  PhaseTrainer trainer(network, phase, random, rows);
  double loss = 0;
  for (int64_t step = 0; step < trainer.steps(); ++step) loss += trainer.Step(step);
  return loss / static_cast<double>(trainer.steps());
}

TEST(FisherTest, TheEmpiricalOneIsTheMeanOfTheSquaresOfSingleExamplesGradients) {
  const nn::Network network = SmallNetwork();
  const data::LabeledImages images = Labeled(20, 1);
  for (const int32_t batch_size : {1, 7, 20}) {
    Parameters at(network, 2);
    Vector expected;
    for (int32_t i = 0; i < images.size(); ++i) {
      AddSquares(expected, 1.0 / images.size(),
                 ExampleGradient(network, at.exact.row(0), images, i, images.labels[i]));
    }
    const double loss = EstimateFisher(
        network, FisherPhase(images, FisherEstimate::Kind::kEmpirical, batch_size), at.rows);
    ExpectNear(at.rows.row(1), expected, 1e-5);
    if (batch_size == 20) {
      EXPECT_NEAR(
          loss,
          MeanLoss(network, at.exact.row(0), std::make_shared<const data::LabeledImages>(images)),
          1e-5);
    }
    EXPECT_THAT(at.rows.row(0), ::testing::Pointwise(::testing::Eq(), at.exact.row(0)))
        << "nothing is trained";
  }
}

TEST(FisherTest, TheBatchMeanOneIsTheMeanOfTheSquaresOfBatchesMeanGradients) {
  const nn::Network network = SmallNetwork();
  const data::LabeledImages images = Labeled(20, 1);
  for (const int32_t batch_size : {1, 7, 20}) {
    Parameters at(network, 2);
    // The batches of an epoch, the last of which is smaller.
    data::EpochSampler batches(random::Stream(1).Split(uint64_t{0}), images.size(), batch_size);
    Vector expected;
    for (int64_t step = 0; step < batches.batches_per_epoch(); ++step) {
      const auto batch = batches.Batch(step);
      Vector mean;
      for (const int32_t i : batch) {
        AddTo(mean, 1.0 / static_cast<double>(batch.size()),
              ExampleGradient(network, at.exact.row(0), images, i, images.labels[i]));
      }
      AddSquares(expected, 1.0 / static_cast<double>(batches.batches_per_epoch()), mean);
    }
    EstimateFisher(network, FisherPhase(images, FisherEstimate::Kind::kBatchMean, batch_size),
                   at.rows);
    ExpectNear(at.rows.row(1), expected, 1e-5);
  }
}

// The expectation over labels is sum over c of p_c g_c^2, within five standard errors.
TEST(FisherTest, TheSampledOneHasTheFisherInformationAsItsMean) {
  const nn::Network network = LinearNetwork();
  const data::LabeledImages images = Labeled(6, 1);
  Parameters at(network, 2);
  Vector expected, variance;
  for (int32_t i = 0; i < images.size(); ++i) {
    Vector second, fourth, p;
    for (int32_t c = 0; c < kClasses; ++c) {
      const Vector g = ExampleGradient(network, at.exact.row(0), images, i, c, &p);
      AddSquares(second, p[c], g);
      Vector squares;
      AddSquares(squares, 1, g);
      AddSquares(fourth, p[c], squares);
    }
    AddTo(expected, 1.0 / images.size(), second);
    AddTo(variance, 1.0 / (images.size() * images.size()), fourth);
    AddSquares(variance, -1.0 / (images.size() * images.size()), second);
  }
  constexpr int kDraws = 4000;
  Vector mean;
  for (uint64_t draw = 0; draw < kDraws; ++draw) {
    // Batches of 4 and 2: each image has a draw of its own.
    EstimateFisher(network, FisherPhase(images, FisherEstimate::Kind::kSampled, 4), at.rows,
                   random::Stream(draw));
    AddTo(mean, 1.0 / kDraws, ToVector(at.rows.row(1)));
  }
  int beyond_two = 0;
  for (int64_t i = 0; i < network.layout().trainable(); ++i) {
    const double error = std::sqrt(std::max(variance[i], 0.0) / kDraws);
    EXPECT_NEAR(mean[i], expected[i], 5 * error + 1e-6) << i;
    beyond_two += std::abs(mean[i] - expected[i]) > 2 * error + 1e-6;
  }
  EXPECT_LT(beyond_two, network.layout().trainable() / 4);

  // A stream's draws are its own.
  const Phase phase = FisherPhase(images, FisherEstimate::Kind::kSampled, 4);
  EstimateFisher(network, phase, at.rows, random::Stream(1));
  const Vector once = ToVector(at.rows.row(1));
  EstimateFisher(network, phase, at.rows, random::Stream(1));
  EXPECT_EQ(ToVector(at.rows.row(1)), once);
  EstimateFisher(network, phase, at.rows, random::Stream(2));
  EXPECT_NE(ToVector(at.rows.row(1)), once);
}

TEST(FisherTest, KnowsNoDropout) {
  const nn::Network network = DropoutNetwork();
  const data::LabeledImages images = Labeled(20, 1);
  for (const auto kind : {FisherEstimate::Kind::kEmpirical, FisherEstimate::Kind::kBatchMean,
                          FisherEstimate::Kind::kSampled}) {
    // Dropout layers have no parameters: the layout is that of the network without them.
    Parameters with(network, 2), without(SmallNetwork(), 2);
    std::ranges::copy(without.rows.all(), with.rows.all().begin());
    EstimateFisher(network, FisherPhase(images, kind, 20), with.rows);
    EstimateFisher(SmallNetwork(), FisherPhase(images, kind, 20), without.rows);
    EXPECT_THAT(with.rows.all(), ::testing::ElementsAreArray(without.rows.all()));
  }
}

TEST(PhaseTrainerTest, AnEpochShowsEveryImageOnceAndTheShorterSetBeginsAgain) {
  Phase phase = PlainPhase(Images(21, 1), 8);
  phase.epochs = 2;
  phase.terms.push_back({.images = Images(9, 2), .batch_size = 8, .replay = true});
  const nn::Network network = SmallNetwork();
  nn::Rows<float> rows(1, network.layout().size());
  const PhaseTrainer trainer(network, phase, random::Stream(1), rows);
  ASSERT_EQ(trainer.steps(), 6);
  std::vector<int64_t> examples, replayed;
  for (int64_t step = 0; step < 6; ++step) {
    const PhaseTrainer::Work work = trainer.WorkOf(step);
    examples.push_back(work.examples);
    replayed.push_back(work.replayed);
  }
  EXPECT_THAT(examples, ::testing::ElementsAre(8, 8, 5, 8, 8, 5));
  EXPECT_THAT(replayed, ::testing::ElementsAre(8, 1, 8, 1, 8, 1));
}

TEST(PhaseTrainerTest, RandomDrawsDoNotLengthenAnEpoch) {
  Phase phase = PlainPhase(Images(16, 1), 8);
  phase.terms.push_back({.images = Images(100, 2), .batch_size = 4, .draw = Draw::kRandom});
  const nn::Network network = SmallNetwork();
  nn::Rows<float> rows(1, network.layout().size());
  EXPECT_EQ(PhaseTrainer(network, phase, random::Stream(1), rows).steps(), 2);
}

TEST(PhaseTrainerDeathTest, APhaseThatCannotBeDoneIsAProgrammersError) {
  const nn::Network network = SmallNetwork();
  Parameters at(network, 2);
  const auto make = [&](const Phase& phase) {
    PhaseTrainer(network, phase, random::Stream(1), at.rows);
  };
  Phase phase = BoundedPhase(Images(12, 1), Images(9, 1));
  std::swap(phase.terms[0], phase.terms[1]);
  EXPECT_DEATH(make(phase), "phase train: constraints are last");
  phase = PlainPhase(Images(12, 1));
  phase.terms[0].line = LineFrom{.row = 0};
  EXPECT_DEATH(make(phase), "line of term 0 of phase train") << "from the row itself";
  phase.terms[0].line = LineFrom{.row = 2};
  EXPECT_DEATH(make(phase), "line of term 0 of phase train") << "there are rows 0 and 1";
  phase = PlainPhase(ImageView());
  EXPECT_DEATH(make(phase), "term 0 of phase train");
  phase = WithGradient(PlainPhase(Images(12, 1)));
  phase.optimizer = {.kind = optim::OptimizerKind::kAdam};
  EXPECT_DEATH(make(phase), "penalty of phase train");
  phase = FisherPhase(Labeled(12, 1), FisherEstimate::Kind::kEmpirical, 4);
  phase.fisher->row = 0;
  EXPECT_DEATH(make(phase), "Fisher estimate of phase fisher") << "of its own row";
  phase.fisher->row = 1;
  phase.terms.push_back(phase.terms[0]);
  EXPECT_DEATH(make(phase), "Fisher estimate of phase fisher") << "two terms";
}

TEST(ApplyStartTest, IsTheSumOfRows) {
  nn::Rows<float> rows(3, 16);
  std::ranges::fill(rows.row(0), 2.0f);
  std::ranges::fill(rows.row(1), 10.0f);
  std::ranges::fill(rows.row(2), 99.0f);
  Phase phase;
  phase.row = 2;
  ApplyStart(phase, rows);
  EXPECT_THAT(rows.row(2), ::testing::Each(99.0f)) << "no start: as it is";
  phase.start = {{.row = 0, .weight = 0.25}, {.row = 1, .weight = 0.75}};
  ApplyStart(phase, rows);
  EXPECT_THAT(rows.row(2), ::testing::Each(8.0f));
  phase.start = {{.row = 1}};
  ApplyStart(phase, rows);
  EXPECT_THAT(rows.row(2), ::testing::Each(10.0f));
}

TEST(ApplyStartTest, AFisherEstimateBeginsAtZeroAndLeavesTheRowAlone) {
  nn::Rows<float> rows(2, 16);
  std::ranges::fill(rows.row(0), 2.0f);
  std::ranges::fill(rows.row(1), 10.0f);
  Phase phase;
  phase.fisher = {.row = 1};
  ApplyStart(phase, rows);
  EXPECT_THAT(rows.row(0), ::testing::Each(2.0f));
  EXPECT_THAT(rows.row(1), ::testing::Each(0.0f));
}

}  // namespace
}  // namespace perennial::continual
