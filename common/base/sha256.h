// SHA-256 (FIPS 180-4), for fingerprints and checksums.
//
//   Sha256Hex("abc");  // "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
//   Sha256 hash;
//   hash.Update(header);
//   hash.Update(body);
//   std::string digest = hash.FinishHex();
#ifndef PERENNIAL_COMMON_BASE_SHA256_H_
#define PERENNIAL_COMMON_BASE_SHA256_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace perennial::base {

class Sha256 {
 public:
  Sha256();

  void Update(absl::string_view bytes);

  // The digest of everything given so far. Ends the computation: call once, nothing after it.
  std::array<uint8_t, 32> Finish();
  std::string FinishHex();

 private:
  void Compress(const uint8_t* block);

  std::array<uint32_t, 8> state_;
  std::array<uint8_t, 64> buffer_;
  size_t buffered_ = 0;
  uint64_t total_bytes_ = 0;
};

// The digest of one string as 64 lower-case hexadecimal digits.
std::string Sha256Hex(absl::string_view bytes);

}  // namespace perennial::base

#endif  // PERENNIAL_COMMON_BASE_SHA256_H_
