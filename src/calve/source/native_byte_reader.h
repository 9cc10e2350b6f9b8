// A stream of byte chunks of any size, read forward with bounds. Takes memory only as bytes arrive.
#pragma once

#include <arrow/buffer.h>

#include <cstring>
#include <deque>
#include <memory>
#include <string>

#include "calve/base/error.h"
#include "calve/source/native_decoder.h"

namespace calve::source {

class ByteReader {
 public:
  // What is kept of the bytes already read, to find a server's exception in them.
  static constexpr int64_t kTailBytes = 64 << 10;

  explicit ByteReader(ByteChunks chunks) : chunks_(std::move(chunks)) {}

  // True at the end of the stream; else there is at least one byte.
  Result<bool> AtEnd();
  // At least one byte, or kCorrupt.
  Status Fill() { return cursor_ != end_ ? Status::OK() : FillSlowly(); }

  // The bytes at hand, without crossing into the next chunk.
  const uint8_t* cursor() const { return cursor_; }
  int64_t available() const { return end_ - cursor_; }
  void Skip(int64_t bytes) { cursor_ += bytes; }
  // Bytes read so far.
  int64_t position() const { return chunk_offset_ + (cursor_ - begin_); }

  Result<uint8_t> ReadByte();
  Result<uint64_t> ReadVarUInt();
  Result<uint64_t> ReadUInt64();
  Status ReadInto(uint8_t* out, int64_t bytes);
  // A length and that many bytes, at most `bytes_max`.
  Result<std::string> ReadString(int64_t bytes_max);
  // The next bytes as one buffer: a slice of the chunk where they lie in it, aligned, and are worth keeping it for;
  // else a copy that grows with what arrives.
  Result<std::shared_ptr<arrow::Buffer>> Take(int64_t bytes, int alignment);
  // True where the next bytes are known to be `expected`; nothing is taken. Crosses chunks, and ends.
  Result<bool> LooksAt(const uint8_t* expected, int64_t bytes);

  // Reads to the end of the stream, but not more than kTailBytes. True where the end was reached, in peace or by an
  // error of the source.
  bool Drain();
  // The last bytes that were read or are at hand, `bytes` of them at most.
  std::string Tail(int64_t bytes) const;
  // The source's own failure, if there was one.
  const Status& source_error() const { return source_error_; }

 private:
  Status FillSlowly();
  // Makes the next chunk that is not empty the current one; false at the end.
  Result<bool> NextChunk();
  Result<std::shared_ptr<arrow::Buffer>> TakeAcross(int64_t bytes);

  ByteChunks chunks_;
  std::shared_ptr<arrow::Buffer> chunk_;
  const uint8_t* begin_ = nullptr;
  const uint8_t* cursor_ = nullptr;
  const uint8_t* end_ = nullptr;
  int64_t chunk_offset_ = 0;  // of begin_ in the stream
  bool ended_ = false;
  Status source_error_;
  std::deque<std::shared_ptr<arrow::Buffer>> ahead_;  // read by LooksAt, not yet current
  std::deque<std::shared_ptr<arrow::Buffer>>
      past_;  // before the current chunk, at least kTailBytes where there were so many
  int64_t past_bytes_ = 0;
};

}  // namespace calve::source
