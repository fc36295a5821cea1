// A news-like simulation: the selection and the outcomes of the News benchmark of Johansson, Shalit
// & Sontag, "Learning Representations for Counterfactual Inference" (arXiv:1605.03661), on
// documents that are simulated. The benchmark's corpus is not shipped, so its numbers cannot be
// compared with those of this data.
//
// Unit i is a document that a reader sees on a desktop (T = 0) or a mobile device (T = 1); z(x) are
// its topic shares, z1 those of one document picked at random, z0 the mean over all documents (as
// public re-implementations of the benchmark have it):
//
//   Y_i(t) = scale (z.z0 + t z.z1) + noise_sd N(0, 1)
//   P(T_i = 1 | x_i) = exp(kappa z.z1) / (exp(kappa z.z0) + exp(kappa z.z1))
//
// kappa is the strength of the selection: 0 is randomised. Both the effect and the propensity grow
// with z.z1, so that the treated are those with large effects.
//
// The documents, which are ours: topics are Dirichlet distributions over words, a document's shares
// are Dirichlet over topics, and
//
//   kCounts      x are the counts of its words, sparse, each drawn from a topic of its shares. z(x)
//                are the shares that the counts tell: `fold_in_steps` steps of EM from uniform
//                shares with the topics known (the folding-in of PLSA, Hofmann 1999), a function of
//                x alone, so that nothing is confounded given x.
//   kProjection  x = z A with A [topics, features] of N(0, 1) entries and features >= topics, from
//                which z can be solved; z(x) are the drawn shares.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const Observations sample, News({.kappa = 10}, stream));
#ifndef PERENNIAL_CAUSAL_DATA_NEWS_H_
#define PERENNIAL_CAUSAL_DATA_NEWS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "causal/data/observations.h"
#include "common/kernels/aligned.h"
#include "common/random/stream.h"

namespace perennial::causal {

enum class NewsCovariates { kCounts, kProjection };

struct NewsConfig {
  int64_t n = 1000;  // Documents, 2 to 1e6.
  NewsCovariates covariates = NewsCovariates::kCounts;
  int64_t topics = 50;               // 2 to 1000.
  double topic_concentration = 0.1;  // Of a document's shares, 1e-3 to 1e3.
  int64_t words = 500;               // Of the vocabulary, 2 to 1e5 (kCounts).
  double word_concentration = 0.05;  // Of a topic's words, 1e-3 to 1e3 (kCounts).
  int64_t document_length = 100;     // Words a document, 1 to 1e5 (kCounts).
  int64_t fold_in_steps = 10;        // 1 to 1000 (kCounts).
  int64_t features = 50;             // topics to 1e5 (kProjection).
  double kappa = 10;                 // -1000 to 1000.
  double scale = 50;                 // -1e6 to 1e6.
  double noise_sd = 1;               // 0 to 1e6.
};

// Topic shares that counts tell. words_of_topics [topics, words], rows add up to 1; counts [words],
// not negative; shares [topics]. No counted word that a topic knows: uniform shares.
void FoldIn(kernels::MatrixView<const double> words_of_topics, std::span<const double> counts,
            int64_t steps, std::span<double> shares);

// Equal (config, stream) give equal bits. The documents, T and Y have streams of their own: kappa,
// scale and noise_sd leave x as it is.
absl::StatusOr<Observations> News(const NewsConfig& config, const random::Stream& stream);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_NEWS_H_
