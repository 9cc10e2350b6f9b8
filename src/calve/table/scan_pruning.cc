#include "calve/table/scan_pruning.h"

#include <limits>

#include "calve/iceberg/calendar.h"
#include "calve/table/snapshot_manifests.h"

namespace calve::table {
namespace {

using iceberg::Literal;
using iceberg::TransformKind;
using iceberg::Type;
using iceberg::TypeId;

constexpr int64_t kMicrosPerDay = 86'400'000'000;
constexpr int64_t kMicrosPerHour = 3'600'000'000;
constexpr int64_t kNanosPerMicro = 1'000;
constexpr int64_t kLongMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kLongMax = std::numeric_limits<int64_t>::max();

bool IsNanos(TypeId id) { return id == TypeId::kTimestampNs || id == TypeId::kTimestampTzNs; }

bool CanBeRanged(TypeId id) {
  return id == TypeId::kDate || id == TypeId::kTimestamp || id == TypeId::kTimestampTz || IsNanos(id);
}

std::optional<int64_t> AsLong(const Literal& value) {
  if (const auto* narrow = std::get_if<int32_t>(&value)) return *narrow;
  if (const auto* wide = std::get_if<int64_t>(&value)) return *wide;
  return std::nullopt;
}

// A bound as it stands in a manifest; nullopt where it is absent or does not decode.
std::optional<int64_t> BoundOf(const Type& type, const std::string& bytes) {
  const auto value = FromBytes(type, bytes);
  return value.ok() ? AsLong(*value) : std::nullopt;
}

std::optional<int64_t> BoundOf(const Type& type, const std::optional<std::string>& bytes) {
  return bytes ? BoundOf(type, *bytes) : std::nullopt;
}

std::optional<int64_t> BoundOf(const Type& type, const std::map<int, std::string>& bounds, int field_id) {
  const auto found = bounds.find(field_id);
  return found == bounds.end() ? std::nullopt : BoundOf(type, found->second);
}

// The last value of the column that is not after `micros`.
int64_t InUnitOf(TypeId id, int64_t micros) {
  if (id == TypeId::kDate) return iceberg::FloorDivide(micros, kMicrosPerDay);
  if (!IsNanos(id)) return micros;
  int64_t nanos = 0;
  if (__builtin_mul_overflow(micros, kNanosPerMicro, &nanos)) return micros < 0 ? kLongMin : kLongMax;
  return nanos;
}

// Years, months, days or hours since the epoch, rounded down; nullopt for what is no such transform.
std::optional<int64_t> Transformed(TransformKind kind, int64_t micros) {
  switch (kind) {
    case TransformKind::kYear:
      return iceberg::YearsFromDays(iceberg::DaysFromMicros(micros));
    case TransformKind::kMonth:
      return iceberg::MonthsFromDays(iceberg::DaysFromMicros(micros));
    case TransformKind::kDay:
      return iceberg::FloorDivide(micros, kMicrosPerDay);
    case TransformKind::kHour:
      return iceberg::FloorDivide(micros, kMicrosPerHour);
    default:
      return std::nullopt;
  }
}

}  // namespace

RangePruner::RangePruner(const iceberg::TableMetadata& metadata, const iceberg::RowRange& range)
    : metadata_(metadata), range_(range) {
  const iceberg::NestedField* field = metadata.schema().FindField(range.field_id);
  if (field == nullptr || !CanBeRanged(field->type.id)) return;
  column_ = field->type;
  if (range.after) {
    const int64_t before_it = InUnitOf(column_->id, *range.after);
    values_.lowest = before_it == kLongMax ? kLongMax : before_it + 1;
  }
  if (range.up_to) values_.highest = InUnitOf(column_->id, *range.up_to);
}

std::optional<RangePruner::Interval> RangePruner::Project(const iceberg::PartitionField& field) const {
  if (field.source_id != range_.field_id) return std::nullopt;
  if (field.transform.kind == TransformKind::kIdentity) return values_;
  if (!Transformed(field.transform.kind, 0)) return std::nullopt;
  Interval interval;
  // Transforms do not decrease: the ends' values enclose those of all between. `after` itself stands for the next
  // value, which at worst is one partition too generous.
  if (range_.after) interval.lowest = Transformed(field.transform.kind, *range_.after);
  if (range_.up_to) {
    interval.highest = Transformed(field.transform.kind, *range_.up_to);
    // Older Java writers, and others still, round values before 1970 towards zero: one too high.
    if (*interval.highest < 0) ++*interval.highest;
  }
  return interval;
}

bool RangePruner::MayMatch(const iceberg::ManifestFile& manifest) const {
  const iceberg::PartitionSpec* spec = metadata_.FindSpec(manifest.partition_spec_id);
  if (!column_ || spec == nullptr || !manifest.partitions) return true;
  const auto partition = PartitionType(*spec, SchemaFor(metadata_, *spec));
  if (!partition.ok()) return true;
  const auto& summaries = *manifest.partitions;
  for (size_t i = 0; i < spec->fields.size() && i < summaries.size(); ++i) {
    const auto interval = Project(spec->fields[i]);
    if (!interval || summaries[i].contains_null) continue;
    const Type& type = partition->fields[i].type;
    if (!interval->Overlaps(BoundOf(type, summaries[i].lower_bound), BoundOf(type, summaries[i].upper_bound))) {
      return false;
    }
  }
  return true;
}

bool RangePruner::MayMatch(const iceberg::DataFile& file) const {
  if (!column_) return true;
  if (const iceberg::PartitionSpec* spec = metadata_.FindSpec(file.spec_id)) {
    for (size_t i = 0; i < spec->fields.size() && i < file.partition.size(); ++i) {
      const auto interval = Project(spec->fields[i]);
      const auto value = AsLong(file.partition[i]);
      if (interval && value && !interval->Overlaps(value, value)) return false;
    }
  }
  return values_.Overlaps(BoundOf(*column_, file.lower_bounds, range_.field_id),
                          BoundOf(*column_, file.upper_bounds, range_.field_id));
}

}  // namespace calve::table
