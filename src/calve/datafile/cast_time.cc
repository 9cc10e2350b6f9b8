#include <arrow/util/int_util_overflow.h>

#include "calve/base/time.h"
#include "calve/datafile/cast.h"

namespace calve::datafile {
namespace {

using arrow::ArrayData;
using iceberg::TypeId;

int64_t PerSecond(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return 1;
    case arrow::TimeUnit::MILLI:
      return 1'000;
    case arrow::TimeUnit::MICRO:
      return 1'000'000;
    case arrow::TimeUnit::NANO:
      return 1'000'000'000;
  }
  return 1;
}

std::string TicksText(int64_t value, int64_t per_second) {
  int64_t seconds = value / per_second;
  int64_t rest = value % per_second;
  if (rest < 0) {
    rest += per_second;
    --seconds;
  }
  int64_t micros = 0;
  if (__builtin_mul_overflow(seconds, kMicrosPerSecond, &micros)) return std::to_string(value);
  std::string text = FormatTimestamp(micros).substr(0, 19);
  if (per_second == 1) return text;
  return fmt::format("{}.{:0{}}", text, rest, per_second == 1'000 ? 3 : per_second == 1'000'000 ? 6 : 9);
}

// Into finer ticks. A product that overflows shows as one that does not divide back.
Result<ArrayDataPtr> Refine(const CastSite& site, const ArrayData& array, std::shared_ptr<arrow::DataType> type,
                            int64_t factor, int64_t per_second) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer(array.length * sizeof(int64_t)));
  const auto* in = array.GetValues<int64_t>(1);
  auto* out = reinterpret_cast<int64_t*>(values->mutable_data());
  const int64_t highest = INT64_MAX / factor;
  const int64_t lowest = INT64_MIN / factor;
  bool fits = true;
  for (int64_t i = 0; i < array.length; ++i) {
    fits &= in[i] <= highest && in[i] >= lowest;
    out[i] = static_cast<int64_t>(static_cast<uint64_t>(in[i]) * static_cast<uint64_t>(factor));
  }
  for (int64_t i = 0; !fits && i < array.length; ++i) {  // what stands under a NULL does not count
    if ((in[i] <= highest && in[i] >= lowest) || !IsValidAt(array, i)) continue;
    return ValueDoesNotFit(site, TicksText(in[i], per_second), "Correct the row, or give the column an expression.");
  }
  return WithValues(array, std::move(type), std::move(values));
}

// Nanoseconds into microseconds, only where none are lost.
Result<ArrayDataPtr> NanosToMicros(const CastSite& site, const ArrayData& array,
                                   std::shared_ptr<arrow::DataType> type) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer(array.length * sizeof(int64_t)));
  const auto* in = array.GetValues<int64_t>(1);
  auto* out = reinterpret_cast<int64_t*>(values->mutable_data());
  bool exact = true;
  for (int64_t i = 0; i < array.length; ++i) {
    out[i] = in[i] / 1000;
    exact &= out[i] * 1000 == in[i];
  }
  for (int64_t i = 0; !exact && i < array.length; ++i) {
    if (in[i] % 1000 == 0 || !IsValidAt(array, i)) continue;
    const std::string column = site.path.substr(0, site.path.find('.'));
    return MakeError(
        ErrorKind::kValue,
        fmt::format("column {}: {} would lose nanoseconds as {}", site.path, TicksText(in[i], 1'000'000'000),
                    site.target.ToString()),
        fmt::format("Cut it where that is meant: give column {0} the expression toDateTime64({0}, 6).", column));
  }
  return WithValues(array, std::move(type), std::move(values));
}

}  // namespace

Result<Cast> MakeTimestampCast(const CastSite& site, const arrow::DataType& source) {
  const bool micros = site.target.id == TypeId::kTimestampTz;
  // ClickHouse's values are instants: a target without zone would mean something else.
  if (!micros && site.target.id != TypeId::kTimestampTzNs) return Cast{};
  ARROW_ASSIGN_OR_RAISE(auto type, ArrowTypeOf(site));
  const int64_t from = PerSecond(static_cast<const arrow::TimestampType&>(source).unit());
  const int64_t to = micros ? 1'000'000 : 1'000'000'000;
  if (from == to) return Cast{type, Relabel(type)};
  if (from > to) return Cast{type, [=](const ArrayDataPtr& array) { return NanosToMicros(site, *array, type); }};
  return Cast{type, [=](const ArrayDataPtr& array) { return Refine(site, *array, type, to / from, from); }};
}

}  // namespace calve::datafile
