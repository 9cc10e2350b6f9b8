#include "calve/config/opening.h"

#include "calve/catalog/catalog.h"
#include "calve/catalog/postgres_store.h"
#include "calve/http/http_url.h"
#include "calve/journal/postgres_schema.h"
#include "calve/postgres/postgres_uri.h"
#include "calve/source/source_url.h"
#include "calve/sqlite/sqlite_uri.h"

namespace calve::config {

Status CheckSourceUrl(const std::string& url) { return source::ParseSourceUrl(url).status(); }

Status CheckCatalogType(const std::string& type) {
  if (type == "hadoop" || type == "sql" || type == "rest") return Status::OK();
  if (sqlite::IsSqliteUri(type)) return sqlite::PathFromUri(type).status();
  if (postgres::IsPostgresUri(type)) return postgres::NameOfUri(type, catalog::kPostgresPurpose).status();
  if (catalog::IsRestCatalog(type)) return CheckCatalogUri(type);
  return MakeError(ErrorKind::kConfig, "this is no type of catalog that calve knows",
                   "Known are: hadoop, sql, sqlite:////absolute/file.db, sqlite:///relative/file.db, "
                   "postgresql://user@host/database, rest, https://host/path.");
}

Status CheckCatalogUri(const std::string& uri) {
  return http::ParseHttpUrl(uri, "the catalog's URL", catalog::kRestSecretsRemedy).status();
}

Status CheckStateUrl(const std::string& url) {
  if (sqlite::IsSqliteUri(url)) return sqlite::PathFromUri(url).status();
  if (postgres::IsPostgresUri(url)) return postgres::NameOfUri(url, journal::kPostgresPurpose).status();
  return MakeError(ErrorKind::kConfig, "this names no kind of journal that calve knows",
                   "Write it as sqlite:////absolute/file.db, sqlite:///relative/file.db or "
                   "postgresql://user@host/database.");
}

}  // namespace calve::config
