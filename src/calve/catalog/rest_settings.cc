#include "calve/catalog/rest_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "calve/http/percent_encoding.h"

namespace calve::catalog {
namespace {

using StringMap = std::map<std::string, std::string>;

// What a server has that lists nothing. Spec: getConfig.
const std::set<std::string>& AssumedEndpoints() {
  static const std::set<std::string> kAssumed = {
      "GET /v1/{prefix}/namespaces",
      "POST /v1/{prefix}/namespaces",
      "GET /v1/{prefix}/namespaces/{namespace}",
      "DELETE /v1/{prefix}/namespaces/{namespace}",
      "POST /v1/{prefix}/namespaces/{namespace}/properties",
      "GET /v1/{prefix}/namespaces/{namespace}/tables",
      "POST /v1/{prefix}/namespaces/{namespace}/tables",
      "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
      "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
      "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
      std::string(kRegisterTable),
      "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics",
      "POST /v1/{prefix}/tables/rename",
      std::string(kCommitTransaction),
  };
  return kAssumed;
}

// The operator's word in the names that servers use.
StringMap ClientProperties(const RestOptions& options, const std::string& warehouse) {
  StringMap properties;
  auto set = [&](const char* key, const std::string& value) {
    if (!value.empty()) properties[key] = value;
  };
  set("uri", options.uri);
  set("warehouse", warehouse);
  set("oauth2-server-uri", options.oauth2_server_uri);
  set("scope", options.scope);
  set("audience", options.audience);
  set("resource", options.resource);
  if (!options.signing_region.empty()) {
    properties["rest.sigv4-enabled"] = "true";
    properties["rest.signing-region"] = options.signing_region;
    set("rest.signing-name", options.signing_service);
  }
  if (!options.access_delegation.empty()) {
    properties["header.X-Iceberg-Access-Delegation"] = options.access_delegation;
  }
  for (const auto& [name, value] : options.headers) properties["header." + name] = value;
  return properties;
}

StringMap WithPrefix(const StringMap& properties, std::string_view prefix) {
  StringMap found;
  for (const auto& [key, value] : properties) {
    if (key.starts_with(prefix)) found[key.substr(prefix.size())] = value;
  }
  return found;
}

// A level or name becomes one segment of a path.
Status CheckName(const std::string& part, const std::string& separator) {
  const bool bad = part.empty() || part == "." || part == ".." || part.find('/') != std::string::npos ||
                   part.find('\0') != std::string::npos;
  if (bad) {
    return MakeError(ErrorKind::kConfig, fmt::format("'{}' cannot be a name in a REST catalog", part),
                     "Choose a name without slashes.");
  }
  if (!separator.empty() && part.find(separator) != std::string::npos) {
    return MakeError(
        ErrorKind::kConfig,
        fmt::format("'{}' cannot be a level of a namespace: this catalog puts '{}' between levels", part, separator),
        "Choose another name.");
  }
  return Status::OK();
}

// Inserted into paths as it comes, as Java's client does (Nessie's holds a %7C); only what would break the path is
// encoded.
std::string SafePath(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool breaks = static_cast<unsigned char>(c) <= ' ' || c == '?' || c == '#' || c == '\x7f';
    out += breaks ? http::PercentEncoded(std::string_view(&c, 1)) : std::string(1, c);
  }
  while (out.ends_with('/')) out.pop_back();
  while (out.starts_with('/')) out.erase(0, 1);
  return out;
}

Status CheckHeader(const std::string& name, const std::string& value) {
  const auto breaks = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  const bool bad = name.empty() || name.find_first_of(": ") != std::string::npos ||
                   std::any_of(name.begin(), name.end(), breaks) || std::any_of(value.begin(), value.end(), breaks);
  if (!bad) return Status::OK();
  return MakeError(ErrorKind::kConfig, fmt::format("'{}' cannot be sent as an HTTP header", name),
                   "A name holds neither blanks nor a colon, a value is one line.");
}

}  // namespace

Result<RestSettings> ResolveRestSettings(const RestOptions& options, const std::string& warehouse,
                                         const RestConfig& config) {
  StringMap properties = config.defaults;
  for (const auto& [key, value] : ClientProperties(options, warehouse)) properties[key] = value;
  for (const auto& [key, value] : config.overrides) properties[key] = value;
  auto get = [&](const char* key) {
    auto found = properties.find(key);
    return found == properties.end() ? std::string() : found->second;
  };
  RestSettings settings;
  settings.uri = get("uri");
  settings.warehouse = get("warehouse");
  settings.prefix = SafePath(get("prefix"));
  if (std::string separator = get("namespace-separator"); !separator.empty()) {
    settings.separator =
        separator.find('%') != std::string::npos ? SafePath(separator) : http::PercentEncoded(separator);
  }
  if (config.endpoints) {
    settings.endpoints = {config.endpoints->begin(), config.endpoints->end()};
  } else {
    settings.endpoints = AssumedEndpoints();
  }
  settings.takes_idempotency_keys = config.takes_idempotency_keys;
  settings.headers = WithPrefix(properties, "header.");
  for (const auto& [name, value] : settings.headers) ARROW_RETURN_NOT_OK(CheckHeader(name, value));
  settings.token = get("token");
  settings.oauth2_server_uri = get("oauth2-server-uri");
  settings.scope = get("scope");
  settings.audience = get("audience");
  settings.resource = get("resource");
  if (get("rest.sigv4-enabled") == "true") {
    settings.signing_region = get("rest.signing-region");
    settings.signing_service = get("rest.signing-name");
    if (settings.signing_service.empty()) settings.signing_service = options.signing_service;
  }
  const std::string page_size = get("rest-page-size");
  std::from_chars(page_size.data(), page_size.data() + page_size.size(), settings.page_size);
  settings.table_defaults = WithPrefix(properties, "table-default.");
  settings.table_overrides = WithPrefix(properties, "table-override.");
  for (const auto& [key, value] : properties) {
    for (const char* family : {"s3.", "client.", "gcs.", "adls."}) {
      if (key.starts_with(family)) settings.storage[key] = value;
    }
  }
  return settings;
}

Result<std::string> RestSettings::NamespaceText(const std::vector<std::string>& levels) const {
  const std::string plain_separator = http::PercentDecoded(separator);
  std::string text;
  for (const std::string& level : levels) {
    ARROW_RETURN_NOT_OK(CheckName(level, plain_separator));
    if (!text.empty()) text += separator;
    text += http::PercentEncoded(level);
  }
  if (!text.empty()) return text;
  return MakeError(ErrorKind::kConfig, "a namespace is missing", "Write the target as namespace.table.");
}

std::string RestSettings::NamespacesPath() const {
  return "/v1/" + (prefix.empty() ? "" : prefix + "/") + "namespaces";
}

std::string RestSettings::TransactionPath() const {
  return "/v1/" + (prefix.empty() ? "" : prefix + "/") + "transactions/commit";
}

Result<std::string> RestSettings::NamespacePath(const std::vector<std::string>& levels) const {
  ARROW_ASSIGN_OR_RAISE(const std::string text, NamespaceText(levels));
  return NamespacesPath() + "/" + text;
}

Result<std::string> RestSettings::TablesPath(const std::vector<std::string>& levels) const {
  ARROW_ASSIGN_OR_RAISE(const std::string path, NamespacePath(levels));
  return path + "/tables";
}

Result<std::string> RestSettings::TablePath(const TableIdent& ident) const {
  ARROW_ASSIGN_OR_RAISE(const std::string path, TablesPath(ident.levels));
  ARROW_RETURN_NOT_OK(CheckName(ident.name, ""));
  return path + "/" + http::PercentEncoded(ident.name);
}

}  // namespace calve::catalog
