// Iceberg's types as values. Spec: "Schemas and Data Types".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "calve/base/error.h"

namespace calve::iceberg {

enum class TypeId {
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kDecimal,
  kDate,
  kTime,
  kTimestamp,      // micros without zone
  kTimestampTz,    // micros, UTC
  kTimestampNs,    // v3: nanos without zone
  kTimestampTzNs,  // v3: nanos, UTC
  kString,
  kUuid,
  kFixed,
  kBinary,
  kStruct,
  kList,
  kMap,
};

struct NestedField;

struct Type {
  TypeId id = TypeId::kBoolean;
  int precision = 0;  // kDecimal: 1 to 38
  int scale = 0;      // kDecimal
  int length = 0;     // kFixed: bytes
  // kStruct: its fields. kList: one field named "element". kMap: "key" and "value".
  std::vector<NestedField> fields;

  static Type Of(TypeId id) { return Type{id, 0, 0, 0, {}}; }
  static Type Decimal(int precision, int scale) { return Type{TypeId::kDecimal, precision, scale, 0, {}}; }
  static Type Fixed(int length) { return Type{TypeId::kFixed, 0, 0, length, {}}; }
  static Type Struct(std::vector<NestedField> fields);
  static Type List(int element_id, bool element_required, Type element);
  static Type Map(int key_id, Type key, int value_id, bool value_required, Type value);

  bool is_primitive() const { return id < TypeId::kStruct; }
  // As the spec writes it: "decimal(18,8)", "fixed[16]", "timestamptz", "list<string>", "struct<1: a: int>".
  std::string ToString() const;
};

struct NestedField {
  int id = 0;
  std::string name;
  bool required = false;
  Type type;
  std::string doc;
};

bool operator==(const Type& a, const Type& b);
bool operator==(const NestedField& a, const NestedField& b);

// Primitive types only ("long", "decimal(38, 8)", "fixed[16]"); blanks inside the brackets are accepted.
Result<Type> ParsePrimitiveType(std::string_view text);

// May a column of type `from` become `to`? Spec: "Schema Evolution", v2 promotions only
// (int→long, float→double, decimal(P,S)→decimal(P'≥P,S)). Equal types: yes.
bool CanPromote(const Type& from, const Type& to);

struct Schema {
  int schema_id = 0;
  std::vector<NestedField> fields;
  std::vector<int> identifier_field_ids;

  // Top level, exact name; null where there is none.
  const NestedField* FindField(std::string_view name) const;
  // Any depth.
  const NestedField* FindField(int id) const;
  // Dotted path of a field ("a.element.b"); empty where the id is unknown.
  std::string PathOf(int id) const;
  int HighestFieldId() const;
};

bool operator==(const Schema& a, const Schema& b);
// Equal but for schema_id.
bool SameFields(const Schema& a, const Schema& b);

// Gives every field of every depth a fresh id, in the order that Java's TypeUtil.assignFreshIds uses (all fields of a
// level first, then what is inside them), beginning at `first_id`. Returns the last id given.
int AssignFreshIds(std::vector<NestedField>& fields, int first_id);

}  // namespace calve::iceberg
