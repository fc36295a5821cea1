// Decompression of gzip data that is not trusted.
#ifndef PERENNIAL_COMMON_DATA_GZIP_H_
#define PERENNIAL_COMMON_DATA_GZIP_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace perennial::data {

// True if the bytes begin with gzip's magic number.
bool IsGzip(absl::string_view bytes);

// The decompressed bytes. Memory grows with what is really there, never with what a header claims.
// Errors: InvalidArgument, naming `name`: truncated, damaged (checksum), more than `max_bytes`, or
// bytes after the end.
absl::StatusOr<std::string> Gunzip(absl::string_view bytes, absl::string_view name,
                                   int64_t max_bytes);

}  // namespace perennial::data

#endif  // PERENNIAL_COMMON_DATA_GZIP_H_
