#include "calve/offload/type_mapping.h"

#include <algorithm>

#include "calve/source/introspection.h"

namespace calve::offload {
namespace {

using iceberg::Type;
using iceberg::TypeId;
using source::ClickHouseType;
using source::TypeKind;

Status Refuse(const std::string& path, const ClickHouseType& type, const std::string& why,
              const std::string& remedy = "") {
  return MakeError(ErrorKind::kUnsupported, fmt::format("column {}: ClickHouse type {} {}", path, type.text, why),
                   remedy);
}

bool IsFineTimestamp(const ClickHouseType& type) { return type.kind == TypeKind::kDateTime64 && type.precision > 6; }

// Types whose rows come as text because nothing in Iceberg v2 holds them.
bool GoesAsText(TypeKind kind) {
  return kind == TypeKind::kJson || kind == TypeKind::kObject || kind == TypeKind::kDynamic ||
         kind == TypeKind::kVariant || kind == TypeKind::kGeo || kind == TypeKind::kTime || kind == TypeKind::kTime64;
}

struct Shape {
  Type type;
  bool required = true;
};

Result<Shape> ShapeOf(const std::string& path, const ClickHouseType& type);

Result<Type> StructOf(const std::string& path, const ClickHouseType& type) {
  std::vector<iceberg::NestedField> fields;
  for (size_t i = 0; i < type.children.size(); ++i) {
    std::string name = i < type.names.size() && !type.names[i].empty() ? type.names[i] : std::to_string(i + 1);
    ARROW_ASSIGN_OR_RAISE(Shape child, ShapeOf(path + "." + name, type.children[i]));
    fields.push_back(iceberg::NestedField{0, name, child.required, std::move(child.type), ""});
  }
  if (fields.empty()) return Refuse(path, type, "has no elements, which Iceberg's struct must have");
  return Type::Struct(std::move(fields));
}

Result<Type> ContainerOf(const std::string& path, const ClickHouseType& type) {
  if (type.kind == TypeKind::kTuple) return StructOf(path, type);
  if (type.kind == TypeKind::kNested) {
    ARROW_ASSIGN_OR_RAISE(Type element, StructOf(path, type));
    return Type::List(0, true, std::move(element));
  }
  if (type.kind == TypeKind::kArray) {
    ARROW_ASSIGN_OR_RAISE(Shape element, ShapeOf(path + ".element", type.children.at(0)));
    return Type::List(0, element.required, std::move(element.type));
  }
  ARROW_ASSIGN_OR_RAISE(Shape key, ShapeOf(path + ".key", type.children.at(0)));
  ARROW_ASSIGN_OR_RAISE(Shape value, ShapeOf(path + ".value", type.children.at(1)));
  return Type::Map(0, std::move(key.type), 0, value.required, std::move(value.type));
}

Result<Type> ScalarOf(const std::string& path, const ClickHouseType& type) {
  switch (type.kind) {
    case TypeKind::kBool:
      return Type::Of(TypeId::kBoolean);
    case TypeKind::kInt8:
    case TypeKind::kInt16:
    case TypeKind::kInt32:
    case TypeKind::kUInt8:
    case TypeKind::kUInt16:
      return Type::Of(TypeId::kInt);
    case TypeKind::kInt64:
    case TypeKind::kUInt32:
    case TypeKind::kUInt64:
      return Type::Of(TypeId::kLong);
    case TypeKind::kInt128:
    case TypeKind::kUInt128:
    case TypeKind::kInt256:
    case TypeKind::kUInt256:
      return Type::Decimal(38, 0);
    case TypeKind::kFloat32:
    case TypeKind::kBFloat16:
      return Type::Of(TypeId::kFloat);
    case TypeKind::kFloat64:
      return Type::Of(TypeId::kDouble);
    case TypeKind::kDecimal:
      if (type.scale > 38) {
        return Refuse(path, type, "has more than 38 digits after the point, which Iceberg's decimal cannot hold");
      }
      return Type::Decimal(std::min(type.precision, 38), type.scale);
    case TypeKind::kString:
    case TypeKind::kEnum8:
    case TypeKind::kEnum16:
    case TypeKind::kIpv4:
    case TypeKind::kIpv6:
      return Type::Of(TypeId::kString);
    case TypeKind::kFixedString:
      return Type::Fixed(type.length);
    case TypeKind::kUuid:
      return Type::Of(TypeId::kUuid);
    case TypeKind::kDate:
    case TypeKind::kDate32:
      return Type::Of(TypeId::kDate);
    case TypeKind::kDateTime:
    case TypeKind::kDateTime64:
      if (IsFineTimestamp(type)) {
        return Refuse(path, type, "is finer than the microseconds of Iceberg v2's timestamptz",
                      fmt::format("Ask for truncation with --type {0}=timestamptz, or keep the number with --expr "
                                  "'{0}=toInt64(toDecimal128({0}, 9) * 1000000000)'.",
                                  path));
      }
      return Type::Of(TypeId::kTimestampTz);
    case TypeKind::kAggregateFunction:
      return Refuse(path, type, "is an aggregation state inside another type, which cannot be finalised there");
    default:
      return Refuse(path, type, "has no faithful Iceberg type");
  }
}

Result<Shape> ShapeOf(const std::string& path, const ClickHouseType& type) {
  const ClickHouseType& inner = type.Unwrapped();
  Shape shape;
  shape.required = !type.IsNullable();
  bool container = inner.kind == TypeKind::kArray || inner.kind == TypeKind::kMap || inner.kind == TypeKind::kTuple ||
                   inner.kind == TypeKind::kNested;
  ARROW_ASSIGN_OR_RAISE(shape.type, container ? ContainerOf(path, inner) : ScalarOf(path, inner));
  return shape;
}

}  // namespace

std::optional<std::string> TextExpression(const std::string& column, const source::ClickHouseType& type) {
  switch (type.Unwrapped().kind) {
    case TypeKind::kUuid:
    case TypeKind::kEnum8:
    case TypeKind::kEnum16:
    case TypeKind::kIpv4:
    case TypeKind::kIpv6:
    case TypeKind::kBool:
      return fmt::format("toString({})", source::QuoteIdentifier(column));
    default:
      return std::nullopt;
  }
}

Result<MappedColumn> MapColumn(const std::string& column, const source::ClickHouseType& type,
                               const std::optional<iceberg::Type>& wanted) {
  MappedColumn mapped;
  mapped.expression = source::QuoteIdentifier(column);
  mapped.required = !type.IsNullable();
  const ClickHouseType& inner = type.Unwrapped();
  if (inner.kind == TypeKind::kAggregateFunction) {
    mapped.expression = fmt::format("finalizeAggregation({})", mapped.expression);
    mapped.retyped = true;
    return mapped;
  }
  if (GoesAsText(inner.kind)) {
    mapped.expression = fmt::format("toString({})", mapped.expression);
    mapped.retyped = true;
    return mapped;
  }
  if (wanted && wanted->id == TypeId::kTimestampTz && IsFineTimestamp(inner)) {
    mapped.expression = fmt::format("toDateTime64({}, 6, 'UTC')", mapped.expression);
    mapped.type = *wanted;
    return mapped;
  }
  if (wanted) {
    mapped.type = *wanted;
    bool has_text = inner.kind == TypeKind::kUuid || inner.kind == TypeKind::kBool;  // the others come as text anyway
    if (has_text && wanted->id == TypeId::kString) mapped.expression = *TextExpression(column, type);
    return mapped;
  }
  auto shape = ShapeOf(column, type);
  if (!shape.ok() && RemedyOf(shape.status()).empty()) {
    // Of the column as a whole, also where what is refused lies deep inside of it.
    return WithKind(shape.status(), ErrorKind::kUnsupported,
                    fmt::format("Give it an expression with --expr '{0}=…', or leave it out with --exclude {0}; in the "
                                "configuration, columns: {{{0}: {{exclude: true}}}}.",
                                column));
  }
  ARROW_ASSIGN_OR_RAISE(Shape whole, std::move(shape));
  mapped.type = std::move(whole.type);
  return mapped;
}

}  // namespace calve::offload
