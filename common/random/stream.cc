#include "common/random/stream.h"

#include <cmath>
#include <numbers>
#include <numeric>

namespace perennial::random {
namespace {

constexpr uint64_t kFnvOffset = 0xCBF29CE484222325;
constexpr uint64_t kFnvPrime = 0x100000001B3;

uint64_t HashByte(uint64_t hash, uint8_t byte) { return (hash ^ byte) * kFnvPrime; }

PhiloxKey ToKey(uint64_t value) {
  return {static_cast<uint32_t>(value), static_cast<uint32_t>(value >> 32)};
}

PhiloxBlock Child(const PhiloxBlock& parent, uint64_t hash) {
  return Philox4x32(parent, ToKey(hash));
}

}  // namespace

Stream::Stream(uint64_t seed)
    : identity_(Philox4x32(
          {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), 0x73656564u, 0}, {})) {}

Stream Stream::Split(absl::string_view name) const {
  uint64_t hash = HashByte(kFnvOffset, 'n');
  for (const char c : name) hash = HashByte(hash, static_cast<uint8_t>(c));
  return Stream(Child(identity_, hash));
}

Stream Stream::Split(uint64_t index) const {
  uint64_t hash = HashByte(kFnvOffset, 'i');
  for (int i = 0; i < 8; ++i) hash = HashByte(hash, static_cast<uint8_t>(index >> (8 * i)));
  return Stream(Child(identity_, hash));
}

PhiloxBlock Stream::At(uint64_t index) const {
  // Half of the identity is the key, the other half the upper counter words: 128 bits tell streams
  // apart, and each stream has 2^64 blocks.
  return Philox4x32({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), identity_[2],
                     identity_[3]},
                    {identity_[0], identity_[1]});
}

uint32_t Stream::Next32() {
  if (used_ == 4) {
    block_ = At(counter_++);
    used_ = 0;
  }
  return block_[used_++];
}

uint64_t Stream::Next64() {
  const uint64_t low = Next32();
  return low | (static_cast<uint64_t>(Next32()) << 32);
}

double Stream::Uniform() { return static_cast<double>(Next64() >> 11) * 0x1.0p-53; }

double Stream::Uniform(double low, double high) { return low + (high - low) * Uniform(); }

uint64_t Stream::Below(uint64_t bound) {
  unsigned __int128 product = static_cast<unsigned __int128>(Next64()) * bound;
  uint64_t low = static_cast<uint64_t>(product);
  if (low < bound) {
    const uint64_t threshold = -bound % bound;
    while (low < threshold) {
      product = static_cast<unsigned __int128>(Next64()) * bound;
      low = static_cast<uint64_t>(product);
    }
  }
  return static_cast<uint64_t>(product >> 64);
}

double Stream::Normal() {
  if (has_normal_) {
    has_normal_ = false;
    return normal_;
  }
  const double radius = std::sqrt(-2 * std::log(1 - Uniform()));
  const double angle = 2 * std::numbers::pi * Uniform();
  normal_ = radius * std::sin(angle);
  has_normal_ = true;
  return radius * std::cos(angle);
}

std::vector<int32_t> Stream::Sample(int32_t population, int32_t count) {
  std::vector<int32_t> all(population);
  std::iota(all.begin(), all.end(), 0);
  for (int32_t i = 0; i < count; ++i) std::swap(all[i], all[i + Below(population - i)]);
  all.resize(count);
  return all;
}

}  // namespace perennial::random
