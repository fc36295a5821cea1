#include "common/data/gzip.h"

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "zlib.h"

namespace perennial::data {

bool IsGzip(absl::string_view bytes) {
  return bytes.size() >= 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b';
}

absl::StatusOr<std::string> Gunzip(absl::string_view bytes, absl::string_view name,
                                   int64_t max_bytes) {
  z_stream stream = {};
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  if (inflateInit2(&stream, kGzipOnly) != Z_OK) return absl::InternalError("zlib does not start");
  absl::Cleanup end = [&stream] { inflateEnd(&stream); };

  std::string result;
  constexpr size_t kChunk = 1 << 20;
  size_t consumed = 0;
  int code = Z_OK;
  while (code != Z_STREAM_END) {
    if (stream.avail_in == 0) {
      const size_t take = std::min(bytes.size() - consumed, kChunk);
      if (take == 0) {
        return absl::InvalidArgumentError(
            absl::StrCat(name, ": gzip data ends early, after ", bytes.size(),
                         " compressed bytes; the file is truncated, fetch it again"));
      }
      stream.next_in =
          reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data())) + consumed;  // zlib's C API.
      stream.avail_in = static_cast<uInt>(take);
      consumed += take;
    }
    const size_t before = result.size();
    result.resize(before + kChunk);
    stream.next_out = reinterpret_cast<Bytef*>(result.data()) + before;
    stream.avail_out = kChunk;
    code = inflate(&stream, Z_NO_FLUSH);
    result.resize(before + kChunk - stream.avail_out);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": damaged gzip data (", stream.msg == nullptr ? "zlib" : stream.msg,
                       " after ", result.size(), " bytes); fetch the file again"));
    }
    if (static_cast<int64_t>(result.size()) > max_bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": decompresses to more than the ", max_bytes, " bytes allowed"));
    }
  }
  const size_t rest = bytes.size() - consumed + stream.avail_in;
  if (rest != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": ", rest, " bytes follow the end of the gzip data"));
  }
  return result;
}

}  // namespace perennial::data
