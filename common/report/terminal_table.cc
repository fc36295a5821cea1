#include "common/report/terminal_table.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/base/logging.h"
#include "common/base/wrapped_text.h"

namespace perennial::report {
namespace {

constexpr size_t kGap = 2;

std::string Padded(const std::string& text, size_t width, Align align) {
  const std::string space(width - std::min(width, base::ColumnsOf(text)), ' ');
  return align == Align::kRight ? space + text : text + space;
}

std::string WithoutTrailingSpace(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

}  // namespace

std::string TerminalTable(const Table& table, int width) {
  const size_t count = table.columns.size();
  const auto cell = [&table](size_t row, size_t column) {
    const std::vector<std::string>& cells = table.rows[row];
    return column < cells.size() ? cells[column] : std::string();
  };
  std::vector<size_t> widths;
  for (size_t c = 0; c < count; ++c) {
    size_t widest = base::ColumnsOf(table.columns[c].name);
    for (size_t r = 0; r < table.rows.size(); ++r) {
      CHECK_LE(table.rows[r].size(), count);
      widest = std::max(widest, base::ColumnsOf(cell(r, c)));
    }
    widths.push_back(widest);
  }

  // What tells rows apart, the first column and texts that follow it, stands in each block, unless
  // it takes more than half of the width; then the first column does.
  const auto whole = static_cast<size_t>(std::max(width, 0));
  std::vector<size_t> keys;
  size_t used_by_keys = 0;
  for (size_t c = 0; c < count; ++c) {
    const size_t more = (c == 0 ? 0 : kGap) + widths[c];
    if (c > 0 && (table.columns[c].align != Align::kLeft || used_by_keys + more > whole / 2)) break;
    keys.push_back(c);
    used_by_keys += more;
  }

  // Which columns stand together: as many as fit.
  std::vector<std::vector<size_t>> blocks;
  if (count > 0) blocks.push_back(keys);
  size_t used = used_by_keys;
  for (size_t c = keys.size(); c < count; ++c) {
    if (used + kGap + widths[c] > whole && blocks.back().size() > keys.size()) {
      blocks.push_back(keys);
      used = used_by_keys;
    }
    blocks.back().push_back(c);
    used += kGap + widths[c];
  }

  std::string text = base::WrappedText(absl::StrSplit(table.caption, ' ', absl::SkipEmpty()),
                                       static_cast<size_t>(std::max(width, 1)));
  for (size_t b = 0; b < blocks.size(); ++b) {
    if (b > 0) text += "\n";
    std::string header;
    std::string rule;
    for (const size_t c : blocks[b]) {
      if (c != blocks[b].front()) {
        header += std::string(kGap, ' ');
        rule += std::string(kGap, ' ');
      }
      header += Padded(table.columns[c].name, widths[c], table.columns[c].align);
      rule += std::string(widths[c], '-');
    }
    absl::StrAppend(&text, WithoutTrailingSpace(header), WithoutTrailingSpace(rule));
    for (size_t r = 0; r < table.rows.size(); ++r) {
      std::string line;
      for (const size_t c : blocks[b]) {
        if (c != blocks[b].front()) line += std::string(kGap, ' ');
        line += Padded(cell(r, c), widths[c], table.columns[c].align);
      }
      text += WithoutTrailingSpace(line);
    }
  }
  return text;
}

}  // namespace perennial::report
