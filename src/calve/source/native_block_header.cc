#include "calve/source/native_block_header.h"

#include <fmt/format.h>

namespace calve::source {
namespace {

constexpr uint64_t kRevisionWithCustomSerialization = 54454;
constexpr uint64_t kColumnsMax = 65'536;
constexpr int64_t kNameBytesMax = int64_t{1} << 20;
constexpr int64_t kTypeBytesMax = int64_t{4} << 20;

// ClickHouse's BlockInfo: numbered fields, ended by 0.
Status SkipBlockInfo(ByteReader& in) {
  enum : uint64_t { kEnd = 0, kIsOverflows = 1, kBucketNumber = 2 };
  constexpr int kFieldsMax = 16;
  for (int i = 0; i < kFieldsMax; ++i) {
    ARROW_ASSIGN_OR_RAISE(const uint64_t field, in.ReadVarUInt());
    uint8_t ignored[4];
    switch (field) {
      case kEnd:
        // ClickHouse always writes both fields; without this, zeros would pass for blocks.
        if (i > 0) return Status::OK();
        return MakeError(ErrorKind::kCorrupt, "a block without block info");
      case kIsOverflows:
        ARROW_RETURN_NOT_OK(in.ReadInto(ignored, 1));
        break;
      case kBucketNumber:
        ARROW_RETURN_NOT_OK(in.ReadInto(ignored, 4));
        break;
      default:
        return MakeError(ErrorKind::kCorrupt, fmt::format("unknown field {} of a block's info", field));
    }
  }
  return MakeError(ErrorKind::kCorrupt, "a block's info without end");
}

}  // namespace

Result<BlockHeader> ReadBlockHeader(ByteReader& in, uint64_t revision, int64_t rows_max) {
  if (revision > 0) ARROW_RETURN_NOT_OK(SkipBlockInfo(in));
  BlockHeader header;
  ARROW_ASSIGN_OR_RAISE(header.columns, in.ReadVarUInt());
  ARROW_ASSIGN_OR_RAISE(const uint64_t rows, in.ReadVarUInt());
  if (header.columns > kColumnsMax || rows > static_cast<uint64_t>(rows_max)) {
    return MakeError(ErrorKind::kCorrupt, fmt::format("a block of {} columns and {} rows (at most {} and {})",
                                                      header.columns, rows, kColumnsMax, rows_max));
  }
  header.rows = static_cast<int64_t>(rows);
  return header;
}

Result<ColumnHeader> ReadColumnHeader(ByteReader& in, uint64_t revision) {
  ColumnHeader header;
  ARROW_ASSIGN_OR_RAISE(header.name, in.ReadString(kNameBytesMax));
  ARROW_ASSIGN_OR_RAISE(header.type, in.ReadString(kTypeBytesMax));
  if (revision >= kRevisionWithCustomSerialization) {
    ARROW_ASSIGN_OR_RAISE(const uint8_t custom, in.ReadByte());
    if (custom > 1)
      return MakeError(ErrorKind::kCorrupt, fmt::format("column {}: custom serialisation {}", header.name, custom));
    header.custom = custom == 1;
  }
  return header;
}

}  // namespace calve::source
