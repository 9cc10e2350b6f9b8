#include "calve/iceberg/avro_codec.h"

#include <arrow/util/compression.h>
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

namespace calve::iceberg {
namespace {

constexpr int kRawDeflate = -MAX_WBITS;
constexpr size_t kFirstGuessMax = size_t{1} << 20;

Status CorruptBlock(std::string message) { return MakeError(ErrorKind::kCorrupt, std::move(message)); }

// The output grows with what really comes out, never by what the input claims.
bool Grow(std::string& out, size_t used, size_t size_max) {
  if (used < out.size()) return true;
  if (out.size() >= size_max) return false;
  out.resize(std::min(size_max, std::max<size_t>(out.size() * 2, 4096)));
  return true;
}

std::string FirstGuess(size_t input, size_t size_max) {
  return std::string(std::min({size_max, kFirstGuessMax, input * 4 + 256}), '\0');
}

Result<std::string> Inflate(std::string_view bytes, size_t size_max) {
  if (bytes.size() > std::numeric_limits<uInt>::max()) return CorruptBlock("a block beyond 4 GiB");
  z_stream stream{};
  if (inflateInit2(&stream, kRawDeflate) != Z_OK) return MakeError(ErrorKind::kFailed, "zlib could not be started");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out = FirstGuess(bytes.size(), size_max);
  size_t used = 0;
  while (true) {
    if (!Grow(out, used, size_max)) return CorruptBlock("a block that inflates beyond its limit");
    const size_t room = std::min<size_t>(out.size() - used, std::numeric_limits<uInt>::max());
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + used);
    stream.avail_out = static_cast<uInt>(room);
    const int code = inflate(&stream, Z_NO_FLUSH);
    used += room - stream.avail_out;
    if (code == Z_STREAM_END) break;
    if (code != Z_OK || (stream.avail_in == 0 && stream.avail_out != 0))
      return CorruptBlock("a deflate block that is damaged");
  }
  out.resize(used);
  return out;
}

Result<std::string> Unzstd(std::string_view bytes, size_t size_max) {
  ARROW_ASSIGN_OR_RAISE(const auto codec, arrow::util::Codec::Create(arrow::Compression::ZSTD));
  ARROW_ASSIGN_OR_RAISE(const auto stream, codec->MakeDecompressor());
  std::string out = FirstGuess(bytes.size(), size_max);
  size_t used = 0;
  while (!bytes.empty() || !stream->IsFinished()) {
    if (!Grow(out, used, size_max)) return CorruptBlock("a block that expands beyond its limit");
    const auto step =
        stream->Decompress(static_cast<int64_t>(bytes.size()), reinterpret_cast<const uint8_t*>(bytes.data()),
                           static_cast<int64_t>(out.size() - used), reinterpret_cast<uint8_t*>(out.data() + used));
    if (!step.ok()) return CorruptBlock("a zstandard block that is damaged: " + step.status().message());
    bytes.remove_prefix(static_cast<size_t>(step->bytes_read));
    used += static_cast<size_t>(step->bytes_written);
    if (stream->IsFinished()) {
      if (bytes.empty()) break;
      ARROW_RETURN_NOT_OK(stream->Reset());
    } else if (step->bytes_read == 0 && step->bytes_written == 0) {
      return CorruptBlock("a zstandard block that ends too early");
    }
  }
  out.resize(used);
  return out;
}

// The block is raw snappy and then the CRC-32 of what it holds, big-endian.
Result<std::string> Unsnappy(std::string_view bytes, size_t size_max) {
  constexpr size_t kCrcSize = 4;
  if (bytes.size() <= kCrcSize) return CorruptBlock("a snappy block without its checksum");
  const std::string_view body = bytes.substr(0, bytes.size() - kCrcSize);
  // Raw snappy begins with the size of what it holds. It never gets more than 64 bytes out of 3.
  uint64_t claimed = 0;
  for (size_t at = 0, shift = 0;; ++at, shift += 7) {
    if (at == body.size() || shift > 28) return CorruptBlock("a snappy block without a length");
    claimed |= static_cast<uint64_t>(static_cast<unsigned char>(body[at]) & 0x7f) << shift;
    if (static_cast<unsigned char>(body[at]) < 0x80) break;
  }
  if (claimed > size_max || claimed > body.size() * 64) return CorruptBlock("a snappy block with an impossible length");
  ARROW_ASSIGN_OR_RAISE(const auto codec, arrow::util::Codec::Create(arrow::Compression::SNAPPY));
  std::string out(claimed, '\0');
  const auto size = codec->Decompress(static_cast<int64_t>(body.size()), reinterpret_cast<const uint8_t*>(body.data()),
                                      static_cast<int64_t>(out.size()), reinterpret_cast<uint8_t*>(out.data()));
  if (!size.ok()) return CorruptBlock("a snappy block that is damaged: " + size.status().message());
  if (*size != static_cast<int64_t>(out.size())) return CorruptBlock("a snappy block of another length than it says");
  uint32_t expected = 0;
  for (const char byte : bytes.substr(body.size())) expected = expected << 8 | static_cast<unsigned char>(byte);
  if (crc32_z(0, reinterpret_cast<const Bytef*>(out.data()), out.size()) != expected) {
    return CorruptBlock("a snappy block whose checksum does not fit");
  }
  return out;
}

}  // namespace

Result<std::string> AvroDeflate(std::string_view bytes) {
  if (bytes.size() > std::numeric_limits<uInt>::max() / 2)
    return MakeError(ErrorKind::kFailed, "an Avro block beyond 2 GiB");
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kRawDeflate, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return MakeError(ErrorKind::kFailed, "zlib could not be started");
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, deflateEnd);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END)
    return MakeError(ErrorKind::kFailed, "zlib could not compress a block");
  out.resize(stream.total_out);
  return out;
}

Result<std::string> AvroDecompress(std::string_view codec, std::string_view bytes, size_t size_max) {
  if (codec.empty() || codec == "null") {
    if (bytes.size() > size_max) return CorruptBlock("a block beyond its limit");
    return std::string(bytes);
  }
  if (codec == "deflate") return Inflate(bytes, size_max);
  if (codec == "zstandard") return Unzstd(bytes, size_max);
  if (codec == "snappy") return Unsnappy(bytes, size_max);
  if (codec == "bzip2" || codec == "xz") {
    return MakeError(ErrorKind::kUnsupported, fmt::format("Avro codec '{}'", codec),
                     "Rewrite the table's manifests with write.avro.compression-codec gzip.");
  }
  return CorruptBlock(fmt::format("unknown Avro codec '{}'", codec.substr(0, 40)));
}

}  // namespace calve::iceberg
