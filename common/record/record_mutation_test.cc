// Damaged files of a run folder; see common/testing/mutation.h.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "common/record/checkpoint.h"
#include "common/record/event_file.h"
#include "common/record/metrics_stream.h"
#include "common/record/run_info.h"
#include "common/record/safetensors.h"
#include "common/record/summary.h"
#include "common/testing/mutation.h"
#include "gtest/gtest.h"

namespace perennial::record {
namespace {

using ::perennial::testing::MutationCounts;
using ::perennial::testing::MutationOptions;
using ::perennial::testing::RunMutations;

std::string TestData(absl::string_view name) {
  return base::ReadFile(
             base::FindRunfile(absl::StrCat("perennial/common/record/testdata/", name)).value())
      .value();
}

const std::vector<std::string>& JsonTokens() {
  static const auto* const tokens = new std::vector<std::string>{
      "{",    "}",    "[",     "]",  ",",     ":",     "\"",    "{\"a\":", "[[",
      "null", "true", "1e9",   "-1", "1e999", "\\u00", "{}",    "\\ud8",   "\"\"",
      "\xff", "\\n",  "\"a\"", "[]", "\\",    "é",     "\"x\":"};
  return *tokens;
}

void ExpectBoth(const MutationCounts& counts) {
  EXPECT_GT(counts.accepted, 0);
  EXPECT_LT(counts.accepted, counts.trials);
}

template <typename T>
void Copy(const SafetensorsFile& file, const std::string& name, const TensorInfo& info,
          SafetensorsWriter& writer) {
  const absl::StatusOr<std::vector<T>> values = file.Read<T>(name);
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_TRUE(writer.Add<T>(name, info.shape, *values).ok());
}

// The writer's text of what was read.
std::string Rewritten(const SafetensorsFile& file) {
  SafetensorsWriter writer;
  for (const auto& [name, info] : file.tensors()) {
    switch (info.dtype) {
      case DType::kU8:
        Copy<uint8_t>(file, name, info, writer);
        break;
      case DType::kI32:
        Copy<int32_t>(file, name, info, writer);
        break;
      case DType::kI64:
        Copy<int64_t>(file, name, info, writer);
        break;
      case DType::kU64:
        Copy<uint64_t>(file, name, info, writer);
        break;
      case DType::kF32:
        Copy<float>(file, name, info, writer);
        break;
      case DType::kF64:
        Copy<double>(file, name, info, writer);
        break;
    }
  }
  for (const auto& [key, value] : file.metadata()) writer.SetMetadata(key, value);
  const absl::StatusOr<std::string> bytes = writer.Finish();
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.ok() ? *bytes : "";
}

TEST(RecordMutationTest, Safetensors) {
  std::vector<std::string> tokens = JsonTokens();
  for (const char* token : {"\"dtype\":", "\"shape\":[", "\"data_offsets\":[0,8]", "F64", "[0,0]",
                            "\"__metadata__\":{"}) {
    tokens.push_back(token);
  }
  ExpectBoth(RunMutations(
      {.corpus = {TestData("ours.safetensors"), TestData("python.safetensors")}, .tokens = tokens},
      [](absl::string_view bytes) {
        const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Parse(std::string(bytes));
        if (!file.ok()) return file.status();
        const std::string written = Rewritten(*file);
        const absl::StatusOr<SafetensorsFile> again = SafetensorsFile::Parse(written);
        EXPECT_TRUE(again.ok()) << again.status();
        if (again.ok()) {
          EXPECT_EQ(Rewritten(*again), written);
        }
        return absl::OkStatus();
      }));
}

void ExpectEqual(const RunSummary& a, const RunSummary& b) {
  EXPECT_EQ(std::tie(a.line, a.config, a.fingerprint), std::tie(b.line, b.config, b.fingerprint));
  const auto result = [](const SummaryResult& r) {
    return std::tie(r.method, r.group, r.metric, r.unit, r.over, r.values, r.interval);
  };
  EXPECT_TRUE(std::ranges::equal(a.results, b.results, {}, result, result));
  const auto failed = [](const FailedUnit& f) { return std::tie(f.unit, f.message); };
  EXPECT_TRUE(std::ranges::equal(a.failed, b.failed, {}, failed, failed));
}

TEST(RecordMutationTest, Summary) {
  RunSummary summary{.line = "continual", .config = "smoke", .fingerprint = "3f2a90c1b7de"};
  summary.results.push_back({.method = "er",
                             .group = "rotated",
                             .metric = "forgetting",
                             .unit = "fraction",
                             .values = {{"0", 0.25}, {"1", 0.5}, {"10", -1e-300}}});
  summary.results.push_back({.method = "joint",
                             .group = "é",
                             .metric = "cost",
                             .unit = "flop",
                             .values = {{"0", 1e300}}});
  summary.failed.push_back({.unit = "er.rotated.seed.2", .message = "the loss is nan"});
  ExpectBoth(RunMutations({.corpus = {SummaryText(summary).value()}, .tokens = JsonTokens()},
                          [](absl::string_view text) {
                            const absl::StatusOr<RunSummary> parsed = ParseSummary(text);
                            if (!parsed.ok()) return parsed.status();
                            // Twice the same result is refused by the writer only.
                            const absl::StatusOr<std::string> written = SummaryText(*parsed);
                            if (!written.ok()) return written.status();
                            const absl::StatusOr<RunSummary> again = ParseSummary(*written);
                            EXPECT_TRUE(again.ok()) << again.status();
                            if (again.ok()) {
                              ExpectEqual(*again, *parsed);
                              EXPECT_EQ(SummaryText(*again).value(), *written);
                            }
                            return absl::OkStatus();
                          }));
}

TEST(RecordMutationTest, RunInfo) {
  RunInfo info{.line = "continual",
               .config = "smoke",
               .fingerprint = "3f2a90c1b7de",
               .seeds = "0..2",
               .state = "finished",
               .gemm_peak_flops = 1e11,
               .cpu_seconds = {{"er.rotated.seed.0", 4.5}},
               .failures = {{"er.rotated.seed.1", "the loss is nan"}}};
  const std::string text = RunInfoText(info, CollectEnvironment({}), {.count = 2});
  // Nothing is an error here: what is damaged is left out.
  RunMutations({.corpus = {text}, .tokens = JsonTokens()}, [](absl::string_view mutated) {
    const StoredRunInfo read = ParseRunInfo(mutated);
    EXPECT_LE(read.info.cpu_seconds.size() + read.info.failures.size(), mutated.size());
    EXPECT_FALSE(RunInfoText(read.info, {}, read.sittings).empty());
    return absl::OkStatus();
  });
}

// Brackets without end, in every place that takes a value: a parser that calls itself for each
// would leave its stack.
TEST(RecordMutationTest, JsonThatIsNestedWithoutEnd) {
  for (const char* opener : {"[", "{\"a\":"}) {
    for (const char* closer : {"", "]", "}"}) {
      for (const char* front : {"", "{\"schema\":1,\"line\":", "{\"costs\":", "{\"results\":[",
                                "{\"schema\":1,\"x\":"}) {
        std::string text = front;
        for (int i = 0; i < 100000; ++i) text += opener;
        for (int i = 0; i < 100000 && *closer != '\0'; ++i) text += closer;
        EXPECT_FALSE(ParseSummary(text).ok());
        EXPECT_TRUE(ParseRunInfo(text).info.line.empty());
      }
    }
  }
}

class FolderMutationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/mutation_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  // Without the fsync of base::WriteFileAtomically, which would take most of the time.
  std::string Write(absl::string_view name, absl::string_view bytes) const {
    std::string path = base::JoinPath(folder_, name);
    std::FILE* file = std::fopen(path.c_str(), "wb");
    EXPECT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file), bytes.size());
    std::fclose(file);
    return path;
  }
  std::string folder_;
};

// The newest checkpoint is damaged: it is found, and the one before is given.
TEST_F(FolderMutationTest, Checkpoint) {
  ASSERT_TRUE(Checkpoints(folder_).Write("er", "previous").ok());
  ASSERT_TRUE(Checkpoints(folder_).Write("er", "the newest state").ok());
  std::string newest;
  const std::vector<std::string> names = base::ListFolder(folder_).value();
  for (const std::string& name : names) {
    if (name.rfind("er-00000002-", 0) == 0) newest = name;
  }
  const std::string sound = base::ReadFile(base::JoinPath(folder_, newest)).value();
  RunMutations({.corpus = {sound}, .tokens = {std::string(8, '\0'), "0f"}},
               [&](absl::string_view bytes) {
                 Write(newest, bytes);
                 const auto read = Checkpoints(folder_).ReadLatest("er");
                 if (!read.ok()) return read.status();
                 EXPECT_TRUE(read->has_value());
                 const bool whole = bytes == sound;
                 EXPECT_EQ((*read)->warning.empty(), whole);
                 EXPECT_EQ((*read)->bytes, whole ? sound : "previous");
                 return absl::OkStatus();
               });
}

TEST_F(FolderMutationTest, MetricsStream) {
  const std::string path = base::JoinPath(folder_, "metrics.jsonl");
  RunMutations({.corpus = {"{\"unit\":\"a\",\"step\":1}\n{\"unit\":\"b\",\"step\":2}\n", ""},
                .tokens = {"\n", "\n\n", "{\"unit\":", "\r\n"},
                .memory_base = 4 << 20},
               [&](absl::string_view bytes) {
                 Write("metrics.jsonl", bytes);
                 auto stream = MetricsStream::Open(path);
                 if (!stream.ok()) return stream.status();
                 // A partial last line is gone, each whole line is offered once.
                 std::string expected;
                 const size_t end = bytes.rfind('\n');
                 const absl::string_view whole =
                     bytes.substr(0, end == absl::string_view::npos ? 0 : end + 1);
                 std::string offered;
                 const absl::Status status = (*stream)->KeepLines([&](absl::string_view line) {
                   absl::StrAppend(&offered, line, "\n");
                   const bool keep = line.size() % 2 == 0;
                   if (keep) absl::StrAppend(&expected, line, "\n");
                   return keep;
                 });
                 EXPECT_EQ(offered, whole);
                 EXPECT_EQ(base::ReadFile(path).value(), expected);
                 return status;
               });
}

TEST_F(FolderMutationTest, EventFile) {
  const std::string path = base::JoinPath(folder_, "events");
  ExpectBoth(RunMutations({.corpus = {TestData("ours.tfevents"), TestData("tensorboard.tfevents")}},
                          [&](absl::string_view bytes) {
                            Write("events", bytes);
                            const auto contents = ReadEventFile(path);
                            if (!contents.ok()) return contents.status();
                            EXPECT_LE(contents->events.size(), bytes.size());
                            // What was cut holds sound records only.
                            EventFile file(path);
                            const absl::Status cut = file.Cut(3);
                            if (!cut.ok()) return cut;
                            const auto after = ReadEventFile(path);
                            EXPECT_TRUE(after.ok()) << after.status();
                            return absl::OkStatus();
                          }));
}

}  // namespace
}  // namespace perennial::record
