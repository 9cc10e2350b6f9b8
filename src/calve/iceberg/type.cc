#include "calve/iceberg/type.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace calve::iceberg {
namespace {

struct NamedType {
  std::string_view name;
  TypeId id;
};

// Types without parameters, as the spec spells them.
constexpr NamedType kTypeNames[] = {
    {"boolean", TypeId::kBoolean},
    {"int", TypeId::kInt},
    {"long", TypeId::kLong},
    {"float", TypeId::kFloat},
    {"double", TypeId::kDouble},
    {"date", TypeId::kDate},
    {"time", TypeId::kTime},
    {"timestamp", TypeId::kTimestamp},
    {"timestamptz", TypeId::kTimestampTz},
    {"timestamp_ns", TypeId::kTimestampNs},
    {"timestamptz_ns", TypeId::kTimestampTzNs},
    {"string", TypeId::kString},
    {"uuid", TypeId::kUuid},
    {"binary", TypeId::kBinary},
};

// v3 types that calve has no values for.
constexpr std::string_view kUnsupportedNames[] = {"unknown", "variant", "geometry", "geography"};

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::optional<int> ParseNumber(std::string_view text) {
  text = Trim(text);
  int number = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || ec != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

// The text between `open` and `close` where `text` is "name open … close".
std::optional<std::string_view> Arguments(std::string_view text, std::string_view name, char open, char close) {
  if (!text.starts_with(name)) return std::nullopt;
  std::string_view rest = Trim(text.substr(name.size()));
  if (rest.size() < 2 || rest.front() != open || rest.back() != close) return std::nullopt;
  return rest.substr(1, rest.size() - 2);
}

std::optional<Type> ParseDecimal(std::string_view arguments) {
  size_t comma = arguments.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  std::optional<int> precision = ParseNumber(arguments.substr(0, comma));
  std::optional<int> scale = ParseNumber(arguments.substr(comma + 1));
  if (!precision || !scale || *precision < 1 || *precision > 38 || *scale > *precision) return std::nullopt;
  return Type::Decimal(*precision, *scale);
}

const NestedField* FindById(const std::vector<NestedField>& fields, int id) {
  for (const NestedField& field : fields) {
    if (field.id == id) return &field;
    if (const NestedField* found = FindById(field.type.fields, id)) return found;
  }
  return nullptr;
}

bool AppendPath(const std::vector<NestedField>& fields, int id, std::string& path) {
  size_t size = path.size();
  for (const NestedField& field : fields) {
    if (size > 0) path += '.';
    path += field.name;
    if (field.id == id || AppendPath(field.type.fields, id, path)) return true;
    path.resize(size);
  }
  return false;
}

int HighestId(const std::vector<NestedField>& fields) {
  int highest = 0;
  for (const NestedField& field : fields) highest = std::max({highest, field.id, HighestId(field.type.fields)});
  return highest;
}

}  // namespace

Type Type::Struct(std::vector<NestedField> fields) {
  Type type = Of(TypeId::kStruct);
  type.fields = std::move(fields);
  return type;
}

Type Type::List(int element_id, bool element_required, Type element) {
  Type type = Of(TypeId::kList);
  type.fields.push_back({element_id, "element", element_required, std::move(element), ""});
  return type;
}

Type Type::Map(int key_id, Type key, int value_id, bool value_required, Type value) {
  Type type = Of(TypeId::kMap);
  type.fields.push_back({key_id, "key", true, std::move(key), ""});
  type.fields.push_back({value_id, "value", value_required, std::move(value), ""});
  return type;
}

std::string Type::ToString() const {
  switch (id) {
    case TypeId::kDecimal:
      return fmt::format("decimal({},{})", precision, scale);
    case TypeId::kFixed:
      return fmt::format("fixed[{}]", length);
    case TypeId::kStruct: {
      std::string text = "struct<";
      for (const NestedField& field : fields) {
        if (text.back() != '<') text += ", ";
        text += fmt::format("{}: {}: {}", field.id, field.name, field.type.ToString());
      }
      return text + ">";
    }
    case TypeId::kList:
      return fmt::format("list<{}>", fields.at(0).type.ToString());
    case TypeId::kMap:
      return fmt::format("map<{}, {}>", fields.at(0).type.ToString(), fields.at(1).type.ToString());
    default:
      for (const NamedType& named : kTypeNames) {
        if (named.id == id) return std::string(named.name);
      }
      return "unknown";
  }
}

bool operator==(const Type& a, const Type& b) {
  if (a.id != b.id) return false;
  if (a.id == TypeId::kDecimal) return a.precision == b.precision && a.scale == b.scale;
  if (a.id == TypeId::kFixed) return a.length == b.length;
  return a.fields == b.fields;
}

bool operator==(const NestedField& a, const NestedField& b) {
  return a.id == b.id && a.name == b.name && a.required == b.required && a.type == b.type && a.doc == b.doc;
}

Result<Type> ParsePrimitiveType(std::string_view text) {
  std::string_view trimmed = Trim(text);
  for (const NamedType& named : kTypeNames) {
    if (named.name == trimmed) return Type::Of(named.id);
  }
  if (auto arguments = Arguments(trimmed, "decimal", '(', ')')) {
    if (std::optional<Type> type = ParseDecimal(*arguments)) return *type;
  }
  if (auto arguments = Arguments(trimmed, "fixed", '[', ']')) {
    if (std::optional<int> length = ParseNumber(*arguments)) return Type::Fixed(*length);
  }
  std::string_view name = trimmed.substr(0, trimmed.find_first_of("( "));
  if (std::find(std::begin(kUnsupportedNames), std::end(kUnsupportedNames), name) != std::end(kUnsupportedNames)) {
    return MakeError(ErrorKind::kUnsupported, fmt::format("type '{}' is not supported", text),
                     "Leave the column out, or keep the table to Iceberg v2's types.");
  }
  return MakeError(ErrorKind::kCorrupt, fmt::format("'{}' is not an Iceberg type", text.substr(0, 100)));
}

bool CanPromote(const Type& from, const Type& to) {
  if (from == to) return true;
  if (from.id == TypeId::kInt) return to.id == TypeId::kLong;
  if (from.id == TypeId::kFloat) return to.id == TypeId::kDouble;
  return from.id == TypeId::kDecimal && to.id == TypeId::kDecimal && from.scale == to.scale &&
         from.precision <= to.precision;
}

const NestedField* Schema::FindField(std::string_view name) const {
  for (const NestedField& field : fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

const NestedField* Schema::FindField(int id) const { return FindById(fields, id); }

std::string Schema::PathOf(int id) const {
  std::string path;
  return AppendPath(fields, id, path) ? path : std::string();
}

int Schema::HighestFieldId() const { return HighestId(fields); }

bool operator==(const Schema& a, const Schema& b) { return a.schema_id == b.schema_id && SameFields(a, b); }

bool SameFields(const Schema& a, const Schema& b) {
  // Identifier fields are a set: their order means nothing.
  std::vector<int> ids_a = a.identifier_field_ids, ids_b = b.identifier_field_ids;
  std::sort(ids_a.begin(), ids_a.end());
  std::sort(ids_b.begin(), ids_b.end());
  return a.fields == b.fields && ids_a == ids_b;
}

int AssignFreshIds(std::vector<NestedField>& fields, int first_id) {
  int next = first_id;
  for (NestedField& field : fields) field.id = next++;
  for (NestedField& field : fields) next = AssignFreshIds(field.type.fields, next) + 1;
  return next - 1;
}

}  // namespace calve::iceberg
