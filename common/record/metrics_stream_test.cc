#include "common/record/metrics_stream.h"

#include <signal.h>
#include <sys/resource.h>

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "common/base/file_io.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace perennial::record {
namespace {

using base::JsonObject;

class MetricsStreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/metrics_stream_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern + "/metrics.jsonl";
  }
  std::string Contents() const { return base::ReadFile(path_).value(); }
  std::string path_;
};

TEST_F(MetricsStreamTest, LinesStandInOrderAndSurviveReopening) {
  {
    auto stream = MetricsStream::Open(path_).value();
    ASSERT_TRUE(stream->Append(JsonObject().Add("step", 1)).ok());
  }
  auto stream = MetricsStream::Open(path_).value();
  ASSERT_TRUE(stream->Append(JsonObject().Add("step", 2)).ok());
  ASSERT_TRUE(stream->Sync().ok());
  EXPECT_EQ(Contents(), "{\"step\":1}\n{\"step\":2}\n");
}

TEST_F(MetricsStreamTest, PartialLastLineIsRemoved) {
  for (const size_t partial : {size_t{1}, size_t{4095}, size_t{4096}, size_t{20000}}) {
    const std::string whole = "{\"step\":1}\n";
    ASSERT_TRUE(base::WriteFileAtomically(path_, whole + std::string(partial, 'x')).ok());
    ASSERT_TRUE(MetricsStream::Open(path_).ok());
    EXPECT_EQ(Contents(), whole);
    ASSERT_TRUE(base::WriteFileAtomically(path_, std::string(partial, 'x')).ok());
    ASSERT_TRUE(MetricsStream::Open(path_).ok());
    EXPECT_EQ(Contents(), "");
  }
}

TEST_F(MetricsStreamTest, LinesOfManyThreadsStayWhole) {
  auto stream = MetricsStream::Open(path_).value();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&stream, t] {
      for (int i = 0; i < 500; ++i) {
        EXPECT_TRUE(stream
                        ->Append(JsonObject()
                                     .Add("thread", t)
                                     .Add("i", i)
                                     .Add("pad", std::string(static_cast<size_t>(i % 97), 'p')))
                        .ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<int> next(4, 0);
  for (const absl::string_view line : absl::StrSplit(Contents(), '\n', absl::SkipEmpty())) {
    const nlohmann::json json = nlohmann::json::parse(std::string(line));
    EXPECT_EQ(json["i"].get<int>(), next[json["thread"].get<int>()]++);
  }
  EXPECT_EQ(next, std::vector<int>(4, 500));
}

TEST_F(MetricsStreamTest, KeepLinesCutsAndGoesOn) {
  auto stream = MetricsStream::Open(path_).value();
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(stream->Append(JsonObject().Add("unit", i % 2).Add("step", i)).ok());
  }
  // Unit 0 goes on from step 2, unit 1 from step 5.
  ASSERT_TRUE(stream
                  ->KeepLines([](absl::string_view line) {
                    const nlohmann::json json = nlohmann::json::parse(std::string(line));
                    return json["step"].get<int>() <= (json["unit"].get<int>() == 0 ? 2 : 5);
                  })
                  .ok());
  ASSERT_TRUE(stream->Append(JsonObject().Add("unit", 0).Add("step", 4)).ok());
  EXPECT_EQ(Contents(),
            "{\"unit\":0,\"step\":0}\n{\"unit\":1,\"step\":1}\n{\"unit\":0,\"step\":2}\n"
            "{\"unit\":1,\"step\":3}\n{\"unit\":1,\"step\":5}\n{\"unit\":0,\"step\":4}\n");
}

TEST_F(MetricsStreamTest, UnwritablePathIsNamed) {
  const absl::Status status = MetricsStream::Open(path_ + "/no/file").status();
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find(path_), absl::string_view::npos);
}

// A limit on the size of files ends a write in its middle, as a full disk does.
TEST_F(MetricsStreamTest, APartOfALineDoesNotStay) {
  signal(SIGXFSZ, SIG_IGN);
  auto stream = MetricsStream::Open(path_).value();
  ASSERT_TRUE(stream->Append(JsonObject().Add("step", 1)).ok());
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 20;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_FALSE(stream->Append(JsonObject().Add("pad", std::string(100, 'p'))).ok());
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(Contents(), "{\"step\":1}\n");
  ASSERT_TRUE(stream->Append(JsonObject().Add("step", 2)).ok());
  EXPECT_EQ(Contents(), "{\"step\":1}\n{\"step\":2}\n");
}

TEST(MetricsStreamOnFullDisk, AppendReportsIt) {
  auto stream = MetricsStream::Open("/dev/full");
  if (!stream.ok()) GTEST_SKIP() << "/dev/full cannot be opened here";
  EXPECT_EQ((*stream)->Append(JsonObject().Add("step", 1)).code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace perennial::record
