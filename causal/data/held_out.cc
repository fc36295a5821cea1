#include "causal/data/held_out.h"

#include <algorithm>

namespace perennial::causal {
namespace {

int32_t ClustersIn(std::span<const int32_t> cluster) {
  return cluster.empty() ? 0 : *std::ranges::max_element(cluster) + 1;
}

}  // namespace

std::vector<std::vector<int32_t>> UnitsByClass(std::span<const int32_t> class_of, int classes,
                                               std::span<const int32_t> cluster) {
  std::vector<std::vector<int32_t>> by_class(classes);
  std::vector<int32_t> class_of_cluster(ClustersIn(cluster), -1);
  for (size_t i = 0; i < class_of.size(); ++i) {
    int32_t own = class_of[i];
    if (!cluster.empty()) {
      int32_t& of_cluster = class_of_cluster[cluster[i]];
      if (of_cluster < 0) of_cluster = own;
      own = of_cluster;
    }
    by_class[own].push_back(static_cast<int32_t>(i));
  }
  return by_class;
}

std::vector<int32_t> FirstWholeClusters(std::span<const int32_t> order,
                                        std::span<const int32_t> cluster, int64_t count) {
  if (cluster.empty()) {
    const auto first = order.first(std::min<int64_t>(count, std::ssize(order)));
    return {first.begin(), first.end()};
  }
  // Units of each, in the order's order.
  std::vector<std::vector<int32_t>> units(ClustersIn(cluster));
  for (const int32_t unit : order) units[cluster[unit]].push_back(unit);
  std::vector<int32_t> taken;
  for (const int32_t unit : order) {
    std::vector<int32_t>& whole = units[cluster[unit]];
    if (std::ssize(taken) + std::ssize(whole) <= count) {
      taken.insert(taken.end(), whole.begin(), whole.end());
    }
    whole.clear();  // Taken, or passed over.
  }
  return taken;
}

}  // namespace perennial::causal
