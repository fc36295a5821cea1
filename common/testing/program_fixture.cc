#include "common/testing/program_fixture.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"

namespace perennial::testing {

void FolderTest::SetUp() {
  folder_ = absl::StrCat(std::getenv("TEST_TMPDIR"), "/",
                         ::testing::UnitTest::GetInstance()->current_test_info()->name());
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directories(folder_);
}

void FolderTest::Write(const std::string& name, const std::string& bytes) const {
  const std::filesystem::path path = base::JoinPath(folder_, name);
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  EXPECT_TRUE(file.flush()) << path;
}

std::string FolderTest::Contents(const std::string& name) const {
  return base::ReadFile(base::JoinPath(folder_, name)).value_or("");
}

std::multiset<std::string> FolderTest::Lines(const std::string& name) const {
  std::multiset<std::string> lines;
  std::istringstream stream(Contents(name));
  for (std::string line; std::getline(stream, line);) lines.insert(line);
  return lines;
}

bool FolderTest::Exists(const std::string& name) const {
  return std::filesystem::exists(base::JoinPath(folder_, name));
}

void ProgramTest::SetUp() {
  FolderTest::SetUp();
  options_ = {.working_folder = folder_, .environment = {{"BUILD_WORKING_DIRECTORY", folder_}}};
}

std::string ProgramTest::Binary(const std::string& target) {
  const auto path = base::FindRunfile(absl::StrCat("perennial/", target));
  EXPECT_TRUE(path.ok()) << path.status();
  return path.value_or("");
}

ProcessResult ProgramTest::Start(const std::string& target,
                                 std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), Binary(target));
  return RunProcess(arguments, options_);
}

void ProgramTest::AwaitEntries(Process& process, const std::string& folder, int64_t count) const {
  const std::string path = base::JoinPath(folder_, folder);
  for (int i = 0; i < 6000; ++i) {
    // It may come and go meanwhile.
    std::error_code ignored;
    const std::filesystem::directory_iterator entries(path, ignored);
    if (std::distance(begin(entries), end(entries)) >= count) return;
    if (process.EndsWithin(0.01)) return;
  }
}

}  // namespace perennial::testing
