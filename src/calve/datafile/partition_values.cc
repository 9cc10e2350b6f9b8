#include "calve/datafile/partition_values.h"

#include <arrow/array.h>
#include <arrow/util/bit_util.h>

#include <climits>

namespace calve::datafile {
namespace {

using arrow::ArrayData;
using iceberg::Literal;
using iceberg::NestedField;
using iceberg::TransformKind;
using iceberg::TypeId;

constexpr uint32_t kNoId = UINT32_MAX;

bool IsNanos(TypeId id) { return id == TypeId::kTimestampNs || id == TypeId::kTimestampTzNs; }

// The way to a field through structs; empty where there is none (spec: a source may not lie in a list or a map).
std::vector<size_t> PathTo(const std::vector<NestedField>& fields, int id) {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].id == id) return {i};
    if (fields[i].type.id != TypeId::kStruct) continue;
    std::vector<size_t> inner = PathTo(fields[i].type.fields, id);
    if (inner.empty()) continue;
    inner.insert(inner.begin(), i);
    return inner;
  }
  return {};
}

// Runs the ids of rows through `id_of(row)`; null rows get `null_id`. All the same: a constant.
template <typename IdOf>
PartitionIds CollectIds(int64_t rows, const std::vector<uint8_t>& valid, uint32_t null_id, IdOf id_of) {
  PartitionIds ids;
  ids.rows.resize(rows);
  bool same = true;
  for (int64_t i = 0; i < rows; ++i) {
    ids.rows[i] = valid.empty() || valid[i] ? id_of(i) : null_id;
    same &= ids.rows[i] == ids.rows[0];
  }
  if (same && rows > 0) {
    ids.constant = ids.rows[0];
    ids.rows.clear();
  }
  return ids;
}

std::string_view TextAt(const ArrayData& array, int64_t i) {
  if (array.type->id() == arrow::Type::FIXED_SIZE_BINARY) {
    const int width = static_cast<const arrow::FixedSizeBinaryType&>(*array.type).byte_width();
    const auto* bytes = reinterpret_cast<const char*>(array.buffers[1]->data());
    return {bytes + (array.offset + i) * width, static_cast<size_t>(width)};
  }
  const auto* offsets = array.GetValues<int32_t>(1);
  if (offsets[i] == offsets[i + 1]) return {};
  const auto* bytes = reinterpret_cast<const char*>(array.buffers[2]->data());
  return {bytes + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i])};
}

Literal LiteralAt(const iceberg::Type& type, const ArrayData& array, int64_t i) {
  switch (type.id) {
    case TypeId::kBoolean:
      return arrow::bit_util::GetBit(array.buffers[1]->data(), array.offset + i);
    case TypeId::kInt:
    case TypeId::kDate:
      return array.GetValues<int32_t>(1)[i];
    case TypeId::kFloat:
      return array.GetValues<float>(1)[i];
    case TypeId::kDouble:
      return array.GetValues<double>(1)[i];
    case TypeId::kDecimal:
      if (type.precision <= 9) return arrow::Decimal128(array.GetValues<int32_t>(1)[i]);
      if (type.precision <= 18) return arrow::Decimal128(array.GetValues<int64_t>(1)[i]);
      return arrow::Decimal128(array.buffers[1]->data() + (array.offset + i) * 16);
    case TypeId::kString:
    case TypeId::kBinary:
    case TypeId::kFixed:
    case TypeId::kUuid:
      return std::string(TextAt(array, i));
    default:
      return array.GetValues<int64_t>(1)[i];
  }
}

}  // namespace

Result<std::unique_ptr<PartitionValues>> PartitionValues::Make(const iceberg::Schema& schema,
                                                               const iceberg::PartitionField& field) {
  std::unique_ptr<PartitionValues> values(new PartitionValues());
  values->transform_ = field.transform;
  if (field.transform.kind == TransformKind::kUnknown) {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("partition field {}: transform {} is not known", field.name, field.transform.unknown),
                     "The table can be read, but only a newer version can write to it.");
  }
  if (field.transform.kind == TransformKind::kVoid) return values;  // its source may even be gone (spec: v1 specs)
  values->path_ = PathTo(schema.fields, field.source_id);
  if (values->path_.empty()) {
    return MakeError(ErrorKind::kUnsupported,
                     fmt::format("partition field {}: its source (field id {}) is not a column of the schema",
                                 field.name, field.source_id));
  }
  values->source_ = schema.FindField(field.source_id)->type;
  auto result = ResultType(field.transform, values->source_);
  if (!result.ok()) return WithContext(result.status(), "partition field " + field.name);
  values->result_ = *std::move(result);
  return values;
}

Result<PartitionIds> PartitionValues::IdsOf(const arrow::RecordBatch& batch) {
  if (transform_.kind == TransformKind::kVoid) return PartitionIds{IdOfNull(), {}};
  ARROW_ASSIGN_OR_RAISE(Column column, Resolve(batch));
  if (column.leaf->dictionary) return Dictionary(column);
  if (IntegersMayGoFast()) return Integers(column);
  if (source_.id == TypeId::kString || source_.id == TypeId::kBinary) return Texts(column);
  return OneByOne(column);
}

Result<PartitionValues::Column> PartitionValues::Resolve(const arrow::RecordBatch& batch) const {
  Column column;
  std::shared_ptr<ArrayData> array = batch.column_data(static_cast<int>(path_[0]));
  for (size_t depth = 0;; ++depth) {
    if (array->GetNullCount() > 0) {
      column.valid.resize(batch.num_rows(), 1);
      for (int64_t i = 0; i < batch.num_rows(); ++i) {
        column.valid[i] &= arrow::bit_util::GetBit(array->buffers[0]->data(), array->offset + i);
      }
    }
    if (depth + 1 == path_.size()) break;
    array = array->child_data[path_[depth + 1]]->Slice(array->offset, array->length);
  }
  column.leaf = std::move(array);
  return column;
}

uint32_t PartitionValues::IdOfNull() {
  if (!null_id_) {
    null_id_ = static_cast<uint32_t>(values_.size());
    values_.emplace_back();
  }
  return *null_id_;
}

Literal PartitionValues::LiteralOf(int64_t result) const {
  if (result_.id == TypeId::kInt || result_.id == TypeId::kDate) return static_cast<int32_t>(result);
  return result;
}

uint32_t PartitionValues::IdOfInteger(int64_t result) {
  const auto [found, is_new] = integers_.try_emplace(result, static_cast<uint32_t>(values_.size()));
  if (is_new) values_.push_back(LiteralOf(result));
  return found->second;
}

uint32_t PartitionValues::IdOfText(std::string_view result) {
  if (const auto found = texts_.find(result); found != texts_.end()) return found->second;
  const auto id = static_cast<uint32_t>(values_.size());
  texts_.emplace(std::string(result), id);
  values_.emplace_back(std::string(result));
  return id;
}

uint32_t PartitionValues::IdOfResult(const Literal& value) {
  if (iceberg::IsNull(value)) return IdOfNull();
  if (const auto* number = std::get_if<int32_t>(&value)) return IdOfInteger(*number);
  if (const auto* number = std::get_if<int64_t>(&value)) return IdOfInteger(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return IdOfText(*text);
  const auto [found, is_new] = texts_.try_emplace(ToBytes(result_, value), static_cast<uint32_t>(values_.size()));
  if (is_new) values_.push_back(value);
  return found->second;
}

bool PartitionValues::IntegersMayGoFast() const {
  return source_.id == TypeId::kInt || source_.id == TypeId::kDate || source_.id == TypeId::kLong ||
         (source_.id >= TypeId::kTime && source_.id <= TypeId::kTimestampTzNs);
}

int64_t PartitionValues::TransformInteger(int64_t value) const {
  using iceberg::DaysFromMicros;
  if (transform_.kind == TransformKind::kIdentity) return value;
  if (transform_.kind == TransformKind::kTruncate) {
    const int64_t remainder = value % transform_.param;
    const int64_t positive = remainder < 0 ? remainder + transform_.param : remainder;
    const auto cut = static_cast<int64_t>(static_cast<uint64_t>(value) - static_cast<uint64_t>(positive));
    return source_.id == TypeId::kInt ? static_cast<int32_t>(cut) : cut;  // wraps near the minimum, as Java does
  }
  if (IsNanos(source_.id)) value = value / 1000 - (value % 1000 < 0);
  if (transform_.kind == TransformKind::kBucket) return (iceberg::HashLong(value) & INT_MAX) % transform_.param;
  if (transform_.kind == TransformKind::kHour) return iceberg::HoursFromMicros(value);
  const int32_t days = source_.id == TypeId::kDate ? static_cast<int32_t>(value) : DaysFromMicros(value);
  if (transform_.kind == TransformKind::kMonth) return iceberg::MonthsFromDays(days);
  if (transform_.kind == TransformKind::kYear) return iceberg::YearsFromDays(days);
  return days;
}

PartitionIds PartitionValues::Integers(const Column& column) {
  return source_.id == TypeId::kInt || source_.id == TypeId::kDate ? IntegersOf<int32_t>(column)
                                                                   : IntegersOf<int64_t>(column);
}

template <typename T>
PartitionIds PartitionValues::IntegersOf(const Column& column) {
  const T* values = column.leaf->GetValues<T>(1);
  const int64_t rows = column.leaf->length;
  // All transforms but bucket rise with their source: equal ends mean equal rows. (Truncate and hour wrap at the far
  // end of their types: a range that is this narrow cannot have gone round.)
  constexpr uint64_t kNarrow = uint64_t{1} << 40;
  if (column.valid.empty() && rows > 0 && transform_.kind != TransformKind::kBucket) {
    T low = values[0], high = values[0];
    for (int64_t i = 1; i < rows; ++i) {
      low = std::min(low, values[i]);
      high = std::max(high, values[i]);
    }
    const bool narrow = static_cast<uint64_t>(high) - static_cast<uint64_t>(low) < kNarrow;
    const int64_t result = TransformInteger(low);
    if (narrow && result == TransformInteger(high)) return {IdOfInteger(result), {}};
  }
  T last{};
  uint32_t last_id = kNoId;
  return CollectIds(rows, column.valid, column.valid.empty() ? kNoId : IdOfNull(), [&](int64_t i) {
    if (last_id == kNoId || values[i] != last) {
      last = values[i];
      last_id = IdOfInteger(TransformInteger(last));
    }
    return last_id;
  });
}

PartitionIds PartitionValues::Texts(const Column& column) {
  const ArrayData& array = *column.leaf;
  const uint32_t null_id = column.valid.empty() ? kNoId : IdOfNull();
  if (transform_.kind == TransformKind::kIdentity) {
    std::string_view last;
    uint32_t last_id = kNoId;
    return CollectIds(array.length, column.valid, null_id, [&](int64_t i) {
      const std::string_view text = TextAt(array, i);
      if (last_id == kNoId || text != last) {
        last = text;
        last_id = IdOfText(text);
      }
      return last_id;
    });
  }
  if (transform_.kind == TransformKind::kBucket) {
    return CollectIds(array.length, column.valid, null_id, [&](int64_t i) {
      return IdOfInteger((static_cast<int32_t>(iceberg::Murmur3(TextAt(array, i))) & INT_MAX) % transform_.param);
    });
  }
  return OneByOne(column);
}

// Each entry of the dictionary is transformed once.
PartitionIds PartitionValues::Dictionary(const Column& column) {
  const ArrayData& entries = *column.leaf->dictionary;
  const auto* codes = column.leaf->GetValues<int32_t>(1);
  std::vector<uint32_t> ids(entries.length, kNoId);
  return CollectIds(column.leaf->length, column.valid, column.valid.empty() ? kNoId : IdOfNull(), [&](int64_t i) {
    uint32_t& id = ids[codes[i]];
    if (id == kNoId) id = IdOfResult(ApplyTransform(transform_, source_, LiteralAt(source_, entries, codes[i])));
    return id;
  });
}

PartitionIds PartitionValues::OneByOne(const Column& column) {
  return CollectIds(column.leaf->length, column.valid, column.valid.empty() ? kNoId : IdOfNull(), [&](int64_t i) {
    return IdOfResult(ApplyTransform(transform_, source_, LiteralAt(source_, *column.leaf, i)));
  });
}

}  // namespace calve::datafile
