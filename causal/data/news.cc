#include "causal/data/news.h"

#include <algorithm>
#include <utility>

#include "causal/data/check_range.h"
#include "causal/data/dirichlet.h"
#include "causal/data/logit.h"
#include "causal/data/simulation.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

absl::Status Check(const NewsConfig& config) {
  const auto check = [](absl::string_view what, int64_t value, double low, double high) {
    return CheckRange(what, static_cast<double>(value), low, high);
  };
  PERENNIAL_RETURN_IF_ERROR(check("n", config.n, 2, 1e6));
  PERENNIAL_RETURN_IF_ERROR(check("topics", config.topics, 2, 1000));
  PERENNIAL_RETURN_IF_ERROR(
      CheckRange("topic_concentration", config.topic_concentration, 1e-3, 1e3));
  if (config.covariates == NewsCovariates::kCounts) {
    PERENNIAL_RETURN_IF_ERROR(check("words", config.words, 2, 1e5));
    PERENNIAL_RETURN_IF_ERROR(
        CheckRange("word_concentration", config.word_concentration, 1e-3, 1e3));
    PERENNIAL_RETURN_IF_ERROR(check("document_length", config.document_length, 1, 1e5));
    PERENNIAL_RETURN_IF_ERROR(check("fold_in_steps", config.fold_in_steps, 1, 1000));
  } else {
    // Fewer than topics would leave some of z, and so of the confounding, unseen.
    PERENNIAL_RETURN_IF_ERROR(
        check("features", config.features, static_cast<double>(config.topics), 1e5));
  }
  PERENNIAL_RETURN_IF_ERROR(CheckSize(
      config.n,
      std::max(config.topics,
               config.covariates == NewsCovariates::kCounts ? config.words : config.features)));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("kappa", config.kappa, -1000, 1000));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("scale", config.scale, -1e6, 1e6));
  return CheckRange("noise_sd", config.noise_sd, 0, 1e6);
}

// An index by its probabilities' running sums.
int64_t Pick(std::span<const double> running, random::Stream& stream) {
  const double u = stream.Uniform() * running.back();
  // The last sum is larger than u unless rounding says otherwise.
  return std::min<int64_t>(std::ranges::upper_bound(running, u) - running.begin(),
                           static_cast<int64_t>(running.size()) - 1);
}

void RunningSums(std::span<const double> values, std::span<double> sums) {
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) sums[i] = sum += values[i];
}

double Dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

void FoldIn(kernels::MatrixView<const double> words_of_topics, std::span<const double> counts,
            int64_t steps, std::span<double> shares) {
  const int64_t topics = words_of_topics.rows;
  CHECK_EQ(static_cast<int64_t>(counts.size()), words_of_topics.columns);
  CHECK_EQ(static_cast<int64_t>(shares.size()), topics);
  std::ranges::fill(shares, 1.0 / static_cast<double>(topics));
  // The columns of the words that occur, each in one piece.
  std::vector<double> occurring;
  std::vector<double> count_of;
  for (size_t word = 0; word < counts.size(); ++word) {
    if (counts[word] <= 0) continue;
    count_of.push_back(counts[word]);
    for (int64_t topic = 0; topic < topics; ++topic) {
      occurring.push_back(words_of_topics(topic, static_cast<int64_t>(word)));
    }
  }
  std::vector<double> next(topics);
  for (int64_t step = 0; step < steps; ++step) {
    std::ranges::fill(next, 0.0);
    double known = 0;
    for (size_t word = 0; word < count_of.size(); ++word) {
      const double* of_topic = occurring.data() + word * topics;
      const double probability = Dot(of_topic, shares.data(), topics);
      if (!(probability > 0)) continue;
      known += count_of[word];
      const double weight = count_of[word] / probability;
      for (int64_t topic = 0; topic < topics; ++topic) {
        next[topic] += weight * of_topic[topic] * shares[topic];
      }
    }
    if (known == 0) return;
    for (int64_t topic = 0; topic < topics; ++topic) shares[topic] = next[topic] / known;
  }
}

absl::StatusOr<Observations> News(const NewsConfig& config, const random::Stream& stream) {
  PERENNIAL_RETURN_IF_ERROR(Check(config));
  const int64_t n = config.n;
  const int64_t topics = config.topics;
  const bool counts = config.covariates == NewsCovariates::kCounts;
  const int64_t p = counts ? config.words : config.features;
  Observations sample = {.covariate_names = NumberedNames(counts ? "word" : "x", p)};
  sample.covariates.resize(n * p);
  std::vector<double> z(n * topics);
  random::Stream document = stream.Split("documents");
  if (counts) {
    std::vector<double> words(topics * p);
    std::vector<double> running(topics * p);
    random::Stream vocabulary = stream.Split("topics");
    for (int64_t topic = 0; topic < topics; ++topic) {
      const std::span row = std::span(words).subspan(topic * p, p);
      DrawDirichlet(config.word_concentration, vocabulary, row);
      RunningSums(row, std::span(running).subspan(topic * p, p));
    }
    std::vector<double> shares(topics);
    for (int64_t i = 0; i < n; ++i) {
      DrawDirichlet(config.topic_concentration, document, shares);
      RunningSums(shares, shares);
      const std::span x = std::span(sample.covariates).subspan(i * p, p);
      for (int64_t word = 0; word < config.document_length; ++word) {
        const int64_t topic = Pick(shares, document);
        ++x[Pick(std::span(running).subspan(topic * p, p), document)];
      }
      FoldIn({words.data(), topics, p, p}, x, config.fold_in_steps,
             std::span(z).subspan(i * topics, topics));
    }
  } else {
    std::vector<double> map(topics * p);
    random::Stream entries = stream.Split("map");
    for (double& entry : map) entry = entries.Normal();
    for (int64_t i = 0; i < n; ++i) {
      const std::span shares = std::span(z).subspan(i * topics, topics);
      DrawDirichlet(config.topic_concentration, document, shares);
      for (int64_t topic = 0; topic < topics; ++topic) {
        for (int64_t c = 0; c < p; ++c) {
          sample.covariates[i * p + c] += shares[topic] * map[topic * p + c];
        }
      }
    }
  }

  std::vector<double> z0(topics);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t topic = 0; topic < topics; ++topic) {
      z0[topic] += z[i * topics + topic] / static_cast<double>(n);
    }
  }
  random::Stream centroid = stream.Split("centroid");
  const double* z1 = z.data() + static_cast<int64_t>(centroid.Below(n)) * topics;
  Truth& truth = sample.truth.emplace();
  truth.mean_outcome.assign(2, std::vector<double>(n));
  truth.propensity.assign(2, std::vector<double>(n));
  for (int64_t i = 0; i < n; ++i) {
    const double near0 = Dot(z.data() + i * topics, z0.data(), topics);
    const double near1 = Dot(z.data() + i * topics, z1, topics);
    truth.mean_outcome[0][i] = config.scale * near0;
    truth.mean_outcome[1][i] = config.scale * (near0 + near1);
    truth.propensity[0][i] = Sigmoid(config.kappa * (near0 - near1));
    truth.propensity[1][i] = Sigmoid(config.kappa * (near1 - near0));
  }
  sample.treatment = DrawArms(truth.propensity, stream.Split("treatment"));
  random::Stream noise = stream.Split("outcome");
  sample.outcome.resize(n);
  for (int64_t i = 0; i < n; ++i) {
    sample.outcome[i] =
        truth.mean_outcome[sample.treatment[i]][i] + config.noise_sd * noise.Normal();
  }
  return Validated(std::move(sample));
}

}  // namespace perennial::causal
