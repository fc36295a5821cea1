// Training beside LibTorch in eager mode, from the same weights on the same batches.
#include <array>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "causal/nets/eager_tarnet.h"
#include "causal/nets/effect_network.h"
#include "causal/nets/net_fit.h"
#include "common/data/epoch_sampler.h"
#include "common/nn/network.h"
#include "common/nn/spec.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"
#include "common/testing/eager.h"
#include "common/testing/eager_optim.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

constexpr int64_t kFeatures = 3;

// The first covariate decides who is treated and the outcome, which is curved.
Observations Simulate(int64_t n, uint64_t seed) {
  random::Stream stream = random::Stream(seed).Split("simulate");
  Observations observations = {.covariate_names = {"x1", "x2", "x3"}};
  for (int64_t i = 0; i < n; ++i) {
    const double x[] = {stream.Normal(), 3 + 2 * stream.Normal(), stream.Normal()};
    const int32_t t = x[0] + stream.Normal() > 0 ? 1 : 0;
    observations.covariates.insert(observations.covariates.end(), std::begin(x), std::end(x));
    observations.treatment.push_back(t);
    observations.outcome.push_back(5 + 2 * x[0] + x[1] * x[2] + t * (1 + x[2]) + stream.Normal());
  }
  return observations;
}

struct Scale {
  double mean = 0, deviation = 0;
};
Scale ScaleOf(std::span<const double> values, int64_t first, int64_t stride) {
  Scale scale;
  const auto n = static_cast<double>(std::ssize(values) / stride);
  for (int64_t i = first; i < std::ssize(values); i += stride) scale.mean += values[i] / n;
  for (int64_t i = first; i < std::ssize(values); i += stride) {
    scale.deviation += std::pow(values[i] - scale.mean, 2) / n;
  }
  scale.deviation = std::sqrt(scale.deviation);
  return scale;
}

// Covariates and outcomes of units, brought to mean 0 and deviation 1 of the units of a fit.
std::vector<double> Covariates(std::span<const double> x, const Observations& of_fit) {
  std::vector<double> z(x.begin(), x.end());
  for (int64_t c = 0; c < kFeatures; ++c) {
    const Scale scale = ScaleOf(of_fit.covariates, c, kFeatures);
    for (size_t i = c; i < z.size(); i += kFeatures) z[i] = (z[i] - scale.mean) / scale.deviation;
  }
  return z;
}
std::vector<double> Outcomes(const Observations& of_fit) {
  const Scale scale = ScaleOf(of_fit.outcome, 0, 1);
  std::vector<double> y = of_fit.outcome;
  for (double& value : y) value = (value - scale.mean) / scale.deviation;
  return y;
}

// A tensor of what a fit saves.
std::vector<float> Saved(const NetFit& fit, const std::string& name) {
  record::SafetensorsWriter writer;
  EXPECT_TRUE(fit.Save("", writer).ok());
  return *record::SafetensorsFile::Parse(*writer.Finish())->Read<float>(name);
}

TEST(NetFitEagerTest, WithoutBalanceItIsTarnet) {
  const Observations train = Simulate(50, 1);
  const Observations test = Simulate(30, 2);
  const random::Stream stream = random::Stream(3).Split("fit");
  NetOptions options = {.network = {.trunk = {16, 12}, .head = {8}}};
  options.batch_size = 8;
  options.steps = 25;
  options.validation_share = 0;
  options.optimizer.learning_rate = 0.01;
  const auto fit = *NetFit::Create(options, {.observations = train, .stream = stream});

  const std::vector<double> x = Covariates(train.covariates, train);
  const std::vector<double> y = Outcomes(train);
  const std::vector<float> covariates(x.begin(), x.end()), outcome(y.begin(), y.end());
  EagerTarnet eager({.trunk = options.network.trunk,
                     .head = options.network.head,
                     .covariates = covariates,
                     .treatment = train.treatment,
                     .outcome = outcome,
                     .learning_rate = options.optimizer.learning_rate});
  const EffectNetwork network = *EffectNetwork::Create(options.network, kFeatures, 2);
  const std::vector<float> row = Saved(*fit, "rows");
  std::vector<std::span<const float>> parameters;
  for (const nn::ParameterSlice& slice : network.network.layout().slices()) {
    parameters.push_back(std::span<const float>(row).subspan(slice.offset, slice.size));
  }
  eager.SetParameters(parameters);

  const std::vector<double> z = Covariates(test.covariates, train);
  const std::vector<float> asked(z.begin(), z.end());
  const Scale scale = ScaleOf(train.outcome, 0, 1);
  data::EpochSampler sampler(stream.Split("order"), static_cast<int32_t>(train.size()),
                             options.batch_size);
  std::array<std::vector<float>, 2> first;
  for (int64_t step = 0; step <= options.steps; ++step) {
    const Predictions ours = *fit->Predict(test.x());
    for (int arm = 0; arm < 2; ++arm) {
      const std::vector<float> theirs = eager.Predict(arm, asked);
      if (step == 0) first[arm] = theirs;
      double moved = 0;
      for (size_t i = 0; i < theirs.size(); ++i) {
        EXPECT_NEAR((ours.outcome[arm][i] - scale.mean) / scale.deviation, theirs[i], 2e-5)
            << "step " << step << ", arm " << arm << ", unit " << i;
        moved += std::abs(theirs[i] - first[arm][i]) / static_cast<double>(theirs.size());
      }
      // There was something to agree about.
      if (step == options.steps) {
        EXPECT_GT(moved, 0.2);
      }
    }
    if (step == options.steps) break;
    const double loss = eager.Step(sampler.Batch(step));
    ASSERT_TRUE(fit->Advance(1).ok());
    EXPECT_NEAR(fit->losses().total(), loss, 1e-5) << step;
  }
}

// Linear heads of two arms on shared features, by plain gradient descent, with an adversary and,
// of weight alpha, the squared distance of the arms' mean features. Units without outcomes are
// part of both.
void ExpectStepsWithAnAdversary(double alpha) {
  const Observations train = Simulate(40, 1);
  const Observations others = Simulate(11, 2);
  NetOptions options = {.network = {.trunk = {6, 5}, .head = {}}};
  options.objective = {
      .alpha = alpha, .balance = {.kind = DiscrepancyKind::kLinear}, .unit_length = false};
  options.adversary = {.weight = 1.5, .hidden = {4}, .learning_rate = 0.02};
  options.transductive = NetOptions::Transductive::kTreatment;
  options.optimizer = {.kind = optim::OptimizerKind::kSgd, .learning_rate = 0.1};
  options.batch_size = 40;  // All units.
  options.steps = 8;
  options.validation_share = 0;
  const auto fit = *NetFit::Create(options, {.observations = train,
                                             .unlabelled_covariates = others.covariates,
                                             .unlabelled_treatment = others.treatment,
                                             .stream = random::Stream(3)});

  // [unlabelled 0 | labelled 0][labelled 1 | unlabelled 1]
  std::vector<double> inputs, outcome;
  std::vector<int32_t> arms;
  std::vector<nn::RowRange> labelled(2);
  const std::vector<double> y = Outcomes(train);
  const std::vector<double> x = Covariates(train.covariates, train);
  const std::vector<double> x_others = Covariates(others.covariates, train);
  const auto add = [&](int arm, bool has_outcome) {
    const Observations& units = has_outcome ? train : others;
    const std::vector<double>& from = has_outcome ? x : x_others;
    const auto begin = std::ssize(arms);
    for (int64_t i = 0; i < units.size(); ++i) {
      if (units.treatment[i] != arm) continue;
      inputs.insert(inputs.end(), from.begin() + i * kFeatures, from.begin() + (i + 1) * kFeatures);
      outcome.push_back(has_outcome ? y[i] : 0);
      arms.push_back(arm);
    }
    if (has_outcome) labelled[arm] = {begin, std::ssize(arms)};
  };
  add(0, false);
  add(0, true);
  add(1, true);
  add(1, false);
  const auto rows = std::ssize(arms);
  double count[2] = {0, 0};
  for (const int32_t arm : arms) ++count[arm];
  // The arms differ in number, with and without outcomes.
  ASSERT_NE(labelled[0].size(), labelled[1].size());
  ASSERT_NE(count[0], count[1]);

  const EffectNetwork network = *EffectNetwork::Create(options.network, kFeatures, 2);
  const nn::Network adversary =
      *nn::Network::Create(nn::MultilayerPerceptron(5, {4}, 2, nn::Activation::kElu));
  const auto size = static_cast<size_t>(network.network.layout().size());
  const std::vector<float> saved = Saved(*fit, "rows");
  const std::vector<float> saved_adversary = Saved(*fit, "adversary");
  ASSERT_EQ(saved.size(), 2 * size);
  std::vector<double> row(saved.begin(), saved.begin() + static_cast<int64_t>(size));
  const std::vector<double> adversary_start(saved_adversary.begin(), saved_adversary.end());
  std::vector<double> adversary_row = adversary_start;
  std::vector<std::vector<double>> adversary_gradients;
  const std::vector<double> rates(options.steps, options.adversary.learning_rate);

  testing::EagerNetworkInput pass = {.inputs = inputs, .rows = rows, .mode = nn::Mode::kTrain};
  pass.ranges = {{0, rows}, labelled[0], labelled[1]};
  for (int64_t step = 0; step < options.steps; ++step) {
    pass.cotangents.assign(3, {});
    const std::vector<std::vector<double>> outputs =
        testing::EagerNetwork(network.network.spec(), network.network.layout(), row, pass).outputs;
    // The adversary's mean cross-entropy over all rows, before its own step.
    testing::EagerNetworkInput told = {.inputs = outputs[0], .rows = rows, .cotangents = {{}}};
    const std::vector<double> logits =
        testing::EagerNetwork(adversary.spec(), adversary.layout(), adversary_row, told).outputs[0];
    for (int64_t r = 0; r < rows; ++r) {
      const double p = 1 / (1 + std::exp(logits[2 * r] - logits[2 * r + 1]));
      const double slope = (p - arms[r]) / static_cast<double>(rows);
      told.cotangents[0].insert(told.cotangents[0].end(), {-slope, slope});
    }
    const testing::EagerNetworkResult of_adversary =
        testing::EagerNetwork(adversary.spec(), adversary.layout(), adversary_row, told);

    for (int arm = 0; arm < 2; ++arm) {
      for (int64_t r = labelled[arm].begin; r < labelled[arm].end; ++r) {
        const double prediction = outputs[1 + arm][r - labelled[arm].begin];
        pass.cotangents[1 + arm].push_back(2 * (prediction - outcome[r]) /
                                           static_cast<double>(train.size()));
      }
    }
    std::vector<double> shift(5);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < 5; ++c) {
        shift[c] += (arms[r] == 1 ? 1 : -1) * outputs[0][r * 5 + c] / count[arms[r]];
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < 5; ++c) {
        const double balance = 2 * alpha * (arms[r] == 1 ? 1 : -1) * shift[c] / count[arms[r]];
        pass.cotangents[0].push_back(balance - options.adversary.weight *
                                                   of_adversary.input_gradient[r * 5 + c]);
      }
    }
    const std::vector<double> gradient =
        testing::EagerNetwork(network.network.spec(), network.network.layout(), row, pass).gradient;
    for (size_t i = 0; i < size; ++i) row[i] -= options.optimizer.learning_rate * gradient[i];
    adversary_gradients.push_back(of_adversary.gradient);
    adversary_row = testing::EagerOptimize({.kind = optim::OptimizerKind::kAdam}, rates,
                                           adversary_start, adversary_gradients)
                        .back();

    ASSERT_TRUE(fit->Advance(1).ok());
    const std::vector<float> now = Saved(*fit, "rows");
    const std::vector<float> adversary_now = Saved(*fit, "adversary");
    for (size_t i = 0; i < size; ++i) {
      EXPECT_NEAR(now[i], row[i], 1e-5) << "step " << step << ", parameter " << i;
    }
    for (size_t i = 0; i < adversary_row.size(); ++i) {
      EXPECT_NEAR(adversary_now[i], adversary_row[i], 1e-4)
          << "step " << step << ", parameter " << i << " of the adversary";
    }
  }
}

TEST(NetFitEagerTest, AnAdversarysGradientIsReversedTimesItsWeight) {
  ExpectStepsWithAnAdversary(/*alpha=*/0);
}

TEST(NetFitEagerTest, AnAdversarysGradientAddsToThatOfBalance) {
  ExpectStepsWithAnAdversary(/*alpha=*/0.8);
}

}  // namespace
}  // namespace perennial::causal
