// FORMAT Native into Arrow, column by column. The one decoder for both transports.
//
// What a ClickHouse type becomes (the layout on the wire where one fits, so that a column is one copy):
//   Bool                       boolean
//   (U)Int8..64, Float32/64    the Arrow type of that name;  BFloat16 -> float
//   (U)Int128, (U)Int256       decimal128(38,0), every value checked (kValue names column and value)
//   Decimal(P,S)               decimal32 (P≤9), decimal64 (P≤18), decimal128 (P≤38); P>38: decimal128(38,S), checked
//   String                     binary (not yet known to be UTF-8)
//   FixedString(N), UUID       fixed_size_binary(N), fixed_size_binary(16) big-endian
//   IPv4, IPv6                 utf8, as ClickHouse prints them
//   Enum8, Enum16              dictionary(int32, utf8)
//   Date, Date32               date32
//   DateTime, DateTime64(p)    timestamp in the next finer unit of s, ms, us, ns, zone "UTC"
//   Nullable(T)                T with a validity bitmap
//   LowCardinality(T)          dictionary(int32, T)
//   Array, Map, Tuple, Nested  list, map, struct, list<struct>
//   SimpleAggregateFunction    its value's type
// Anything else: kUnsupported, with column and type.
#pragma once

#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <functional>
#include <memory>
#include <string>

#include "calve/source/clickhouse_type.h"

namespace calve::source {

// The Arrow field of a ClickHouse column by the table above.
Result<std::shared_ptr<arrow::Field>> ArrowFieldOf(const std::string& name, const ClickHouseType& type);

// Yields the bytes of a result piece by piece, of any size; null at the end. A chunk is never written to again, and
// lives as long as a column that is a slice of it.
using ByteChunks = std::function<Result<std::shared_ptr<arrow::Buffer>>()>;

// The client_protocol_version to ask a server for: the first that delivers sparse columns as they are, and the last but
// few that are without the later layouts (Dynamic and JSON version 2 from 54473, columns replicated by reference from
// 54482, strings apart from their lengths from 54492). LowCardinality comes as dictionaries at 0 as well. Servers that
// do not know the parameter refuse the query with code 115 and must be asked without it, which is revision 0.
inline constexpr uint64_t kNativeRevision = 54465;
inline constexpr uint64_t kNativeRevisionMax = 54469;

struct NativeOptions {
  // The client_protocol_version that the server was asked for: 0 (none), or 54405 to kNativeRevisionMax. From 1 on
  // blocks begin with block info; from 54454 columns announce custom (sparse) serialisation.
  uint64_t revision = 0;
  // X-ClickHouse-Exception-Tag of the response (servers since 25.11), which marks an exception inside the stream beyond
  // doubt; empty where there is none.
  std::string exception_tag;
  int64_t rows_max = 16'777'216;         // of one block
  int64_t bytes_max = int64_t{2} << 30;  // of one column of one block: Arrow's 32-bit offsets
};

// No length on the wire is trusted: memory is taken only as bytes arrive or within the limits above.
class NativeDecoder {
 public:
  NativeDecoder(ByteChunks chunks, NativeOptions options);
  ~NativeDecoder();

  // The next block with rows; null at the end. All blocks must have the first one's columns. kCorrupt for bytes that
  // are no block, or an end inside one; kFailed/kConfig/kRetry where the server's exception text stands there instead
  // (it is in the message), also where the chunks end with an error behind it.
  Result<std::shared_ptr<arrow::RecordBatch>> Next();
  // Null before the first block (an empty result may have none).
  std::shared_ptr<arrow::Schema> schema() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace calve::source
