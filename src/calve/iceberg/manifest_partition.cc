#include "calve/iceberg/manifest_partition.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "calve/iceberg/avro_file.h"
#include "calve/iceberg/manifest_schema.h"

namespace calve::iceberg::manifest {
namespace {

// Index of the alternative of Literal that holds values of `type`.
size_t AlternativeOf(const Type& type) {
  switch (type.id) {
    case TypeId::kBoolean:
      return Literal(false).index();
    case TypeId::kInt:
    case TypeId::kDate:
      return Literal(int32_t{0}).index();
    case TypeId::kLong:
    case TypeId::kTime:
    case TypeId::kTimestamp:
    case TypeId::kTimestampTz:
    case TypeId::kTimestampNs:
    case TypeId::kTimestampTzNs:
      return Literal(int64_t{0}).index();
    case TypeId::kFloat:
      return Literal(0.0F).index();
    case TypeId::kDouble:
      return Literal(0.0).index();
    case TypeId::kDecimal:
      return Literal(arrow::Decimal128()).index();
    case TypeId::kString:
    case TypeId::kUuid:
    case TypeId::kFixed:
    case TypeId::kBinary:
      return Literal(std::string()).index();
    default:
      return std::variant_npos;
  }
}

size_t FixedSize(const Type& type) {
  if (type.id == TypeId::kUuid) return 16;
  return static_cast<size_t>(type.id == TypeId::kDecimal ? DecimalBytes(type.precision) : type.length);
}

template <typename Float>
void PutFloating(std::string& out, Float value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

// False where the value does not fit the type.
bool PutValue(std::string& out, const Type& type, const Literal& value) {
  if (value.index() != AlternativeOf(type)) return false;
  switch (type.id) {
    case TypeId::kBoolean:
      out.push_back(std::get<bool>(value) ? '\1' : '\0');
      return true;
    case TypeId::kInt:
    case TypeId::kDate:
      PutAvroLong(out, std::get<int32_t>(value));
      return true;
    case TypeId::kFloat:
      PutFloating(out, std::get<float>(value));
      return true;
    case TypeId::kDouble:
      PutFloating(out, std::get<double>(value));
      return true;
    case TypeId::kDecimal: {
      const std::string bytes = ToBytes(type, value);
      const size_t size = FixedSize(type);
      if (bytes.empty() || bytes.size() > size) return false;
      out.append(size - bytes.size(), static_cast<signed char>(bytes[0]) < 0 ? '\xff' : '\0');
      out += bytes;
      return true;
    }
    case TypeId::kUuid:
    case TypeId::kFixed:
      if (std::get<std::string>(value).size() != FixedSize(type)) return false;
      out += std::get<std::string>(value);
      return true;
    case TypeId::kString:
    case TypeId::kBinary:
      PutAvroBytes(out, std::get<std::string>(value));
      return true;
    default:
      PutAvroLong(out, std::get<int64_t>(value));
      return true;
  }
}

bool FitsWriter(const Type& type, AvroKind kind) {
  switch (type.id) {
    case TypeId::kBoolean:
      return kind == AvroKind::kBoolean;
    case TypeId::kFloat:
      return kind == AvroKind::kFloat;
    case TypeId::kDouble:
      return kind == AvroKind::kFloat || kind == AvroKind::kDouble;
    case TypeId::kDecimal:
    case TypeId::kUuid:
    case TypeId::kFixed:
    case TypeId::kBinary:
    case TypeId::kString:
      return kind == AvroKind::kBytes || kind == AvroKind::kString || kind == AvroKind::kFixed;
    default:
      return kind == AvroKind::kInt || kind == AvroKind::kLong;
  }
}

Literal ReadAsWritten(AvroDecoder& in, const AvroType& writer) {
  switch (writer.kind) {
    case AvroKind::kBoolean:
      return in.Boolean();
    case AvroKind::kInt:
      return in.Int();
    case AvroKind::kLong:
      return in.Long();
    case AvroKind::kFloat:
      return in.Float();
    case AvroKind::kDouble:
      return in.Double();
    case AvroKind::kBytes:
    case AvroKind::kString:
      return std::string(in.Bytes());
    case AvroKind::kFixed:
      return std::string(in.Fixed(writer.fixed_size));
    default:
      in.Skip(writer);
      return {};
  }
}

Literal ReadValue(AvroDecoder& in, const AvroType& type, const NestedField& field) {
  const AvroType* writer = in.Branch(type);
  if (writer == nullptr || writer->kind == AvroKind::kNull) return {};
  if (!field.type.is_primitive()) return ReadAsWritten(in, *writer);
  if (!FitsWriter(field.type, writer->kind)) {
    in.Fail(fmt::format("partition field '{}' is not of type {}", field.name, field.type.ToString()));
    return {};
  }
  switch (writer->kind) {
    case AvroKind::kBoolean:
      return in.Boolean();
    case AvroKind::kFloat: {
      const float value = in.Float();
      return field.type.id == TypeId::kDouble ? Literal(double{value}) : Literal(value);
    }
    case AvroKind::kDouble:
      return in.Double();
    case AvroKind::kInt:
    case AvroKind::kLong: {
      const int64_t value = in.Long();
      if (AlternativeOf(field.type) == Literal(int64_t{0}).index()) return value;
      if (value >= std::numeric_limits<int32_t>::min() && value <= std::numeric_limits<int32_t>::max()) {
        return static_cast<int32_t>(value);
      }
      in.Fail(fmt::format("partition field '{}' does not fit {}", field.name, field.type.ToString()));
      return {};
    }
    default:
      break;
  }
  const std::string_view bytes = writer->kind == AvroKind::kFixed ? in.Fixed(writer->fixed_size) : in.Bytes();
  if (!in.ok()) return {};
  auto value = FromBytes(field.type, bytes);
  const bool whole = field.type.id != TypeId::kFixed || bytes.size() == FixedSize(field.type);
  if (!value.ok() || !whole) {
    in.Fail(
        fmt::format("partition field '{}' of type {} has {} bytes", field.name, field.type.ToString(), bytes.size()));
    return {};
  }
  return value.MoveValueUnsafe();
}

bool IsNan(const Literal& value) {
  if (const auto* single = std::get_if<float>(&value)) return std::isnan(*single);
  if (const auto* number = std::get_if<double>(&value)) return std::isnan(*number);
  return false;
}

}  // namespace

Status PutPartition(std::string& out, const Type& partition, const std::vector<Literal>& values) {
  if (values.size() != partition.fields.size()) {
    return MakeError(ErrorKind::kFailed, fmt::format("{} partition values for a spec of {} fields", values.size(),
                                                     partition.fields.size()));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const NestedField& field = partition.fields[i];
    PutAvroLong(out, IsNull(values[i]) ? 0 : 1);
    if (!IsNull(values[i]) && !PutValue(out, field.type, values[i])) {
      return MakeError(ErrorKind::kFailed, fmt::format("the value of partition field '{}' is not of type {}",
                                                       field.name, field.type.ToString()));
    }
  }
  return Status::OK();
}

std::vector<Literal> ReadPartition(AvroDecoder& in, const AvroType& type, const Type& partition) {
  std::vector<Literal> values(partition.fields.size());
  in.Record(type, "partition", [&](const AvroField& avro) {
    for (size_t i = 0; i < values.size(); ++i) {
      const NestedField& field = partition.fields[i];
      const bool same = avro.field_id >= 0 ? avro.field_id == field.id : avro.name == AvroName(field.name);
      if (!same) continue;
      values[i] = ReadValue(in, *avro.type, field);
      return;
    }
    in.Skip(*avro.type);
  });
  return values;
}

PartitionSummary::PartitionSummary(const Type& partition) : partition_(partition), fields_(partition.fields.size()) {}

void PartitionSummary::Add(const std::vector<Literal>& values) {
  for (size_t i = 0; i < fields_.size(); ++i) {
    Field& field = fields_[i];
    const Literal& value = values[i];
    if (IsNull(value)) {
      field.contains_null = true;
    } else if (IsNan(value)) {
      field.contains_nan = true;
    } else {
      if (IsNull(field.lower) || CompareLiterals(value, field.lower) < 0) field.lower = value;
      if (IsNull(field.upper) || CompareLiterals(value, field.upper) > 0) field.upper = value;
    }
  }
}

std::vector<FieldSummary> PartitionSummary::Finish() const {
  std::vector<FieldSummary> summaries;
  for (size_t i = 0; i < fields_.size(); ++i) {
    const Type& type = partition_.fields[i].type;
    FieldSummary& summary = summaries.emplace_back();
    summary.contains_null = fields_[i].contains_null;
    summary.contains_nan = fields_[i].contains_nan;
    if (!IsNull(fields_[i].lower)) summary.lower_bound = ToBytes(type, fields_[i].lower);
    if (!IsNull(fields_[i].upper)) summary.upper_bound = ToBytes(type, fields_[i].upper);
  }
  return summaries;
}

}  // namespace calve::iceberg::manifest
