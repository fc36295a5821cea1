#include "common/testing/mutation.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <iterator>
#include <new>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/random/stream.h"
#include "gtest/gtest.h"

// Called by the sanitizers before they end the process.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

std::atomic<int64_t> live_bytes = 0;
std::atomic<int64_t> peak_bytes = 0;

void* Allocate(size_t size) {
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) return nullptr;
  const int64_t live = live_bytes.fetch_add(static_cast<int64_t>(malloc_usable_size(memory))) +
                       static_cast<int64_t>(malloc_usable_size(memory));
  int64_t peak = peak_bytes.load(std::memory_order_relaxed);
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
  }
  return memory;
}

}  // namespace

// Replacements for the whole program; the forms not named here end in these.
void* operator new(size_t size) {
  void* memory = Allocate(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new(size_t size, const std::nothrow_t&) noexcept { return Allocate(size); }
void operator delete(void* memory) noexcept {
  if (memory != nullptr) live_bytes.fetch_sub(static_cast<int64_t>(malloc_usable_size(memory)));
  std::free(memory);
}
void operator delete(void* memory, size_t /*size*/) noexcept { operator delete(memory); }

namespace perennial::testing {
namespace {

constexpr int64_t kMinTrials = 100;

// What the handlers of a dying process may still look at.
const std::string* current_input = nullptr;
int64_t current_trial = 0;
char failure_path[4096];

// Only calls that are allowed in a signal handler.
void ReportTrial() {
  if (current_input == nullptr) return;
  char text[64] = "mutation trial ";
  size_t at = std::strlen(text);
  char digits[20];
  size_t count = 0;
  for (int64_t rest = current_trial; count == 0 || rest > 0; rest /= 10) {
    digits[count++] = static_cast<char>('0' + rest % 10);
  }
  while (count > 0) text[at++] = digits[--count];
  text[at++] = '\n';
  ssize_t ignored = write(STDERR_FILENO, text, at);
  const int file = open(failure_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file >= 0) {
    ignored = write(file, current_input->data(), current_input->size());
    close(file);
  }
  (void)ignored;
  current_input = nullptr;
}

void OnSignal(int signal) {
  ReportTrial();
  ::signal(signal, SIG_DFL);
  raise(signal);
}

void ReportTrialsThatEndTheProcess() {
  const char* folder = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR");
  const std::string path = absl::StrCat(folder == nullptr ? "." : folder, "/mutation_failure");
  std::strncpy(failure_path, path.c_str(), sizeof(failure_path) - 1);
  const auto handle = [](int signal) {
    struct sigaction action = {};
    action.sa_handler = &OnSignal;
    action.sa_flags = SA_ONSTACK;
    sigaction(signal, &action, nullptr);
  };
  handle(SIGABRT);
  if (__sanitizer_set_death_callback != nullptr) {
    // The other signals are the sanitizer's, which says more about them.
    __sanitizer_set_death_callback(&ReportTrial);
    return;
  }
  // A stack that overflows has no room for the handler.
  static char stack[1 << 16];
  const stack_t alternate = {.ss_sp = stack, .ss_flags = 0, .ss_size = sizeof(stack)};
  sigaltstack(&alternate, nullptr);
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTERM}) handle(signal);
}

constexpr uint8_t kBytes[] = {0,    1,    0x7f, 0x80, 0xff, 0xc0, 0xef, '\n', '\r', '\t', ' ', '"',
                              '\'', '\\', ',',  ';',  ':',  '{',  '}',  '[',  ']',  '(',  ')', '<',
                              '>',  '-',  '+',  '.',  '0',  '9',  'e',  '/',  '=',  '#',  'N', '|'};

constexpr const char* kNumbers[] = {"0",
                                    "-0",
                                    "-1",
                                    "1",
                                    "127",
                                    "256",
                                    "65536",
                                    "2147483647",
                                    "2147483648",
                                    "-2147483649",
                                    "4294967295",
                                    "4294967296",
                                    "9007199254740993",
                                    "9223372036854775807",
                                    "9223372036854775808",
                                    "-9223372036854775808",
                                    "-9223372036854775809",
                                    "18446744073709551615",
                                    "18446744073709551616",
                                    "1e308",
                                    "1e999",
                                    "-1e999",
                                    "1e-999",
                                    "0.1",
                                    "1.",
                                    ".5",
                                    "00",
                                    "0x10",
                                    "nan",
                                    "inf",
                                    "99999999999999999999999999999999999999999999999999"};

constexpr uint64_t kExtremes[] = {0,
                                  1,
                                  0x7f,
                                  0x80,
                                  0xff,
                                  0x100,
                                  0x7fff,
                                  0x8000,
                                  0xffff,
                                  0x10000,
                                  0x7fffffff,
                                  0x80000000,
                                  0xffffffff,
                                  0x100000000,
                                  uint64_t{1} << 48,
                                  0x7fffffffffffffff,
                                  0x8000000000000000,
                                  0xffffffffffffffff};

constexpr absl::string_view kOpeners = "[{(<\"'";
constexpr absl::string_view kClosers = "]})>\"'";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

class Mutator {
 public:
  Mutator(const MutationOptions& options, random::Stream stream)
      : options_(options), stream_(stream) {}

  template <typename Container>
  const auto& Pick(const Container& container) {
    return container[stream_.Below(std::size(container))];
  }

  std::string Make() {
    bytes_ = Pick(options_.corpus);
    // Mostly a little damage: much of it is refused at the first byte.
    int edits = 1;
    while (edits < 16 && stream_.Below(2) == 0) ++edits;
    for (int i = 0; i < edits; ++i) {
      Edit();
      if (bytes_.size() > options_.max_input_bytes) bytes_.resize(options_.max_input_bytes);
    }
    return std::move(bytes_);
  }

 private:
  size_t Below(size_t bound) { return bound == 0 ? 0 : stream_.Below(bound); }
  // Headers stand at the front and directories at the end: places there are more likely.
  size_t Place(size_t bound) {
    const size_t at = Below(bound);
    switch (stream_.Below(4)) {
      case 0:
        return std::min(at, Below(64));
      case 1:
        return bound - 1 - std::min(bound - 1, Below(64));
      default:
        return at;
    }
  }
  // Short ranges are more likely than long ones.
  size_t Length(size_t bound) { return Below(std::min(bound, size_t{1} << stream_.Below(12)) + 1); }

  void Edit() {
    const size_t size = bytes_.size();
    const size_t at = Place(size + 1);
    const size_t inside = std::min(at, size == 0 ? 0 : size - 1);
    const size_t length = Length(size - at);
    switch (stream_.Below(12)) {
      case 0:
        if (size > 0) bytes_[inside] ^= static_cast<char>(1 << stream_.Below(8));
        break;
      case 1:
        if (size > 0) bytes_[inside] = static_cast<char>(Pick(kBytes));
        break;
      case 2:
        bytes_.resize(at);
        break;
      case 3: {
        std::string random(Length(32), '\0');
        for (char& c : random) c = static_cast<char>(stream_.Next32());
        bytes_.insert(at, random);
        break;
      }
      case 4:
        bytes_.erase(at, length);
        break;
      case 5: {
        const std::string range = bytes_.substr(at, length);
        const uint64_t times = uint64_t{1} << stream_.Below(6);
        for (uint64_t i = 0; i < times && bytes_.size() < options_.max_input_bytes; ++i) {
          bytes_.insert(at, range);
        }
        break;
      }
      case 6: {
        const std::string& other = Pick(options_.corpus);
        const size_t from = Below(other.size() + 1);
        bytes_ = absl::StrCat(bytes_.substr(0, at), other.substr(from));
        break;
      }
      case 7:
        SetBinaryNumber(at);
        break;
      case 8:
        SetDecimalNumber(inside);
        break;
      case 9:
        Nest(at);
        break;
      case 10:
        if (!options_.tokens.empty()) bytes_.insert(at, Pick(options_.tokens));
        break;
      default:
        if (!options_.tokens.empty()) bytes_.replace(at, length, Pick(options_.tokens));
    }
  }

  void SetBinaryNumber(size_t at) {
    const size_t width = size_t{2} << stream_.Below(3);
    if (bytes_.size() < width) return;
    at = std::min(at, bytes_.size() - width);
    uint64_t value = Pick(kExtremes);
    // Sizes that are nearly those of the input pass more checks than extremes.
    if (stream_.Below(3) == 0) value = bytes_.size() - 16 + stream_.Below(32);
    const bool little = stream_.Below(2) == 0;
    for (size_t i = 0; i < width; ++i) {
      bytes_[at + (little ? i : width - 1 - i)] = static_cast<char>(value >> (8 * i));
    }
  }

  // The first number from `at` on, or round about.
  void SetDecimalNumber(size_t at) {
    size_t begin = at;
    while (begin < bytes_.size() && !IsDigit(bytes_[begin])) ++begin;
    if (begin == bytes_.size()) {
      begin = bytes_.find_first_of("0123456789");
      if (begin == std::string::npos) return;
    }
    size_t end = begin;
    while (end < bytes_.size() && IsDigit(bytes_[end])) ++end;
    while (begin > 0 && IsDigit(bytes_[begin - 1])) --begin;
    bytes_.replace(begin, end - begin, Pick(kNumbers));
  }

  void Nest(size_t at) {
    std::string opener;
    std::string closer;
    if (!options_.tokens.empty() && stream_.Below(2) == 0) {
      opener = Pick(options_.tokens);
    } else {
      const size_t kind = Below(kOpeners.size());
      opener = kOpeners[kind];
      if (stream_.Below(2) == 0) closer = kClosers[kind];
    }
    std::string nested;
    const uint64_t depth = uint64_t{1} << stream_.Below(15);
    for (uint64_t i = 0; i < depth && nested.size() < options_.max_input_bytes; ++i) {
      nested += opener;
    }
    if (!closer.empty()) nested.append(nested.size(), closer[0]);
    bytes_.insert(at, nested);
  }

  const MutationOptions& options_;
  random::Stream stream_;
  std::string bytes_;
};

double SecondsAllowed() {
  const char* text = std::getenv("PERENNIAL_MUTATION_SECONDS");
  double seconds = 2;
  if (text != nullptr && !absl::SimpleAtod(text, &seconds)) {
    ADD_FAILURE() << "PERENNIAL_MUTATION_SECONDS is no number: " << text;
  }
  return seconds;
}

}  // namespace

int64_t PeakAllocation(absl::FunctionRef<void()> body) {
  const int64_t before = live_bytes.load();
  peak_bytes.store(before);
  body();
  return peak_bytes.load() - before;
}

std::string MutatedInput(const MutationOptions& options, int64_t trial) {
  if (trial < static_cast<int64_t>(options.corpus.size())) return options.corpus[trial];
  return Mutator(options, random::Stream(options.seed).Split(static_cast<uint64_t>(trial))).Make();
}

MutationCounts RunMutations(const MutationOptions& options,
                            absl::FunctionRef<absl::Status(absl::string_view)> parse) {
  MutationCounts counts;
  if (options.corpus.empty()) {
    ADD_FAILURE() << "the corpus is empty";
    return counts;
  }
  ReportTrialsThatEndTheProcess();
  const char* only = std::getenv("PERENNIAL_MUTATION_TRIAL");
  int64_t trial = 0;
  if (only != nullptr && !absl::SimpleAtoi(only, &trial)) {
    ADD_FAILURE() << "PERENNIAL_MUTATION_TRIAL is no number: " << only;
  }
  const auto seed_count = static_cast<int64_t>(options.corpus.size());
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(SecondsAllowed());
  for (;; ++trial) {
    if (trial >= seed_count + kMinTrials && std::chrono::steady_clock::now() >= end) break;
    const std::string input = MutatedInput(options, trial);
    current_input = &input;
    current_trial = trial;
    absl::Status status;
    // The engine's own copy of the status is freed outside.
    const int64_t peak = PeakAllocation([&] { status = parse(input); });
    current_input = nullptr;
    ++counts.trials;
    counts.accepted += status.ok();
    const std::string message(status.message());
    const int64_t allowed =
        options.memory_base + options.memory_factor * static_cast<int64_t>(input.size());
    std::string fault;
    if (peak > allowed) fault = absl::StrCat(peak, " bytes held at once; allowed ", allowed);
    if (!status.ok() && message.empty()) fault = "an error without a message";
    if (message.size() > options.max_message_bytes) {
      fault = absl::StrCat("a message of ", message.size(), " bytes: ", message.substr(0, 1000));
    }
    if (message.find_first_of("\n\r") != std::string::npos) {
      fault = absl::StrCat("a message of several lines: ", message);
    }
    if (fault.empty() && !status.ok() && trial < seed_count)
      fault = absl::StrCat("refused: ", message);
    if (fault.empty() && ::testing::Test::HasFailure()) fault = "the failure above";
    if (!fault.empty()) {
      ADD_FAILURE() << "mutation trial " << trial << " of seed " << options.seed << ": " << fault
                    << "; input of " << input.size()
                    << " bytes: " << absl::CHexEscape(input.substr(0, 2000));
      break;
    }
    if (only != nullptr) break;
  }
  std::cout << counts.trials << " trials, " << counts.accepted << " accepted\n";
  return counts;
}

}  // namespace perennial::testing
