// A line's claims.textproto, read and checked: all names known, all configurations valid, before
// anything is run.
//
//   PERENNIAL_ASSIGN_OR_RETURN(
//       const LineClaims claims,
//       LoadClaims("continual/claims.textproto", "continual/claims.textproto", lines, here));
#ifndef PERENNIAL_TOOLS_CLAIMS_CLAIMS_FILE_H_
#define PERENNIAL_TOOLS_CLAIMS_CLAIMS_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/experiment/command_line.h"
#include "common/experiment/configuration.h"
#include "common/experiment/line.h"
#include "common/experiment/surroundings.h"
#include "tools/claims/claims.pb.h"
#include "tools/claims/verdict.h"

namespace perennial::claims {

// A line that claims may be made about.
struct KnownLine {
  std::shared_ptr<const experiment::Line> line;
  std::string claims_file;  // By its path in the workspace; empty if it has none of its own.
};

enum class Extent { kQuick, kFull };

// An experiment of a file, ready to be run.
struct ClaimedExperiment {
  std::string name;
  std::string config_path;  // As the file gives it.
  experiment::Configuration config;
  experiment::CommandLine command;  // With the path that was found, overrides and no seeds.
  std::vector<uint64_t> quick_seeds;
  std::vector<uint64_t> full_seeds;

  const std::vector<uint64_t>& seeds(Extent extent) const {
    return extent == Extent::kQuick ? quick_seeds : full_seeds;
  }
};

struct LineClaims {
  std::shared_ptr<const experiment::Line> line;
  ClaimsConfig config;  // With defaults filled in.
  std::vector<ClaimedExperiment> experiments;
};

// `shown` names the file in messages. InvalidArgument, NotFound: all errors, each with its place,
// what is allowed and the nearest name.
absl::StatusOr<LineClaims> LoadClaims(absl::string_view path, absl::string_view shown,
                                      absl::Span<const KnownLine> lines,
                                      const experiment::Surroundings& surroundings);

// As the statistics know it.
Contrast ContrastOf(const ContrastConfig& config);

}  // namespace perennial::claims

#endif  // PERENNIAL_TOOLS_CLAIMS_CLAIMS_FILE_H_
