// Sparse serialisation (ClickHouse's SerializationSparse): the numbers of the rows that differ from the default, as the
// lengths of the gaps between them, then only those rows' values.
#pragma once

#include <arrow/buffer.h>

#include <memory>
#include <string>

#include "calve/source/native_column.h"

namespace calve::source {

// Reads the gaps: a varint for each value, and a last one, marked, for the defaults behind the last value.
Result<SparseRows> ReadSparseRows(ByteReader& in, const std::string& path, int64_t rows);

// Spreads values of `width` bytes over `rows` rows, zero bytes between.
Result<std::shared_ptr<arrow::Buffer>> SpreadFixed(const arrow::Buffer& values, const SparseRows& at, int64_t rows,
                                                   int width);

// Spreads the offsets of a binary column, empty values between.
Result<std::shared_ptr<arrow::Buffer>> SpreadOffsets(const int32_t* offsets, const SparseRows& at, int64_t rows);

}  // namespace calve::source
