// Rows deleted by the values of some columns. Spec: "Equality Delete Files".
#pragma once

#include <arrow/array.h>

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "calve/iceberg/data_file.h"
#include "calve/iceberg/type.h"
#include "calve/storage/file_io.h"

namespace calve::datafile {

// The deleted keys of delete files with the same equality ids.
class EqualityDeletes {
 public:
  // kUnsupported for ids of nested columns and of columns that `table_schema` lacks.
  static Result<EqualityDeletes> Make(std::vector<int> equality_ids, const iceberg::Schema& table_schema);

  // Adds the keys of one delete file. kCorrupt names it.
  Status Add(storage::FileIO& file_io, const iceberg::DataFile& deletes);

  // The key columns, all optional: a data file from before a column was added has nulls in it, and null equals null.
  const std::vector<iceberg::NestedField>& columns() const { return columns_; }
  // Clears the rows whose key is a deleted one. `keys` are the key columns.
  void Apply(const arrow::ArrayVector& keys, std::vector<uint8_t>& mask) const;

 private:
  std::vector<iceberg::NestedField> columns_;
  std::unordered_set<std::string> keys_;
};

// Appends the value as bytes that are equal where the values are: a null equals a null, a NaN every NaN; zeros differ
// by sign (as Java's sets of rows have it). Arrays are of ToArrowSchema's types, or dictionaries of text.
void AppendKey(const arrow::Array& array, int64_t row, std::string& key);

}  // namespace calve::datafile
