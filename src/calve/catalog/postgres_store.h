// SqlStore in a PostgreSQL database: the tables are those on the search_path, wherever PyIceberg or Java made them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calve/catalog/sql_store.h"
#include "calve/postgres/session.h"

namespace calve::catalog {

// What messages about a catalog's database advise.
inline constexpr postgres::Purpose kPostgresPurpose{
    "CALVE_CATALOG_PASSWORD, --catalog-password-file, PGPASSWORD or PGPASSFILE", "docs/catalogs.md"};

// The connection is made by the first call, kept, and made anew where it was lost, once in a call: what was lost before
// COMMIT was sent is certain not to be in and is done again; what was lost after it is kUnknownOutcome. Commits wait
// for the disk whatever the server's or the user's default is.
class PostgresStore : public SqlStore {
 public:
  // kConfig for a URI that libpq cannot parse or that holds a password. Asks nothing of the server.
  static Result<std::unique_ptr<PostgresStore>> Make(postgres::ConnectOptions options, std::string catalog_name);

  std::string name() const override { return session_->name(); }
  Result<std::optional<SqlTableRow>> FindTable(const SqlTableName& name) override;
  Status InsertTable(const SqlTableName& name, const std::string& metadata_location) override;
  Status SwapMetadata(const SqlTableName& name, const std::string& from, const std::string& to) override;
  Status DeleteTable(const SqlTableName& name) override;
  Result<std::vector<std::string>> ListNamespaces() override;
  Result<std::vector<std::string>> ListTables(const std::string& table_namespace) override;

 private:
  // Which of the tables and columns are there.
  struct Layout {
    bool tables = false;
    bool iceberg_type = false;
    bool namespace_properties = false;
    // " AND (iceberg_type …)" where the column is there.
    const char* table_filter() const;
  };
  using Body = std::function<Status(postgres::Connection&, const Layout&)>;

  PostgresStore(std::unique_ptr<postgres::Session> session, std::string catalog_name)
      : session_(std::move(session)), catalog_name_(std::move(catalog_name)) {}

  static Result<Layout> ReadLayout(postgres::Connection& connection);
  // One transaction in which the layout is known.
  Status Transact(postgres::Repeat repeat, const Body& body);
  // A transaction of its own, where something is missing; of programs that find it missing at once, one makes it.
  Status MakeMissingTables();
  Status NoSuchTable(const SqlTableName& table) const;

  const std::unique_ptr<postgres::Session> session_;
  const std::string catalog_name_;
};

}  // namespace calve::catalog
