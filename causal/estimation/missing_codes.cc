#include "causal/estimation/missing_codes.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"

namespace perennial::causal {
namespace {

constexpr int64_t kFewestRows = 3;
constexpr size_t kMostCodes = 3;

struct Distinct {
  double value;
  int64_t rows;
};

bool IsCode(double value) {
  std::string digits = absl::StrFormat("%.15g", std::abs(value));
  std::erase(digits, '.');
  const auto all = [&](size_t count, char digit) {
    return std::all_of(digits.begin(), digits.begin() + static_cast<int64_t>(count),
                       [digit](char c) { return c == digit; });
  };
  const char last = digits.back();
  return (all(digits.size() - 1, '9') && last >= '7' && last <= '9') ||
         (all(digits.size(), last) && (last == '8' || last == '7'));
}

bool AreAnswers(std::span<const Distinct> others) {
  for (size_t k = 0; k < others.size(); ++k) {
    if (others[k].value != std::floor(others[k].value)) return false;
    if (k > 0 && others[k].value != others[k - 1].value + 1) return false;
  }
  return true;
}

// Adds the codes of an end if they are suspected.
bool AddCodes(std::span<const Distinct> codes, std::span<const Distinct> others,
              std::vector<MissingCodes>& found) {
  MissingCodes own = {.rows = 0, .low = others.front().value, .high = others.back().value};
  for (const Distinct& code : codes) {
    if (!IsCode(code.value)) return false;
    own.values.push_back(code.value);
    own.rows += code.rows;
  }
  if (own.rows < kFewestRows) return false;
  const double gap =
      std::max(own.low - codes.back().value, codes.front().value - own.high);  // One is negative.
  const bool small = std::ranges::any_of(own.values, [](double v) { return std::abs(v) < 10; });
  own.far = others.size() > 1 && gap > own.high - own.low && (!small || AreAnswers(others));
  if (!own.far && !(codes.back().value < 0 && own.low >= 0)) return false;
  found.push_back(std::move(own));
  return true;
}

// Takes the fewest codes of the ends that are suspected, if any.
bool TakeCodes(std::span<const Distinct>& rest, std::vector<MissingCodes>& found) {
  for (size_t count = 1; count <= 2 * kMostCodes && count < rest.size(); ++count) {
    for (size_t below = 0; below <= count; ++below) {
      const size_t above = count - below;
      if (below > kMostCodes || above > kMostCodes) continue;
      const std::span<const Distinct> others = rest.subspan(below, rest.size() - count);
      std::vector<MissingCodes> of_ends;
      if ((below > 0 && !AddCodes(rest.first(below), others, of_ends)) ||
          (above > 0 && !AddCodes(rest.last(above), others, of_ends))) {
        continue;
      }
      std::ranges::move(of_ends, std::back_inserter(found));
      rest = others;
      return true;
    }
  }
  return false;
}

}  // namespace

std::vector<MissingCodes> MissingCodesOf(std::span<const double> values) {
  double least = INFINITY;
  double greatest = -INFINITY;
  for (const double value : values) {
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  // Sorting takes its time; most columns end here.
  if (!(least < greatest) || (!IsCode(least) && !IsCode(greatest))) return {};
  std::vector<double> sorted;
  for (const double value : values) {
    if (!std::isnan(value)) sorted.push_back(value);
  }
  std::ranges::sort(sorted);
  std::vector<Distinct> distinct;
  for (const double value : sorted) {
    if (distinct.empty() || distinct.back().value != value) distinct.push_back({value, 0});
    ++distinct.back().rows;
  }
  std::vector<MissingCodes> found;
  std::span<const Distinct> rest = distinct;
  while (TakeCodes(rest, found)) {
  }
  return found;
}

}  // namespace perennial::causal
