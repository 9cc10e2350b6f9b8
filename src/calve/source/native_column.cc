#include "calve/source/native_column.h"

#include <fmt/format.h>

#include "calve/source/native_sparse.h"

namespace calve::source {

Status CorruptColumn(const std::string& path, const std::string& what) {
  return MakeError(ErrorKind::kCorrupt, fmt::format("column {}: {}", path, what));
}

Status ColumnTooLarge(const std::string& path, int64_t bytes_max) {
  return MakeError(ErrorKind::kConfig, fmt::format("column {}: more than {} bytes in one block", path, bytes_max),
                   "Set max_block_size (65409 rows by default) lower in the source's settings.");
}

Status ColumnReader::ReadKinds(ByteReader& in) {
  // KindStackBinarySerializationType in ClickHouse's SerializationInfo.cpp; up to 25.x the numbers of a plain enum.
  enum : uint8_t { kDefault = 0, kSparse = 1 };
  ARROW_ASSIGN_OR_RAISE(const uint8_t kind, in.ReadByte());
  if (kind != kDefault && kind != kSparse) return CorruptColumn(path_, fmt::format("serialisation kind {}", kind));
  if (kind == kSparse && !MayBeSparse()) return CorruptColumn(path_, fmt::format("a sparse {}", type_->ToString()));
  sparse_ = kind == kSparse;
  return Status::OK();
}

Result<std::shared_ptr<arrow::ArrayData>> ColumnReader::Read(ByteReader& in, const ColumnRequest& request) {
  if (!sparse_) return ReadValues(in, request);
  ARROW_ASSIGN_OR_RAISE(const SparseRows rows, ReadSparseRows(in, path_, request.rows));
  ColumnRequest sparse = request;
  sparse.sparse_rows = &rows;
  return ReadValues(in, sparse);
}

Result<std::unique_ptr<ColumnReader>> MakeColumnReader(const std::string& path, const ClickHouseType& type,
                                                       const NativeLimits& limits) {
  if (type.kind == TypeKind::kSimpleAggregateFunction && !type.children.empty()) {
    return MakeColumnReader(path, type.children.front(), limits);
  }
  for (auto make : {&MakeFixedWidthReader, &MakeStringReader, &MakeLowCardinalityReader, &MakeNestedReader,
                    &MakeEnumReader, &MakeWideIntegerReader, &MakeAddressReader}) {
    ARROW_ASSIGN_OR_RAISE(std::unique_ptr<ColumnReader> reader, make(path, type, limits));
    if (reader != nullptr) return reader;
  }
  // Says why.
  ARROW_RETURN_NOT_OK(ArrowTypeOf(path, type).status());
  return MakeError(ErrorKind::kUnsupported,
                   fmt::format("column {}: no reader for ClickHouse type {}", path, type.text));
}

}  // namespace calve::source
