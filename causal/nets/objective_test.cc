#include "causal/nets/objective.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include "common/nn/rows.h"
#include "common/nn/sink.h"
#include "common/random/stream.h"
#include "common/testing/gradient_check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;
using Control = ControlBalanceOptions;

constexpr int64_t kInputs = 3;

// A batch of units without and with outcomes in each of `arms`, and a network at random weights.
struct Problem {
  explicit Problem(int arms, bool shared = true, bool propensity = true, bool offset = false)
      : network(*EffectNetwork::Create({.trunk = {5, 4},
                                        .head = {3},
                                        .activation = nn::Activation::kTanh,
                                        .shared = shared,
                                        .propensity = propensity,
                                        .offset = offset},
                                       kInputs, arms)),
        row(network.network.layout().size()) {
    random::Stream stream = random::Stream(17).Split("problem");
    network.network.Initialize<double>(stream.Split("init"), row);
    int64_t begin = 0;
    for (int arm = 0; arm < arms; ++arm) {
      const int64_t labelled = 5 + arm;
      const int64_t unlabelled = 2;
      layout.arms.push_back({begin, begin + labelled + unlabelled});
      layout.labelled.push_back(
          arm == 0 ? nn::RowRange{begin + unlabelled, begin + unlabelled + labelled}
                   : nn::RowRange{begin, begin + labelled});
      begin += labelled + unlabelled;
    }
    rows = begin;
    inputs.resize(rows * kInputs);
    for (double& x : inputs) x = stream.Normal();
    int64_t count = 0;
    for (const nn::RowRange& range : layout.labelled) count += range.size();
    for (int64_t r = 0; r < rows; ++r) {
      outcome.push_back(stream.Normal());
      weights.push_back((0.5 + stream.Uniform()) / static_cast<double>(count));
    }
    for (int arm = 1; arm < arms; ++arm) {
      epsilon.push_back(0.3 * arm);
      std::vector<double>& w = odds.emplace_back();
      std::vector<int32_t>& s = strata.emplace_back();
      for (int64_t r = 0; r < rows; ++r) {
        w.push_back(0.2 + stream.Uniform());
        s.push_back(static_cast<int32_t>(stream.Below(2)));
      }
    }
  }

  ObjectiveBatch<double> Batch() const {
    return {.layout = &layout, .outcome = outcome, .weights = weights, .epsilon = epsilon};
  }
  void MakeBinary() {
    for (double& y : outcome) y = y > 0 ? 1 : 0;
  }

  EffectNetwork network;
  std::vector<double> row;
  BatchLayout layout;
  int64_t rows = 0;
  std::vector<double> inputs, outcome, weights, epsilon;
  std::vector<std::vector<double>> odds;
  std::vector<std::vector<int32_t>> strata;
};

// Loss of a batch, its gradient at the blocks, and that of parameters and epsilon.
struct Evaluated {
  ObjectiveLosses losses;
  std::vector<double> gradient, epsilon_gradient;
  std::vector<double> at_control_head;
};

Evaluated Evaluate(const Problem& problem, const ObjectiveOptions& options,
                   const ObjectiveBatch<double>& batch, std::span<const double> row) {
  nn::Workspace<double> workspace(problem.network.network, problem.rows);
  Objective<double> objective(problem.network, options, problem.rows);
  const kernels::MatrixView<const double> x = {problem.inputs.data(), problem.rows, kInputs,
                                               kInputs};
  problem.network.network.Forward<double>(
      row, x, workspace, {.mode = nn::Mode::kTrain, .rows = objective.Ranges(problem.layout)});
  Evaluated evaluated;
  evaluated.epsilon_gradient.resize(problem.epsilon.size());
  evaluated.losses = objective.Evaluate(batch, workspace, evaluated.epsilon_gradient);
  const auto head = workspace.gradient(problem.network.heads[0]);
  for (int64_t r = 0; r < head.rows; ++r) evaluated.at_control_head.push_back(head(r, 0));
  evaluated.gradient.resize(row.size());
  nn::GradientSink<double> sink(evaluated.gradient, nn::GradientSink<double>::Mode::kOverwrite);
  problem.network.network.Backward<double>(row, workspace, sink);
  return evaluated;
}

double ErrorOfGradient(const Problem& problem, const ObjectiveOptions& options,
                       const ObjectiveBatch<double>& batch) {
  const Evaluated at = Evaluate(problem, options, batch, problem.row);
  // What is checked is there: each term that has a weight, and no other.
  EXPECT_GT(at.losses.factual, 1e-3);
  EXPECT_EQ(at.losses.propensity > 1e-5, options.propensity > 0);
  EXPECT_EQ(at.losses.targeted > 1e-5, options.targeted > 0);
  EXPECT_EQ(at.losses.balance > 1e-5, options.alpha > 0);
  EXPECT_EQ(at.losses.control_balance > 1e-5, options.beta > 0);
  return testing::GradientError(
      [&](std::span<const double> row) {
        return Evaluate(problem, options, batch, row).losses.total();
      },
      problem.row, at.gradient);
}

DiscrepancyConfig Fixed(DiscrepancyKind kind) {
  // Nothing that is chosen from the data, which would be a constant to the gradient.
  return {
      .kind = kind, .bandwidth = 0.7, .epsilon = 0.5, .relative_epsilon = false, .iterations = 400};
}

TEST(ObjectiveTest, FactualLossIsTheWeightedMeanOfSquaredErrors) {
  const Problem problem(2);
  const Evaluated evaluated = Evaluate(problem, {}, problem.Batch(), problem.row);
  // The same by hand: each unit through the network alone, its own arm's head.
  nn::Workspace<double> workspace(problem.network.network, 1);
  double expected = 0;
  for (int arm = 0; arm < 2; ++arm) {
    for (int64_t r = problem.layout.labelled[arm].begin; r < problem.layout.labelled[arm].end;
         ++r) {
      problem.network.network.Forward<double>(
          problem.row,
          kernels::MatrixView<const double>{&problem.inputs[r * kInputs], 1, kInputs, kInputs},
          workspace);
      const double prediction = workspace.output(problem.network.heads[arm])(0, 0);
      expected += problem.weights[r] * std::pow(prediction - problem.outcome[r], 2);
    }
  }
  EXPECT_NEAR(evaluated.losses.factual, expected, 1e-12);
  EXPECT_EQ(evaluated.losses.total(), evaluated.losses.factual);
}

// A batch and losses of it that are recorded; see tools/oracles/nets.py.
struct RecordedBatch {
  int arms;
  int64_t inputs, width;
  std::vector<int64_t> labelled, unlabelled;
  std::vector<double> parameters, x, outcome, binary_outcome, weights;
  std::vector<std::vector<double>> odds;
  std::vector<std::vector<int32_t>> strata;
  std::vector<double> epsilon;
};
enum class Adjustment { kNone, kOdds, kStrata };
struct Recorded {
  ObjectiveOptions options;
  Adjustment adjustment;
  double beta_factor, term, total;
  std::vector<double> gradient, epsilon_gradient;
};
TEST(ObjectiveTest, LossesAndGradientsAreThoseOfTorchAndPot) {
  const std::vector<RecordedBatch> batches = {
#define PERENNIAL_OBJECTIVE_BATCH_ORACLE
#include "causal/nets/objective_oracle.inc"
#undef PERENNIAL_OBJECTIVE_BATCH_ORACLE
  };
  const std::vector<Recorded> losses_of_it = {
#define PERENNIAL_OBJECTIVE_ORACLE
#include "causal/nets/objective_oracle.inc"
#undef PERENNIAL_OBJECTIVE_ORACLE
  };
  const RecordedBatch& recorded = batches[0];
  ASSERT_EQ(recorded.inputs, kInputs);
  Problem problem(recorded.arms);
  problem.network = *EffectNetwork::Create({.trunk = {recorded.width},
                                            .head = {},
                                            .activation = nn::Activation::kTanh,
                                            .propensity = true},
                                           kInputs, recorded.arms);
  const nn::ParameterLayout& layout = problem.network.network.layout();
  problem.row.assign(layout.size(), 0);
  auto next = recorded.parameters.begin();
  for (const nn::ParameterSlice& slice : layout.slices()) {
    std::copy_n(next, slice.size, problem.row.begin() + slice.offset);
    next += slice.size;
  }
  ASSERT_EQ(next, recorded.parameters.end());
  problem.layout = {};
  problem.rows = 0;
  for (int arm = 0; arm < recorded.arms; ++arm) {
    const int64_t labelled = recorded.labelled[arm];
    const nn::RowRange all = {problem.rows, problem.rows + labelled + recorded.unlabelled[arm]};
    problem.layout.arms.push_back(all);
    problem.layout.labelled.push_back(arm == 0 ? nn::RowRange{all.end - labelled, all.end}
                                               : nn::RowRange{all.begin, all.begin + labelled});
    problem.rows = all.end;
  }
  problem.inputs = recorded.x;
  problem.weights = recorded.weights;
  problem.epsilon = recorded.epsilon;
  for (const Recorded& expected : losses_of_it) {
    const ObjectiveOptions& options = expected.options;
    SCOPED_TRACE(::testing::Message()
                 << "case " << &expected - losses_of_it.data() << ", binary " << options.binary
                 << ", propensity " << options.propensity << ", targeted " << options.targeted
                 << ", alpha " << options.alpha << " of kind "
                 << static_cast<int>(options.balance.kind) << ", beta " << options.beta
                 << " of distance " << static_cast<int>(options.control.distance) << ", adjustment "
                 << static_cast<int>(expected.adjustment));
    problem.outcome = options.binary ? recorded.binary_outcome : recorded.outcome;
    ObjectiveBatch<double> batch = problem.Batch();
    batch.beta_factor = expected.beta_factor;
    if (expected.adjustment == Adjustment::kOdds) batch.control_weights = recorded.odds;
    if (expected.adjustment == Adjustment::kStrata) batch.strata = recorded.strata;
    const Evaluated evaluated = Evaluate(problem, options, batch, problem.row);
    const ObjectiveLosses& losses = evaluated.losses;
    EXPECT_NEAR(losses.propensity + losses.targeted + losses.balance + losses.control_balance,
                expected.term, 1e-9);
    EXPECT_NEAR(losses.total(), expected.total, 1e-9);
    size_t place = 0;
    for (const nn::ParameterSlice& slice : layout.slices()) {
      for (int64_t i = 0; i < slice.size; ++i) {
        EXPECT_NEAR(evaluated.gradient[slice.offset + i], expected.gradient[place++], 1e-8)
            << slice.name << " " << i;
      }
    }
    for (size_t i = 0; i < expected.epsilon_gradient.size(); ++i) {
      EXPECT_NEAR(evaluated.epsilon_gradient[i], expected.epsilon_gradient[i], 1e-8);
    }
  }
}

TEST(ObjectiveTest, EveryTermsGradientIsThatOfFiniteDifferences) {
  for (const int arms : {2, 3}) {
    for (const bool binary : {false, true}) {
      Problem problem(arms);
      if (binary) problem.MakeBinary();
      SCOPED_TRACE(std::to_string(arms) + (binary ? " arms, binary" : " arms"));
      EXPECT_LT(ErrorOfGradient(problem, {.binary = binary}, problem.Batch()), 1e-8);
      EXPECT_LT(ErrorOfGradient(problem, {.binary = binary, .propensity = 0.7}, problem.Batch()),
                1e-8);
      EXPECT_LT(ErrorOfGradient(problem, {.binary = binary, .targeted = 0.7}, problem.Batch()),
                1e-8);
      for (const DiscrepancyKind kind : {DiscrepancyKind::kLinear, DiscrepancyKind::kRbf,
                                         DiscrepancyKind::kEnergy, DiscrepancyKind::kSinkhorn}) {
        for (const bool unit_length : {true, false}) {
          SCOPED_TRACE(static_cast<int>(kind));
          EXPECT_LT(ErrorOfGradient(problem,
                                    {.binary = binary,
                                     .alpha = 2,
                                     .balance = Fixed(kind),
                                     .unit_length = unit_length},
                                    problem.Batch()),
                    1e-6);
        }
      }
      for (const Control::Distance distance :
           {Control::Distance::kWasserstein1, Control::Distance::kWasserstein2,
            Control::Distance::kMean, Control::Distance::kMoments, Control::Distance::kRbf}) {
        for (const Control::Scale scale : {Control::Scale::kLogit, Control::Scale::kProbability}) {
          for (const Control::Target target :
               {Control::Target::kPredicted, Control::Target::kObserved}) {
            if (binary && target == Control::Target::kObserved && scale == Control::Scale::kLogit) {
              continue;
            }
            SCOPED_TRACE(static_cast<int>(distance));
            const ObjectiveOptions options = {
                .binary = binary,
                .beta = 2,
                .control = {
                    .distance = distance, .target = target, .scale = scale, .bandwidth = 0.7}};
            ObjectiveBatch<double> batch = problem.Batch();
            EXPECT_LT(ErrorOfGradient(problem, options, batch), 1e-7);
            batch.control_weights = problem.odds;
            EXPECT_LT(ErrorOfGradient(problem, options, batch), 1e-7);
            batch.control_weights = {};
            batch.strata = problem.strata;
            EXPECT_LT(ErrorOfGradient(problem, options, batch), 1e-7);
          }
        }
      }
    }
  }
}

TEST(ObjectiveTest, DifferencesFromControlHaveTheGradientOfFiniteDifferences) {
  for (const bool binary : {false, true}) {
    Problem problem(3, /*shared=*/true, /*propensity=*/true, /*offset=*/true);
    if (binary) problem.MakeBinary();
    const ObjectiveOptions options = {.binary = binary,
                                      .propensity = 0.5,
                                      .targeted = 0.7,
                                      .alpha = 1,
                                      .balance = Fixed(DiscrepancyKind::kRbf),
                                      .beta = 2};
    EXPECT_LT(ErrorOfGradient(problem, options, problem.Batch()), 1e-6);
    EXPECT_LT(ErrorOfGradient(problem, {.binary = binary}, problem.Batch()), 1e-8);
  }
}

TEST(ObjectiveTest, EpsilonsGradientIsThatOfFiniteDifferences) {
  for (const bool binary : {false, true}) {
    Problem problem(3);
    if (binary) problem.MakeBinary();
    const ObjectiveOptions options = {.binary = binary, .targeted = 0.7};
    const Evaluated at = Evaluate(problem, options, problem.Batch(), problem.row);
    const double error = testing::GradientError(
        [&](std::span<const double> epsilon) {
          ObjectiveBatch<double> batch = problem.Batch();
          batch.epsilon = epsilon;
          return Evaluate(problem, options, batch, problem.row).losses.total();
        },
        problem.epsilon, at.epsilon_gradient);
    EXPECT_LT(error, 1e-8);
  }
}

TEST(ObjectiveTest, TargetedLossOfTwoArmsIsTheFormulaOfItsPaper) {
  // y - (h_t + eps (t / g - (1 - t) / (1 - g))), g kept off 0 and 1 as (g + .01) / 1.02.
  const Problem problem(2);
  const double epsilon[] = {0.4};
  ObjectiveBatch<double> batch = problem.Batch();
  batch.epsilon = epsilon;
  const Evaluated evaluated = Evaluate(problem, {.targeted = 1}, batch, problem.row);
  nn::Workspace<double> workspace(problem.network.network, problem.rows);
  problem.network.network.Forward<double>(
      problem.row,
      kernels::MatrixView<const double>{problem.inputs.data(), problem.rows, kInputs, kInputs},
      workspace);
  double expected = 0;
  int64_t labelled = 0;
  for (int t = 0; t < 2; ++t) {
    for (int64_t r = problem.layout.labelled[t].begin; r < problem.layout.labelled[t].end; ++r) {
      const auto logits = workspace.output(problem.network.propensity);
      const double g = (1 / (1 + std::exp(logits(r, 0) - logits(r, 1))) + 0.01) / 1.02;
      const double h = workspace.output(problem.network.heads[t])(r, 0);
      const double clever = t / g - (1 - t) / (1 - g);
      expected += std::pow(problem.outcome[r] - (h + epsilon[0] * clever), 2);
      ++labelled;
    }
  }
  EXPECT_NEAR(evaluated.losses.targeted, expected / static_cast<double>(labelled), 1e-12);
}

TEST(ObjectiveTest, ControlBalanceHoldsTreatedAgainstAllControls) {
  // Squared difference of means, by hand, with units without outcomes on both sides.
  const Problem problem(2);
  const Evaluated evaluated =
      Evaluate(problem, {.beta = 3, .control = {.distance = Control::Distance::kMean}},
               problem.Batch(), problem.row);
  nn::Workspace<double> workspace(problem.network.network, problem.rows);
  problem.network.network.Forward<double>(
      problem.row,
      kernels::MatrixView<const double>{problem.inputs.data(), problem.rows, kInputs, kInputs},
      workspace);
  const auto h0 = workspace.output(problem.network.heads[0]);
  double mean[2] = {0, 0};
  for (int arm = 0; arm < 2; ++arm) {
    const nn::RowRange& range = problem.layout.arms[arm];
    for (int64_t r = range.begin; r < range.end; ++r) {
      mean[arm] += h0(r, 0) / static_cast<double>(range.size());
    }
  }
  EXPECT_NEAR(evaluated.losses.control_balance, 3 * std::pow(mean[1] - mean[0], 2), 1e-12);
}

// A network whose control head says the input itself, and a batch of these units.
double ControlBalanceOf(const std::vector<double>& controls, const std::vector<double>& treated,
                        Control::Distance distance, const std::vector<std::vector<double>>& odds,
                        const std::vector<std::vector<int32_t>>& strata) {
  const EffectNetwork network =
      *EffectNetwork::Create({.trunk = {}, .head = {}, .shared = false}, 1, 2);
  std::vector<double> row(network.network.layout().size());
  for (const nn::ParameterSlice& slice : network.network.layout().slices()) {
    if (slice.name == "arm_0.0.weight") row[slice.offset] = 1;
  }
  std::vector<double> x = controls;
  x.insert(x.end(), treated.begin(), treated.end());
  const auto n = std::ssize(controls);
  const auto rows = std::ssize(x);
  const BatchLayout layout = {.arms = {{0, n}, {n, rows}}, .labelled = {{0, n}, {n, rows}}};
  const std::vector<double> zeros(rows);
  nn::Workspace<double> workspace(network.network, rows);
  Objective<double> objective(network, {.beta = 1, .control = {.distance = distance}}, rows);
  network.network.Forward<double>(row, kernels::MatrixView<const double>{x.data(), rows, 1, 1},
                                  workspace, {.rows = objective.Ranges(layout)});
  return objective
      .Evaluate({.layout = &layout,
                 .outcome = zeros,
                 .weights = zeros,
                 .control_weights = odds,
                 .strata = strata},
                workspace)
      .control_balance;
}

TEST(ObjectiveTest, ControlsWeighAsTheirOdds) {
  const std::vector<double> controls = {0, 2, 5}, treated = {1, 3};
  // Of the mass, in order: 1/4 at 0 and 1/4 at 2 go to 1, 1/2 at 5 goes to 3. The weights of
  // treated units have no say, nor has the scale of the others.
  const std::vector<std::vector<double>> odds = {{3, 3, 6, 9, 1}};
  EXPECT_NEAR(ControlBalanceOf(controls, treated, Control::Distance::kWasserstein1, odds, {}),
              0.25 * 1 + 0.25 * 1 + 0.5 * 2, 1e-12);
  EXPECT_NEAR(ControlBalanceOf(controls, treated, Control::Distance::kWasserstein2, odds, {}),
              0.25 * 1 + 0.25 * 1 + 0.5 * 4, 1e-12);
  // Means 2 and 3; variances 1 and 1/4 * 9 + 1/4 * 1 + 1/2 * 4.
  EXPECT_NEAR(ControlBalanceOf(controls, treated, Control::Distance::kMean, odds, {}), 1, 1e-12);
  EXPECT_NEAR(ControlBalanceOf(controls, treated, Control::Distance::kMoments, odds, {}),
              1 + std::pow(std::sqrt(4.5) - 1, 2), 1e-12);
  // Without: 1/3 at 0 and 1/6 at 2 go to 1, 1/6 at 2 and 1/3 at 5 to 3; the mean is 7 / 3.
  EXPECT_NEAR(ControlBalanceOf(controls, treated, Control::Distance::kWasserstein1, {}, {}),
              (2.0 + 1 + 1 + 4) / 6, 1e-12);
  EXPECT_NEAR(ControlBalanceOf(controls, treated, Control::Distance::kMean, {}, {}), 1.0 / 9,
              1e-12);
}

TEST(ObjectiveTest, StrataBalanceWithinThemselves) {
  const std::vector<double> controls = {0, 2, 5, 100}, treated = {1, 4, 7};
  // Stratum 0 holds {0, 2} against 1, with a share 1/3 of the treated, stratum 1 {5} against
  // {4, 7}, with 2/3; the control of stratum 2 has nobody to be held against.
  const std::vector<std::vector<int32_t>> strata = {{0, 0, 1, 2, 0, 1, 1}};
  EXPECT_NEAR(ControlBalanceOf(controls, treated, Control::Distance::kWasserstein1, {}, strata),
              1.0 / 3 * 1 + 2.0 / 3 * (1 + 2) / 2, 1e-12);
  EXPECT_NEAR(ControlBalanceOf(controls, treated, Control::Distance::kMean, {}, strata),
              1.0 / 3 * 0 + 2.0 / 3 * 0.25, 1e-12);
  // Without: a quarter of the mass each at 0, 2, 5, 100, a third at 1, 4, 7.
  EXPECT_NEAR(ControlBalanceOf(controls, treated, Control::Distance::kWasserstein1, {}, {}),
              (3 * 1 + 1 * 1 + 2 * 2 + 2 * 1 + 1 * 2 + 3 * 93) / 12.0, 1e-12);
  // Treated and controls in different strata have nothing to be held against.
  EXPECT_EQ(ControlBalanceOf(controls, treated, Control::Distance::kWasserstein1, {},
                             {{0, 0, 0, 0, 1, 1, 1}}),
            0);
}

TEST(ObjectiveTest, TreatedOnlyLeavesControlsAlone) {
  const Problem problem(2);
  const Evaluated without = Evaluate(problem, {}, problem.Batch(), problem.row);
  ObjectiveOptions options = {.beta = 3, .control = {.gradient = Control::Gradient::kTreatedOnly}};
  const Evaluated treated_only = Evaluate(problem, options, problem.Batch(), problem.row);
  options.control.gradient = Control::Gradient::kBoth;
  const Evaluated both = Evaluate(problem, options, problem.Batch(), problem.row);
  // Without beta the control head sees labelled controls alone, which begin after two others.
  for (int64_t r = 0; r < problem.layout.labelled[0].size(); ++r) {
    EXPECT_EQ(treated_only.at_control_head[r + 2], without.at_control_head[r]);
    EXPECT_NE(both.at_control_head[r + 2], without.at_control_head[r]);
  }
  for (int64_t r = problem.layout.arms[1].begin; r < problem.rows; ++r) {
    EXPECT_EQ(treated_only.at_control_head[r], both.at_control_head[r]);
    EXPECT_NE(treated_only.at_control_head[r], 0);
  }
}

TEST(ObjectiveTest, BalanceLooksAtDirectionsAloneAtUnitLength) {
  // The same features, ten times as long: their last layer is linear in its weights only if the
  // activation is, so compare with the term on the scaled representation through the identity.
  const EffectNetwork network = *EffectNetwork::Create(
      {.trunk = {4}, .head = {}, .activation = nn::Activation::kIdentity}, kInputs, 2);
  Problem problem(2);
  std::vector<double> row(network.network.layout().size());
  network.network.Initialize<double>(random::Stream(3), row);
  std::vector<double> longer = row;
  for (const nn::ParameterSlice& slice : network.network.layout().slices()) {
    if (slice.name.rfind("features", 0) != 0) continue;
    for (int64_t i = 0; i < slice.size; ++i) longer[slice.offset + i] *= 10;
  }
  const auto balance = [&](std::span<const double> at, bool unit_length) {
    nn::Workspace<double> workspace(network.network, problem.rows);
    Objective<double> objective(
        network,
        {.alpha = 1, .balance = Fixed(DiscrepancyKind::kLinear), .unit_length = unit_length},
        problem.rows);
    network.network.Forward<double>(
        at,
        kernels::MatrixView<const double>{problem.inputs.data(), problem.rows, kInputs, kInputs},
        workspace, {.rows = objective.Ranges(problem.layout)});
    return objective.Evaluate(problem.Batch(), workspace).balance;
  };
  EXPECT_NEAR(balance(row, true), balance(longer, true), 1e-12);
  EXPECT_NEAR(100 * balance(row, false), balance(longer, false), 1e-9);
}

TEST(ObjectiveTest, AnArmWithoutRowsHasNoLossAndNoGradient) {
  Problem problem(3);
  // The last arm's units go.
  const int64_t rows = problem.layout.arms[2].begin;
  problem.layout.arms[2] = {rows, rows};
  problem.layout.labelled[2] = {rows, rows};
  problem.rows = rows;
  problem.outcome.resize(rows);
  problem.weights.resize(rows);
  const ObjectiveOptions options = {.propensity = 1,
                                    .targeted = 1,
                                    .alpha = 1,
                                    .balance = Fixed(DiscrepancyKind::kRbf),
                                    .beta = 1};
  EXPECT_LT(ErrorOfGradient(problem, options, problem.Batch()), 1e-6);
}

TEST(ObjectiveTest, RefusesTermsThatTheNetworkHasNoBlockFor) {
  const EffectNetwork t_net = *EffectNetwork::Create({.shared = false}, kInputs, 2);
  EXPECT_THAT(Validate(ObjectiveOptions{.alpha = 1}, t_net).message(),
              HasSubstr("no shared features"));
  EXPECT_THAT(Validate(ObjectiveOptions{.propensity = 1}, t_net).message(),
              HasSubstr("propensity head"));
  EXPECT_THAT(Validate(ObjectiveOptions{.beta = -1}, t_net).message(), HasSubstr("beta = -1"));
  EXPECT_THAT(Validate(
                  ObjectiveOptions{
                      .binary = true, .beta = 1, .control = {.target = Control::Target::kObserved}},
                  t_net)
                  .message(),
              HasSubstr("scale of probabilities"));
  EXPECT_TRUE(Validate(ObjectiveOptions{.beta = 1}, t_net).ok());
}

TEST(EffectNetworkTest, ArmsShareATrunkOrNothing) {
  const EffectNetwork shared = *EffectNetwork::Create({.trunk = {8}, .head = {4}}, 5, 3);
  // 5 x 8 + 8, and for each arm 8 x 4 + 4 and 4 + 1.
  EXPECT_EQ(shared.network.layout().parameters(), 48 + 3 * 41);
  const EffectNetwork apart =
      *EffectNetwork::Create({.trunk = {8}, .head = {4}, .shared = false}, 5, 3);
  EXPECT_EQ(apart.network.layout().parameters(), 3 * (48 + 41));
  EXPECT_EQ(apart.features, -1);
}

TEST(EffectNetworkTest, RefusesWhatCannotBe) {
  EXPECT_THAT(EffectNetwork::Create({}, 5, 1).status().message(), HasSubstr("1 arms"));
  EXPECT_THAT(EffectNetwork::Create({.trunk = {}}, 5, 2).status().message(), HasSubstr("a trunk"));
  EXPECT_THAT(EffectNetwork::Create({.shared = false, .propensity = true}, 5, 2).status().message(),
              HasSubstr("features that the arms share"));
}

}  // namespace
}  // namespace perennial::causal
