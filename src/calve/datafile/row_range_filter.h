// The rows of a range: row groups by their statistics, then each row by its value.
#pragma once

#include <arrow/array.h>
#include <parquet/metadata.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "calve/base/error.h"
#include "calve/iceberg/row_range.h"

namespace calve::datafile {

// For a column of timestamps or dates; the bounds are put into its unit once.
class RowRangeFilter {
 public:
  // kUnsupported for a column of another type.
  static Result<RowRangeFilter> Make(const iceberg::RowRange& range, const arrow::DataType& column);

  // Clears the rows that are outside of the range. `column` is of the type given to Make, `mask` as long as it.
  void Apply(const arrow::Array& column, std::vector<uint8_t>& mask) const;
  // False where the statistics of the column chunk show that no row is in the range. May throw what Parquet throws.
  bool MayMatch(const parquet::ColumnChunkMetaData& chunk) const;

 private:
  template <typename T>
  void ApplyAs(const arrow::Array& column, std::vector<uint8_t>& mask) const;

  bool is_date_ = false;
  // after_ < value <= up_to_, in the column's unit. `all_after_`: there is no lower bound, not even the lowest value.
  bool all_after_ = false;
  int64_t after_ = 0;
  int64_t up_to_ = 0;
};

}  // namespace calve::datafile
