// Hashes of a column's values, in tight loops by type. Pure.
#pragma once

#include <arrow/array/data.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "calve/base/error.h"
#include "calve/fingerprint/mix.h"

namespace calve::fingerprint {

// One column, also a nested one. The type is looked at array by array: it may come as a dictionary in one batch and
// plain in the next. Keeps the hashes of the last dictionary. Not thread-safe.
class ColumnHasher {
 public:
  explicit ColumnHasher(uint64_t seed);

  // Hashes of array[offset, offset + length) to low[0, length) and high[0, length); `offset` counts from the array's
  // own. kUnsupported for types that no Iceberg column becomes (datafile/arrow_schema.h).
  Status Hash(const arrow::ArrayData& array, int64_t offset, int64_t length, uint64_t* low, uint64_t* high);

 private:
  Status HashValues(const arrow::ArrayData& array, int64_t offset, int64_t length, uint64_t* low, uint64_t* high);
  Status HashDictionary(const arrow::ArrayData& array, int64_t offset, int64_t length, uint64_t* low, uint64_t* high);
  Status HashStruct(const arrow::ArrayData& array, int64_t offset, int64_t length, uint64_t* low, uint64_t* high);
  Status HashList(const arrow::ArrayData& array, int64_t offset, int64_t length, uint64_t* low, uint64_t* high);
  ColumnHasher& Child(size_t index);

  uint64_t seed_;
  Lanes null_;
  std::vector<ColumnHasher> children_;  // of the elements of a dictionary, list or map, of the fields of a struct
  std::vector<uint64_t> child_low_, child_high_;
  std::shared_ptr<arrow::ArrayData> dictionary_;  // whose hashes the children's lanes are
};

}  // namespace calve::fingerprint
