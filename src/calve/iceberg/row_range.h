// A range of rows by one timestamp column: what scans prune by and readers filter by.
#pragma once

#include <cstdint>
#include <optional>

namespace calve::iceberg {

// after < value <= up_to, in microseconds since the epoch, whatever unit the column holds: a nanosecond behind `up_to`
// is outside, a date is the instant at which its day begins. Rows whose value is null are in no range.
struct RowRange {
  int field_id = 0;  // a timestamp, timestamptz (also _ns) or date column at the top level
  std::optional<int64_t> after;
  std::optional<int64_t> up_to;
};

}  // namespace calve::iceberg
