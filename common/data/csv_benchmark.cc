// Reading a table of numbers, as a study of treatment effects has it: MB/s of text.
#include "common/data/csv.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "common/random/stream.h"

namespace perennial::data {
namespace {

constexpr int kRows = 20000;
constexpr int kColumns = 50;

enum Content { kReals, kIntegers, kTexts };

std::string Text(Content content) {
  random::Stream stream(1);
  std::string text;
  for (int column = 0; column < kColumns; ++column) {
    absl::StrAppend(&text, column == 0 ? "" : ",", "x", column);
  }
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      text += column == 0 ? "\n" : ",";
      if (content == kReals) absl::StrAppend(&text, stream.Normal());
      if (content == kIntegers) absl::StrAppend(&text, stream.Below(10000));
      if (content == kTexts) absl::StrAppend(&text, "category ", stream.Below(100));
    }
  }
  return text + "\n";
}

void ParseTable(benchmark::State& state, Content content) {
  const std::string text = Text(content);
  for (auto _ : state) benchmark::DoNotOptimize(ParseCsv(text, "benchmark").ok());
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}
BENCHMARK_CAPTURE(ParseTable, reals, kReals)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ParseTable, integers, kIntegers)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ParseTable, texts, kTexts)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace perennial::data
