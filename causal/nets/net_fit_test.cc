#include "causal/nets/net_fit.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include "causal/estimators/logistic.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

// x1 decides who is treated and the control outcome; the effect is 1 + x2, the noise small.
Observations Simulate(int64_t n, uint64_t seed, double confounding = 1) {
  random::Stream stream = random::Stream(seed).Split("simulate");
  Observations observations = {.covariate_names = {"x1", "x2", "constant"}};
  Truth& truth = observations.truth.emplace();
  truth.mean_outcome.resize(2);
  for (int64_t i = 0; i < n; ++i) {
    const double x1 = stream.Normal();
    const double x2 = stream.Normal();
    const double e = 1 / (1 + std::exp(-confounding * x1));
    const int32_t t = i < 2 ? static_cast<int32_t>(i) : (stream.Uniform() < e ? 1 : 0);
    const double mu0 = 10 + 2 * x1;
    truth.mean_outcome[0].push_back(mu0);
    truth.mean_outcome[1].push_back(mu0 + 1 + x2);
    observations.covariates.insert(observations.covariates.end(), {x1, x2, 5.0});
    observations.treatment.push_back(t);
    observations.outcome.push_back(truth.mean_outcome[t].back() + 0.1 * stream.Normal());
  }
  return observations;
}

FitData Data(const Observations& observations, uint64_t seed = 1) {
  FitData data = {.observations = observations, .stream = random::Stream(seed).Split("fit")};
  data.observations.truth.reset();
  return data;
}

NetOptions Small() {
  NetOptions options;
  options.network = {.trunk = {16}, .head = {8}};
  options.steps = 600;
  options.batch_size = 50;
  options.optimizer.learning_rate = 0.01;
  return options;
}

std::unique_ptr<NetFit> Fitted(const NetOptions& options, FitData data) {
  auto fit = NetFit::Create(options, std::move(data));
  EXPECT_TRUE(fit.ok()) << fit.status().message();
  const absl::Status trained = (*fit)->Advance((*fit)->steps());
  EXPECT_TRUE(trained.ok()) << trained.message();
  return *std::move(fit);
}

double SqrtPehe(const Observations& test, const Predictions& predictions) {
  double squares = 0;
  for (int64_t i = 0; i < test.size(); ++i) {
    const double tau = test.truth->mean_outcome[1][i] - test.truth->mean_outcome[0][i];
    squares += std::pow(predictions.effect[0][i] - tau, 2);
  }
  return std::sqrt(squares / static_cast<double>(test.size()));
}

double Att(const Observations& sample, const Predictions& predictions) {
  double sum = 0;
  double count = 0;
  for (int64_t i = 0; i < sample.size(); ++i) {
    if (sample.treatment[i] == 0) continue;
    sum += predictions.effect[0][i];
    ++count;
  }
  return sum / count;
}

double NaiveDifference(const Observations& sample) {
  double sum[2] = {0, 0};
  double count[2] = {0, 0};
  for (int64_t i = 0; i < sample.size(); ++i) {
    sum[sample.treatment[i]] += sample.outcome[i];
    ++count[sample.treatment[i]];
  }
  return sum[1] / count[1] - sum[0] / count[0];
}

TEST(NetFitTest, EveryKindOfNetworkFindsEffectsThatVary) {
  const Observations train = Simulate(600, 1);
  const Observations test = Simulate(200, 2);
  NetOptions t_net = Small();
  t_net.network.shared = false;
  NetOptions offset = Small();
  offset.network.offset = true;
  NetOptions dragonnet = Small();
  dragonnet.network.propensity = true;
  dragonnet.objective = {.propensity = 1, .targeted = 1};
  NetOptions mild_balance = Small();
  mild_balance.objective = {.alpha = 0.1, .balance = {.kind = DiscrepancyKind::kRbf}};
  NetOptions slack = Small();
  slack.objective = {.alpha = 0.1,
                     .balance = {.kind = DiscrepancyKind::kSlackSinkhorn,
                                 .cost = TransportCost::kEuclidean,
                                 .iterations = 10}};
  NetOptions adversarial = Small();
  adversarial.adversary.weight = 0.01;
  for (const NetOptions& options :
       {Small(), t_net, offset, dragonnet, mild_balance, slack, adversarial}) {
    const auto fit = Fitted(options, Data(train));
    // tau has deviation 1, which is what the best constant would be wrong by.
    EXPECT_LT(SqrtPehe(test, *fit->Predict(test.x())), 0.35);
  }
}

TEST(NetFitTest, ThreeArmsEachHaveTheirEffect) {
  Observations train = Simulate(900, 1);
  train.truth.reset();
  train.arms = 3;
  // A third of the treated had twice the effect.
  for (int64_t i = 0; i < train.size(); ++i) {
    if (train.treatment[i] == 0 || i % 3 != 0) continue;
    train.treatment[i] = 2;
    train.outcome[i] += 1 + train.covariates[i * 3 + 1];
  }
  NetOptions options = Small();
  options.network.propensity = true;
  options.objective = {.propensity = 1, .alpha = 0.1, .beta = 0.01};
  const auto fit = Fitted(options, Data(train));
  const double x[] = {0, 0.5, 5};
  const Predictions predictions = *fit->Predict({x, 1, 3, 3});
  EXPECT_NEAR(predictions.effect[0][0], 1.5, 0.5);
  EXPECT_NEAR(predictions.effect[1][0], 3, 0.8);
  EXPECT_NEAR(
      predictions.propensity[0][0] + predictions.propensity[1][0] + predictions.propensity[2][0], 1,
      1e-6);
}

TEST(NetFitTest, BinaryOutcomesArePredictedAsProbabilities) {
  Observations train = Simulate(600, 1);
  train.truth.reset();
  train.binary_outcome = true;
  random::Stream stream(5);
  for (int64_t i = 0; i < train.size(); ++i) {
    train.outcome[i] = stream.Uniform() < (train.treatment[i] == 1 ? 0.8 : 0.3) ? 1 : 0;
  }
  const auto fit = Fitted(Small(), Data(train));
  const Predictions predictions = *fit->Predict(train.x());
  double ate = 0;
  for (int64_t i = 0; i < train.size(); ++i) {
    ASSERT_GE(predictions.outcome[0][i], 0);
    ASSERT_LE(predictions.outcome[0][i], 1);
    ate += predictions.effect[0][i] / static_cast<double>(train.size());
  }
  EXPECT_NEAR(ate, 0.5, 0.12);
}

TEST(NetFitTest, ALargeBetaMakesTheEffectOnTheTreatedTheNaiveDifference) {
  // In closed form with linear heads, means matched, and all units in each step: mean h0 over
  // treated = mean h0 over controls = their mean outcome, and mean h1 over treated is theirs.
  const Observations train = Simulate(200, 3);
  NetOptions options;
  options.network = {.trunk = {}, .head = {}, .shared = false};
  options.batch_size = 200;
  options.steps = 4000;
  options.validation_share = 0;
  options.optimizer.learning_rate = 0.01;
  const double without = Att(train, *Fitted(options, Data(train))->Predict(train.x()));
  double true_att = 0;
  double treated = 0;
  for (int64_t i = 0; i < train.size(); ++i) {
    if (train.treatment[i] == 0) continue;
    true_att += train.truth->mean_outcome[1][i] - train.truth->mean_outcome[0][i];
    ++treated;
  }
  EXPECT_NEAR(without, true_att / treated, 0.05);
  options.objective.beta = 1000;
  options.objective.control = {.distance = ControlBalanceOptions::Distance::kMean};
  const double with = Att(train, *Fitted(options, Data(train))->Predict(train.x()));
  EXPECT_NEAR(with, NaiveDifference(train), 0.01);
  // Confounding makes them differ, or this would say nothing.
  EXPECT_GT(std::abs(NaiveDifference(train) - true_att / treated), 0.5);
}

TEST(NetFitTest, OddsOfTreatmentKeepTheEffectUnderALargeBeta) {
  const Observations train = Simulate(2000, 3);
  NetOptions options;
  options.network = {.trunk = {}, .head = {}, .shared = false};
  options.batch_size = 2000;
  options.steps = 5000;
  options.validation_share = 0;
  options.optimizer.learning_rate = 0.01;
  options.objective.beta = 30;
  options.objective.control = {.distance = ControlBalanceOptions::Distance::kMean};
  double true_att = 0;
  double treated = 0;
  for (int64_t i = 0; i < train.size(); ++i) {
    if (train.treatment[i] == 0) continue;
    true_att += train.truth->mean_outcome[1][i] - train.truth->mean_outcome[0][i];
    ++treated;
  }
  true_att /= treated;
  const double naive_error = std::abs(NaiveDifference(train) - true_att);
  const double plain = Att(train, *Fitted(options, Data(train))->Predict(train.x()));
  EXPECT_GT(std::abs(plain - true_att), 0.9 * naive_error);
  options.control_odds = true;
  const auto odds = Fitted(options, Data(train));
  EXPECT_LT(std::abs(Att(train, *odds->Predict(train.x())) - true_att), 0.15 * naive_error);
  options.control_odds = false;
  options.control_strata = 10;
  const auto strata = Fitted(options, Data(train));
  EXPECT_LT(std::abs(Att(train, *strata->Predict(train.x())) - true_att), 0.3 * naive_error);
  // Not that there was nothing to be moved by.
  EXPECT_GT(odds->losses().control_balance, 0);
  EXPECT_GT(strata->losses().control_balance, 0);
}

TEST(NetFitTest, OddsAndStrataGiveTheTreatedTheControlOutcomesOfTheirLikes) {
  // The odds of treatment are exactly 1/2, 1 and 2 at -1, 0 and 1, which a logistic regression
  // finds, and control outcomes no line. Means are matched to what was observed.
  Observations train = {.covariate_names = {"x"}};
  const auto add = [&](int count, int t, double x, double y) {
    for (int i = 0; i < count; ++i) {
      train.covariates.push_back(x);
      train.treatment.push_back(t);
      train.outcome.push_back(y);
    }
  };
  const double treated_mean = (20 * 3 + 30 * 4 + 40 * 15) / 90.0;
  add(40, 0, -1, 0);
  add(30, 0, 0, 0);
  add(20, 0, 1, 10);
  add(20, 1, -1, 3);
  add(30, 1, 0, 4);
  add(40, 1, 1, 15);
  NetOptions options;
  options.network = {.trunk = {}, .head = {}, .shared = false};
  options.batch_size = 180;
  options.steps = 3000;
  options.validation_share = 0;
  options.optimizer.learning_rate = 0.01;
  options.objective.control = {.distance = ControlBalanceOptions::Distance::kMean,
                               .target = ControlBalanceOptions::Target::kObserved};
  const auto control_mean = [&] {
    return treated_mean - Att(train, *Fitted(options, Data(train))->Predict(train.x()));
  };
  // The line of least squares through 0, 0 and 10 with weights 40, 30 and 20 is 3.2 + 4.4 x; the
  // treated have mean 2/9.
  EXPECT_NEAR(control_mean(), 3.2 + 4.4 * 2 / 9, 0.01);
  options.objective.beta = 1000;
  EXPECT_NEAR(control_mean(), 20 * 10 / 90.0, 0.01);
  // 40 of 90 treated have controls of outcome 10.
  options.control_odds = true;
  EXPECT_NEAR(control_mean(), 40 * 10 / 90.0, 0.01);
  options.control_odds = false;
  options.control_strata = 3;
  EXPECT_NEAR(control_mean(), 40 * 10 / 90.0, 0.01);
}

TEST(NetFitTest, AnAnnealedBetaFallsByEqualPartsFromStepToStep) {
  const Observations train = Simulate(200, 1);
  NetOptions options = Small();
  options.steps = 10;
  options.validation_share = 0;
  options.objective.beta = 4;
  options.anneal_beta = true;
  const auto annealed = *NetFit::Create(options, Data(train));
  const auto state = [](const NetFit& fit) {
    record::SafetensorsWriter writer;
    EXPECT_TRUE(fit.Save("", writer).ok());
    return *writer.Finish();
  };
  // The same, with each step by a fit of its own beta.
  std::string by_hand = state(*annealed);
  options.anneal_beta = false;
  for (const double tenths : {10, 9, 8, 7, 6, 5, 4, 3, 2, 1}) {
    options.objective.beta = 4 * tenths / 10;
    const auto constant = *NetFit::Create(options, Data(train));
    ASSERT_TRUE(constant->Load("", *record::SafetensorsFile::Parse(by_hand)).ok());
    ASSERT_TRUE(constant->Advance(1).ok());
    ASSERT_TRUE(annealed->Advance(1).ok());
    EXPECT_GT(annealed->losses().control_balance, 0);
    EXPECT_NEAR(annealed->losses().control_balance, constant->losses().control_balance,
                1e-5 * constant->losses().control_balance);
    by_hand = state(*constant);
  }
  const auto rows = [](const std::string& bytes) {
    return *record::SafetensorsFile::Parse(bytes)->Read<float>("rows");
  };
  const std::vector<float> ours = rows(state(*annealed)), theirs = rows(by_hand);
  for (size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(ours[i], theirs[i], 1e-5);
}

TEST(NetFitTest, ALargeAlphaCollapsesTheRepresentationOfTheArms) {
  const Observations train = Simulate(400, 3, /*confounding=*/2);
  const auto distance = [&](double alpha) {
    NetOptions options = Small();
    options.objective = {
        .alpha = alpha, .balance = {.kind = DiscrepancyKind::kLinear}, .unit_length = false};
    const auto fit = Fitted(options, Data(train));
    const std::vector<float> features = *fit->Features(train.x());
    const int64_t width = std::ssize(features) / train.size();
    double squares = 0;
    double spread = 0;
    for (int64_t c = 0; c < width; ++c) {
      double mean[2] = {0, 0};
      double count[2] = {0, 0};
      for (int64_t i = 0; i < train.size(); ++i) {
        mean[train.treatment[i]] += features[i * width + c];
        ++count[train.treatment[i]];
      }
      squares += std::pow(mean[1] / count[1] - mean[0] / count[0], 2);
      spread += std::pow(mean[1] / count[1] + mean[0] / count[0], 2);
    }
    return std::sqrt(squares / spread);
  };
  EXPECT_LT(distance(100), 0.1 * distance(0));
}

TEST(NetFitTest, FeaturesThatMisleadAnAdversaryDoNotTellTheArm) {
  const Observations train = Simulate(600, 3, /*confounding=*/3);
  // The share of arms that a logistic regression of two features tells; of five fits the middle
  // one, as the game of network and adversary may get stuck.
  const auto told = [&](double weight) {
    std::vector<double> shares;
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      NetOptions options = Small();
      options.network.trunk = {16, 2};
      options.steps = 1500;
      options.validation_share = 0;
      options.optimizer.learning_rate = 1e-3;
      options.adversary = {.weight = weight, .learning_rate = 0.01};
      const auto fit = Fitted(options, Data(train, seed));
      const std::vector<float> features = *fit->Features(train.x());
      const std::vector<double> x(features.begin(), features.end());
      const LogisticFit logistic =
          *FitLogistic({x.data(), train.size(), 2, 2}, train.treatment, 2, {}, {});
      double right = 0;
      double p[2];
      for (int64_t i = 0; i < train.size(); ++i) {
        logistic.Predict(&x[i * 2], p);
        right += (p[1] > p[0]) == (train.treatment[i] == 1) ? 1 : 0;
      }
      shares.push_back(right / static_cast<double>(train.size()));
    }
    std::ranges::sort(shares);
    return shares[2];
  };
  EXPECT_GT(told(0), 0.8);
  EXPECT_LT(told(10), 0.6);
}

TEST(NetFitTest, WithoutBalanceItIsTheSameNetworkBitForBit) {
  const Observations train = Simulate(300, 1);
  NetOptions options = Small();
  const Predictions plain = *Fitted(options, Data(train))->Predict(train.x());
  // What is said of terms without weight has no say.
  options.objective.balance.kind = DiscrepancyKind::kSinkhorn;
  options.objective.control.distance = ControlBalanceOptions::Distance::kWasserstein2;
  const Predictions same = *Fitted(options, Data(train))->Predict(train.x());
  EXPECT_EQ(plain.effect, same.effect);
  options.objective.alpha = 1;
  EXPECT_NE(plain.effect, Fitted(options, Data(train))->Predict(train.x())->effect);
}

TEST(NetFitTest, TestUnitsEnterBalanceOnlyWhereTheyMay) {
  const Observations train = Simulate(300, 1);
  const Observations test = Simulate(100, 2);
  NetOptions options = Small();
  options.objective = {.alpha = 1, .balance = {.kind = DiscrepancyKind::kRbf}, .beta = 0.1};
  const auto effects = [&](NetOptions::Transductive transductive, bool shifted, bool relabelled) {
    options.transductive = transductive;
    FitData data = Data(train);
    data.unlabelled_covariates = test.covariates;
    if (shifted) {
      for (double& x : data.unlabelled_covariates) x += 1;
    }
    data.unlabelled_treatment = test.treatment;
    if (relabelled) {
      for (int32_t& t : data.unlabelled_treatment) t = 1 - t;
    }
    return Fitted(options, std::move(data))->Predict(test.x())->effect;
  };
  using T = NetOptions::Transductive;
  EXPECT_EQ(effects(T::kNone, false, false), effects(T::kNone, true, true));
  EXPECT_NE(effects(T::kTreatment, false, false), effects(T::kNone, false, false));
  EXPECT_NE(effects(T::kTreatment, false, false), effects(T::kTreatment, true, false));
  EXPECT_NE(effects(T::kTreatment, false, false), effects(T::kTreatment, false, true));
  EXPECT_NE(effects(T::kCovariates, false, false), effects(T::kCovariates, true, false));
  EXPECT_EQ(effects(T::kCovariates, false, false), effects(T::kCovariates, false, true));
}

TEST(NetFitTest, UnitsOfOutcomesAndCovariatesDoNotMatter) {
  const Observations train = Simulate(300, 1);
  Observations scaled = train;
  for (double& y : scaled.outcome) y = 1000 * y - 5000;
  for (int64_t i = 0; i < scaled.size(); ++i) scaled.covariates[i * 3] *= 1e6;
  const Predictions plain = *Fitted(Small(), Data(train))->Predict(train.x());
  const Predictions other = *Fitted(Small(), Data(scaled))->Predict(scaled.x());
  for (int64_t i = 0; i < train.size(); ++i) {
    EXPECT_NEAR(other.effect[0][i], 1000 * plain.effect[0][i], 5);
  }
}

TEST(NetFitTest, AConstantOutcomeHasNoEffect) {
  Observations train = Simulate(200, 1);
  for (double& y : train.outcome) y = 7;
  const Predictions predictions = *Fitted(Small(), Data(train))->Predict(train.x());
  for (int64_t i = 0; i < train.size(); ++i) {
    EXPECT_NEAR(predictions.effect[0][i], 0, 0.05);
    EXPECT_NEAR(predictions.outcome[0][i], 7, 0.05);
  }
}

TEST(NetFitTest, GoesOnFromAnyStepBitForBit) {
  const Observations train = Simulate(200, 1);
  NetOptions options = Small();
  options.steps = 120;
  options.network.propensity = true;
  options.objective = {.propensity = 1, .targeted = 1, .alpha = 1, .beta = 0.1};
  options.adversary.weight = 0.1;
  options.anneal_beta = true;
  options.network.dropout = 0.1;
  const auto whole = Fitted(options, Data(train));
  for (const int64_t stop : {0, 1, 49, 50, 51, 119}) {
    const auto first = *NetFit::Create(options, Data(train));
    ASSERT_TRUE(first->Advance(stop).ok());
    record::SafetensorsWriter writer;
    ASSERT_TRUE(first->Save("fit.", writer).ok());
    const auto second = *NetFit::Create(options, Data(train));
    ASSERT_TRUE(second->Load("fit.", *record::SafetensorsFile::Parse(*writer.Finish())).ok());
    EXPECT_EQ(second->steps_done(), stop);
    ASSERT_TRUE(second->Advance(options.steps).ok());
    EXPECT_EQ(second->Predict(train.x())->effect, whole->Predict(train.x())->effect) << stop;
    EXPECT_EQ(second->validation_loss(), whole->validation_loss());
  }
}

TEST(NetFitTest, RefusesTheStateOfAnotherNetwork) {
  const Observations train = Simulate(200, 1);
  NetOptions options = Small();
  const auto fit = *NetFit::Create(options, Data(train));
  record::SafetensorsWriter writer;
  ASSERT_TRUE(fit->Save("", writer).ok());
  options.network.trunk = {64};
  const auto other = *NetFit::Create(options, Data(train));
  EXPECT_THAT(other->Load("", *record::SafetensorsFile::Parse(*writer.Finish())).message(),
              HasSubstr("this network needs"));
}

TEST(NetFitTest, PatienceEndsTrainingThatDoesNotImprove) {
  const Observations train = Simulate(200, 1);
  NetOptions options = Small();
  options.steps = 100000;
  options.evaluate_every = 10;
  options.patience = 5;
  const auto fit = *NetFit::Create(options, Data(train));
  int64_t steps = 0;
  while (fit->steps_done() < fit->steps()) {
    ASSERT_TRUE(fit->Advance(10).ok());
    steps += 10;
    ASSERT_LT(steps, 20000);
  }
  EXPECT_GT(steps, 50);
}

// Of noise that a network learns by heart: the loss of held-out units tells only if none of them
// has a copy among those trained on.
TEST(NetFitTest, CopiesOfAUnitThatAreAClusterAreHeldOutTogether) {
  random::Stream stream(4);
  Observations o = {.covariate_names = {"a", "b"}};
  std::vector<int32_t> cluster;
  for (int32_t i = 0; i < 60; ++i) {
    const double x[] = {stream.Normal(), stream.Normal()};
    const double y = stream.Normal();
    for (int copy = 0; copy < 3; ++copy) {
      o.covariates.insert(o.covariates.end(), std::begin(x), std::end(x));
      o.treatment.push_back(i % 2);
      o.outcome.push_back(y);
      cluster.push_back(i);
    }
  }
  NetOptions options = Small();
  options.network = {.trunk = {64}, .head = {32}};
  options.steps = 3000;
  const double of_copies = Fitted(options, Data(o))->validation_loss();
  o.cluster = cluster;
  const double of_clusters = Fitted(options, Data(o))->validation_loss();
  EXPECT_LT(of_copies, 0.5 * of_clusters);
}

TEST(NetFitTest, WhereAClusterHoldsAllOfAnArmItIsNotHeldOut) {
  Observations o = Simulate(120, 3);
  for (int32_t i = 0; i < 120; ++i) {
    o.treatment[i] = i > 0 && i < 10 ? 1 : 0;
    o.cluster.push_back(std::max(0, i - 9));
  }
  NetOptions options = Small();
  options.steps = 50;
  int nobody = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    // Without anybody held out there is no loss of theirs.
    nobody += std::isinf(Fitted(options, Data(o, seed))->validation_loss()) ? 1 : 0;
  }
  EXPECT_GT(nobody, 0);
  EXPECT_LT(nobody, 10);
}

TEST(NetFitTest, SaysWhatItCannotFit) {
  Observations train = Simulate(200, 1);
  EXPECT_THAT(NetFit::Create(NetOptions{.steps = 0}, Data(train)).status().message(),
              HasSubstr("steps is 0"));
  EXPECT_THAT(NetFit::Create(NetOptions{.control_odds = true, .control_strata = 5}, Data(train))
                  .status()
                  .message(),
              HasSubstr("choose one"));
  EXPECT_THAT(
      NetFit::Create(NetOptions{.transductive = NetOptions::Transductive::kTreatment}, Data(train))
          .status()
          .message(),
      HasSubstr("no units without outcomes"));
  const auto fit = Fitted(Small(), Data(train));
  const double x[] = {1, 2};
  EXPECT_THAT(fit->Predict({x, 1, 2, 2}).status().message(), HasSubstr("fitted to 3"));
  NetOptions wild = Small();
  wild.optimizer.learning_rate = 1e30;
  const auto diverging = *NetFit::Create(wild, Data(train));
  EXPECT_THAT(diverging->Advance(600).message(), HasSubstr("choose a learning rate"));
}

}  // namespace
}  // namespace perennial::causal
