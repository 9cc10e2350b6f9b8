// The table of native_decoder.h.
#include <fmt/format.h>

#include "calve/source/native_column.h"

namespace calve::source {
namespace {

using TypeResult = Result<std::shared_ptr<arrow::DataType>>;

Status Unsupported(const std::string& path, const ClickHouseType& type, std::string_view why) {
  return MakeError(
      ErrorKind::kUnsupported, fmt::format("column {}: {} {}", path, type.text, why),
      "Leave the column out, or give it an expression that yields a supported type (toString(…) for most).");
}

arrow::TimeUnit::type UnitOf(int precision) {
  if (precision == 0) return arrow::TimeUnit::SECOND;
  if (precision <= 3) return arrow::TimeUnit::MILLI;
  return precision <= 6 ? arrow::TimeUnit::MICRO : arrow::TimeUnit::NANO;
}

TypeResult DecimalOf(const std::string& path, const ClickHouseType& type) {
  if (type.precision <= 9) return arrow::decimal32(type.precision, type.scale);
  if (type.precision <= 18) return arrow::decimal64(type.precision, type.scale);
  if (type.precision <= 38) return arrow::decimal128(type.precision, type.scale);
  if (type.scale > 38) return Unsupported(path, type, "has more than 38 digits behind the point");
  return arrow::decimal128(38, type.scale);
}

Result<std::shared_ptr<arrow::Field>> FieldOf(const std::string& name, const std::string& path,
                                              const ClickHouseType& type) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::DataType> arrow_type, ArrowTypeOf(path, type));
  return arrow::field(name, std::move(arrow_type), type.IsNullable());
}

TypeResult StructOf(const std::string& path, const ClickHouseType& type) {
  if (type.children.empty()) return Unsupported(path, type, "has no elements");
  arrow::FieldVector fields;
  for (size_t i = 0; i < type.children.size(); ++i) {
    const std::string name = ElementName(type, i);
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Field> field, FieldOf(name, path + "." + name, type.children[i]));
    fields.push_back(std::move(field));
  }
  return arrow::struct_(std::move(fields));
}

TypeResult NullableOf(const std::string& path, const ClickHouseType& type) {
  using K = TypeKind;
  const ClickHouseType& child = type.children.front();
  const K kind = child.kind;
  if (kind == K::kNullable || kind == K::kLowCardinality || kind == K::kArray || kind == K::kMap ||
      kind == K::kNested) {
    return Unsupported(path, type, "is not a type that ClickHouse has");
  }
  return ArrowTypeOf(path, child);
}

TypeResult LowCardinalityOf(const std::string& path, const ClickHouseType& type) {
  const ClickHouseType& child = type.children.front();
  const ClickHouseType& key = child.kind == TypeKind::kNullable ? child.children.front() : child;
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::DataType> value, ArrowTypeOf(path, key));
  if (value->num_fields() > 0 || value->id() == arrow::Type::DICTIONARY) {
    return Unsupported(path, type, "is not a type that ClickHouse has");
  }
  return arrow::dictionary(arrow::int32(), std::move(value));
}

TypeResult MapOf(const std::string& path, const ClickHouseType& type) {
  if (type.children[0].IsNullable()) return Unsupported(path, type, "has keys that may be NULL");
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Field> key, FieldOf("key", path + ".key", type.children[0]));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Field> value, FieldOf("value", path + ".value", type.children[1]));
  return std::make_shared<arrow::MapType>(std::move(key), std::move(value));
}

}  // namespace

std::string ElementName(const ClickHouseType& tuple, size_t index) {
  if (index < tuple.names.size() && !tuple.names[index].empty()) return tuple.names[index];
  return std::to_string(index + 1);
}

TypeResult ArrowTypeOf(const std::string& path, const ClickHouseType& type) {
  using K = TypeKind;
  switch (type.kind) {
    case K::kBool:
      return arrow::boolean();
    case K::kInt8:
      return arrow::int8();
    case K::kInt16:
      return arrow::int16();
    case K::kInt32:
      return arrow::int32();
    case K::kInt64:
      return arrow::int64();
    case K::kUInt8:
      return arrow::uint8();
    case K::kUInt16:
      return arrow::uint16();
    case K::kUInt32:
      return arrow::uint32();
    case K::kUInt64:
      return arrow::uint64();
    case K::kInt128:
    case K::kInt256:
    case K::kUInt128:
    case K::kUInt256:
      return arrow::decimal128(38, 0);
    case K::kFloat32:
    case K::kBFloat16:
      return arrow::float32();
    case K::kFloat64:
      return arrow::float64();
    case K::kDecimal:
      return DecimalOf(path, type);
    case K::kString:
      return arrow::binary();
    case K::kFixedString:
      return arrow::fixed_size_binary(type.length);
    case K::kUuid:
      return arrow::fixed_size_binary(16);
    case K::kIpv4:
    case K::kIpv6:
      return arrow::utf8();
    case K::kEnum8:
    case K::kEnum16:
      return arrow::dictionary(arrow::int32(), arrow::utf8());
    case K::kDate:
    case K::kDate32:
      return arrow::date32();
    case K::kDateTime:
      return arrow::timestamp(arrow::TimeUnit::SECOND, "UTC");
    case K::kDateTime64:
      return arrow::timestamp(UnitOf(type.precision), "UTC");
    case K::kSimpleAggregateFunction:
      return ArrowTypeOf(path, type.children.front());
    case K::kNullable:
      return NullableOf(path, type);
    case K::kLowCardinality:
      return LowCardinalityOf(path, type);
    case K::kArray: {
      ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Field> item, FieldOf("item", path + ".item", type.children.front()));
      return arrow::list(std::move(item));
    }
    case K::kMap:
      return MapOf(path, type);
    case K::kTuple:
      return StructOf(path, type);
    case K::kNested: {
      ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::DataType> element, StructOf(path, type));
      return arrow::list(arrow::field("item", std::move(element), /*nullable=*/false));
    }
    case K::kAggregateFunction:
      return Unsupported(path, type, "is an aggregation's state, not a value: read it through finalizeAggregation()");
    default:
      return Unsupported(path, type, "is not supported");
  }
}

Result<std::shared_ptr<arrow::Field>> ArrowFieldOf(const std::string& name, const ClickHouseType& type) {
  return FieldOf(name, name, type);
}

}  // namespace calve::source
