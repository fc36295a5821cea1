// Weight matching: reorders the hidden units of one network so that its parameters lie as near as
// possible to those of another, without changing what it computes.
//
// Source: Ainsworth, Hayase, Srinivasa 2023, "Git Re-Basin" (arXiv:2209.04836), algorithm 1. Of all
// permutations of the hidden units of each layer, the one is sought whose parameters have the
// greatest inner product with the reference (equivalently, the least L2 distance). Layer by layer,
// in random order, with all other layers as they are, that is a linear assignment problem on the
// inner products of units: incoming weights, bias and outgoing weights (common/stats/assignment.h).
// It ends when a sweep over the layers changes nothing. A local search: one hidden layer is solved
// exactly, more layers up to a local optimum, for which there are restarts.
//
//   PERENNIAL_ASSIGN_OR_RETURN(
//       const Matching matching,
//       MatchWeights(network, rows.row(0), rows.row(1), rows.row(2),
//                    {.random = random.Split("matching")}));   // row 2: row 1, reordered
#ifndef PERENNIAL_CONTINUAL_ANALYSIS_MATCHING_H_
#define PERENNIAL_CONTINUAL_ANALYSIS_MATCHING_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/nn/network.h"
#include "common/nn/rows.h"
#include "common/random/stream.h"

namespace perennial::continual {

struct MatchingOptions {
  random::Stream random;  // Orders of layers, and where restarts begin.
  // Searches, at least 1, of which the best counts: the first begins with the units as they are,
  // the others with all hidden units in random order.
  int searches = 1;
};

// Of the search that counts.
struct Matching {
  // The inner product of the two rows of parameters where the search began, and after each sweep;
  // never falling. The last sweep changed nothing.
  std::vector<double> inner_products;

  int sweeps() const { return static_cast<int>(inner_products.size()) - 1; }
  double inner_product() const { return inner_products.back(); }
};

// Unimplemented, with the layer's name, but for networks of one block of dense layers with dropout
// before, between or behind them, on inputs that are not one-hot.
absl::Status SupportsMatching(const nn::Network& network);

// matched [layout().size()]: `row` with its hidden units reordered to match `reference`; may be
// `row` itself, not `reference`. Outputs are those of `row` up to the rounding of sums in another
// order. Units that are worth the same stay where they are. Unimplemented as above; InvalidArgument
// for rows with numbers that are not finite.
absl::StatusOr<Matching> MatchWeights(const nn::Network& network, nn::ConstRow<float> reference,
                                      nn::ConstRow<float> row, nn::Row<float> matched,
                                      const MatchingOptions& options);

// Memory that it takes beside the rows, about.
int64_t MatchingBytes(const nn::Network& network);

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_ANALYSIS_MATCHING_H_
