// Test support for FORMAT Native: bytes in chunks, blocks built by hand, arrays compared with ClickHouse's JSONEachRow.
#pragma once

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "calve/source/native_decoder.h"

namespace calve::source::testing {

std::string ReadFile(const std::string& path);

// `bytes` in chunks whose sizes `size_of` tells; after them the end, or `error` where it is not OK.
ByteChunks Chunked(std::string bytes, std::function<int64_t()> size_of, Status error = Status::OK());
ByteChunks Whole(std::string bytes);

// All batches, or the first error.
Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> DecodeAll(ByteChunks chunks, const NativeOptions& options);

// The first batch; the error that decoding all of it ends with.
Result<std::shared_ptr<arrow::RecordBatch>> DecodeOne(const std::string& bytes, const NativeOptions& options = {});
Status Failure(const std::string& bytes, const NativeOptions& options = {});
void ExpectFailure(const std::string& bytes, ErrorKind kind, std::string_view message,
                   const NativeOptions& options = {});

template <typename ArrayType>
const ArrayType& ColumnOf(const std::shared_ptr<arrow::RecordBatch>& batch, int i = 0) {
  return static_cast<const ArrayType&>(*batch->column(i));
}

// What a block begins with at a revision above 0.
inline constexpr std::string_view kBlockInfo{"\x01\x00\x02\xff\xff\xff\xff\x00", 8};

// Empty where the value is what the JSON says; else what differs.
std::string Difference(const arrow::Array& array, int64_t row, const nlohmann::ordered_json& expected);

// Native, written by hand.
class Bytes {
 public:
  Bytes& VarUInt(uint64_t value);
  Bytes& Text(std::string_view text);  // with its length
  Bytes& Raw(std::string_view bytes);
  template <typename T>
  Bytes& Number(T value) {
    return Raw(std::string_view(reinterpret_cast<const char*>(&value), sizeof(value)));
  }
  template <typename T>
  Bytes& Numbers(const std::vector<T>& values) {
    for (const T& value : values) Number(value);
    return *this;
  }
  // A block's beginning at revision 0, and a column's.
  Bytes& Block(uint64_t columns, uint64_t rows) { return VarUInt(columns).VarUInt(rows); }
  Bytes& Column(std::string_view name, std::string_view type) { return Text(name).Text(type); }
  const std::string& str() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace calve::source::testing
