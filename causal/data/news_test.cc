#include "causal/data/news.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "causal/data/simulation_checks.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

NewsConfig Small(NewsCovariates covariates) {
  return {.n = 600,
          .covariates = covariates,
          .topics = 8,
          .words = 60,
          .document_length = 40,
          .features = 8};
}
constexpr NewsCovariates kBoth[] = {NewsCovariates::kCounts, NewsCovariates::kProjection};

TEST(FoldIn, OneStepHasTheValuesWorkedOutByHand) {
  // Two topics over three words.
  const std::vector<double> words = {0.5, 0.25, 0.25, 0, 0.25, 0.75};
  const kernels::MatrixView<const double> view = {words.data(), 2, 3, 3};
  std::vector<double> shares(2);
  // Word 2 is of either topic alike; word 3 is of the second with 3 / 4.
  FoldIn(view, std::vector<double>{0, 2, 2}, 1, shares);
  EXPECT_DOUBLE_EQ(shares[0], (2 * 0.5 + 2 * 0.25) / 4);
  EXPECT_DOUBLE_EQ(shares[1], (2 * 0.5 + 2 * 0.75) / 4);
  // Only the first topic knows word 1.
  FoldIn(view, std::vector<double>{3, 0, 0}, 1, shares);
  EXPECT_DOUBLE_EQ(shares[0], 1);
  FoldIn(view, std::vector<double>{0, 0, 0}, 5, shares);
  EXPECT_DOUBLE_EQ(shares[0], 0.5);
}

// The likelihood sum_w count log(sum_k share_k p_kw) of the shares.
TEST(FoldIn, ManyStepsFindTheShareOfGreatestLikelihood) {
  const std::vector<double> words = {0.6, 0.3, 0.1, 0.1, 0.2, 0.7};
  const std::vector<double> counts = {5, 3, 6};
  std::vector<double> shares(2);
  FoldIn({words.data(), 2, 3, 3}, counts, 1000, shares);
  const auto likelihood = [&](double first) {
    double sum = 0;
    for (int w = 0; w < 3; ++w) {
      sum += counts[w] * std::log(first * words[w] + (1 - first) * words[3 + w]);
    }
    return sum;
  };
  EXPECT_NEAR(shares[0] + shares[1], 1, 1e-12);
  EXPECT_GT(likelihood(shares[0]), likelihood(shares[0] + 0.001));
  EXPECT_GT(likelihood(shares[0]), likelihood(shares[0] - 0.001));
}

TEST(News, CountsAreDocumentsOfTheirLength) {
  const auto sample = News(Small(NewsCovariates::kCounts), random::Stream(1));
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->covariate_names[59], "word_60");
  int64_t zeros = 0;
  for (int i = 0; i < 600; ++i) {
    double words = 0;
    for (int c = 0; c < 60; ++c) {
      const double count = sample->x()(i, c);
      ASSERT_EQ(count, std::floor(count));
      ASSERT_GE(count, 0);
      words += count;
      zeros += count == 0;
    }
    ASSERT_EQ(words, 40);
  }
  // Few topics a document, few words a topic.
  EXPECT_GT(zeros, 600 * 60 / 2);
}

TEST(News, ProjectedCovariatesTellTheOutcomesExactly) {
  // Means are linear in z and x = z A is invertible, so means are linear in x: nothing is hidden. A
  // linear function on 8 columns and a constant is known after 9 units; check by Gaussian
  // elimination of [x, 1, mean] that the last column is dependent.
  const auto sample = News(Small(NewsCovariates::kProjection), random::Stream(2));
  ASSERT_TRUE(sample.ok()) << sample.status();
  ASSERT_EQ(sample->features(), 8);
  constexpr int kRows = 40, kColumns = 9;
  double m[kRows][kColumns + 1];
  for (int i = 0; i < kRows; ++i) {
    for (int c = 0; c < 8; ++c) m[i][c] = sample->x()(i, c);
    m[i][8] = sample->truth->mean_outcome[1][i];
  }
  // 8 shares, and means without a constant: rank 8 of 9 columns.
  for (int c = 0; c < 8; ++c) {
    int pivot = c;
    for (int i = c; i < kRows; ++i) {
      if (std::abs(m[i][c]) > std::abs(m[pivot][c])) pivot = i;
    }
    ASSERT_GT(std::abs(m[pivot][c]), 1e-6);
    std::swap(m[c], m[pivot]);
    for (int i = c + 1; i < kRows; ++i) {
      const double factor = m[i][c] / m[c][c];
      for (int j = c; j <= 8; ++j) m[i][j] -= factor * m[c][j];
    }
  }
  for (int i = 8; i < kRows; ++i) EXPECT_NEAR(m[i][8], 0, 1e-8);
}

TEST(News, PropensityIsTheSoftmaxOfTheMeans) {
  // With scale 1, mu0 = z.z0 and mu1 - mu0 = z.z1.
  for (const NewsCovariates covariates : kBoth) {
    NewsConfig config = Small(covariates);
    config.scale = 1;
    config.kappa = 7;
    const auto sample = News(config, random::Stream(3));
    ASSERT_TRUE(sample.ok()) << sample.status();
    double z1_on_average = 0;
    double z0_near_documents = 0;
    double largest_effect = 0;
    for (int64_t i = 0; i < sample->size(); ++i) {
      const double z0 = sample->truth->mean_outcome[0][i];
      const double z1 = sample->truth->mean_outcome[1][i] - z0;
      const double e = std::exp(7 * z1) / (std::exp(7 * z0) + std::exp(7 * z1));
      EXPECT_NEAR(sample->truth->propensity[1][i], e, 1e-12);
      EXPECT_NEAR(sample->truth->propensity[0][i], 1 - e, 1e-12);
      EXPECT_GE(z1, 0);
      z1_on_average += z1;
      z0_near_documents += z0;
      largest_effect = std::max(largest_effect, z1);
    }
    // z0 is the mean document: its product with itself is at most that with the largest topic, and
    // at least 1 / topics; z1 is one document, near to itself.
    EXPECT_GE(z0_near_documents / 600, 1.0 / 8);
    EXPECT_LT(z0_near_documents / 600, 0.3);
    EXPECT_GT(largest_effect, 2 * z1_on_average / 600);
  }
}

// mean over documents of z.z0 = z0.z0, and of z.z1 = z0.z1, which is z.z0 of the document z1.
TEST(News, CentroidsAreTheMeanDocumentAndOneOfTheDocuments) {
  for (const NewsCovariates covariates : kBoth) {
    NewsConfig config = Small(covariates);
    config.scale = 1;
    std::set<size_t> picked;
    for (uint64_t seed = 20; seed < 24; ++seed) {
      const auto sample = News(config, random::Stream(seed));
      ASSERT_TRUE(sample.ok()) << sample.status();
      const double mean_effect = MomentsOf(EffectsOf(*sample)).mean;
      const std::vector<double>& near0 = sample->truth->mean_outcome[0];
      size_t document = 0;
      for (size_t i = 0; i < near0.size(); ++i) {
        if (std::abs(near0[i] - mean_effect) < std::abs(near0[document] - mean_effect)) {
          document = i;
        }
      }
      EXPECT_NEAR(near0[document], mean_effect, 1e-13);
      picked.insert(document);
    }
    EXPECT_EQ(picked.size(), 4u);
  }
}

TEST(News, TreatmentAndOutcomesAreDrawnFromTheTruth) {
  for (const NewsCovariates covariates : kBoth) {
    NewsConfig config = Small(covariates);
    config.n = 6000;
    config.noise_sd = 3;
    const auto sample = News(config, random::Stream(5));
    ASSERT_TRUE(sample.ok()) << sample.status();
    ExpectTruthGenerates(*sample);
    std::vector<double> squares;
    for (int64_t i = 0; i < sample->size(); ++i) {
      const double e = sample->outcome[i] - sample->truth->mean_outcome[sample->treatment[i]][i];
      squares.push_back(e * e);
    }
    ExpectMean(squares, 9);
  }
}

TEST(News, ScaleMultipliesMeansAndNothingElse) {
  NewsConfig config = Small(NewsCovariates::kCounts);
  config.scale = 1;
  const auto one = News(config, random::Stream(6));
  config.scale = 50;
  const auto fifty = News(config, random::Stream(6));
  ASSERT_TRUE(one.ok() && fifty.ok());
  EXPECT_EQ(one->treatment, fifty->treatment);
  for (int i = 0; i < 600; ++i) {
    EXPECT_NEAR(50 * one->truth->mean_outcome[1][i], fifty->truth->mean_outcome[1][i], 1e-12);
  }
}

TEST(News, KappaSelectsThoseWithLargeEffectsFromNobodyInParticular) {
  for (const NewsCovariates covariates : kBoth) {
    NewsConfig config = Small(covariates);
    config.n = 4000;
    std::vector<double> x;
    double before = 0;
    for (const double kappa : {0.0, 3.0, 10.0}) {
      config.kappa = kappa;
      const auto sample = News(config, random::Stream(7));
      ASSERT_TRUE(sample.ok()) << sample.status();
      const std::vector<double> effects = EffectsOf(*sample);
      double att = 0;
      double treated = 0;
      for (int64_t i = 0; i < sample->size(); ++i) {
        att += sample->treatment[i] * effects[i];
        treated += sample->treatment[i];
      }
      const SampleMoments moments = MomentsOf(effects);
      const double excess = att / treated - moments.mean;
      if (kappa == 0) {
        for (const double e : sample->truth->propensity[1]) EXPECT_EQ(e, 0.5);
        EXPECT_NEAR(excess, 0, 4 * moments.standard_error);
        x = sample->covariates;
      } else {
        EXPECT_GT(excess, before + 2 * moments.standard_error) << kappa;
        // Documents stay.
        EXPECT_EQ(sample->covariates, x);
      }
      before = excess;
    }
  }
}

TEST(News, EqualStreamsGiveEqualBits) {
  for (const NewsCovariates covariates : kBoth) {
    const auto sample = News(Small(covariates), random::Stream(8));
    ASSERT_TRUE(sample.ok());
    ExpectEqualBits(*sample, News(Small(covariates), random::Stream(8)).value());
    EXPECT_NE(sample->covariates, News(Small(covariates), random::Stream(9))->covariates);
  }
}

TEST(News, RefusesConfigurationsOutOfRange) {
  const auto message = [](const NewsConfig& config) {
    return std::string(News(config, random::Stream(10)).status().message());
  };
  EXPECT_THAT(message({.n = 1}), HasSubstr("n is 1"));
  EXPECT_THAT(message({.topics = 1}), HasSubstr("topics is 1"));
  EXPECT_THAT(message({.topic_concentration = 0}), HasSubstr("topic_concentration is 0"));
  EXPECT_THAT(message({.words = 1}), HasSubstr("words is 1"));
  EXPECT_THAT(message({.word_concentration = -1}), HasSubstr("word_concentration is -1"));
  EXPECT_THAT(message({.document_length = 0}), HasSubstr("document_length is 0"));
  EXPECT_THAT(message({.fold_in_steps = 0}), HasSubstr("fold_in_steps is 0"));
  EXPECT_THAT(message({.covariates = NewsCovariates::kProjection, .topics = 20, .features = 19}),
              HasSubstr("features is 19, must be from 20"));
  EXPECT_THAT(message({.kappa = NAN}), HasSubstr("kappa is nan"));
  EXPECT_THAT(message({.scale = INFINITY}), HasSubstr("scale is inf"));
  EXPECT_THAT(message({.noise_sd = -1}), HasSubstr("noise_sd is -1"));
  EXPECT_THAT(message({.n = 100000, .words = 100000}), HasSubstr("ask for fewer"));
  // A selection so strong that nobody is left to chance.
  EXPECT_THAT(message({.n = 200, .topic_concentration = 0.01, .kappa = 1000}),
              HasSubstr("the simulated sample: truth.propensity"));
}

}  // namespace
}  // namespace perennial::causal
