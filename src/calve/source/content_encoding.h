// Content-Encoding gzip, zstd and lz4 (frames), undone as the bytes come.
#pragma once

#include <arrow/buffer.h>
#include <arrow/util/compression.h>

#include <memory>
#include <string>

#include "calve/base/error.h"
#include "calve/source/native_decoder.h"

namespace calve::source {

class ContentDecoder {
 public:
  // `encoding` as the answer's header says it; empty or "identity": the bytes pass through untouched. kCorrupt for one
  // that was not asked for.
  static Result<std::unique_ptr<ContentDecoder>> Make(const std::string& encoding, ByteChunks encoded);

  // The next plain bytes; null at the end. kCorrupt for bytes that are not what the header says, and for an end of the
  // input before the compressed stream's own end mark. No bytes at all are an empty body.
  Result<std::shared_ptr<arrow::Buffer>> Next();

 private:
  ContentDecoder(std::string encoding, ByteChunks encoded)
      : encoding_(std::move(encoding)), encoded_(std::move(encoded)) {}
  Result<std::shared_ptr<arrow::Buffer>> Decompress();

  const std::string encoding_;
  ByteChunks encoded_;
  std::unique_ptr<arrow::util::Codec> codec_;
  std::shared_ptr<arrow::util::Decompressor> decompressor_;
  std::shared_ptr<arrow::Buffer> input_;
  int64_t consumed_ = 0;        // of input_
  bool more_output_ = false;    // the decompressor holds plain bytes that had no room
  bool inside_stream_ = false;  // between a compressed stream's first byte and its end mark
};

}  // namespace calve::source
