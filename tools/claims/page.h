// Answers as a page for people (docs/CLAIMS.md) and as JSON for programs. Both are functions of the
// answers alone, without times or places: equal runs give equal bytes.
//
// claims.json: {"schema":1,"extent":"quick","claims":[ one claim a line ]}, numbers in full;
// what is absent is null.
//
//   PERENNIAL_RETURN_IF_ERROR(
//       base::WriteFileAtomically("CLAIMS.md", PageText(results, "tools/bazel run ...")));
#ifndef PERENNIAL_TOOLS_CLAIMS_PAGE_H_
#define PERENNIAL_TOOLS_CLAIMS_PAGE_H_

#include <string>

#include "absl/types/span.h"
#include "common/report/table.h"
#include "tools/claims/claims_file.h"
#include "tools/claims/measure.h"

namespace perennial::claims {

// Markdown: a table of verdicts; then for each claim how it was measured, the effect, what could
// have been found, controls, every replicate, and the command of its run. `command` is what writes
// the page.
std::string PageText(absl::Span<const LineResults> results, const std::string& command);

std::string JsonText(absl::Span<const LineResults> results, Extent extent);

// For the terminal: claim, verdict, effect.
report::Table VerdictTable(absl::Span<const LineResults> results);

}  // namespace perennial::claims

#endif  // PERENNIAL_TOOLS_CLAIMS_PAGE_H_
