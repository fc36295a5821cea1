// CRC-32C: Castagnoli's polynomial 0x1EDC6F41, reflected, as in iSCSI (RFC 3720, appendix B.4), and
// its masked form in TFRecord files, which TensorBoard reads.
//
//   Crc32c("123456789");                        // 0xe3069283
//   ExtendCrc32c(Crc32c("1234"), "56789");      // the same
//   MaskCrc32c(Crc32c(record));                 // what stands in a TFRecord file
#ifndef PERENNIAL_COMMON_BASE_CRC32C_H_
#define PERENNIAL_COMMON_BASE_CRC32C_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace perennial::base {

// The checksum of a text whose beginning has the checksum `crc` (0 for nothing yet) and which goes
// on with `bytes`. Uses the processor's instruction where there is one.
uint32_t ExtendCrc32c(uint32_t crc, absl::string_view bytes);

inline uint32_t Crc32c(absl::string_view bytes) { return ExtendCrc32c(0, bytes); }

// A checksum that is stored beside what it covers: rotated right by 15 bits, plus a constant, since
// the checksum of data with its own checksum in it is weak.
inline uint32_t MaskCrc32c(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

namespace internal {
// By table, on any processor; ExtendCrc32c falls back to it.
uint32_t ExtendCrc32cByTable(uint32_t crc, absl::string_view bytes);
}  // namespace internal

}  // namespace perennial::base

#endif  // PERENNIAL_COMMON_BASE_CRC32C_H_
