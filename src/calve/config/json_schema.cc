#include "calve/config/json_schema.h"

#include "calve/config/key.h"

namespace calve::config {
namespace {

Json Pattern(const char* pattern) { return {{"type", "string"}, {"pattern", pattern}}; }

Json Reference(const char* name) { return {{"$ref", std::string("#/$defs/") + name}}; }

// One of these, or a value that the environment makes one of these.
Json OrExpansion(Json::initializer_list_t forms) {
  Json any = Json::array(forms);
  any.push_back(Reference("expansion"));
  return {{"anyOf", std::move(any)}};
}

Json SchemaOf(const Mapping& mapping);

Json ScalarSchema() { return {{"type", {"string", "number", "boolean"}}}; }

Json TextSchema(const Key& key) {
  Json schema = {{"type", "string"}};
  if (key.is_required) schema["minLength"] = 1;
  return schema;
}

Json FormSchema(const Key& key) {
  switch (key.form) {
    case Form::kText:
    case Form::kUrl:
    case Form::kFile:
      return TextSchema(key);
    case Form::kInteger:
      return OrExpansion({{{"type", "integer"}, {"minimum", key.minimum}}});
    case Form::kBoolean:
      return OrExpansion({{{"type", "boolean"}}});
    case Form::kDuration:
      return Reference("duration");
    case Form::kBytes:
      if (key.minimum > 0) return Reference("size");
      return {{"anyOf", {Reference("size"), {{"const", 0}}}}};
    case Form::kPercent:
      return Reference("percentage");
    case Form::kRows:
      if (key.minimum == 0) return Reference("rows");
      return {{"allOf", {Reference("rows"), {{"not", {{"enum", {0, "0"}}}}}}}};
    case Form::kTime:
      return Reference("time");
    case Form::kChoice:
      return OrExpansion({{{"enum", key.choices}}});
    case Form::kType:
      return Reference("iceberg_type");
    case Form::kScalar:
      return ScalarSchema();
    case Form::kTexts:
      return {{"type", "array"}, {"items", {{"type", "string"}, {"minLength", 1}}}};
    case Form::kScalars:
      return {{"type", "object"}, {"additionalProperties", ScalarSchema()}};
    case Form::kMapping:
      return SchemaOf(*key.mapping);
    case Form::kMappings:
      return {{"type", "object"}, {"additionalProperties", SchemaOf(*key.mapping)}};
    case Form::kList:
      return {{"type", "array"}, {"minItems", 1}, {"maxItems", 1000}, {"items", SchemaOf(*key.mapping)}};
  }
  return Json::object();
}

Json RequiredOne(const std::string& name) { return {{"required", Json::array({name})}}; }

Json SchemaOf(const Mapping& mapping) {
  Json schema = {{"type", "object"}, {"additionalProperties", false}};
  Json required = Json::array(), all = Json::array();
  for (const Key& key : mapping.keys) {
    Json property = {{"description", key.meaning}};
    property.update(FormSchema(key));
    if (!key.fallback.is_null()) property["default"] = key.fallback;
    schema["properties"][key.name] = std::move(property);
    if (key.is_required && (!mapping.is_merged || key.is_own)) required.push_back(key.name);
  }
  if (!required.empty()) schema["required"] = std::move(required);
  for (const auto& names : mapping.exactly_one) {
    Json one = Json::array();
    for (const std::string& name : names) one.push_back(RequiredOne(name));
    all.push_back({{"oneOf", std::move(one)}});
  }
  for (const auto& names : mapping.at_most_one) all.push_back({{"not", {{"required", names}}}});
  if (!all.empty()) schema["allOf"] = std::move(all);
  if (mapping.shorthand.empty()) return schema;
  return {{"anyOf", {FormSchema(*mapping.Find(mapping.shorthand)), std::move(schema)}}};
}

// {required: [a], properties: {a: {required: [b]}}} for "a", "b".
Json RequiredPath(const std::vector<std::string>& path, size_t from = 0) {
  Json schema = RequiredOne(path[from]);
  if (from + 1 < path.size()) schema["properties"] = {{path[from], RequiredPath(path, from + 1)}};
  return schema;
}

// Keys that each table has to have, be it from `defaults`.
void AddMergedRequirements(const Mapping& mapping, std::vector<std::string> path, Json& all) {
  for (const Key& key : mapping.keys) {
    std::vector<std::string> at = path;
    at.push_back(key.name);
    if (key.form == Form::kMapping) AddMergedRequirements(*key.mapping, at, all);
    if (!key.is_required || key.is_own) continue;
    std::vector<std::string> in_defaults = at;
    in_defaults.insert(in_defaults.begin(), "defaults");
    Json in_tables = {{"properties", {{"tables", {{"items", RequiredPath(at)}}}}}};
    all.push_back({{"anyOf", {RequiredPath(in_defaults), std::move(in_tables)}}});
  }
}

Json Definitions() {
  Json defs;
  defs["expansion"] = {{"description", "A value that takes something from the environment."},
                       {"type", "string"},
                       {"pattern", R"(\$\{)"}};
  defs["duration"] = OrExpansion({Pattern("^([0-9]+(ms|us|s|m|h|d|w))+$"), {{"enum", {0, "0"}}}});
  defs["size"] =
      OrExpansion({Pattern("^[0-9]+(KiB|MiB|GiB|TiB|KB|MB|GB|TB|K|M|G|T|B)?$"), {{"type", "integer"}, {"minimum", 1}}});
  defs["rows"] = OrExpansion({Pattern("^[0-9]+[KMB]? *(rows)?$"), {{"type", "integer"}, {"minimum", 0}}});
  defs["percentage"] = OrExpansion({Pattern("^([1-9][0-9]?|100)%$")});
  defs["time"] = OrExpansion({{{"const", "beginning"}}, Pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].+)?$")});
  defs["iceberg_type"] = OrExpansion({Pattern(
      "^(boolean|int|long|float|double|date|time|timestamp|timestamptz|timestamp_ns|timestamptz_ns|string|uuid|"
      R"(binary|fixed\[ *[0-9]+ *\]|decimal\( *[0-9]+ *, *[0-9]+ *\))$)")});
  return defs;
}

}  // namespace

std::string JsonSchemaText() {
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                 {"title", "calve's configuration file"},
                 {"description", "Written by `calve config --schema`."}};
  schema.update(SchemaOf(FileKeys()));
  Json all = Json::array();
  AddMergedRequirements(TableKeys(), {}, all);
  if (!all.empty()) schema["allOf"] = std::move(all);
  schema["$defs"] = Definitions();
  return schema.dump(2) + "\n";
}

}  // namespace calve::config
