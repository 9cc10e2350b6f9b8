// Windows over the cursor: (from, to], fixed before anything is read. Pure.
#pragma once

#include <optional>
#include <string>

#include "calve/base/time.h"
#include "calve/source/introspection.h"

namespace calve::offload {

struct Window {
  std::optional<TimestampMicros> from;  // exclusive; nullopt: from the first row on
  TimestampMicros to = 0;               // inclusive

  bool empty() const { return from && to <= *from; }
  friend bool operator==(const Window&, const Window&) = default;
};

// The timestamp column that orders offload.
struct Cursor {
  std::string column;
  int precision = 0;  // decimal digits of a second that the column holds: 0 (DateTime) to 9 (DateTime64(9))
  bool is_date_time64 = false;
  bool nullable = false;
};

// kNotFound with the nearest column's name, or kConfig where the column is no DateTime or DateTime64.
Result<Cursor> ResolveCursor(const source::SourceTable& table, const std::string& column);

// The window after `watermark`, up to `now` - `buffer`, or to `until` where that is earlier. Its end is rounded down to
// the cursor's precision (at most microseconds), so that "cursor <= to" means the same here and in ClickHouse.
Window PlanWindow(std::optional<TimestampMicros> watermark, TimestampMicros now, int64_t buffer_micros,
                  std::optional<TimestampMicros> until, const Cursor& cursor);

// How queries call the source table: a qualified name means the table's own column, also beside an expression of that
// name.
inline constexpr const char* kTableAlias = "_t";
// "`db`.`table` AS _t", or "(SELECT …) AS _t"
std::string FromClause(const source::SourceTable& table);
// "_t.`ts`"
std::string CursorName(const Cursor& cursor);

// "_t.`ts` > toDateTime64('…', 3, 'UTC') AND _t.`ts` <= toDateTime64('…', 3, 'UTC')"
std::string WindowPredicate(const Window& window, const Cursor& cursor);
// The bucket of a row: its start in seconds since 1970, an integer. `bucket_micros` are whole seconds.
std::string BucketExpression(const Cursor& cursor, int64_t bucket_micros);
// A constant of the cursor's type, so that ClickHouse prunes by its primary key.
std::string CursorLiteral(TimestampMicros micros, const Cursor& cursor);

}  // namespace calve::offload
