// Random streams that are split by name, never by position.
//
// A stream is named by a path that begins with a seed. Equal paths give equal numbers, whatever
// else was drawn before, on whichever thread: there is no global state. Splitting does not advance
// the parent, and a child is independent of its parent and of its siblings.
//
// The 128-bit identity of a child is Philox4x32-10 of its parent's identity under the 64-bit
// FNV-1a hash of the name, so that identities of different paths collide with the chance of a
// 64-bit hash. Draws are Philox4x32-10 of a running counter (and the identity).
//
//   const Stream root(/*seed=*/3);
//   Stream order = root.Split("order").Split(epoch);
//   order.Shuffle(std::span<int32_t>(indices));
//   const double u = order.Uniform();           // in [0, 1)
#ifndef PERENNIAL_COMMON_RANDOM_STREAM_H_
#define PERENNIAL_COMMON_RANDOM_STREAM_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/random/philox.h"

namespace perennial::random {

class Stream {
 public:
  explicit Stream(uint64_t seed);

  // The stream named `name` (or `index`) below this one. Names and indices do not clash.
  Stream Split(absl::string_view name) const;
  Stream Split(uint64_t index) const;

  uint32_t Next32();
  uint64_t Next64();
  // Uniform in [0, 1), 53 random bits.
  double Uniform();
  // Uniform in [low, high).
  double Uniform(double low, double high);
  // Uniform in {0, ..., bound - 1}, without modulo bias (Lemire 2019). `bound` > 0.
  uint64_t Below(uint64_t bound);
  // Standard normal (Box-Muller); uses two uniforms a pair.
  double Normal();

  // Fisher-Yates: every order is equally likely.
  template <typename Element>
  void Shuffle(std::span<Element> elements) {
    for (size_t i = elements.size(); i > 1; --i) std::swap(elements[i - 1], elements[Below(i)]);
  }

  // `count` different numbers below `population`, in random order; all orders equally likely.
  // Needs 0 <= count <= population. O(population).
  std::vector<int32_t> Sample(int32_t population, int32_t count);

  // Random access: block `index` of the stream, for draws whose position is an element's position
  // (dropout). Does not advance the stream.
  PhiloxBlock At(uint64_t index) const;

  // What tells this stream from all others. At(i) is Philox4x32 of the counter {low half of i, high
  // half of i, identity[2], identity[3]} and the key {identity[0], identity[1]}, which is what a
  // bulk generator on another instruction set or a GPU needs to know.
  const PhiloxBlock& identity() const { return identity_; }

 private:
  explicit Stream(const PhiloxBlock& identity) : identity_(identity) {}

  PhiloxBlock identity_;
  uint64_t counter_ = 0;  // Next block.
  PhiloxBlock block_ = {};
  uint32_t used_ = 4;  // Words of block_ already handed out.
  bool has_normal_ = false;
  double normal_ = 0;
};

}  // namespace perennial::random

#endif  // PERENNIAL_COMMON_RANDOM_STREAM_H_
