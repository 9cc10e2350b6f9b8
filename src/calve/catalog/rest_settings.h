// What a REST catalog's configuration comes to: the server's defaults, then what the operator says, then the server's
// overrides. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "calve/catalog/catalog.h"
#include "calve/catalog/rest_wire.h"

namespace calve::catalog {

// End points beyond those that every server has, in the words of the configuration's `endpoints`.
inline constexpr std::string_view kLoadCredentials =
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials";
inline constexpr std::string_view kCommitTransaction = "POST /v1/{prefix}/transactions/commit";
inline constexpr std::string_view kRegisterTable = "POST /v1/{prefix}/namespaces/{namespace}/register";
inline constexpr std::string_view kLoadView = "GET /v1/{prefix}/namespaces/{namespace}/views/{view}";

struct RestSettings {
  std::string uri;                // of the server: an override may send elsewhere
  std::string warehouse;          // a name or a location, may be empty
  std::string prefix;             // between /v1/ and what follows, as it stands in the path; may be empty
  std::string separator = "%1F";  // between the levels of a namespace, as it stands in a path
  std::set<std::string> endpoints;
  bool takes_idempotency_keys = false;
  std::map<std::string, std::string> headers;
  std::string token;  // that the server gave; may be empty
  std::string oauth2_server_uri, scope, audience, resource;
  std::string signing_region, signing_service;
  int page_size = 0;                                                   // 0: as the server likes
  std::map<std::string, std::string> table_defaults, table_overrides;  // properties of new tables
  std::map<std::string, std::string> storage;                          // s3.*, client.* and their kin

  bool Offers(std::string_view endpoint) const { return endpoints.contains(std::string(endpoint)); }
  // Paths behind the server's URL, with what names hold percent-encoded. kConfig for a name that cannot stand there.
  std::string NamespacesPath() const;
  std::string TransactionPath() const;
  Result<std::string> NamespacePath(const std::vector<std::string>& levels) const;
  Result<std::string> TablesPath(const std::vector<std::string>& levels) const;
  Result<std::string> TablePath(const TableIdent& ident) const;
  // "a%1Fb", for a path or a query.
  Result<std::string> NamespaceText(const std::vector<std::string>& levels) const;
};

// Before the server was asked: `config` is empty.
Result<RestSettings> ResolveRestSettings(const RestOptions& options, const std::string& warehouse,
                                         const RestConfig& config);

}  // namespace calve::catalog
