// The text of plotly.min.js, which Document::Render puts into a report.
#ifndef PERENNIAL_COMMON_REPORT_PLOTLY_H_
#define PERENNIAL_COMMON_REPORT_PLOTLY_H_

#include <string>

#include "absl/status/statusor.h"

namespace perennial::report {

// Read from the runfiles of the running binary.
absl::StatusOr<std::string> LoadPlotly();

}  // namespace perennial::report

#endif  // PERENNIAL_COMMON_REPORT_PLOTLY_H_
