#include "calve/source/content_encoding.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace calve::source {
namespace {

constexpr int64_t kPlainChunkBytes = 1 << 20;

std::optional<arrow::Compression::type> CodecOf(const std::string& encoding) {
  if (encoding == "gzip") return arrow::Compression::GZIP;
  if (encoding == "zstd") return arrow::Compression::ZSTD;
  if (encoding == "lz4") return arrow::Compression::LZ4_FRAME;
  return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<ContentDecoder>> ContentDecoder::Make(const std::string& encoding, ByteChunks encoded) {
  std::unique_ptr<ContentDecoder> decoder(new ContentDecoder(encoding, std::move(encoded)));
  if (encoding.empty() || encoding == "identity") return decoder;
  const auto type = CodecOf(encoding);
  if (!type) {
    return MakeError(ErrorKind::kCorrupt, "the answer is encoded as '" + encoding + "', which was not asked for",
                     "see whether a proxy stands in between, or set the source's compression to none");
  }
  ARROW_ASSIGN_OR_RAISE(decoder->codec_, arrow::util::Codec::Create(*type));
  ARROW_ASSIGN_OR_RAISE(decoder->decompressor_, decoder->codec_->MakeDecompressor());
  return decoder;
}

Result<std::shared_ptr<arrow::Buffer>> ContentDecoder::Next() { return decompressor_ ? Decompress() : encoded_(); }

Result<std::shared_ptr<arrow::Buffer>> ContentDecoder::Decompress() {
  std::shared_ptr<arrow::ResizableBuffer> plain;
  int64_t plain_size = 0;
  while (true) {
    if (!more_output_ && (!input_ || consumed_ == input_->size())) {
      // What is there goes on: the rest may be long in coming.
      if (plain_size > 0) return arrow::SliceBuffer(std::shared_ptr<arrow::Buffer>(std::move(plain)), 0, plain_size);
      ARROW_ASSIGN_OR_RAISE(input_, encoded_());
      consumed_ = 0;
      if (!input_) break;
      if (input_->size() == 0) continue;
    }
    if (!plain) {
      ARROW_ASSIGN_OR_RAISE(plain, arrow::AllocateResizableBuffer(kPlainChunkBytes));
    }
    inside_stream_ = true;
    auto step = decompressor_->Decompress(input_->size() - consumed_, input_->data() + consumed_,
                                          plain->size() - plain_size, plain->mutable_data() + plain_size);
    if (!step.ok()) {
      return MakeError(ErrorKind::kCorrupt, fmt::format("the answer's {} stream does not decompress: {}", encoding_,
                                                        step.status().message()));
    }
    consumed_ += step->bytes_read;
    plain_size += step->bytes_written;
    more_output_ = step->need_more_output;
    if (decompressor_->IsFinished()) {
      inside_stream_ = more_output_ = false;
      ARROW_RETURN_NOT_OK(decompressor_->Reset());  // another member or frame may follow
    } else if (step->bytes_read == 0 && step->bytes_written == 0 && plain_size < plain->size()) {
      if (consumed_ < input_->size()) {
        return MakeError(ErrorKind::kCorrupt,
                         fmt::format("the answer's {} stream does not decompress: it makes no progress", encoding_));
      }
      more_output_ = false;
    }
    if (plain_size == plain->size()) {
      more_output_ = inside_stream_;  // it may hold more than fitted: asked for before the next input
      return plain;
    }
  }
  if (inside_stream_) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("the answer's {} stream ends before its end mark", encoding_));
  }
  return nullptr;
}

}  // namespace calve::source
