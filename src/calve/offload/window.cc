#include "calve/offload/window.h"

#include <algorithm>

namespace calve::offload {
namespace {

int64_t FloorTo(int64_t micros, int precision) {
  int64_t step = kMicrosPerSecond;
  for (int i = 0; i < std::min(precision, 6); ++i) step /= 10;
  int64_t rest = micros % step;
  if (rest < 0) rest += step;
  return micros - rest;
}

}  // namespace

Result<Cursor> ResolveCursor(const source::SourceTable& table, const std::string& column) {
  std::string candidates;
  for (const source::SourceColumn& c : table.columns) {
    const source::ClickHouseType& type = c.type.Unwrapped();
    bool is_timestamp = type.kind == source::TypeKind::kDateTime || type.kind == source::TypeKind::kDateTime64;
    if (is_timestamp) candidates += (candidates.empty() ? "" : ", ") + c.name;
    if (c.name != column) continue;
    if (!is_timestamp) {
      return MakeError(ErrorKind::kConfig,
                       fmt::format("column {} of {}.{} is {}, no timestamp to offload by", column, table.database,
                                   table.name, c.type.text),
                       "Name a DateTime or DateTime64 column with --timestamp-col.");
    }
    return Cursor{column, type.kind == source::TypeKind::kDateTime64 ? type.precision : 0,
                  type.kind == source::TypeKind::kDateTime64, c.type.IsNullable()};
  }
  return MakeError(ErrorKind::kNotFound,
                   fmt::format("table {}.{} has no column {} to offload by", table.database, table.name, column),
                   candidates.empty() ? "It has no DateTime or DateTime64 column at all."
                                      : fmt::format("Its timestamp columns are: {}.", candidates));
}

Window PlanWindow(std::optional<TimestampMicros> watermark, TimestampMicros now, int64_t buffer_micros,
                  std::optional<TimestampMicros> until, const Cursor& cursor) {
  TimestampMicros to = now - buffer_micros;
  if (until) to = std::min(to, *until);
  return Window{watermark, FloorTo(to, cursor.precision)};
}

std::string CursorLiteral(TimestampMicros micros, const Cursor& cursor) {
  std::string text = FormatTimestamp(FloorTo(micros, cursor.precision));  // 2024-08-09T00:15:58.342000Z
  text[10] = ' ';
  if (!cursor.is_date_time64) return fmt::format("toDateTime('{}', 'UTC')", text.substr(0, 19));
  // Seven to nine digits: a column finer than a microsecond. Its window ends at a whole microsecond all the same.
  int digits = std::min(cursor.precision, 6);
  text = text.substr(0, digits == 0 ? 19 : 20 + static_cast<size_t>(digits));
  return fmt::format("toDateTime64('{}', {}, 'UTC')", text, cursor.precision);
}

std::string FromClause(const source::SourceTable& table) {
  if (!table.query.empty()) return fmt::format("(\n{}\n) AS {}", table.query, kTableAlias);
  return fmt::format("{}.{} AS {}", source::QuoteIdentifier(table.database), source::QuoteIdentifier(table.name),
                     kTableAlias);
}

std::string CursorName(const Cursor& cursor) {
  return fmt::format("{}.{}", kTableAlias, source::QuoteIdentifier(cursor.column));
}

std::string BucketExpression(const Cursor& cursor, int64_t bucket_micros) {
  const std::string column = CursorName(cursor);
  // Floored, also before 1970.
  const std::string epoch =
      cursor.is_date_time64 ? fmt::format("toUnixTimestamp64Micro(CAST({} AS DateTime64(6, 'UTC'))) / 1000000", column)
                            : fmt::format("toUnixTimestamp({})", column);
  return fmt::format("toInt64(floor({0} / {1})) * {1}", epoch, bucket_micros / kMicrosPerSecond);
}

std::string WindowPredicate(const Window& window, const Cursor& cursor) {
  std::string column = CursorName(cursor);
  std::string upper = fmt::format("{} <= {}", column, CursorLiteral(window.to, cursor));
  if (!window.from) return upper;
  return fmt::format("{} > {} AND {}", column, CursorLiteral(*window.from, cursor), upper);
}

}  // namespace calve::offload
