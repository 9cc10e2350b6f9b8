#include "calve/datafile/arrow_schema.h"

#include <arrow/util/key_value_metadata.h>

namespace calve::datafile {
namespace {

using iceberg::NestedField;
using iceberg::TypeId;

// Deeper schemas are refused: definition levels are bytes in the Parquet writer, and recursion must end.
constexpr int kDepthMax = 64;

Result<std::shared_ptr<arrow::DataType>> ToArrowType(const iceberg::Type& type, const std::string& path, int depth);

Result<std::shared_ptr<arrow::Field>> ToArrowField(const NestedField& field, const std::string& path, int depth) {
  ARROW_ASSIGN_OR_RAISE(auto type, ToArrowType(field.type, path, depth));
  auto metadata = arrow::key_value_metadata({"PARQUET:field_id"}, {std::to_string(field.id)});
  return arrow::field(field.name, std::move(type), !field.required, std::move(metadata));
}

Result<std::shared_ptr<arrow::DataType>> ToArrowDecimal(const iceberg::Type& type, const std::string& path) {
  if (type.precision < 1 || type.precision > 38 || type.scale < 0 || type.scale > type.precision) {
    return MakeError(ErrorKind::kUnsupported, fmt::format("column {}: no such type: {}", path, type.ToString()));
  }
  if (type.precision <= 9) return arrow::decimal32(type.precision, type.scale);
  if (type.precision <= 18) return arrow::decimal64(type.precision, type.scale);
  return arrow::decimal128(type.precision, type.scale);
}

Result<std::shared_ptr<arrow::DataType>> ToArrowNested(const iceberg::Type& type, const std::string& path, int depth) {
  if (depth >= kDepthMax) {
    return MakeError(ErrorKind::kUnsupported, fmt::format("column {}: nested deeper than {} levels", path, kDepthMax));
  }
  arrow::FieldVector fields;
  for (const NestedField& inner : type.fields) {
    ARROW_ASSIGN_OR_RAISE(auto field, ToArrowField(inner, path + "." + inner.name, depth + 1));
    fields.push_back(std::move(field));
  }
  if (type.id == TypeId::kStruct) return arrow::struct_(std::move(fields));
  if (type.id == TypeId::kList) return arrow::list(fields.at(0)->WithName("element"));
  // Map keys are never null, whatever the field says (spec: "Nested Types").
  return std::make_shared<arrow::MapType>(fields.at(0)->WithName("key")->WithNullable(false),
                                          fields.at(1)->WithName("value"));
}

Result<std::shared_ptr<arrow::DataType>> ToArrowType(const iceberg::Type& type, const std::string& path, int depth) {
  switch (type.id) {
    case TypeId::kBoolean:
      return arrow::boolean();
    case TypeId::kInt:
      return arrow::int32();
    case TypeId::kLong:
      return arrow::int64();
    case TypeId::kFloat:
      return arrow::float32();
    case TypeId::kDouble:
      return arrow::float64();
    case TypeId::kDecimal:
      return ToArrowDecimal(type, path);
    case TypeId::kDate:
      return arrow::date32();
    case TypeId::kTime:
      return arrow::time64(arrow::TimeUnit::MICRO);
    case TypeId::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
    case TypeId::kTimestampTz:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case TypeId::kTimestampNs:
      return arrow::timestamp(arrow::TimeUnit::NANO);
    case TypeId::kTimestampTzNs:
      return arrow::timestamp(arrow::TimeUnit::NANO, "UTC");
    case TypeId::kString:
      return arrow::utf8();
    case TypeId::kUuid:
      return arrow::fixed_size_binary(16);
    case TypeId::kFixed:
      return arrow::fixed_size_binary(type.length);
    case TypeId::kBinary:
      return arrow::binary();
    case TypeId::kStruct:
    case TypeId::kList:
    case TypeId::kMap:
      return ToArrowNested(type, path, depth);
  }
  return MakeError(ErrorKind::kUnsupported, fmt::format("column {}: unknown type", path));
}

}  // namespace

Result<std::shared_ptr<arrow::Schema>> ToArrowSchema(const iceberg::Schema& schema) {
  arrow::FieldVector fields;
  for (const NestedField& inner : schema.fields) {
    ARROW_ASSIGN_OR_RAISE(auto field, ToArrowField(inner, inner.name, 0));
    fields.push_back(std::move(field));
  }
  return arrow::schema(std::move(fields));
}

}  // namespace calve::datafile
