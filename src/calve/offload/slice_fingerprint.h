// The fingerprint of a slice: 64 bits that ClickHouse and the writer of its files compute each from the rows that they
// see, whatever their order. Pure.
//
// The sum modulo 2^64 over the rows of intHash64(cursor) + intHash64(sequence) * kSequenceFactor: the cursor in
// microseconds since 1970 (what is finer is cut off, as the SELECT for a target that holds microseconds does), the
// sequence column, where there is one, as it is; both modulo 2^64. NULL adds nothing.
#pragma once

#include <arrow/record_batch.h>

#include <string>

#include "calve/offload/window.h"

namespace calve::offload {

// ClickHouse's intHash64.
uint64_t IntHash64(uint64_t value);

// Whether a sequence column of this type is part of the fingerprint: whole numbers.
bool IsHashedSequence(const source::ClickHouseType& type);

// ClickHouse's aggregate over rows of `_t`, as text: "toString(sumWithOverflow(…))". `sequence` is null, or a column
// of the source's that IsHashedSequence says yes to.
std::string FingerprintExpression(const Cursor& cursor, const source::SourceColumn* sequence);

// The same over Arrow arrays, as the Native decoder yields them.
class RowsFingerprint {
 public:
  // Names in the batches. Without a `sequence_column`: empty.
  RowsFingerprint(std::string cursor_column, std::string sequence_column)
      : cursor_column_(std::move(cursor_column)), sequence_column_(std::move(sequence_column)) {}
  // kUnsupported where a column is not there, or is no timestamp or whole number any more.
  Status Add(const arrow::RecordBatch& batch);
  uint64_t value() const { return sum_; }
  int64_t rows() const { return rows_; }

 private:
  const std::string cursor_column_, sequence_column_;
  uint64_t sum_ = 0;
  int64_t rows_ = 0;
};

}  // namespace calve::offload
