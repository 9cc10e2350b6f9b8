// Rows as 128-bit numbers: equal rows have equal hashes, whatever arrays hold them. Pure.
//
// A value is hashed by what it is, not by how it is encoded: a dictionary as the text it stands for, decimal64 as
// decimal128, int as long, any offset or chunking. Null differs from every value, -0.0 from 0.0; all NaNs are one
// value. Every column has a seed of its own, so that equal values in two columns do not cancel out.
#pragma once

#include <arrow/record_batch.h>

#include <compare>
#include <cstdint>
#include <vector>

#include "calve/fingerprint/column_hash.h"

namespace calve::fingerprint {

struct RowHash {
  uint64_t high = 0, low = 0;
  friend auto operator<=>(const RowHash&, const RowHash&) = default;
};

// Hashes batches of one set of columns, a chunk of rows at a time. Not thread-safe.
class RowHasher {
 public:
  static constexpr int64_t kChunkRows = 2048;

  // `column_ids` seeds the columns of the batches, in their order (field ids); `subsets` are indexes of columns to hash
  // by themselves, such as a key.
  explicit RowHasher(const std::vector<int>& column_ids, std::vector<std::vector<int>> subsets = {});

  size_t column_count() const { return columns_.size(); }

  // Rows [offset, offset + length) of the batch, length at most kChunkRows. What is below holds for this chunk until
  // the next call. kUnsupported for a type that no Iceberg column has.
  Status Hash(const arrow::RecordBatch& batch, int64_t offset, int64_t length);
  const std::vector<RowHash>& rows() const { return row_.hashes; }
  const std::vector<RowHash>& subset(size_t index) const { return subsets_[index].hashes; }
  // 64-bit hashes of one column's values, by row.
  const std::vector<uint64_t>& values(size_t column) const { return values_[column]; }

 private:
  struct Sums {
    std::vector<int> columns;  // indexes; empty: all
    std::vector<uint64_t> low, high;
    std::vector<RowHash> hashes;
  };
  std::vector<ColumnHasher> columns_;
  std::vector<std::vector<uint64_t>> values_;  // by column
  std::vector<uint64_t> other_;                // the second lane of one column
  Sums row_;
  std::vector<Sums> subsets_;
};

}  // namespace calve::fingerprint
