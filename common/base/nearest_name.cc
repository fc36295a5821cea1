#include "common/base/nearest_name.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/excerpt.h"

namespace perennial::base {
namespace {

// Letter case and separators are what people get wrong most, so they are compared as equal: '-'
// becomes '_', and a '_' costs nothing to insert or delete.
std::string Folded(absl::string_view name) {
  std::string folded = absl::AsciiStrToLower(name);
  folded.erase(std::remove_if(folded.begin(), folded.end(),
                              [](char c) { return c == '_' || c == '-' || c == ' '; }),
               folded.end());
  return folded;
}

// Optimal string alignment distance: edits and swaps of neighbours.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  const size_t width = b.size() + 1;
  std::vector<size_t> before(width), last(width), row(width);
  for (size_t j = 0; j < width; ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j < width; ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string NearestName(absl::string_view name, absl::Span<const std::string> candidates) {
  // A name of this length is garbage, and the distance is quadratic.
  constexpr size_t kLongestName = 256;
  if (name.size() > kLongestName) return "";
  const std::string folded = Folded(name);
  std::string nearest;
  size_t least = 0;
  for (const std::string& candidate : candidates) {
    const std::string other = Folded(candidate);
    const size_t allowed = std::max<size_t>(1, std::max(folded.size(), other.size()) / 3);
    const size_t distance = EditDistance(folded, other);
    if (distance > allowed || distance >= std::max(folded.size(), other.size())) continue;
    if (nearest.empty() || distance < least) {
      nearest = candidate;
      least = distance;
    }
  }
  return nearest;
}

std::string UnknownNameMessage(absl::string_view kind, absl::string_view name,
                               absl::Span<const std::string> candidates) {
  std::string message = absl::StrCat("unknown ", kind, " \"", Excerpt(name), "\"");
  const std::string nearest = NearestName(name, candidates);
  if (!nearest.empty()) absl::StrAppend(&message, "; did you mean \"", nearest, "\"?");
  if (candidates.empty()) return absl::StrCat(message, "; none is known here");
  absl::StrAppend(&message,
                  nearest.empty() ? "; allowed: " : " Allowed: ", absl::StrJoin(candidates, ", "));
  return message;
}

bool IsLowerSnakeCase(absl::string_view name) {
  return !name.empty() && absl::ascii_islower(name.front()) &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
         });
}

}  // namespace perennial::base
