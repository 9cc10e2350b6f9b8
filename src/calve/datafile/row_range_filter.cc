#include "calve/datafile/row_range_filter.h"

#include <parquet/statistics.h>

#include <limits>

#include "calve/base/time.h"
#include "calve/iceberg/calendar.h"

namespace calve::datafile {
namespace {

constexpr int64_t kLongMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kLongMax = std::numeric_limits<int64_t>::max();

// The last tick of the column's that is not after `micros`: what is compared with it falls as it would in microseconds.
int64_t InTicks(int64_t micros, const arrow::DataType& column) {
  if (column.id() == arrow::Type::DATE32) return iceberg::FloorDivide(micros, kMicrosPerDay);
  switch (static_cast<const arrow::TimestampType&>(column).unit()) {
    case arrow::TimeUnit::SECOND:
      return iceberg::FloorDivide(micros, kMicrosPerSecond);
    case arrow::TimeUnit::MILLI:
      return iceberg::FloorDivide(micros, 1'000);
    case arrow::TimeUnit::MICRO:
      return micros;
    case arrow::TimeUnit::NANO:
      break;
  }
  int64_t nanos = 0;
  if (__builtin_mul_overflow(micros, int64_t{1'000}, &nanos)) return micros < 0 ? kLongMin : kLongMax;
  return nanos;
}

}  // namespace

Result<RowRangeFilter> RowRangeFilter::Make(const iceberg::RowRange& range, const arrow::DataType& column) {
  if (column.id() != arrow::Type::TIMESTAMP && column.id() != arrow::Type::DATE32) {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("a range needs a column of timestamps or dates, not of {}", column.ToString()));
  }
  RowRangeFilter filter;
  filter.is_date_ = column.id() == arrow::Type::DATE32;
  filter.all_after_ = !range.after;
  filter.after_ = range.after ? InTicks(*range.after, column) : kLongMin;
  filter.up_to_ = range.up_to ? InTicks(*range.up_to, column) : kLongMax;
  return filter;
}

template <typename T>
void RowRangeFilter::ApplyAs(const arrow::Array& column, std::vector<uint8_t>& mask) const {
  const T* values = column.data()->GetValues<T>(1);
  const int64_t rows = column.length();
  uint8_t* keep = mask.data();
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t value = values[i];
    keep[i] &= static_cast<uint8_t>((all_after_ | (value > after_)) & (value <= up_to_));
  }
  if (column.null_count() == 0) return;
  for (int64_t i = 0; i < rows; ++i) keep[i] &= static_cast<uint8_t>(column.IsValid(i));
}

void RowRangeFilter::Apply(const arrow::Array& column, std::vector<uint8_t>& mask) const {
  if (is_date_) {
    ApplyAs<int32_t>(column, mask);
  } else {
    ApplyAs<int64_t>(column, mask);
  }
}

bool RowRangeFilter::MayMatch(const parquet::ColumnChunkMetaData& chunk) const {
  const auto statistics = chunk.statistics();
  if (!statistics || !statistics->HasMinMax()) return true;
  const auto overlaps = [&](const auto& typed) {
    return (all_after_ || typed.max() > after_) && typed.min() <= up_to_;
  };
  switch (chunk.type()) {
    case parquet::Type::INT32:
      return overlaps(static_cast<const parquet::Int32Statistics&>(*statistics));
    case parquet::Type::INT64:
      return overlaps(static_cast<const parquet::Int64Statistics&>(*statistics));
    default:
      return true;
  }
}

}  // namespace calve::datafile
