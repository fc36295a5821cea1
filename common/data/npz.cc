#include "common/data/npz.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"

namespace perennial::data {
namespace {

constexpr size_t kShownNames = 20;
constexpr size_t kShownBytes = 100;

}  // namespace

NpzFile::NpzFile(std::string name, ZipArchive archive)
    : name_(std::move(name)), archive_(std::move(archive)) {
  for (const ZipMember& member : archive_.members()) {
    if (absl::EndsWith(member.name, ".npy")) {
      names_.emplace_back(absl::StripSuffix(member.name, ".npy"));
    }
  }
}

absl::StatusOr<NpyArray> NpzFile::Read(absl::string_view name, int64_t max_bytes) const {
  const std::string member_name = absl::StrCat(name, ".npy");
  const auto& members = archive_.members();
  const auto member = std::find_if(members.begin(), members.end(), [&](const ZipMember& candidate) {
    return candidate.name == member_name;
  });
  if (member == members.end()) {
    // The file's names may be many and long.
    std::vector<std::string> known;
    for (const std::string& candidate : names_) known.push_back(candidate.substr(0, kShownBytes));
    const std::string nearest = base::NearestName(name.substr(0, kShownBytes), known);
    std::string message = absl::StrCat(name_, ": unknown array \"", name, "\"");
    if (!nearest.empty()) absl::StrAppend(&message, "; did you mean \"", nearest, "\"?");
    const size_t shown = std::min(known.size(), kShownNames);
    absl::StrAppend(&message, nearest.empty() ? "; there are: " : " There are: ",
                    absl::StrJoin(known.begin(), known.begin() + shown, ", "));
    if (known.size() > shown) absl::StrAppend(&message, " and ", known.size() - shown, " more");
    return absl::NotFoundError(message);
  }
  PERENNIAL_ASSIGN_OR_RETURN(std::string bytes, archive_.Read(*member, max_bytes));
  return ParseNpy(std::move(bytes), absl::StrCat(name_, ": ", name.substr(0, kShownBytes)));
}

absl::StatusOr<NpzFile> ParseNpz(std::string bytes, absl::string_view name) {
  PERENNIAL_ASSIGN_OR_RETURN(ZipArchive archive, ZipArchive::Parse(std::move(bytes), name));
  return NpzFile(std::string(name), std::move(archive));
}

absl::StatusOr<NpzFile> ReadNpz(const std::string& path, int64_t max_bytes) {
  PERENNIAL_ASSIGN_OR_RETURN(std::string bytes, base::ReadFile(path, max_bytes));
  return ParseNpz(std::move(bytes), path);
}

}  // namespace perennial::data
