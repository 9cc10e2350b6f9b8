#include "calve/iceberg/avro_schema.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

namespace calve::iceberg {

using nlohmann::json;

namespace {

// A manifest's schema has some fifty types; a wide partition spec adds a few. More is no manifest.
constexpr size_t kTypesMax = 100'000;

Status CorruptSchema(std::string message) {
  return MakeError(ErrorKind::kCorrupt, "avro schema: " + std::move(message));
}

const std::map<std::string_view, AvroKind>& PrimitiveKinds() {
  static const std::map<std::string_view, AvroKind> kinds = {
      {"null", AvroKind::kNull},   {"boolean", AvroKind::kBoolean}, {"int", AvroKind::kInt},
      {"long", AvroKind::kLong},   {"float", AvroKind::kFloat},     {"double", AvroKind::kDouble},
      {"bytes", AvroKind::kBytes}, {"string", AvroKind::kString}};
  return kinds;
}

// The string member `key`, or empty.
std::string StringMember(const json& node, const char* key) {
  const auto found = node.find(key);
  return found != node.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

class AvroSchemaParser {
 public:
  explicit AvroSchemaParser(AvroSchema& schema) : schema_(schema) {}

  Result<const AvroType*> Parse(const json& node, const std::string& space, int depth) {
    if (depth > kAvroDepthMax) return CorruptSchema("nested too deeply");
    if (schema_.types_.size() > kTypesMax) return CorruptSchema("too many types");
    if (node.is_string()) return ParseName(node.get<std::string>(), space);
    if (node.is_array()) return ParseUnion(node, space, depth);
    if (!node.is_object()) return CorruptSchema("a type is neither a name, an object nor a union");
    const auto type = node.find("type");
    if (type == node.end()) return CorruptSchema("an object without \"type\"");
    if (!type->is_string()) return Parse(*type, space, depth + 1);
    const std::string name = type->get<std::string>();
    if (name == "record" || name == "error") return ParseRecord(node, space, depth);
    if (name == "fixed") return ParseFixed(node, space);
    if (name == "enum") return Named(node, space, AvroKind::kEnum);
    if (name == "array") return ParseNested(node, "items", AvroKind::kArray, space, depth);
    if (name == "map") return ParseNested(node, "values", AvroKind::kMap, space, depth);
    return ParseName(name, space);
  }

 private:
  AvroType* Add(AvroKind kind) {
    AvroType& type = schema_.types_.emplace_back();
    type.kind = kind;
    return &type;
  }

  static std::string SpaceOf(const std::string& full) {
    const size_t dot = full.rfind('.');
    return dot == std::string::npos ? std::string() : full.substr(0, dot);
  }

  static std::string FullName(const std::string& name, const std::string& space) {
    return name.find('.') != std::string::npos || space.empty() ? name : space + "." + name;
  }

  Result<const AvroType*> ParseName(const std::string& name, const std::string& space) {
    const auto primitive = PrimitiveKinds().find(name);
    if (primitive != PrimitiveKinds().end()) return Add(primitive->second);
    auto found = names_.find(FullName(name, space));
    if (found == names_.end()) found = names_.find(name);
    if (found == names_.end()) return CorruptSchema("unknown type name '" + name + "'");
    return found->second;
  }

  // Registers the type before its fields are read: they may refer to it. PyIceberg defines a type again instead of
  // referring to it; the last definition counts.
  Result<AvroType*> Named(const json& node, const std::string& space, AvroKind kind) {
    const std::string name = StringMember(node, "name");
    if (name.empty()) return CorruptSchema("a named type without a name");
    const std::string own = StringMember(node, "namespace");
    AvroType* type = Add(kind);
    last_full_name_ = FullName(name, own.empty() ? space : own);
    names_[last_full_name_] = type;
    return type;
  }

  Result<const AvroType*> ParseFixed(const json& node, const std::string& space) {
    ARROW_ASSIGN_OR_RAISE(AvroType * type, Named(node, space, AvroKind::kFixed));
    const auto size = node.find("size");
    if (size == node.end() || !size->is_number_unsigned() || size->get<uint64_t>() > (1u << 30)) {
      return CorruptSchema("a fixed without a size that fits");
    }
    type->fixed_size = size->get<int64_t>();
    return type;
  }

  Result<const AvroType*> ParseNested(const json& node, const char* member, AvroKind kind, const std::string& space,
                                      int depth) {
    const auto child = node.find(member);
    if (child == node.end()) return CorruptSchema(std::string("a type without \"") + member + "\"");
    AvroType* type = Add(kind);
    ARROW_ASSIGN_OR_RAISE(const AvroType* parsed, Parse(*child, space, depth + 1));
    type->children.push_back(parsed);
    return type;
  }

  Result<const AvroType*> ParseUnion(const json& node, const std::string& space, int depth) {
    AvroType* type = Add(AvroKind::kUnion);
    for (const json& branch : node) {
      ARROW_ASSIGN_OR_RAISE(const AvroType* parsed, Parse(branch, space, depth + 1));
      type->children.push_back(parsed);
    }
    return type;
  }

  Result<const AvroType*> ParseRecord(const json& node, const std::string& space, int depth) {
    ARROW_ASSIGN_OR_RAISE(AvroType * record, Named(node, space, AvroKind::kRecord));
    const std::string inner = SpaceOf(last_full_name_);
    const auto fields = node.find("fields");
    if (fields == node.end() || !fields->is_array()) return CorruptSchema("a record without fields");
    for (const json& field : *fields) {
      const auto type = field.is_object() ? field.find("type") : field.end();
      if (type == field.end()) return CorruptSchema("a field without a type");
      AvroField parsed;
      parsed.name = StringMember(field, "name");
      const auto id = field.find("field-id");
      if (id != field.end() && id->is_number_unsigned() && id->get<uint64_t>() <= INT32_MAX)
        parsed.field_id = id->get<int>();
      ARROW_ASSIGN_OR_RAISE(parsed.type, Parse(*type, inner, depth + 1));
      record->fields.push_back(std::move(parsed));
    }
    return record;
  }

  AvroSchema& schema_;
  std::map<std::string, const AvroType*> names_;
  std::string last_full_name_;
};

Result<AvroSchema> AvroSchema::Parse(std::string_view text) {
  const json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return CorruptSchema("no JSON");
  AvroSchema schema;
  ARROW_ASSIGN_OR_RAISE(schema.root_, AvroSchemaParser(schema).Parse(parsed, "", 0));
  return schema;
}

}  // namespace calve::iceberg
