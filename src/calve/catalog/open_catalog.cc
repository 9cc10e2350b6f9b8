#include <fmt/format.h>

#include <filesystem>

#include "calve/catalog/catalog.h"
#include "calve/catalog/hadoop_catalog.h"
#include "calve/catalog/postgres_store.h"
#include "calve/catalog/rest_catalog.h"
#include "calve/catalog/sql_catalog.h"
#include "calve/catalog/sqlite_store.h"
#include "calve/http/http_url.h"
#include "calve/sqlite/sqlite_uri.h"
#include "calve/storage/location.h"

namespace calve::catalog {
namespace {

constexpr const char* kKnown =
    "Known are: hadoop, sql, sqlite:////absolute/file.db, sqlite:///relative/file.db, postgresql://user@host/database, "
    "https://host/path (REST).";
constexpr const char* kDefaultName = "calve";
constexpr const char* kDefaultSqliteFile = "calve-catalog.db";

// Locations go into the metadata of tables, so they must mean the same from every working directory.
Result<std::string> AbsoluteWarehouse(const std::string& warehouse) {
  if (warehouse.empty() || !storage::SchemeOf(warehouse).empty() || warehouse.starts_with('/')) {
    return storage::JoinLocation(warehouse, "");
  }
  std::error_code failed;
  std::filesystem::path path = std::filesystem::absolute(warehouse, failed);
  if (failed) {
    return MakeError(ErrorKind::kConfig, fmt::format("cannot find out where '{}' is: {}", warehouse, failed.message()),
                     "Write the warehouse as file:///absolute/path.");
  }
  return storage::JoinLocation(path.lexically_normal().string(), "");
}

Result<std::string> SqlitePathBeside(const std::string& warehouse) {
  std::string path = storage::LocalPath(warehouse);
  if (!path.empty()) return storage::JoinLocation(path, kDefaultSqliteFile);
  return MakeError(ErrorKind::kConfig,
                   warehouse.empty() ? "a catalog of type sql needs a database or a warehouse"
                                     : fmt::format("the warehouse {} has no folder for an SQLite catalog", warehouse),
                   "Name the database: --catalog sqlite:////path/catalog.db.");
}

// What stands before the colon: what is behind it may hold a password and is never repeated.
std::string KindOfCatalog(const std::string& catalog) { return catalog.substr(0, catalog.find(':')); }

}  // namespace

bool IsRestCatalog(std::string_view catalog) { return catalog == "rest" || http::IsHttpUrl(catalog); }

Result<LoadedTable> Catalog::RegisterTable(const TableIdent& ident, const std::string&) {
  return MakeError(ErrorKind::kUnsupported, fmt::format("the {} cannot take over {}", name(), ident.ToString()));
}

Status Catalog::CommitTables(std::span<const TableCommit>) {
  return MakeError(ErrorKind::kUnsupported, fmt::format("the {} cannot commit several tables in one step", name()));
}

Result<std::unique_ptr<Catalog>> OpenCatalog(const CatalogOptions& options, storage::FileIO& file_io,
                                             const Clock& clock) {
  if (http::IsHttpUrl(options.catalog) || (options.catalog == "rest" && !options.rest.uri.empty())) {
    static const StopToken kNever;
    RestOptions rest = options.rest;
    if (http::IsHttpUrl(options.catalog)) rest.uri = options.catalog;
    return RestCatalog::Make(rest, options.warehouse, options.vended, clock, options.stop ? *options.stop : kNever);
  }
  ARROW_ASSIGN_OR_RAISE(std::string warehouse, AbsoluteWarehouse(options.warehouse));
  std::string name = options.name.empty() ? kDefaultName : options.name;
  if (options.catalog == "hadoop") {
    if (warehouse.empty()) {
      return MakeError(ErrorKind::kConfig, "a catalog of type hadoop needs a warehouse",
                       "Pass --warehouse file:///path/of/the/warehouse.");
    }
    return std::unique_ptr<Catalog>(std::make_unique<HadoopCatalog>(warehouse, file_io, clock));
  }
  if (options.catalog == "sql" || sqlite::IsSqliteUri(options.catalog)) {
    ARROW_ASSIGN_OR_RAISE(std::string path, options.catalog == "sql" ? SqlitePathBeside(warehouse)
                                                                     : sqlite::PathFromUri(options.catalog));
    auto store = std::make_unique<SqliteStore>(path, name);
    return std::unique_ptr<Catalog>(std::make_unique<SqlCatalog>(std::move(store), warehouse, file_io, clock));
  }
  if (postgres::IsPostgresUri(options.catalog)) {
    postgres::ConnectOptions connect;
    connect.uri = options.catalog;
    connect.password = options.password;
    ARROW_ASSIGN_OR_RAISE(auto store, PostgresStore::Make(std::move(connect), name));
    return std::unique_ptr<Catalog>(std::make_unique<SqlCatalog>(std::move(store), warehouse, file_io, clock));
  }
  // Other databases become another SqlStore above, other protocols another Catalog here.
  std::string kind = KindOfCatalog(options.catalog);
  if (kind == "rest") {
    return MakeError(ErrorKind::kConfig, "a catalog of type rest needs its URL",
                     "Name it: --catalog https://host/path, or uri: in the configuration file.");
  }
  return MakeError(
      ErrorKind::kConfig,
      kind.empty() ? "no catalog is named" : fmt::format("'{}' is no type of catalog that calve knows", kind), kKnown);
}

}  // namespace calve::catalog
