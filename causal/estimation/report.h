// report.html of an estimate: tables and plots for people. A function of the numbers alone.
#ifndef PERENNIAL_CAUSAL_ESTIMATION_REPORT_H_
#define PERENNIAL_CAUSAL_ESTIMATION_REPORT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "causal/estimation/output.h"

namespace perennial::causal {

// With an empty `plotly_js` without plots.
std::string ReportHtml(const Output& output, absl::string_view plotly_js);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_REPORT_H_
