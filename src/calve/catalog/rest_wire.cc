#include "calve/catalog/rest_wire.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "calve/iceberg/metadata_json.h"
#include "calve/iceberg/plain_json.h"
#include "calve/iceberg/table_update_json.h"

namespace calve::catalog {
namespace {

using iceberg::JsonNode;
using iceberg::JsonWriter;
using StringMap = std::map<std::string, std::string>;

Result<StringMap> FindStringMap(const JsonNode& node, std::string_view key) {
  auto member = node.Find(key);
  if (!member) return StringMap();
  return iceberg::ReadStringMap(*member);
}

Result<std::vector<std::string>> ReadStrings(const JsonNode& array) {
  std::vector<std::string> values;
  ARROW_RETURN_NOT_OK(array.ForEach([&](const JsonNode& element) -> Status {
    ARROW_ASSIGN_OR_RAISE(std::string value, element.AsString());
    values.push_back(std::move(value));
    return Status::OK();
  }));
  return values;
}

// A string, or "" for anything else: what is only shown must not be a reason to fail.
std::string TextOf(const JsonNode& node, std::string_view key) {
  auto member = node.Find(key);
  return member && member->value().is_string() ? member->value().get<std::string>() : "";
}

Result<std::vector<storage::StorageCredential>> ReadCredentials(const JsonNode& array) {
  std::vector<storage::StorageCredential> credentials;
  ARROW_RETURN_NOT_OK(array.ForEach([&](const JsonNode& element) -> Status {
    storage::StorageCredential credential;
    ARROW_ASSIGN_OR_RAISE(credential.prefix, element.GetString("prefix"));
    ARROW_ASSIGN_OR_RAISE(credential.config, FindStringMap(element, "config"));
    credentials.push_back(std::move(credential));
    return Status::OK();
  }));
  return credentials;
}

void WriteNamespace(const std::vector<std::string>& levels, JsonWriter& writer) {
  writer.Key("namespace");
  writer.BeginArray();
  for (const std::string& level : levels) writer.String(level);
  writer.EndArray();
}

// CommitTableRequest.
void WriteCommit(const TableIdent& ident, std::span<const iceberg::TableRequirement> requirements,
                 std::span<const iceberg::TableUpdate> updates, JsonWriter& writer) {
  writer.BeginObject();
  writer.Key("identifier");
  writer.BeginObject();
  WriteNamespace(ident.levels, writer);
  writer.Field("name", std::string_view(ident.name));
  writer.EndObject();
  writer.Key("requirements");
  writer.BeginArray();
  for (const auto& requirement : requirements) iceberg::WriteTableRequirement(requirement, writer);
  writer.EndArray();
  writer.Key("updates");
  writer.BeginArray();
  for (const auto& update : updates) iceberg::WriteTableUpdate(update, writer);
  writer.EndArray();
  writer.EndObject();
}

struct SplitTable {
  std::string_view metadata;
  std::string rest;  // the answer without it
};

// A table that was written to for months has megabytes of metadata, which are not made into a document of values as the
// rest is. nullopt: read the whole in the general way.
std::optional<SplitTable> SplitMetadata(std::string_view body) {
  iceberg::PlainJson text(body);
  SplitTable split{{}, "{"};
  const bool good = text.Object([&](std::string_view key) {
    std::string_view value;
    if (!text.Value(value)) return false;
    if (key == "metadata") {
      if (!split.metadata.empty()) return false;
      split.metadata = value;
      return true;
    }
    if (split.rest.size() > 1) split.rest += ',';
    split.rest.append("\"").append(key).append("\":").append(value);
    return true;
  });
  if (!good || !text.AtEnd() || split.metadata.empty()) return std::nullopt;
  split.rest += '}';
  return split;
}

}  // namespace

std::optional<RestError> ParseRestError(std::string_view body) {
  auto document = iceberg::ParseJson(body);
  if (!document.ok() || !document->is_object()) return std::nullopt;
  const JsonNode root(*document);
  auto inner = root.Find("error");
  if (inner && inner->value().is_string()) return RestError{TextOf(root, "error"), TextOf(root, "error_description")};
  const JsonNode& error = inner ? *inner : root;
  RestError out{TextOf(error, "type"), TextOf(error, "message")};
  if (out.type.empty() && out.message.empty()) return std::nullopt;
  return out;
}

Result<RestConfig> ParseRestConfig(std::string_view body) {
  ARROW_ASSIGN_OR_RAISE(const nlohmann::json document, iceberg::ParseJson(body));
  const JsonNode root(document);
  ARROW_RETURN_NOT_OK(root.ExpectObject());
  RestConfig config;
  ARROW_ASSIGN_OR_RAISE(config.defaults, FindStringMap(root, "defaults"));
  ARROW_ASSIGN_OR_RAISE(config.overrides, FindStringMap(root, "overrides"));
  if (auto endpoints = root.Find("endpoints")) {
    ARROW_ASSIGN_OR_RAISE(config.endpoints, ReadStrings(*endpoints));
  }
  config.takes_idempotency_keys = root.Find("idempotency-key-lifetime").has_value();
  return config;
}

Result<RestTable> ParseRestTable(std::string_view body) {
  RestTable out;
  auto split = SplitMetadata(body);
  if (split) {
    auto metadata = iceberg::ParseTableMetadata(split->metadata);
    if (metadata.ok()) {
      out.table.metadata = metadata.MoveValueUnsafe();
    } else {
      split.reset();  // what is wrong is said of the whole
    }
  }
  ARROW_ASSIGN_OR_RAISE(const nlohmann::json document, iceberg::ParseJson(split ? split->rest : body));
  const JsonNode root(document);
  if (!split) {
    ARROW_ASSIGN_OR_RAISE(const JsonNode metadata, root.Get("metadata"));
    ARROW_ASSIGN_OR_RAISE(out.table.metadata, iceberg::ReadTableMetadata(metadata));
  }
  ARROW_ASSIGN_OR_RAISE(out.table.metadata_location, root.FindString("metadata-location", ""));
  ARROW_ASSIGN_OR_RAISE(out.config, FindStringMap(root, "config"));
  if (auto credentials = root.Find("storage-credentials")) {
    ARROW_ASSIGN_OR_RAISE(out.credentials, ReadCredentials(*credentials));
  }
  return out;
}

Result<std::vector<storage::StorageCredential>> ParseRestCredentials(std::string_view body) {
  ARROW_ASSIGN_OR_RAISE(const nlohmann::json document, iceberg::ParseJson(body));
  const JsonNode root(document);
  ARROW_ASSIGN_OR_RAISE(const JsonNode credentials, root.Get("storage-credentials"));
  return ReadCredentials(credentials);
}

Result<NamespacePage> ParseNamespacePage(std::string_view body) {
  ARROW_ASSIGN_OR_RAISE(const nlohmann::json document, iceberg::ParseJson(body));
  const JsonNode root(document);
  NamespacePage page;
  ARROW_ASSIGN_OR_RAISE(const JsonNode list, root.Get("namespaces"));
  ARROW_RETURN_NOT_OK(list.ForEach([&](const JsonNode& element) -> Status {
    ARROW_ASSIGN_OR_RAISE(auto levels, ReadStrings(element));
    page.namespaces.push_back(std::move(levels));
    return Status::OK();
  }));
  ARROW_ASSIGN_OR_RAISE(page.next_page_token, root.FindString("next-page-token", ""));
  return page;
}

Result<TablePage> ParseTablePage(std::string_view body) {
  ARROW_ASSIGN_OR_RAISE(const nlohmann::json document, iceberg::ParseJson(body));
  const JsonNode root(document);
  TablePage page;
  ARROW_ASSIGN_OR_RAISE(const JsonNode list, root.Get("identifiers"));
  ARROW_RETURN_NOT_OK(list.ForEach([&](const JsonNode& element) -> Status {
    TableIdent ident;
    ARROW_ASSIGN_OR_RAISE(const JsonNode levels, element.Get("namespace"));
    ARROW_ASSIGN_OR_RAISE(ident.levels, ReadStrings(levels));
    ARROW_ASSIGN_OR_RAISE(ident.name, element.GetString("name"));
    page.tables.push_back(std::move(ident));
    return Status::OK();
  }));
  ARROW_ASSIGN_OR_RAISE(page.next_page_token, root.FindString("next-page-token", ""));
  return page;
}

Result<OAuthToken> ParseOAuthToken(std::string_view body) {
  ARROW_ASSIGN_OR_RAISE(const nlohmann::json document, iceberg::ParseJson(body));
  const JsonNode root(document);
  OAuthToken out;
  ARROW_ASSIGN_OR_RAISE(out.token, root.GetString("access_token"));
  if (out.token.empty()) return root.Error("'access_token' is empty");
  // Some servers write the number as text.
  auto lifetime = root.Find("expires_in");
  if (lifetime && lifetime->value().is_number_integer()) {
    ARROW_ASSIGN_OR_RAISE(out.expires_in_seconds, lifetime->AsInt64());
  } else if (lifetime && lifetime->value().is_string()) {
    const std::string text = lifetime->value().get<std::string>();
    if (!text.empty() && text.size() < 12 && text.find_first_not_of("0123456789") == std::string::npos) {
      out.expires_in_seconds = std::stoll(text);
    }
  }
  return out;
}

std::string CreateNamespaceBody(const std::vector<std::string>& levels) {
  JsonWriter writer;
  writer.BeginObject();
  WriteNamespace(levels, writer);
  writer.Field("properties", StringMap());
  writer.EndObject();
  return std::move(writer.text());
}

std::string CreateTableBody(const TableIdent& ident, const CreateTableRequest& request) {
  JsonWriter writer;
  writer.BeginObject();
  writer.Field("name", std::string_view(ident.name));
  if (!request.location.empty()) writer.Field("location", std::string_view(request.location));
  writer.Key("schema");
  iceberg::WriteSchema(request.schema, writer);
  writer.Key("partition-spec");
  iceberg::WritePartitionSpec(request.spec, writer);
  writer.Key("write-order");
  iceberg::WriteSortOrder(request.order, writer);
  writer.Field("stage-create", false);  // Nessie misses it where it is left out
  writer.Field("properties", request.properties);
  writer.EndObject();
  return std::move(writer.text());
}

std::string RegisterTableBody(const TableIdent& ident, const std::string& metadata_location) {
  JsonWriter writer;
  writer.BeginObject();
  writer.Field("name", std::string_view(ident.name));
  writer.Field("metadata-location", std::string_view(metadata_location));
  writer.EndObject();
  return std::move(writer.text());
}

std::string CommitTableBody(const TableIdent& ident, std::span<const iceberg::TableRequirement> requirements,
                            std::span<const iceberg::TableUpdate> updates) {
  JsonWriter writer;
  WriteCommit(ident, requirements, updates, writer);
  return std::move(writer.text());
}

std::string CommitTransactionBody(std::span<const TableCommit> commits) {
  JsonWriter writer;
  writer.BeginObject();
  writer.Key("table-changes");
  writer.BeginArray();
  for (const TableCommit& commit : commits) WriteCommit(commit.ident, commit.requirements, commit.updates, writer);
  writer.EndArray();
  writer.EndObject();
  return std::move(writer.text());
}

}  // namespace calve::catalog
