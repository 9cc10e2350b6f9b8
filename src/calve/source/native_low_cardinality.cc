// LowCardinality (ClickHouse's SerializationLowCardinality). In Native every block brings its own keys:
//   prefix  UInt64 version, always 1
//   data    UInt64 flags: the index type in the low byte, 1<<8 global dictionary (never here), 1<<9 keys follow, 1<<10
//   update
//           UInt64 number of keys, the keys (never with a null map: key 0 stands for NULL, or for the default)
//           UInt64 number of rows, the rows' indices into the keys
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "calve/source/native_bits.h"
#include "calve/source/native_column.h"

namespace calve::source {
namespace {

using arrow::ArrayData;
using arrow::Buffer;

constexpr uint64_t kVersion = 1;
constexpr uint64_t kIndexTypeMask = 0xff;
constexpr uint64_t kKeysFollow = 1 << 9;
constexpr uint64_t kUpdate = 1 << 10;

template <typename T>
Status ConvertIndices(const std::string& path, const Buffer& raw, int64_t rows, int64_t keys, int32_t* to) {
  const auto* from = reinterpret_cast<const T*>(raw.data());
  T most = 0;
  for (int64_t i = 0; i < rows; ++i) {
    most = std::max(most, from[i]);
    to[i] = static_cast<int32_t>(from[i]);
  }
  if (rows > 0 && static_cast<uint64_t>(most) >= static_cast<uint64_t>(keys)) {
    return CorruptColumn(path, fmt::format("index {} into a dictionary of {}", most, keys));
  }
  return Status::OK();
}

class LowCardinalityReader final : public ColumnReader {
 public:
  LowCardinalityReader(std::string path, std::shared_ptr<arrow::DataType> type, std::unique_ptr<ColumnReader> keys,
                       bool nullable)

      : ColumnReader(std::move(path), std::move(type)), keys_(std::move(keys)), nullable_(nullable) {}

  Status ReadPrefix(ByteReader& in) override {
    ARROW_ASSIGN_OR_RAISE(const uint64_t version, in.ReadUInt64());
    if (version != kVersion) return CorruptColumn(path(), fmt::format("LowCardinality version {}", version));
    return Status::OK();
  }

 protected:
  Result<std::shared_ptr<ArrayData>> ReadValues(ByteReader& in, const ColumnRequest& request) override {
    if (request.rows == 0) return ReadNone(in, request);
    ARROW_ASSIGN_OR_RAISE(const uint64_t flags, in.ReadUInt64());
    const uint64_t index_type = flags & kIndexTypeMask;
    if ((flags & ~(kIndexTypeMask | kUpdate)) != kKeysFollow || index_type > 3) {
      return CorruptColumn(path(), fmt::format("LowCardinality flags {:#x}", flags));
    }
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<ArrayData> keys, ReadKeys(in));
    ARROW_ASSIGN_OR_RAISE(const uint64_t rows, in.ReadUInt64());
    if (rows != static_cast<uint64_t>(request.rows)) {
      return CorruptColumn(path(), fmt::format("LowCardinality of {} rows where {} belong", rows, request.rows));
    }
    const int width = 1 << index_type;
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Buffer> raw, in.Take(request.rows * width, width));
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Buffer> indices,
                          arrow::AllocateBuffer(request.rows * static_cast<int64_t>(sizeof(int32_t))));
    ARROW_RETURN_NOT_OK(
        Convert(*raw, index_type, request.rows, keys->length, reinterpret_cast<int32_t*>(indices->mutable_data())));
    return Assemble(request.rows, std::move(indices), std::move(keys));
  }

 private:
  Result<std::shared_ptr<ArrayData>> ReadKeys(ByteReader& in) {
    ARROW_ASSIGN_OR_RAISE(const uint64_t count, in.ReadUInt64());
    if (count > static_cast<uint64_t>(std::numeric_limits<int32_t>::max())) {
      return CorruptColumn(path(), fmt::format("a dictionary of {} keys", count));
    }
    ColumnRequest request;
    request.rows = static_cast<int64_t>(count);
    request.last_part = false;
    return keys_->Read(in, request);
  }

  Status Convert(const Buffer& raw, uint64_t index_type, int64_t rows, int64_t keys, int32_t* to) const {
    switch (index_type) {
      case 0:
        return ConvertIndices<uint8_t>(path(), raw, rows, keys, to);
      case 1:
        return ConvertIndices<uint16_t>(path(), raw, rows, keys, to);
      case 2:
        return ConvertIndices<uint32_t>(path(), raw, rows, keys, to);
      default:
        return ConvertIndices<uint64_t>(path(), raw, rows, keys, to);
    }
  }

  Result<std::shared_ptr<ArrayData>> Assemble(int64_t rows, std::shared_ptr<Buffer> indices,
                                              std::shared_ptr<ArrayData> keys) const {
    std::shared_ptr<Buffer> validity;
    int64_t nulls = 0;
    if (nullable_) {
      const auto* index = reinterpret_cast<const int32_t*>(indices->data());
      ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Buffer> bytes, arrow::AllocateBuffer(rows));
      uint8_t* valid = bytes->mutable_data();
      for (int64_t i = 0; i < rows; ++i) valid[i] = index[i] != 0;
      ARROW_ASSIGN_OR_RAISE(PackedBits packed, PackBits(valid, rows, /*inverted=*/false));
      nulls = rows - packed.set;
      if (nulls > 0) validity = std::move(packed.bits);
    }
    std::shared_ptr<ArrayData> out = ArrayData::Make(type(), rows, {std::move(validity), std::move(indices)}, nulls);
    out->dictionary = std::move(keys);
    return out;
  }

  // Arrays that are all empty. Since 19.x nothing is written; 18.16 writes flags, the default key and no rows. That can
  // be told apart only where the column's bytes end here: neither a column nor a block begins so.
  Result<std::shared_ptr<ArrayData>> ReadNone(ByteReader& in, const ColumnRequest& request) {
    ColumnRequest none;
    none.rows = 0;
    none.last_part = false;
    if (request.last_part) {
      for (uint8_t index_type = 0; index_type <= 3; ++index_type) {
        const std::array<uint8_t, 8> flags = {index_type, (kKeysFollow | kUpdate) >> 8, 0, 0, 0, 0, 0, 0};
        ARROW_ASSIGN_OR_RAISE(const bool old, in.LooksAt(flags.data(), flags.size()));
        if (!old) continue;
        ARROW_RETURN_NOT_OK(in.ReadUInt64().status());
        ARROW_RETURN_NOT_OK(ReadKeys(in).status());
        ARROW_ASSIGN_OR_RAISE(const uint64_t rows, in.ReadUInt64());
        if (rows != 0) return CorruptColumn(path(), fmt::format("LowCardinality of {} rows where none belong", rows));
        break;
      }
    }
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<ArrayData> keys, keys_->Read(in, none));
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<Buffer> indices, arrow::AllocateBuffer(0));
    return Assemble(0, std::move(indices), std::move(keys));
  }

  std::unique_ptr<ColumnReader> keys_;
  bool nullable_;
};

}  // namespace

Result<std::unique_ptr<ColumnReader>> MakeLowCardinalityReader(const std::string& path, const ClickHouseType& type,
                                                               const NativeLimits& limits) {
  if (type.kind != TypeKind::kLowCardinality) return nullptr;
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::DataType> arrow_type, ArrowTypeOf(path, type));
  const ClickHouseType& child = type.children.front();
  const bool nullable = child.kind == TypeKind::kNullable;
  ARROW_ASSIGN_OR_RAISE(std::unique_ptr<ColumnReader> keys,
                        MakeColumnReader(path, nullable ? child.children.front() : child, limits));
  return std::make_unique<LowCardinalityReader>(path, std::move(arrow_type), std::move(keys), nullable);
}

}  // namespace calve::source
