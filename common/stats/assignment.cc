#include "common/stats/assignment.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/logging.h"

namespace perennial::stats {
namespace {

constexpr int32_t kNone = -1;
constexpr double kLargestCost = 1e300;

class Solver {
 public:
  Solver(std::span<const double> costs, int64_t n)
      : costs_(costs),
        n_(static_cast<int32_t>(n)),
        row_price_(n),
        column_price_(n),
        column_of_(n, kNone),
        row_of_(n, kNone),
        distance_(n),
        previous_(n),
        open_(n) {}

  std::vector<int32_t> Solve() {
    Start();
    for (int32_t row = 0; row < n_; ++row) {
      if (column_of_[row] == kNone) Augment(row);
    }
    return std::move(column_of_);
  }

 private:
  double Cost(int32_t row, int32_t column) const {
    return costs_[static_cast<int64_t>(row) * n_ + column];
  }

  // Prices that leave no reduced cost negative, and assignments at a reduced cost of zero where a
  // row's cheapest column is free: most of the work where the best assignment is a clear one.
  void Start() {
    for (int32_t row = 0; row < n_; ++row) {
      const double* costs = costs_.data() + static_cast<int64_t>(row) * n_;
      const int32_t column = static_cast<int32_t>(std::min_element(costs, costs + n_) - costs);
      row_price_[row] = costs[column];
      if (row_of_[column] == kNone) Assign(row, column);
    }
  }

  void Assign(int32_t row, int32_t column) {
    column_of_[row] = column;
    row_of_[column] = row;
  }

  // Finds the shortest path, by Dijkstra's algorithm on reduced costs, from a row to a free column,
  // over columns and the rows that have them; exchanges along it; and moves prices so that reduced
  // costs stay not negative, and zero where assigned.
  void Augment(int32_t start) {
    std::iota(open_.begin(), open_.end(), 0);
    std::ranges::fill(distance_, std::numeric_limits<double>::infinity());
    int32_t open = n_;  // Columns open_[0, open) are not reached yet; the others stand behind.
    int32_t row = start;
    int32_t end = kNone;
    double reached = 0;
    while (end == kNone) {
      int32_t nearest = kNone;  // A place in open_.
      const double offset = reached - row_price_[row];
      for (int32_t k = 0; k < open; ++k) {
        const int32_t column = open_[k];
        const double distance = offset + Cost(row, column) - column_price_[column];
        if (distance < distance_[column]) {
          distance_[column] = distance;
          previous_[column] = row;
        }
        // Among equals a free column ends the search.
        if (nearest == kNone || distance_[column] < distance_[open_[nearest]] ||
            (distance_[column] == distance_[open_[nearest]] && row_of_[column] == kNone)) {
          nearest = k;
        }
      }
      const int32_t column = open_[nearest];
      std::swap(open_[nearest], open_[--open]);
      reached = distance_[column];
      if (row_of_[column] == kNone) {
        end = column;
      } else {
        row = row_of_[column];
      }
    }

    row_price_[start] += reached;
    // Column open_[open], the end, keeps its price: it lies as far as was reached.
    for (int32_t k = open + 1; k < n_; ++k) {
      const int32_t column = open_[k];
      const double rise = reached - distance_[column];
      column_price_[column] -= rise;
      row_price_[row_of_[column]] += rise;
    }
    for (int32_t column = end;;) {
      const int32_t from = previous_[column];
      const int32_t next = column_of_[from];
      Assign(from, column);
      if (from == start) break;
      column = next;
    }
  }

  std::span<const double> costs_;
  int32_t n_;
  std::vector<double> row_price_, column_price_;
  std::vector<int32_t> column_of_, row_of_;
  // Of a search: the length of the shortest path to a column, and the row before it.
  std::vector<double> distance_;
  std::vector<int32_t> previous_;
  std::vector<int32_t> open_;
};

}  // namespace

absl::StatusOr<Assignment> LinearAssignment(std::span<const double> costs, int64_t n) {
  CHECK(n >= 0 && n <= std::numeric_limits<int32_t>::max());
  CHECK_EQ(std::ssize(costs), n * n);
  for (int64_t i = 0; i < n * n; ++i) {
    if (std::abs(costs[i]) <= kLargestCost) continue;
    return absl::InvalidArgumentError(absl::StrCat("the cost of row ", i / n, " and column ", i % n,
                                                   " is ", costs[i],
                                                   "; costs must lie in [-1e300, 1e300]"));
  }
  Assignment result = {.column = Solver(costs, n).Solve()};
  for (int64_t row = 0; row < n; ++row) result.cost += costs[row * n + result.column[row]];
  return result;
}

}  // namespace perennial::stats
