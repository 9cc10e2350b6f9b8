// Messages of the REST catalog protocol: pure functions from and to JSON. Reading is lenient about what is missing, and
// kCorrupt for what is not what it claims to be. Spec: Iceberg's rest-catalog-open-api.yaml.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calve/catalog/catalog.h"
#include "calve/storage/storage_credentials.h"

namespace calve::catalog {

// ErrorModel.
struct RestError {
  std::string type;  // "NoSuchTableException"
  std::string message;
};
// Also bare, without the object "error" around it, and OAuth2's form (error, error_description). nullopt: whoever
// answered is no catalog.
std::optional<RestError> ParseRestError(std::string_view body);

// CatalogConfig.
struct RestConfig {
  std::map<std::string, std::string> defaults, overrides;
  std::optional<std::vector<std::string>> endpoints;  // nullopt: the server does not list them
  bool takes_idempotency_keys = false;
};
Result<RestConfig> ParseRestConfig(std::string_view body);

// LoadTableResult, CommitTableResponse.
struct RestTable {
  LoadedTable table;
  std::map<std::string, std::string> config;
  std::vector<storage::StorageCredential> credentials;
};
Result<RestTable> ParseRestTable(std::string_view body);
// LoadCredentialsResponse.
Result<std::vector<storage::StorageCredential>> ParseRestCredentials(std::string_view body);

// One page of a list.
struct NamespacePage {
  std::vector<std::vector<std::string>> namespaces;
  std::string next_page_token;  // empty: the last one
};
Result<NamespacePage> ParseNamespacePage(std::string_view body);
struct TablePage {
  std::vector<TableIdent> tables;
  std::string next_page_token;
};
Result<TablePage> ParseTablePage(std::string_view body);

// OAuthTokenResponse.
struct OAuthToken {
  std::string token;
  std::optional<int64_t> expires_in_seconds;
};
Result<OAuthToken> ParseOAuthToken(std::string_view body);

std::string CreateNamespaceBody(const std::vector<std::string>& levels);
std::string CreateTableBody(const TableIdent& ident, const CreateTableRequest& request);
std::string RegisterTableBody(const TableIdent& ident, const std::string& metadata_location);
std::string CommitTableBody(const TableIdent& ident, std::span<const iceberg::TableRequirement> requirements,
                            std::span<const iceberg::TableUpdate> updates);
std::string CommitTransactionBody(std::span<const TableCommit> commits);

}  // namespace calve::catalog
