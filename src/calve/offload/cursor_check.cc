#include "calve/offload/cursor_check.h"

#include <arrow/type_traits.h>

#include <algorithm>
#include <limits>

namespace calve::offload {
namespace {

// Floors to micros; also used for seconds and millis, where it multiplies.
int64_t ToMicros(int64_t value, arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return value * 1'000'000;
    case arrow::TimeUnit::MILLI:
      return value * 1'000;
    case arrow::TimeUnit::MICRO:
      return value;
    case arrow::TimeUnit::NANO:
      return value / 1'000 - (value % 1'000 < 0 ? 1 : 0);
  }
  return value;
}

template <typename T>
std::optional<int64_t> MaxOf(const arrow::Array& array) {
  const auto& typed = static_cast<const arrow::NumericArray<T>&>(array);
  const auto* values = typed.raw_values();
  bool any = false;
  typename T::c_type best = std::numeric_limits<typename T::c_type>::min();
  for (int64_t i = 0; i < array.length(); ++i) {
    if (array.IsNull(i)) continue;
    any = true;
    best = std::max(best, values[i]);
  }
  if (!any) return std::nullopt;
  if constexpr (std::is_same_v<typename T::c_type, uint64_t>) {
    return static_cast<int64_t>(std::min<uint64_t>(best, INT64_MAX));
  } else {
    return static_cast<int64_t>(best);
  }
}

}  // namespace

Status CheckCursor(const arrow::Array& cursor, const Window& window, const std::string& column) {
  if (cursor.length() == 0) return Status::OK();
  if (cursor.type_id() != arrow::Type::TIMESTAMP || cursor.null_count() != 0) {
    return MakeError(ErrorKind::kCorrupt,
                     fmt::format("column {}: a row without a cursor came back for a window", column));
  }
  const auto& typed = static_cast<const arrow::TimestampArray&>(cursor);
  const auto [low, high] = std::minmax_element(typed.raw_values(), typed.raw_values() + typed.length());
  auto unit = static_cast<const arrow::TimestampType&>(*cursor.type()).unit();
  int64_t oldest = ToMicros(*low, unit), newest = ToMicros(*high, unit);
  // At nanoseconds a row may share the microsecond of the window's start and still lie after it.
  bool early = window.from && (unit == arrow::TimeUnit::NANO ? oldest < *window.from : oldest <= *window.from);
  if (!early && newest <= window.to) return Status::OK();
  return MakeError(
      ErrorKind::kCorrupt,
      fmt::format("column {}: ClickHouse sent a row of {} for the window ({}, {}]", column,
                  FormatTimestamp(early ? oldest : newest),
                  window.from ? FormatTimestamp(*window.from) : "the beginning", FormatTimestamp(window.to)),
      "Nothing was committed. Check that the column's expression (--expr) leaves the cursor as it is.");
}

std::optional<int64_t> MaxInteger(const arrow::Array& column) {
  switch (column.type_id()) {
    case arrow::Type::INT8:
      return MaxOf<arrow::Int8Type>(column);
    case arrow::Type::INT16:
      return MaxOf<arrow::Int16Type>(column);
    case arrow::Type::INT32:
      return MaxOf<arrow::Int32Type>(column);
    case arrow::Type::INT64:
      return MaxOf<arrow::Int64Type>(column);
    case arrow::Type::UINT8:
      return MaxOf<arrow::UInt8Type>(column);
    case arrow::Type::UINT16:
      return MaxOf<arrow::UInt16Type>(column);
    case arrow::Type::UINT32:
      return MaxOf<arrow::UInt32Type>(column);
    case arrow::Type::UINT64:
      return MaxOf<arrow::UInt64Type>(column);
    default:
      return std::nullopt;
  }
}

}  // namespace calve::offload
