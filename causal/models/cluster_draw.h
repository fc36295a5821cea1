// Draws of whole clusters that leave the arms as they are: what a half-sample, or a share of the
// data, is made of where units are not independent.
//
// A simple draw of clusters can take an arm of few clusters away, or leave it in one. Here clusters
// are alike that hold the same arms. They are put into an order by chance, and of each two (or
// five) that follow each other one is left out; so with those that are over, one of a kind (or up
// to four), of all kinds together; of the last ones, which are fewer than that, none. So no kind is
// rounded up each time. Two kinds meet only in what is over: how many clusters of a kind there are
// hardly varies, as with units that are drawn by arm.
//
//   const Observations half = Select(observations, HalfOfClusters(observations, stream));
#ifndef PERENNIAL_CAUSAL_MODELS_CLUSTER_DRAW_H_
#define PERENNIAL_CAUSAL_MODELS_CLUSTER_DRAW_H_

#include <cstdint>
#include <vector>

#include "causal/data/observations.h"
#include "common/random/stream.h"

namespace perennial::causal {

// All functions here need observations with clusters (CHECK), numbered in any way.

int64_t ClusterCount(const Observations& observations);

// [arms], in how many clusters each arm is.
std::vector<int64_t> ClustersOfArms(const Observations& observations);

// Rows, in order, of half of the clusters, rounded up. An arm in h clusters is in h / 2 of those
// drawn at least, rounded down, with two arms; with more in 1 if h is 2 or 3, in 2 if it is above,
// for which, seldom, a cluster is drawn beyond the half.
std::vector<int32_t> HalfOfClusters(const Observations& observations, random::Stream stream);

// The same of four fifths, rounded up; an arm in two clusters or more is in two of those drawn at
// least, for which a cluster or some are drawn beyond the share.
std::vector<int32_t> FourFifthsOfClusters(const Observations& observations, random::Stream stream);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_MODELS_CLUSTER_DRAW_H_
