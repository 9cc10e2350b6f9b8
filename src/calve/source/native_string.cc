// String: for each value its length as a varint and its bytes.
#include <algorithm>
#include <cstring>
#include <limits>

#include "calve/source/native_column.h"
#include "calve/source/native_sparse.h"

namespace calve::source {
namespace {

using arrow::ArrayData;
using arrow::Buffer;
using arrow::ResizableBuffer;

constexpr int64_t kOffset = sizeof(int32_t);
constexpr int64_t kWindow = 256 << 10;  // bytes decoded between two checks for room
constexpr int64_t kShortMax = 127;      // a length of one byte
constexpr int64_t kWide = 16;           // copied at once for short values: room for it is kept behind both ends

// The values of one column of one block as they arrive. What it holds is no more than what has arrived, doubled.
class BinaryBuffers {
 public:
  BinaryBuffers(const std::string& path, int64_t values, int64_t bytes_max)
      : path_(path), values_(values), bytes_max_(bytes_max) {}

  Status Init(int64_t bytes_expected) {
    ARROW_ASSIGN_OR_RAISE(offsets_, arrow::AllocateResizableBuffer(0));
    ARROW_ASSIGN_OR_RAISE(data_, arrow::AllocateResizableBuffer(0));
    // A window more than expected: the last one looks beyond the column's end.
    ARROW_RETURN_NOT_OK(MakeRoom(0, bytes_expected == 0 ? 0 : std::min(bytes_expected, bytes_max_) + kWindow));
    offset_[0] = 0;
    return Status::OK();
  }

  Status Read(ByteReader& in) {
    while (done_ < values_) {
      ARROW_RETURN_NOT_OK(in.Fill());
      const int64_t window = std::min({in.available(), kWindow, bytes_max_ - length_});
      ARROW_RETURN_NOT_OK(MakeRoom(std::min(values_ - done_, window + 1), window));
      const uint8_t* end = ReadWindow(in.cursor(), in.cursor() + window);
      in.Skip(end - in.cursor());
      if (done_ < values_) ARROW_RETURN_NOT_OK(ReadAcross(in));
    }
    return Status::OK();
  }

  int64_t length() const { return length_; }
  const int32_t* offsets() const { return offset_; }
  Result<std::shared_ptr<Buffer>> FinishOffsets() {
    ARROW_RETURN_NOT_OK(offsets_->Resize((values_ + 1) * kOffset, /*shrink_to_fit=*/false));
    return std::move(offsets_);
  }
  Result<std::shared_ptr<Buffer>> FinishData() {
    // Few bytes must not hold on to the room of many.
    const bool shrink = length_ < kWindow / 4 || data_->capacity() > 2 * (length_ + kWindow);
    ARROW_RETURN_NOT_OK(data_->Resize(length_, shrink));
    return std::move(data_);
  }

 private:
  // Room for so many more offsets and bytes, and kWide behind them.
  Status MakeRoom(int64_t values, int64_t bytes) {
    const int64_t offsets_size = (done_ + values + 1) * kOffset;
    if (offsets_size > offsets_->size()) {
      const int64_t size = std::min((values_ + 1) * kOffset, std::max(offsets_size, 2 * offsets_->size()));
      ARROW_RETURN_NOT_OK(offsets_->Resize(size, /*shrink_to_fit=*/false));
      offset_ = reinterpret_cast<int32_t*>(offsets_->mutable_data());
    }
    const int64_t data_size = length_ + bytes + kShortMax + kWide;
    if (data_size > data_->size()) {
      const int64_t size = std::max(data_size, std::min(2 * data_->size(), bytes_max_ + kShortMax + kWide));
      ARROW_RETURN_NOT_OK(data_->Resize(size, /*shrink_to_fit=*/false));
    }
    bytes_ = data_->mutable_data();
    return Status::OK();
  }

  // Takes the values that lie wholly before `end`, with some distance; returns where it stopped.
  const uint8_t* ReadWindow(const uint8_t* from, const uint8_t* end) {
    if (end - from <= 1 + kShortMax + kWide) return from;
    const uint8_t* safe = end - (1 + kShortMax + kWide);
    int64_t done = done_, length = length_;
    while (done < values_ && from < safe) {
      const int64_t size = *from;
      if (size <= kShortMax) {
        ++from;
        std::memcpy(bytes_ + length, from, kWide);
        if (size > kWide) std::memcpy(bytes_ + length + kWide, from + kWide, size - kWide);
        from += size;
        length += size;
      } else {
        // Two and three bytes of length; longer values take the careful way.
        int header = 2;
        int64_t large = (size & 0x7f) | static_cast<int64_t>(from[1] & 0x7f) << 7;
        if ((from[1] & 0x80) != 0) {
          if ((from[2] & 0x80) != 0) break;
          large |= static_cast<int64_t>(from[2]) << 14;
          header = 3;
        }
        if (large > end - from - header) break;
        std::memcpy(bytes_ + length, from + header, large);
        from += header + large;
        length += large;
      }
      offset_[++done] = static_cast<int32_t>(length);
    }
    done_ = done;
    length_ = length;
    return from;
  }

  // One value, wherever its bytes are.
  Status ReadAcross(ByteReader& in) {
    ARROW_ASSIGN_OR_RAISE(uint64_t rest, in.ReadVarUInt());
    if (rest > static_cast<uint64_t>(bytes_max_ - length_)) return ColumnTooLarge(path_, bytes_max_);
    ARROW_RETURN_NOT_OK(MakeRoom(1, 0));
    while (rest > 0) {
      ARROW_RETURN_NOT_OK(in.Fill());
      const int64_t piece = std::min(static_cast<int64_t>(rest), in.available());
      ARROW_RETURN_NOT_OK(MakeRoom(1, piece));
      std::memcpy(bytes_ + length_, in.cursor(), piece);
      in.Skip(piece);
      length_ += piece;
      rest -= piece;
    }
    offset_[++done_] = static_cast<int32_t>(length_);
    return Status::OK();
  }

  const std::string& path_;
  const int64_t values_;
  const int64_t bytes_max_;
  int64_t done_ = 0;
  int64_t length_ = 0;
  std::shared_ptr<ResizableBuffer> offsets_, data_;
  int32_t* offset_ = nullptr;
  uint8_t* bytes_ = nullptr;
};

class StringReader final : public ColumnReader {
 public:
  StringReader(std::string path, const NativeLimits& limits)
      : ColumnReader(std::move(path), arrow::binary()),
        bytes_max_(std::min<int64_t>(limits.bytes_max, std::numeric_limits<int32_t>::max() - kWindow)) {}

 protected:
  bool MayBeSparse() const override { return true; }

  Result<std::shared_ptr<ArrayData>> ReadValues(ByteReader& in, const ColumnRequest& request) override {
    const int64_t values =
        request.sparse_rows == nullptr ? request.rows : static_cast<int64_t>(request.sparse_rows->size());
    BinaryBuffers buffers(path(), values, bytes_max_);
    ARROW_RETURN_NOT_OK(buffers.Init(ExpectedBytes(values)));
    ARROW_RETURN_NOT_OK(buffers.Read(in));
    last_values_ = values;
    last_bytes_ = buffers.length();
    std::shared_ptr<Buffer> offsets;
    if (request.sparse_rows != nullptr) {
      ARROW_ASSIGN_OR_RAISE(offsets, SpreadOffsets(buffers.offsets(), *request.sparse_rows, request.rows));
    } else {
      ARROW_ASSIGN_OR_RAISE(offsets, buffers.FinishOffsets());
    }
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Buffer> data, buffers.FinishData());
    return ArrayData::Make(type(), request.rows, {nullptr, std::move(offsets), std::move(data)}, 0);
  }

 private:
  // What the block before took, for so many values, and a little more.
  int64_t ExpectedBytes(int64_t values) const {
    if (last_values_ == 0 || values > 2 * last_values_) return 0;
    return static_cast<int64_t>(1.06 * static_cast<double>(last_bytes_) * static_cast<double>(values) /
                                static_cast<double>(last_values_));
  }

  int64_t bytes_max_;
  int64_t last_values_ = 0;
  int64_t last_bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<ColumnReader>> MakeStringReader(const std::string& path, const ClickHouseType& type,
                                                       const NativeLimits& limits) {
  if (type.kind != TypeKind::kString) return nullptr;
  return std::make_unique<StringReader>(path, limits);
}

}  // namespace calve::source
