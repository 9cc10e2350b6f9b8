// One column of a Native block, recursively: a tree of readers that is built once from the column's type and reads its
// part of every block. The layout (ClickHouse's ISerialization, all streams one behind the other):
//   kinds     where the block announces custom serialisation: one byte for each node, a Tuple's before its elements'
//   prefixes  of the whole tree, in order: LowCardinality's version; nothing for other types
//   data      in order: a Nullable's null map before its values, an Array's offsets before its elements
#pragma once

#include <arrow/array/data.h>
#include <arrow/type.h>

#include <memory>
#include <string>
#include <vector>

#include "calve/source/clickhouse_type.h"
#include "calve/source/native_byte_reader.h"

namespace calve::source {

// Where the values of a sparse column belong: strictly rising row numbers; all other rows hold the default.
using SparseRows = std::vector<int64_t>;

struct ColumnRequest {
  int64_t rows = 0;
  // One byte a row, not 0 where the row is NULL and its value means nothing; null where no row is.
  const uint8_t* null_map = nullptr;
  // Set where only these rows' values are on the wire.
  const SparseRows* sparse_rows = nullptr;
  // Whether this column's bytes are followed by the next column or block, not by another part of the same column.
  bool last_part = true;
};

class ColumnReader {
 public:
  ColumnReader(std::string path, std::shared_ptr<arrow::DataType> type)
      : path_(std::move(path)), type_(std::move(type)) {}
  virtual ~ColumnReader() = default;

  const std::shared_ptr<arrow::DataType>& type() const { return type_; }
  // "column" or "column.element", for messages.
  const std::string& path() const { return path_; }

  // Back to the default serialisation, before every block.
  virtual void ResetKinds() { sparse_ = false; }
  virtual Status ReadKinds(ByteReader& in);
  virtual Status ReadPrefix(ByteReader& in) { return Status::OK(); }
  Result<std::shared_ptr<arrow::ArrayData>> Read(ByteReader& in, const ColumnRequest& request);
  // The width of the values that end this column on the wire, where no value can spell a text: numbers of more than
  // one byte. 0 for all others.
  virtual int NumberWidthAtEnd() const { return 0; }

 protected:
  virtual bool MayBeSparse() const { return false; }
  virtual Result<std::shared_ptr<arrow::ArrayData>> ReadValues(ByteReader& in, const ColumnRequest& request) = 0;

 private:
  std::string path_;
  std::shared_ptr<arrow::DataType> type_;
  bool sparse_ = false;
};

struct NativeLimits {
  int64_t rows_max;
  int64_t bytes_max;
};

// kUnsupported with path and type where there is no reader for it.
Result<std::unique_ptr<ColumnReader>> MakeColumnReader(const std::string& path, const ClickHouseType& type,
                                                       const NativeLimits& limits);

// The same for one family of types each; null where the type is not of the family.
Result<std::unique_ptr<ColumnReader>> MakeFixedWidthReader(const std::string& path, const ClickHouseType& type,
                                                           const NativeLimits& limits);
Result<std::unique_ptr<ColumnReader>> MakeWideIntegerReader(const std::string& path, const ClickHouseType& type,
                                                            const NativeLimits& limits);
Result<std::unique_ptr<ColumnReader>> MakeAddressReader(const std::string& path, const ClickHouseType& type,
                                                        const NativeLimits& limits);
Result<std::unique_ptr<ColumnReader>> MakeEnumReader(const std::string& path, const ClickHouseType& type,
                                                     const NativeLimits& limits);
Result<std::unique_ptr<ColumnReader>> MakeStringReader(const std::string& path, const ClickHouseType& type,
                                                       const NativeLimits& limits);
Result<std::unique_ptr<ColumnReader>> MakeLowCardinalityReader(const std::string& path, const ClickHouseType& type,
                                                               const NativeLimits& limits);
Result<std::unique_ptr<ColumnReader>> MakeNestedReader(const std::string& path, const ClickHouseType& type,
                                                       const NativeLimits& limits);

// The Arrow type by the table of native_decoder.h.
Result<std::shared_ptr<arrow::DataType>> ArrowTypeOf(const std::string& path, const ClickHouseType& type);
std::string ElementName(const ClickHouseType& tuple, size_t index);  // "1", "2", … where it has none

Status CorruptColumn(const std::string& path, const std::string& what);
// kConfig: the column of one block is larger than Arrow can hold.
Status ColumnTooLarge(const std::string& path, int64_t bytes_max);

}  // namespace calve::source
