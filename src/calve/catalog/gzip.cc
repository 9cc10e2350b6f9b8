#include "calve/catalog/gzip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <limits>

namespace calve::catalog {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib: the largest window, gzip framing
constexpr size_t kStep = 256 << 10;

Bytef* ZlibBytes(std::string_view bytes) {
  // zlib's next_in is not const in every build; it does not write there.
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
}

}  // namespace

bool IsGzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

Result<std::string> Gzip(std::string_view bytes) {
  z_stream stream{};
  if (bytes.size() > std::numeric_limits<uInt>::max() ||
      deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return MakeError(ErrorKind::kFailed, fmt::format("cannot compress {} bytes", bytes.size()));
  }
  std::string packed(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  stream.next_in = ZlibBytes(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = ZlibBytes(packed);
  stream.avail_out = static_cast<uInt>(packed.size());
  int code = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (code != Z_STREAM_END) return MakeError(ErrorKind::kFailed, fmt::format("cannot compress: zlib error {}", code));
  return packed;
}

Result<std::string> Gunzip(std::string_view bytes, size_t size_max) {
  z_stream stream{};
  if (bytes.size() > std::numeric_limits<uInt>::max() || inflateInit2(&stream, kGzipWindow) != Z_OK) {
    return MakeError(ErrorKind::kFailed, fmt::format("cannot uncompress {} bytes", bytes.size()));
  }
  stream.next_in = ZlibBytes(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string plain;
  int code = Z_OK;
  // Grown as it is filled: what the bytes say about their size is not believed.
  while (code == Z_OK && plain.size() <= size_max) {
    size_t filled = plain.size();
    plain.resize(filled + kStep);
    stream.next_out = ZlibBytes(std::string_view(plain).substr(filled));
    stream.avail_out = kStep;
    code = inflate(&stream, Z_NO_FLUSH);
    plain.resize(filled + kStep - stream.avail_out);
  }
  inflateEnd(&stream);
  if (plain.size() > size_max) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("it unpacks to more than {} bytes", size_max));
  }
  if (code != Z_STREAM_END) return MakeError(ErrorKind::kCorrupt, "its gzip data is damaged or cut short");
  return plain;
}

}  // namespace calve::catalog
