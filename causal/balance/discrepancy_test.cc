#include "causal/balance/discrepancy.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>
#include <numeric>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "causal/balance/wasserstein.h"
#include "common/random/stream.h"
#include "common/testing/gradient_check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {
int64_t allocated_bytes = 0;
}  // namespace

// Aligned buffers, of the whole program.
void* operator new(size_t size, std::align_val_t alignment) {
  allocated_bytes += static_cast<int64_t>(size);
  const size_t step = static_cast<size_t>(alignment);
  void* memory = std::aligned_alloc(step, (size + step - 1) / step * step);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }

namespace perennial::causal {
namespace {

using kernels::MatrixView;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsNan;

// Two samples side by side, with weights or none.
struct Problem {
  int64_t n = 0, m = 0, d = 0;
  std::vector<double> x, y;  // [n, d], [m, d]
  std::vector<double> a, b;  // [n], [m], or empty.
};

Problem Draw(random::Stream& stream, int64_t n, int64_t m, int64_t d, bool weighted) {
  Problem p = {n, m, d};
  p.x.resize(n * d);
  p.y.resize(m * d);
  for (double& value : p.x) value = stream.Normal();
  for (double& value : p.y) value = 0.4 + 1.3 * stream.Normal();
  if (weighted) {
    p.a.resize(n);
    p.b.resize(m);
    for (double& value : p.a) value = stream.Uniform(0.2, 2);
    for (double& value : p.b) value = stream.Uniform(0.2, 2);
  }
  return p;
}

struct Answer {
  double value = 0;
  std::vector<double> x, y;  // The gradients.
};

void ExpectGradients(const Answer& answer, const std::vector<double>& x,
                     const std::vector<double>& y, double tolerance) {
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(answer.x[i], x[i], tolerance);
  for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(answer.y[i], y[i], tolerance);
}

// By a Discrepancy with more room than needed.
template <typename T = double>
Answer Evaluate(const DiscrepancyConfig& config, const Problem& p) {
  std::vector<T> x(p.x.begin(), p.x.end()), y(p.y.begin(), p.y.end()), a(p.a.begin(), p.a.end()),
      b(p.b.begin(), p.b.end()), gradient_x(x.size()), gradient_y(y.size());
  Discrepancy<T> discrepancy(config, p.n + 2, p.m + 3, p.d);
  const double value = discrepancy.Evaluate(
      MatrixView<const T>{x.data(), p.n, p.d, p.d}, MatrixView<const T>{y.data(), p.m, p.d, p.d}, 1,
      {gradient_x.data(), p.n, p.d, p.d}, {gradient_y.data(), p.m, p.d, p.d}, a, b);
  return {value, {gradient_x.begin(), gradient_x.end()}, {gradient_y.begin(), gradient_y.end()}};
}

// All kinds; Sinkhorn's with enough iterations to converge.
std::vector<DiscrepancyConfig> AllKinds() {
  return {
      {.kind = DiscrepancyKind::kLinear},
      {.kind = DiscrepancyKind::kRbf, .bandwidth = 1.2},
      {.kind = DiscrepancyKind::kRbf, .bandwidth = 1.2, .unbiased = true},
      {.kind = DiscrepancyKind::kEnergy},
      {.kind = DiscrepancyKind::kSinkhorn,
       .epsilon = 2,
       .relative_epsilon = false,
       .iterations = 300},
      {.kind = DiscrepancyKind::kSinkhorn,
       .epsilon = 2,
       .relative_epsilon = false,
       .iterations = 300,
       .debiased = false},
      {.kind = DiscrepancyKind::kSinkhorn,
       .cost = TransportCost::kEuclidean,
       .epsilon = 0.5,
       .relative_epsilon = false,
       .iterations = 300},
  };
}

// What is chosen from the data, too.
std::vector<DiscrepancyConfig> AllKindsAndChoices() {
  std::vector<DiscrepancyConfig> configs = AllKinds();
  configs.push_back({.kind = DiscrepancyKind::kRbf});
  configs.push_back({.kind = DiscrepancyKind::kSinkhorn});
  configs.push_back({.kind = DiscrepancyKind::kSlackSinkhorn,
                     .cost = TransportCost::kEuclidean,
                     .iterations = 10,
                     .debiased = false,  // Of equal samples it is not 0.
                     .mass_x = 0.3});
  return configs;
}

double SquaredDistance(const double* p, const double* q, int64_t d) {
  double sum = 0;
  for (int64_t k = 0; k < d; ++k) sum += (p[k] - q[k]) * (p[k] - q[k]);
  return sum;
}

// The definitions of the header, pair by pair.
double ByDefinition(const DiscrepancyConfig& config, const Problem& p) {
  std::vector<double> a = p.a, b = p.b;
  if (a.empty()) a.assign(p.n, 1.0);
  if (b.empty()) b.assign(p.m, 1.0);
  for (std::vector<double>* weights : {&a, &b}) {
    const double sum = std::accumulate(weights->begin(), weights->end(), 0.0);
    for (double& weight : *weights) weight /= sum;
  }
  if (config.kind == DiscrepancyKind::kLinear) {
    double value = 0;
    for (int64_t k = 0; k < p.d; ++k) {
      double difference = 0;
      for (int64_t i = 0; i < p.n; ++i) difference += a[i] * p.x[i * p.d + k];
      for (int64_t j = 0; j < p.m; ++j) difference -= b[j] * p.y[j * p.d + k];
      value += difference * difference;
    }
    return value;
  }
  const auto mean = [&](const std::vector<double>& s, const std::vector<double>& t,
                        const std::vector<double>& of_s, const std::vector<double>& of_t,
                        bool different) {
    long double sum = 0, mass = 0;
    for (size_t i = 0; i < of_s.size(); ++i) {
      for (size_t j = 0; j < of_t.size(); ++j) {
        if (different && i == j) continue;
        const double squared = SquaredDistance(&s[i * p.d], &t[j * p.d], p.d);
        const double weight = of_s[i] * of_t[j];
        mass += weight;
        sum += weight * (config.kind == DiscrepancyKind::kEnergy
                             ? -std::sqrt(squared)
                             : std::exp(-squared / (2 * config.bandwidth * config.bandwidth)));
      }
    }
    return static_cast<double>(sum / mass);
  };
  return mean(p.x, p.x, a, a, config.unbiased) + mean(p.y, p.y, b, b, config.unbiased) -
         2 * mean(p.x, p.y, a, b, false);
}

TEST(Discrepancy, IsItsDefinition) {
  random::Stream stream(1);
  for (const DiscrepancyConfig& config : AllKinds()) {
    if (config.kind == DiscrepancyKind::kSinkhorn) continue;
    for (const auto& [n, m, d] : {std::tuple(1, 1, 1), {2, 3, 2}, {5, 2, 17}, {20, 80, 64}}) {
      for (const bool weighted : {false, true}) {
        const Problem p = Draw(stream, n, m, d, weighted);
        const double expected = config.unbiased && n == 1 ? 0 : ByDefinition(config, p);
        EXPECT_NEAR(Evaluate(config, p).value, expected, 1e-13 * (1 + std::abs(expected)))
            << static_cast<int>(config.kind) << " " << config.unbiased << " of " << n << ", " << m;
      }
    }
  }
}

struct EnergyRow {
  std::vector<double> x, y, a, b;
  double value;
};

TEST(Discrepancy, EnergyAgreesWithScipyInOneDimension) {
  const EnergyRow rows[] = {
#define PERENNIAL_ENERGY_ORACLE
#include "causal/balance/discrepancy_oracle.inc"
#undef PERENNIAL_ENERGY_ORACLE
  };
  for (const EnergyRow& row : rows) {
    const Problem p = {std::ssize(row.x), std::ssize(row.y), 1, row.x, row.y, row.a, row.b};
    EXPECT_NEAR(Evaluate({.kind = DiscrepancyKind::kEnergy}, p).value, row.value, 1e-13);
  }
}

struct SinkhornRow {
  int64_t n, m, d;
  std::vector<double> x, y, a, b;
  TransportCost cost;
  double epsilon;
  int iterations;
  double value;
  std::vector<double> gradient_x, gradient_y;
  double divergence;
  std::vector<double> divergence_x, divergence_y;
};

// Of as many iterations, also before they have converged.
TEST(Discrepancy, SinkhornAgreesWithPot) {
  const SinkhornRow rows[] = {
#define PERENNIAL_SINKHORN_ORACLE
#include "causal/balance/discrepancy_oracle.inc"
#undef PERENNIAL_SINKHORN_ORACLE
  };
  for (const SinkhornRow& row : rows) {
    const Problem p = {row.n, row.m, row.d, row.x, row.y, row.a, row.b};
    for (const bool debiased : {false, true}) {
      const Answer answer = Evaluate({.kind = DiscrepancyKind::kSinkhorn,
                                      .cost = row.cost,
                                      .epsilon = row.epsilon,
                                      .relative_epsilon = false,
                                      .iterations = row.iterations,
                                      .debiased = debiased},
                                     p);
      EXPECT_NEAR(answer.value, debiased ? row.divergence : row.value, 1e-12);
      ExpectGradients(answer, debiased ? row.divergence_x : row.gradient_x,
                      debiased ? row.divergence_y : row.gradient_y, 1e-11);
    }
  }
}

struct SlackRow {
  int64_t n, m, d;
  std::vector<double> x, y;
  TransportCost cost;
  double mass, lambda;
  int iterations;
  double value;
  std::vector<double> gradient_x, gradient_y;
};

TEST(Discrepancy, SlackSinkhornIsTheFormOfThePublicCode) {
  const SlackRow rows[] = {
#define PERENNIAL_SLACK_SINKHORN_ORACLE
#include "causal/balance/discrepancy_oracle.inc"
#undef PERENNIAL_SLACK_SINKHORN_ORACLE
  };
  for (const SlackRow& row : rows) {
    const Problem p = {row.n, row.m, row.d, row.x, row.y};
    const DiscrepancyConfig config = {.kind = DiscrepancyKind::kSlackSinkhorn,
                                      .cost = row.cost,
                                      .epsilon = 1 / row.lambda,
                                      .iterations = row.iterations,
                                      .mass_x = row.mass};
    const Answer answer = Evaluate(config, p), single = Evaluate<float>(config, p);
    EXPECT_NEAR(answer.value, row.value, 1e-12 * row.value);
    EXPECT_NEAR(single.value, row.value, 3e-5 * row.value);
    ExpectGradients(answer, row.gradient_x, row.gradient_y, 1e-12);
    ExpectGradients(single, row.gradient_x, row.gradient_y, 3e-5);
  }
}

// The header's form, not in logarithms: the plan T [n + 1, m + 1].
std::vector<double> SlackPlan(const DiscrepancyConfig& config, const Problem& p,
                              const std::vector<double>& costs, double epsilon) {
  const auto masses = [](std::vector<double> weights, int64_t rows, double mass) {
    if (weights.empty()) weights.assign(rows, 1);
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (double& weight : weights) weight *= mass / sum;
    weights.push_back(1 - mass);
    return weights;
  };
  const std::vector<double> a = masses(p.a, p.n, config.mass_x),
                            b = masses(p.b, p.m, 1 - config.mass_x);
  std::vector<double> plan, u = a, v = b;
  for (const double cost : costs) plan.push_back(std::exp(-cost / epsilon) + 1e-6);
  const int64_t columns = p.m + 1;
  const auto update_v = [&] {
    for (int64_t j = 0; j <= p.m; ++j) {
      double sum = 0;
      for (int64_t i = 0; i <= p.n; ++i) sum += u[i] * plan[i * columns + j];
      v[j] = b[j] / sum;
    }
  };
  for (int step = 0; step < config.iterations; ++step) {
    update_v();
    for (int64_t i = 0; i <= p.n; ++i) {
      double sum = 0;
      for (int64_t j = 0; j <= p.m; ++j) sum += v[j] * plan[i * columns + j];
      u[i] = a[i] / sum;
    }
  }
  update_v();
  for (int64_t i = 0; i <= p.n; ++i) {
    for (int64_t j = 0; j <= p.m; ++j) plan[i * columns + j] *= u[i] * v[j];
  }
  return plan;
}

// M [n + 1, m + 1], of slack at cost `far`.
std::vector<double> SlackCosts(bool root, const Problem& p, double far) {
  std::vector<double> costs;
  for (int64_t i = 0; i <= p.n; ++i) {
    for (int64_t j = 0; j <= p.m; ++j) {
      if (i == p.n || j == p.m) {
        costs.push_back(i == p.n && j == p.m ? 0 : far);
      } else {
        const double squared = SquaredDistance(&p.x[i * p.d], &p.y[j * p.d], p.d);
        costs.push_back(root ? std::sqrt(squared) : squared);
      }
    }
  }
  return costs;
}

double FurthestPair(bool root, const Problem& p) {
  const std::vector<double> costs = SlackCosts(root, p, 0);
  return *std::max_element(costs.begin(), costs.end());
}

// Also where the kernel is little but its floor: e of 0.02 and less, costs of about 3.
TEST(Discrepancy, SlackSinkhornsGradientIsTheDerivativeWithThePlanHeld) {
  random::Stream stream(18);
  for (const bool root : {false, true}) {
    for (const auto& [n, m, d] : {std::tuple(1, 1, 1), {3, 5, 2}, {6, 4, 19}}) {
      for (const bool weighted : {false, true}) {
        for (const double epsilon : {1e-15, 0.02, 0.3, 4.0}) {
          const Problem p = Draw(stream, n, m, d, weighted);
          const DiscrepancyConfig config = {
              .kind = DiscrepancyKind::kSlackSinkhorn,
              .cost = root ? TransportCost::kEuclidean : TransportCost::kSquaredEuclidean,
              .epsilon = epsilon,
              .relative_epsilon = false,
              .iterations = 7,
              .mass_x = 0.35};
          const double far = FurthestPair(root, p);
          const std::vector<double> plan = SlackPlan(config, p, SlackCosts(root, p, far), epsilon);
          std::vector<double> point = p.x;
          point.insert(point.end(), p.y.begin(), p.y.end());
          const auto value = [&](std::span<const double> at) {
            Problem moved = p;
            std::copy_n(at.begin(), p.x.size(), moved.x.begin());
            std::copy_n(at.begin() + p.x.size(), p.y.size(), moved.y.begin());
            const std::vector<double> costs = SlackCosts(root, moved, far);
            return 2 * std::inner_product(plan.begin(), plan.end(), costs.begin(), 0.0);
          };
          const Answer answer = Evaluate(config, p);
          EXPECT_NEAR(answer.value, value(point), 1e-12 * answer.value);
          std::vector<double> gradient = answer.x;
          gradient.insert(gradient.end(), answer.y.begin(), answer.y.end());
          EXPECT_LT(testing::GradientError(value, point, gradient), 1e-8)
              << "root " << root << ", " << n << ", " << m << ", " << d << ", e " << epsilon;
        }
      }
    }
  }
}

// With all of the kernel 1 the plan is the product of the masses, after any number of iterations.
TEST(Discrepancy, SlackSinkhornOfALargeEpsilonIsItsClosedFormAndNotZeroOfEqualSamples) {
  random::Stream stream(19);
  for (const bool equal : {false, true}) {
    Problem p = Draw(stream, 6, 6, 3, true);
    if (equal) {
      p.y = p.x;
      p.b = p.a;
    }
    for (const double mass : {0.5, 0.2}) {
      const DiscrepancyConfig config = {.kind = DiscrepancyKind::kSlackSinkhorn,
                                        .cost = TransportCost::kEuclidean,
                                        .epsilon = 1e15,
                                        .iterations = 1,
                                        .mass_x = mass};
      double mean = 0, weight = 0;
      for (int i = 0; i < 6; ++i) {
        for (int j = 0; j < 6; ++j) {
          mean += p.a[i] * p.b[j] * std::sqrt(SquaredDistance(&p.x[3 * i], &p.y[3 * j], 3));
          weight += p.a[i] * p.b[j];
        }
      }
      const double between = mass * (1 - mass), slack = 1 - 2 * between;
      const double expected =
          2 * between * mean / weight + 2 * slack * FurthestPair(/*root=*/true, p);
      EXPECT_NEAR(Evaluate(config, p).value, expected, 1e-12);
      EXPECT_GT(expected, 0.5);
    }
  }
}

// With costs of distances it is in the unit of the points, in float from the small to the large.
TEST(Discrepancy, SlackSinkhornIsInTheUnitOfThePoints) {
  random::Stream stream(20);
  const Problem p = Draw(stream, 8, 12, 4, true);
  const DiscrepancyConfig config = {.kind = DiscrepancyKind::kSlackSinkhorn,
                                    .cost = TransportCost::kEuclidean,
                                    .iterations = 10,
                                    .mass_x = 0.4};
  const Answer expected = Evaluate(config, p);
  for (const double unit : {1e-12, 1e12}) {
    Problem scaled = p;
    for (double& value : scaled.x) value *= unit;
    for (double& value : scaled.y) value *= unit;
    const Answer answer = Evaluate<float>(config, scaled);
    EXPECT_NEAR(answer.value / unit, expected.value, 3e-6 * expected.value);
    for (int i = 0; i < 32; ++i) EXPECT_NEAR(answer.x[i], expected.x[i], 1e-5);
  }
}

// As e vanishes, of points on a line; the entropy's share is at most e log n.
TEST(Discrepancy, SinkhornTendsToTheExactDistance) {
  random::Stream stream(2);
  const Problem p = Draw(stream, 12, 9, 1, true);
  for (const bool root : {false, true}) {
    Wasserstein1d<double> exact(root ? WassersteinKind::kW1 : WassersteinKind::kW2Squared, 12, 9);
    const double expected =
        exact.Evaluate({p.x.data(), 12, 1, 1}, {p.y.data(), 9, 1, 1}, 1, {}, {}, p.a, p.b);
    const double value =
        Evaluate({.kind = DiscrepancyKind::kSinkhorn,
                  .cost = root ? TransportCost::kEuclidean : TransportCost::kSquaredEuclidean,
                  .epsilon = 1e-3,
                  .relative_epsilon = false,
                  .iterations = 20000,
                  .debiased = false},
                 p)
            .value;
    EXPECT_NEAR(value, expected, 4e-3);
    EXPECT_GT(value, expected - 1e-4);
  }
}

TEST(Discrepancy, GradientIsTheDerivative) {
  random::Stream stream(3);
  for (DiscrepancyConfig config : AllKinds()) {
    // Of costs that grow with the features.
    const double epsilon = config.epsilon;
    for (const auto& [n, m, d] : {std::tuple(2, 2, 1), {3, 5, 2}, {6, 4, 19}}) {
      config.epsilon = 2 * epsilon * d;
      for (const bool weighted : {false, true}) {
        const Problem p = Draw(stream, n, m, d, weighted);
        std::vector<double> point = p.x;
        point.insert(point.end(), p.y.begin(), p.y.end());
        const auto value = [&](std::span<const double> at) {
          Problem moved = p;
          std::copy_n(at.begin(), p.x.size(), moved.x.begin());
          std::copy_n(at.begin() + p.x.size(), p.y.size(), moved.y.begin());
          return Evaluate(config, moved).value;
        };
        const Answer answer = Evaluate(config, p);
        std::vector<double> gradient = answer.x;
        gradient.insert(gradient.end(), answer.y.begin(), answer.y.end());
        EXPECT_LT(testing::GradientError(value, point, gradient), 1e-8)
            << static_cast<int>(config.kind) << " of " << n << ", " << m << ", " << d;
      }
    }
  }
}

TEST(Discrepancy, OfEqualSamplesIsZeroWithoutGradient) {
  random::Stream stream(4);
  for (DiscrepancyConfig config : AllKindsAndChoices()) {
    if (config.unbiased || !config.debiased) continue;
    for (const bool weighted : {false, true}) {
      Problem p = Draw(stream, 17, 17, 5, weighted);
      p.y = p.x;
      p.b = p.a;
      config.iterations = 3;
      EXPECT_NEAR(Evaluate(config, p).value, 0, 1e-15);
      EXPECT_NEAR(Evaluate<float>(config, p).value, 0, 3e-7);
      config.iterations = 1000;
      config.relative_epsilon = true;
      config.epsilon = 1;
      const Answer answer = Evaluate(config, p), single = Evaluate<float>(config, p);
      for (const double gradient : answer.x) EXPECT_NEAR(gradient, 0, 1e-14);
      for (const double gradient : single.y) EXPECT_NEAR(gradient, 0, 1e-6);
    }
  }
}

TEST(Discrepancy, IsNotNegativeAndGrowsWithTheShift) {
  random::Stream stream(5);
  for (const DiscrepancyConfig& config : AllKindsAndChoices()) {
    if (config.unbiased || !config.debiased) continue;
    const Problem p = Draw(stream, 15, 15, 3, false);
    double before = -1;
    for (const double shift : {0.0, 0.5, 1.0}) {
      Problem shifted = p;
      for (size_t i = 0; i < p.x.size(); ++i) shifted.y[i] = p.x[i] + shift;
      const double value = Evaluate(config, shifted).value;
      EXPECT_GE(value, 0);
      EXPECT_GT(value, before);
      before = value;
    }
  }
}

// The mean over all ways to draw samples from few points is the value for their distribution.
TEST(Discrepancy, UnbiasedIsRightOnAverage) {
  const double points[] = {0, 0.7, 2};
  const DiscrepancyConfig config = {
      .kind = DiscrepancyKind::kRbf, .bandwidth = 0.8, .unbiased = true};
  // x of all pairs of the three points, y of all pairs of the first two.
  double mean = 0;
  for (int i = 0; i < 9; ++i) {
    for (int j = 0; j < 4; ++j) {
      const Problem p = {2, 2, 1, {points[i / 3], points[i % 3]}, {points[j / 2], points[j % 2]}};
      mean += Evaluate(config, p).value / 36;
    }
  }
  DiscrepancyConfig biased = config;
  biased.unbiased = false;
  const Problem whole = {3, 2, 1, {points[0], points[1], points[2]}, {points[0], points[1]}};
  EXPECT_NEAR(mean, ByDefinition(biased, whole), 1e-14);
}

TEST(Discrepancy, WholeWeightsAreRepeatedRows) {
  random::Stream stream(6);
  for (const DiscrepancyConfig& config : AllKinds()) {
    if (config.unbiased) continue;
    Problem p = Draw(stream, 7, 5, 3, false);
    p.a = {1, 2, 0, 3, 1, 0, 2};
    Problem repeated = {0, 5, 3, {}, p.y};
    std::vector<int> source;
    for (int i = 0; i < 7; ++i) {
      for (int k = 0; k < p.a[i]; ++k) {
        repeated.x.insert(repeated.x.end(), &p.x[3 * i], &p.x[3 * i] + 3);
        source.push_back(i);
        ++repeated.n;
      }
    }
    const Answer answer = Evaluate(config, p), expected = Evaluate(config, repeated);
    EXPECT_NEAR(answer.value, expected.value, 1e-13 * (1 + expected.value));
    std::vector<double> summed(21);
    for (size_t i = 0; i < source.size(); ++i) {
      for (int k = 0; k < 3; ++k) summed[3 * source[i] + k] += expected.x[3 * i + k];
    }
    for (int i = 0; i < 21; ++i) EXPECT_NEAR(answer.x[i], summed[i], 1e-13);
    for (int i = 0; i < 15; ++i) EXPECT_NEAR(answer.y[i], expected.y[i], 1e-13);
  }
}

TEST(Discrepancy, OnlyRatiosOfWeightsMatter) {
  random::Stream stream(7);
  for (const DiscrepancyConfig& config : AllKindsAndChoices()) {
    Problem p = Draw(stream, 6, 9, 4, false);
    const Answer expected = Evaluate(config, p);
    p.a.assign(6, 1e-3);
    p.b.assign(9, 40.0);
    const Answer answer = Evaluate(config, p);
    EXPECT_NEAR(answer.value, expected.value, 1e-13 * (1 + std::abs(expected.value)));
    for (int i = 0; i < 24; ++i) EXPECT_NEAR(answer.x[i], expected.x[i], 1e-13);
  }
}

TEST(Discrepancy, OrderOfRowsMattersByRoundingOnly) {
  random::Stream stream(8);
  for (const DiscrepancyConfig& config : AllKindsAndChoices()) {
    const Problem p = Draw(stream, 11, 20, 6, true);
    const Answer expected = Evaluate(config, p);
    std::vector<int32_t> order(20);
    std::iota(order.begin(), order.end(), 0);
    stream.Shuffle(std::span<int32_t>(order));
    Problem shuffled = p;
    for (int j = 0; j < 20; ++j) {
      std::copy_n(&p.y[6 * order[j]], 6, &shuffled.y[6 * j]);
      shuffled.b[j] = p.b[order[j]];
    }
    const Answer answer = Evaluate(config, shuffled);
    EXPECT_NEAR(answer.value, expected.value, 1e-13 * (1 + std::abs(expected.value)));
    for (int i = 0; i < 66; ++i) EXPECT_NEAR(answer.x[i], expected.x[i], 1e-13);
    for (int j = 0; j < 120; ++j) {
      EXPECT_NEAR(answer.y[j], expected.y[6 * order[j / 6] + j % 6], 1e-13);
    }
  }
}

TEST(Discrepancy, FloatAgreesWithDouble) {
  random::Stream stream(9);
  for (const DiscrepancyConfig& config : AllKindsAndChoices()) {
    for (const bool weighted : {false, true}) {
      Problem p = Draw(stream, 20, 80, 64, weighted);
      for (std::vector<double>* values : {&p.x, &p.y, &p.a, &p.b}) {
        for (double& value : *values) value = static_cast<float>(value);
      }
      const Answer expected = Evaluate(config, p), answer = Evaluate<float>(config, p);
      const double scale = config.kind == DiscrepancyKind::kSinkhorn        ? 100
                           : config.kind == DiscrepancyKind::kSlackSinkhorn ? 10
                                                                            : 1;
      EXPECT_NEAR(answer.value, expected.value, 2e-6 * scale);
      for (size_t i = 0; i < expected.x.size(); ++i) {
        EXPECT_NEAR(answer.x[i], expected.x[i], 1e-5);
      }
      for (size_t i = 0; i < expected.y.size(); ++i) {
        EXPECT_NEAR(answer.y[i], expected.y[i], 1e-5);
      }
    }
  }
}

// Where representations share a large offset and differ little.
TEST(Discrepancy, FloatKeepsItsDigitsFarFromTheOrigin) {
  random::Stream stream(10);
  for (const DiscrepancyConfig& config : AllKindsAndChoices()) {
    if (config.kind == DiscrepancyKind::kLinear) continue;
    Problem p = Draw(stream, 20, 30, 8, false);
    for (std::vector<double>* values : {&p.x, &p.y}) {
      for (double& value : *values) value = static_cast<float>(3000 + value);
    }
    const Answer expected = Evaluate(config, p), answer = Evaluate<float>(config, p);
    EXPECT_NEAR(answer.value, expected.value, 3e-5);
    for (size_t i = 0; i < expected.x.size(); ++i) EXPECT_NEAR(answer.x[i], expected.x[i], 1e-5);
  }
}

TEST(Discrepancy, EnergyGradientLeavesOutPairsAtDistanceZero) {
  random::Stream stream(11);
  const DiscrepancyConfig config = {.kind = DiscrepancyKind::kEnergy};
  Problem p = Draw(stream, 3, 4, 2, false);
  std::copy_n(&p.x[0], 2, &p.y[2]);
  std::copy_n(&p.x[0], 2, &p.x[4]);
  const Answer answer = Evaluate(config, p);
  // Of row 0 of x: rows 1 of y and 2 of x are where it is.
  for (int k = 0; k < 2; ++k) {
    double expected = 0;
    for (const int j : {0, 2, 3}) {
      expected += 2.0 / 12 * (p.x[k] - p.y[2 * j + k]) /
                  std::sqrt(SquaredDistance(&p.x[0], &p.y[2 * j], 2));
    }
    expected -= 2.0 / 9 * (p.x[k] - p.x[2 + k]) / std::sqrt(SquaredDistance(&p.x[0], &p.x[2], 2));
    EXPECT_NEAR(answer.x[k], expected, 1e-14);
  }
  EXPECT_THAT(answer.x, Each(::testing::Truly([](double v) { return std::isfinite(v); })));
}

TEST(Discrepancy, BandwidthOfZeroIsTheMedian) {
  random::Stream stream(12);
  for (const auto& [n, m] : {std::pair(6, 4), {5, 4}, {1, 1}}) {
    for (const bool unbiased : {false, true}) {
      const Problem p = Draw(stream, n, m, 3, true);
      std::vector<double> rows = p.x, pairs;
      rows.insert(rows.end(), p.y.begin(), p.y.end());
      for (int i = 0; i < n + m; ++i) {
        for (int j = 0; j < i; ++j) pairs.push_back(SquaredDistance(&rows[3 * i], &rows[3 * j], 3));
      }
      std::sort(pairs.begin(), pairs.end());
      const double median = (pairs[(pairs.size() - 1) / 2] + pairs[pairs.size() / 2]) / 2;
      const Answer chosen = Evaluate({.kind = DiscrepancyKind::kRbf, .unbiased = unbiased}, p);
      const Answer given = Evaluate(
          {.kind = DiscrepancyKind::kRbf, .bandwidth = std::sqrt(median), .unbiased = unbiased}, p);
      EXPECT_NEAR(chosen.value, given.value, 1e-14);
      for (size_t i = 0; i < given.x.size(); ++i) EXPECT_NEAR(chosen.x[i], given.x[i], 1e-14);
    }
  }
}

TEST(Discrepancy, BandwidthOfZeroIsTheMeanWhereMostPointsAreEqual) {
  // Squared distances: six of 0 and four of 4.
  const Problem p = {3, 2, 1, {1, 1, 1}, {1, 3}};
  const Answer chosen = Evaluate({.kind = DiscrepancyKind::kRbf}, p);
  const Answer given = Evaluate({.kind = DiscrepancyKind::kRbf, .bandwidth = std::sqrt(1.6)}, p);
  EXPECT_GT(given.value, 0.1);
  EXPECT_NEAR(chosen.value, given.value, 1e-15);
  EXPECT_NEAR(chosen.x[0], given.x[0], 1e-15);
}

TEST(Discrepancy, RelativeEpsilonIsThatOfTheMeanCost) {
  random::Stream stream(13);
  const Problem p = Draw(stream, 6, 4, 3, true);
  for (const bool root : {false, true}) {
    double mean = 0;
    for (int i = 0; i < 6; ++i) {
      for (int j = 0; j < 4; ++j) {
        const double squared = SquaredDistance(&p.x[3 * i], &p.y[3 * j], 3);
        mean += (root ? std::sqrt(squared) : squared) / 24;
      }
    }
    DiscrepancyConfig config = {
        .kind = DiscrepancyKind::kSinkhorn,
        .cost = root ? TransportCost::kEuclidean : TransportCost::kSquaredEuclidean,
        .epsilon = 0.2,
        .iterations = 7};
    const Answer relative = Evaluate(config, p);
    config.relative_epsilon = false;
    config.epsilon = 0.2 * mean;
    const Answer absolute = Evaluate(config, p);
    EXPECT_NEAR(relative.value, absolute.value, 1e-13);
    for (int i = 0; i < 18; ++i) EXPECT_NEAR(relative.x[i], absolute.x[i], 1e-13);
  }
}

TEST(Discrepancy, PointsThatAreAllOneAreAtDistanceZero) {
  const std::vector<double> ones(6, 0.3), more(10, 0.3);
  const Problem p = {3, 5, 2, ones, more};
  for (const DiscrepancyConfig& config : AllKindsAndChoices()) {
    for (const Answer& answer : {Evaluate(config, p), Evaluate<float>(config, p)}) {
      EXPECT_NEAR(answer.value, 0, 3e-7);
      for (const double gradient : answer.x) EXPECT_NEAR(gradient, 0, 1e-7);
      for (const double gradient : answer.y) EXPECT_NEAR(gradient, 0, 1e-7);
    }
  }
}

TEST(Discrepancy, GradientsAreScaledAndAddedWhereWanted) {
  random::Stream stream(14);
  for (const DiscrepancyConfig& config : AllKindsAndChoices()) {
    const Problem p = Draw(stream, 5, 4, 3, false);
    const Answer answer = Evaluate(config, p);
    // Views with room between their rows, which stays as it is.
    std::vector<double> x(5 * 7, NAN), y(4 * 5, NAN), gradient_x(5 * 6, 10), gradient_y(4 * 8, 20);
    for (int i = 0; i < 5; ++i) std::copy_n(&p.x[3 * i], 3, &x[7 * i]);
    for (int j = 0; j < 4; ++j) std::copy_n(&p.y[3 * j], 3, &y[5 * j]);
    Discrepancy<double> discrepancy(config, 5, 4, 3);
    const MatrixView<const double> view_x = {x.data(), 5, 3, 7}, view_y = {y.data(), 4, 3, 5};
    const MatrixView<double> to_x = {gradient_x.data(), 5, 3, 6},
                             to_y = {gradient_y.data(), 4, 3, 8};
    EXPECT_EQ(discrepancy.Evaluate(view_x, view_y, 2, {}, {}), answer.value);
    EXPECT_EQ(discrepancy.Evaluate(view_x, view_y, 2, to_x, {}), answer.value);
    EXPECT_THAT(gradient_y, Each(20.0));
    EXPECT_EQ(discrepancy.Evaluate(view_x, view_y, -3, {}, to_y), answer.value);
    EXPECT_EQ(discrepancy.Evaluate(view_x, view_y, 1, to_x, to_y), answer.value);
    for (int i = 0; i < 30; ++i) {
      const double added = i % 6 < 3 ? 3 * answer.x[3 * (i / 6) + i % 6] : 0;
      EXPECT_NEAR(gradient_x[i], 10 + added, 1e-13);
    }
    for (int j = 0; j < 32; ++j) {
      const double added = j % 8 < 3 ? -2 * answer.y[3 * (j / 8) + j % 8] : 0;
      EXPECT_NEAR(gradient_y[j], 20 + added, 1e-13);
    }
  }
}

TEST(Discrepancy, OfAnEmptySampleIsZero) {
  random::Stream stream(15);
  for (const DiscrepancyConfig& config : AllKindsAndChoices()) {
    for (const auto& [n, m] : {std::pair(0, 3), {3, 0}, {0, 0}}) {
      const Answer answer = Evaluate(config, Draw(stream, n, m, 2, false));
      EXPECT_EQ(answer.value, 0);
      EXPECT_THAT(answer.x, Each(0.0));
      EXPECT_THAT(answer.y, Each(0.0));
    }
    Problem weightless = Draw(stream, 4, 3, 2, true);
    weightless.b = {0, 0, 0};
    const Answer answer = Evaluate(config, weightless);
    EXPECT_EQ(answer.value, 0);
    EXPECT_THAT(answer.x, Each(0.0));
    // For a U-statistic one row is none.
    Problem one = Draw(stream, 4, 3, 2, true);
    one.b = {0, 1.7, 0};
    EXPECT_EQ(Evaluate(config, one).value == 0, config.unbiased);
  }
}

TEST(Discrepancy, NanMakesItNan) {
  random::Stream stream(16);
  for (const DiscrepancyConfig& config : AllKindsAndChoices()) {
    const Problem p = Draw(stream, 20, 7, 5, true);
    for (const auto part : {&Problem::x, &Problem::y, &Problem::a, &Problem::b}) {
      Problem bad = p;
      (bad.*part)[3] = NAN;
      EXPECT_THAT(Evaluate(config, bad).value, IsNan());
      EXPECT_THAT(Evaluate<float>(config, bad).value, IsNan());
    }
  }
}

template <typename T>
void ExpectMemoryOnce(const DiscrepancyConfig& config) {
  std::vector<T> x(20 * 8, T(1)), y(80 * 8, T(2));
  int64_t before = allocated_bytes;
  Discrepancy<T> first(config, 20, 80, 8);
  EXPECT_EQ(allocated_bytes - before, Discrepancy<T>::Bytes(config, 20, 80, 8));
  before = allocated_bytes;
  Discrepancy<T> discrepancy = std::move(first);
  std::vector<T> gradient(x.size());
  discrepancy.Evaluate({x.data(), 20, 8, 8}, {y.data(), 80, 8, 8}, 1, {gradient.data(), 20, 8, 8},
                       {});
  EXPECT_EQ(allocated_bytes, before);
}

TEST(Discrepancy, MemoryIsTakenOnce) {
  for (const DiscrepancyConfig& config : AllKindsAndChoices()) {
    ExpectMemoryOnce<float>(config);
    ExpectMemoryOnce<double>(config);
  }
}

TEST(DiscrepancyConfigTest, BadFieldsAreNamed) {
  const auto message = [](const DiscrepancyConfig& config) {
    return std::string(Validate(config).message());
  };
  for (const DiscrepancyConfig& config : AllKindsAndChoices()) EXPECT_TRUE(Validate(config).ok());
  EXPECT_EQ(message({.kind = DiscrepancyKind::kRbf, .bandwidth = -1}),
            "bandwidth is -1; it must be 0 (the median heuristic) or in [1e-15, 1e15]");
  EXPECT_THAT(message({.kind = DiscrepancyKind::kRbf, .bandwidth = NAN}), HasSubstr("bandwidth"));
  EXPECT_THAT(message({.kind = DiscrepancyKind::kSinkhorn, .epsilon = 0}),
              HasSubstr("epsilon is 0; it must be in [1e-15, 1e15]"));
  EXPECT_THAT(message({.kind = DiscrepancyKind::kSinkhorn, .epsilon = HUGE_VAL}),
              HasSubstr("epsilon is inf"));
  EXPECT_THAT(message({.kind = DiscrepancyKind::kSinkhorn, .iterations = 0}),
              HasSubstr("iterations is 0; it must be in [1, 1e6]"));
  EXPECT_THAT(message({.kind = DiscrepancyKind::kSlackSinkhorn, .epsilon = 0}),
              HasSubstr("epsilon is 0; it must be in [1e-15, 1e15]"));
  EXPECT_EQ(message({.kind = DiscrepancyKind::kSlackSinkhorn, .mass_x = 1}),
            "mass_x is 1; it must be in (0, 1)");
  EXPECT_THAT(message({.kind = DiscrepancyKind::kSlackSinkhorn, .mass_x = NAN}),
              HasSubstr("mass_x is nan"));
  EXPECT_TRUE(Validate({.kind = DiscrepancyKind::kSinkhorn, .mass_x = 1}).ok());
  EXPECT_THAT(message({.kind = static_cast<DiscrepancyKind>(9)}), HasSubstr("kind is 9"));
  EXPECT_TRUE(Validate({.kind = DiscrepancyKind::kLinear, .bandwidth = -1}).ok());
}

TEST(DiscrepancyDeathTest, WhatDoesNotFitIsRefused) {
  random::Stream stream(17);
  Problem p = Draw(stream, 4, 3, 2, true);
  p.a[2] = -0.5;
  EXPECT_DEATH(Evaluate({}, p), "the weight of row 2 is -0.5");
  EXPECT_DEATH(Discrepancy<float>({.kind = DiscrepancyKind::kRbf, .bandwidth = -1}, 1, 1, 1),
               "bandwidth is -1");
}

}  // namespace
}  // namespace perennial::causal
