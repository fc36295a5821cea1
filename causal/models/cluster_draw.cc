#include "causal/models/cluster_draw.h"

#include <algorithm>
#include <functional>
#include <map>
#include <span>

#include "common/base/logging.h"

namespace perennial::causal {
namespace {

struct Cluster {
  std::vector<int32_t> rows;
  std::vector<int32_t> arms;  // In order, each once.
};

// In the order of their numbers.
std::vector<Cluster> ClustersOf(const Observations& observations) {
  CHECK(std::ssize(observations.cluster) == observations.size() && observations.size() > 0);
  std::map<int32_t, Cluster> by_number;
  for (int32_t i = 0; i < observations.size(); ++i) {
    Cluster& cluster = by_number[observations.cluster[i]];
    cluster.rows.push_back(i);
    cluster.arms.push_back(observations.treatment[i]);
  }
  std::vector<Cluster> clusters;
  for (auto& [number, cluster] : by_number) {
    std::ranges::sort(cluster.arms);
    cluster.arms.erase(std::ranges::unique(cluster.arms).begin(), cluster.arms.end());
    clusters.push_back(std::move(cluster));
  }
  return clusters;
}

std::vector<int64_t> ClustersOfArms(const std::vector<Cluster>& clusters, int arms) {
  std::vector<int64_t> of_arm(arms);
  for (const Cluster& cluster : clusters) {
    for (const int32_t arm : cluster.arms) ++of_arm[arm];
  }
  return of_arm;
}

// All but one of every `of`; `least` says of an arm in so many clusters in how many it must stay.
std::vector<int32_t> AllButOneOf(size_t of, const Observations& observations,
                                 const std::function<int64_t(int64_t)>& least,
                                 random::Stream stream) {
  const std::vector<Cluster> clusters = ClustersOf(observations);
  std::map<std::vector<int32_t>, std::vector<size_t>> kinds;  // By arms.
  for (size_t c = 0; c < clusters.size(); ++c) kinds[clusters[c].arms].push_back(c);

  std::vector<size_t> left_out;
  std::vector<size_t> over;
  for (auto& [arms, members] : kinds) {
    stream.Shuffle(std::span<size_t>(members));
    const size_t whole = members.size() - members.size() % of;
    for (size_t k = 0; k < whole; k += of) left_out.push_back(members[k]);
    over.insert(over.end(), members.begin() + static_cast<int64_t>(whole), members.end());
  }
  stream.Shuffle(std::span<size_t>(over));
  for (size_t k = 0; k + of <= over.size(); k += of) left_out.push_back(over[k]);

  std::vector<char> drawn(clusters.size(), 1);
  const std::vector<int64_t> in_all = ClustersOfArms(clusters, observations.arms);
  std::vector<int64_t> in_drawn = in_all;
  for (const size_t c : left_out) {
    drawn[c] = 0;
    for (const int32_t arm : clusters[c].arms) --in_drawn[arm];
  }
  // Without which an arm would be in too few.
  for (const size_t c : left_out) {
    const auto lacks = [&](int32_t arm) { return in_drawn[arm] < least(in_all[arm]); };
    if (std::ranges::none_of(clusters[c].arms, lacks)) continue;
    drawn[c] = 1;
    for (const int32_t arm : clusters[c].arms) ++in_drawn[arm];
  }
  std::vector<int32_t> rows;
  for (size_t c = 0; c < clusters.size(); ++c) {
    if (drawn[c] != 0) {
      rows.insert(rows.end(), clusters[c].rows.begin(), clusters[c].rows.end());
    }
  }
  std::ranges::sort(rows);
  return rows;
}

}  // namespace

int64_t ClusterCount(const Observations& observations) {
  return std::ssize(ClustersOf(observations));
}

std::vector<int64_t> ClustersOfArms(const Observations& observations) {
  return ClustersOfArms(ClustersOf(observations), observations.arms);
}

std::vector<int32_t> HalfOfClusters(const Observations& observations, random::Stream stream) {
  const auto least = [](int64_t clusters) { return std::min<int64_t>(2, clusters / 2); };
  return AllButOneOf(2, observations, least, stream);
}

std::vector<int32_t> FourFifthsOfClusters(const Observations& observations, random::Stream stream) {
  const auto least = [](int64_t clusters) { return std::min<int64_t>(2, clusters); };
  return AllButOneOf(5, observations, least, stream);
}

}  // namespace perennial::causal
