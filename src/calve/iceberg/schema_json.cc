// Spec: appendix C, "Schemas".
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "calve/iceberg/metadata_json.h"

namespace calve::iceberg {
namespace {

void WriteType(const Type& type, JsonWriter& writer);

void WriteFields(const std::vector<NestedField>& fields, JsonWriter& writer) {
  writer.Key("fields");
  writer.BeginArray();
  for (const NestedField& field : fields) {
    writer.BeginObject();
    writer.Field("id", field.id);
    writer.Field("name", field.name);
    writer.Field("required", field.required);
    writer.Key("type");
    WriteType(field.type, writer);
    if (!field.doc.empty()) writer.Field("doc", field.doc);
    writer.EndObject();
  }
  writer.EndArray();
}

void WriteType(const Type& type, JsonWriter& writer) {
  if (type.is_primitive()) return writer.String(type.ToString());
  writer.BeginObject();
  if (type.id == TypeId::kStruct) {
    writer.Field("type", "struct");
    WriteFields(type.fields, writer);
  } else if (type.id == TypeId::kList) {
    const NestedField& element = type.fields.at(0);
    writer.Field("type", "list");
    writer.Field("element-id", element.id);
    writer.Key("element");
    WriteType(element.type, writer);
    writer.Field("element-required", element.required);
  } else {
    const NestedField &key = type.fields.at(0), &value = type.fields.at(1);
    writer.Field("type", "map");
    writer.Field("key-id", key.id);
    writer.Key("key");
    WriteType(key.type, writer);
    writer.Field("value-id", value.id);
    writer.Key("value");
    WriteType(value.type, writer);
    writer.Field("value-required", value.required);
  }
  writer.EndObject();
}

Result<Type> ReadType(const JsonNode& node);

Result<Type> ReadMemberType(const JsonNode& parent, std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(JsonNode node, parent.Get(key));
  return ReadType(node);
}

Result<int> ReadFieldId(const JsonNode& parent, std::string_view key) {
  ARROW_ASSIGN_OR_RAISE(JsonNode node, parent.Get(key));
  ARROW_ASSIGN_OR_RAISE(int id, node.AsInt());
  if (id < 0) return node.Error(fmt::format("{} is not a field id", id));
  return id;
}

Result<std::vector<NestedField>> ReadFields(const JsonNode& parent) {
  ARROW_ASSIGN_OR_RAISE(JsonNode array, parent.Get("fields"));
  std::vector<NestedField> fields;
  ARROW_RETURN_NOT_OK(array.ForEach([&](const JsonNode& node) -> Status {
    NestedField field;
    ARROW_ASSIGN_OR_RAISE(field.id, ReadFieldId(node, "id"));
    ARROW_ASSIGN_OR_RAISE(field.name, node.GetString("name"));
    ARROW_ASSIGN_OR_RAISE(field.required, node.GetBool("required"));
    ARROW_ASSIGN_OR_RAISE(field.type, ReadMemberType(node, "type"));
    ARROW_ASSIGN_OR_RAISE(field.doc, node.FindString("doc", ""));
    fields.push_back(std::move(field));
    return Status::OK();
  }));
  return fields;
}

Result<Type> ReadType(const JsonNode& node) {
  if (!node.IsObject()) {
    ARROW_ASSIGN_OR_RAISE(std::string name, node.AsString());
    auto type = ParsePrimitiveType(name);
    return type.ok() ? type : WithContext(type.status(), node.Path());
  }
  ARROW_ASSIGN_OR_RAISE(std::string kind, node.GetString("type"));
  if (kind == "struct") {
    ARROW_ASSIGN_OR_RAISE(auto fields, ReadFields(node));
    return Type::Struct(std::move(fields));
  }
  if (kind == "list") {
    ARROW_ASSIGN_OR_RAISE(int element_id, ReadFieldId(node, "element-id"));
    ARROW_ASSIGN_OR_RAISE(bool element_required, node.GetBool("element-required"));
    ARROW_ASSIGN_OR_RAISE(Type element, ReadMemberType(node, "element"));
    return Type::List(element_id, element_required, std::move(element));
  }
  if (kind == "map") {
    ARROW_ASSIGN_OR_RAISE(int key_id, ReadFieldId(node, "key-id"));
    ARROW_ASSIGN_OR_RAISE(Type key, ReadMemberType(node, "key"));
    ARROW_ASSIGN_OR_RAISE(int value_id, ReadFieldId(node, "value-id"));
    ARROW_ASSIGN_OR_RAISE(bool value_required, node.GetBool("value-required"));
    ARROW_ASSIGN_OR_RAISE(Type value, ReadMemberType(node, "value"));
    return Type::Map(key_id, std::move(key), value_id, value_required, std::move(value));
  }
  return node.Error(fmt::format("'{}' is not an Iceberg type", kind));
}

Status CheckUniqueIds(const std::vector<NestedField>& fields, std::set<int>& seen, const JsonNode& node) {
  for (const NestedField& field : fields) {
    if (!seen.insert(field.id).second) {
      return node.Error(fmt::format("two fields have id {}, one of them '{}'", field.id, field.name));
    }
    ARROW_RETURN_NOT_OK(CheckUniqueIds(field.type.fields, seen, node));
  }
  return Status::OK();
}

}  // namespace

Result<Schema> ReadSchema(const JsonNode& node) {
  Schema schema;
  ARROW_RETURN_NOT_OK(node.ExpectObject());
  ARROW_ASSIGN_OR_RAISE(std::string kind, node.FindString("type", "struct"));
  if (kind != "struct") return node.Error(fmt::format("a schema is a struct, not '{}'", kind));
  ARROW_ASSIGN_OR_RAISE(auto id, node.FindInt("schema-id"));
  schema.schema_id = id.value_or(0);
  ARROW_ASSIGN_OR_RAISE(schema.fields, ReadFields(node));
  std::set<int> seen;
  ARROW_RETURN_NOT_OK(CheckUniqueIds(schema.fields, seen, node));
  if (auto ids = node.Find("identifier-field-ids")) {
    ARROW_RETURN_NOT_OK(ids->ForEach([&](const JsonNode& element) -> Status {
      ARROW_ASSIGN_OR_RAISE(int field_id, element.AsInt());
      if (!seen.contains(field_id)) return element.Error(fmt::format("no field has id {}", field_id));
      schema.identifier_field_ids.push_back(field_id);
      return Status::OK();
    }));
  }
  return schema;
}

void WriteSchema(const Schema& schema, JsonWriter& writer) {
  writer.BeginObject();
  writer.Field("type", "struct");
  writer.Field("schema-id", schema.schema_id);
  if (!schema.identifier_field_ids.empty()) {
    writer.Key("identifier-field-ids");
    writer.BeginArray();
    for (int id : schema.identifier_field_ids) writer.Int(id);
    writer.EndArray();
  }
  WriteFields(schema.fields, writer);
  writer.EndObject();
}

std::string WriteSchemaJson(const Schema& schema) {
  JsonWriter writer;
  WriteSchema(schema, writer);
  return std::move(writer.text());
}

Result<Schema> ParseSchemaJson(std::string_view json) {
  ARROW_ASSIGN_OR_RAISE(nlohmann::json document, ParseJson(json));
  return ReadSchema(JsonNode(document));
}

}  // namespace calve::iceberg
