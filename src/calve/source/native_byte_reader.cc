#include "calve/source/native_byte_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string_view>
#include <vector>

namespace calve::source {

static_assert(std::endian::native == std::endian::little, "columns move as they are on the wire: little-endian");

namespace {
constexpr int64_t kSliceMin = 16 << 10;   // smaller ones are copied: a slice keeps its whole chunk alive
constexpr int64_t kGrowthMin = 64 << 10;  // first allocation for bytes that have not arrived yet
constexpr int kVarUIntBytesMax = 10;
}  // namespace

Result<bool> ByteReader::NextChunk() {
  if (chunk_ != nullptr) {
    chunk_offset_ += chunk_->size();
    past_bytes_ += chunk_->size();
    past_.push_back(std::move(chunk_));
    while (past_bytes_ - past_.front()->size() >= kTailBytes) {
      past_bytes_ -= past_.front()->size();
      past_.pop_front();
    }
    chunk_ = nullptr;
    begin_ = cursor_ = end_ = nullptr;
  }
  if (!ahead_.empty()) {
    chunk_ = std::move(ahead_.front());
    ahead_.pop_front();
  }
  while (chunk_ == nullptr && !ended_) {
    Result<std::shared_ptr<arrow::Buffer>> next = chunks_();
    if (!next.ok()) {
      ended_ = true;
      source_error_ = next.status();
      break;
    }
    if (*next == nullptr) {
      ended_ = true;
    } else if ((*next)->size() > 0) {
      chunk_ = std::move(*next);
    }
  }
  if (chunk_ == nullptr) {
    ARROW_RETURN_NOT_OK(source_error_);
    return false;
  }
  begin_ = cursor_ = chunk_->data();
  end_ = begin_ + chunk_->size();
  return true;
}

Result<bool> ByteReader::AtEnd() {
  if (cursor_ != end_) return false;
  ARROW_ASSIGN_OR_RAISE(const bool more, NextChunk());
  return !more;
}

Status ByteReader::FillSlowly() {
  ARROW_ASSIGN_OR_RAISE(const bool more, NextChunk());
  if (more) return Status::OK();
  return MakeError(ErrorKind::kCorrupt,
                   fmt::format("the Native stream ends inside a block, after {} bytes", position()));
}

Result<uint8_t> ByteReader::ReadByte() {
  ARROW_RETURN_NOT_OK(Fill());
  return *cursor_++;
}

Result<uint64_t> ByteReader::ReadVarUInt() {
  uint64_t value = 0;
  for (int i = 0; i < kVarUIntBytesMax; ++i) {
    ARROW_ASSIGN_OR_RAISE(const uint8_t byte, ReadByte());
    if (i == kVarUIntBytesMax - 1 && byte > 1) break;  // more than 64 bits
    value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) return value;
  }
  return MakeError(ErrorKind::kCorrupt,
                   fmt::format("a length of more than 64 bits before byte {} of the Native stream", position()));
}

Result<uint64_t> ByteReader::ReadUInt64() {
  uint64_t value = 0;
  ARROW_RETURN_NOT_OK(ReadInto(reinterpret_cast<uint8_t*>(&value), sizeof(value)));
  return value;
}

Status ByteReader::ReadInto(uint8_t* out, int64_t bytes) {
  while (bytes > 0) {
    ARROW_RETURN_NOT_OK(Fill());
    const int64_t piece = std::min(bytes, available());
    std::memcpy(out, cursor_, piece);
    cursor_ += piece;
    out += piece;
    bytes -= piece;
  }
  return Status::OK();
}

Result<std::string> ByteReader::ReadString(int64_t bytes_max) {
  ARROW_ASSIGN_OR_RAISE(const uint64_t length, ReadVarUInt());
  if (length > static_cast<uint64_t>(bytes_max)) {
    return MakeError(ErrorKind::kCorrupt,
                     fmt::format("a name of {} bytes before byte {} of the Native stream", length, position()));
  }
  std::string out;
  while (out.size() < length) {
    ARROW_RETURN_NOT_OK(Fill());
    const int64_t piece = std::min(static_cast<int64_t>(length - out.size()), available());
    out.append(reinterpret_cast<const char*>(cursor_), piece);
    cursor_ += piece;
  }
  return out;
}

Result<std::shared_ptr<arrow::Buffer>> ByteReader::Take(int64_t bytes, int alignment) {
  if (cursor_ == end_ && bytes > 0) ARROW_RETURN_NOT_OK(Fill());
  if (bytes > available()) return TakeAcross(bytes);
  if (bytes >= kSliceMin && reinterpret_cast<uintptr_t>(cursor_) % alignment == 0) {
    std::shared_ptr<arrow::Buffer> slice = arrow::SliceBuffer(chunk_, cursor_ - begin_, bytes);
    cursor_ += bytes;
    return slice;
  }
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> copy, arrow::AllocateBuffer(bytes));
  if (bytes > 0) std::memcpy(copy->mutable_data(), cursor_, bytes);
  cursor_ += bytes;
  return copy;
}

Result<std::shared_ptr<arrow::Buffer>> ByteReader::TakeAcross(int64_t bytes) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::ResizableBuffer> out, arrow::AllocateResizableBuffer(0));
  for (int64_t filled = 0; filled < bytes;) {
    ARROW_RETURN_NOT_OK(Fill());
    const int64_t piece = std::min(bytes - filled, available());
    if (filled + piece > out->size()) {
      // At least doubled, so that many small chunks cost linear time; never more than was promised.
      const int64_t size = std::min(bytes, std::max({filled + piece, 4 * filled, kGrowthMin}));
      ARROW_RETURN_NOT_OK(out->Resize(size, /*shrink_to_fit=*/false));
    }
    std::memcpy(out->mutable_data() + filled, cursor_, piece);
    cursor_ += piece;
    filled += piece;
  }
  return out;
}

Result<bool> ByteReader::LooksAt(const uint8_t* expected, int64_t bytes) {
  ARROW_ASSIGN_OR_RAISE(const bool end, AtEnd());
  if (end) return false;
  int64_t seen = std::min(bytes, available());
  if (std::memcmp(cursor_, expected, seen) != 0) return false;
  for (size_t i = 0; seen < bytes; ++i) {
    if (i == ahead_.size()) {
      if (ended_) return false;
      Result<std::shared_ptr<arrow::Buffer>> next = chunks_();
      if (!next.ok() || *next == nullptr) {
        // Told when the stream gets there.
        ended_ = true;
        source_error_ = next.status();
        return false;
      }
      ahead_.push_back(std::move(*next));
    }
    const int64_t piece = std::min(bytes - seen, ahead_[i]->size());
    if (piece > 0 && std::memcmp(ahead_[i]->data(), expected + seen, piece) != 0) return false;
    seen += piece;
  }
  return true;
}

bool ByteReader::Drain() {
  for (int64_t drained = 0; drained <= kTailBytes;) {
    drained += available();
    cursor_ = end_;
    const Result<bool> end = AtEnd();
    if (!end.ok() || *end) return true;
  }
  return false;
}

std::string ByteReader::Tail(int64_t bytes) const {
  std::vector<std::string_view> pieces;  // last first
  const auto add = [&](const uint8_t* data, int64_t size) {
    const int64_t piece = std::min(bytes, size);
    if (piece == 0) return;
    pieces.emplace_back(reinterpret_cast<const char*>(data) + (size - piece), piece);
    bytes -= piece;
  };
  add(begin_, end_ - begin_);
  for (auto chunk = past_.rbegin(); chunk != past_.rend(); ++chunk) add((*chunk)->data(), (*chunk)->size());
  std::string out;
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) out.append(*piece);
  return out;
}

}  // namespace calve::source
