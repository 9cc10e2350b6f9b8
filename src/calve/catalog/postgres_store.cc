#include "calve/catalog/postgres_store.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "calve/postgres/postgres_error.h"

namespace calve::catalog {
namespace {

using postgres::Connection;
using postgres::Repeat;
using postgres::Rows;

// As PyIceberg's SqlCatalog makes them, and Java's JdbcCatalog with its schema V1: of what calve knows to share the
// tables both find their way in these, older Java too, which leaves the type NULL.
constexpr const char* kCreateTables =
    "CREATE TABLE IF NOT EXISTS iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT "
    "NULL, table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), previous_metadata_location "
    "VARCHAR(1000), iceberg_type VARCHAR(5), PRIMARY KEY (catalog_name, table_namespace, table_name))";
constexpr const char* kCreateNamespaceProperties =
    "CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, namespace "
    "VARCHAR(255) NOT NULL, property_key VARCHAR(255) NOT NULL, property_value VARCHAR(1000) NOT NULL, PRIMARY KEY "
    "(catalog_name, namespace, property_key))";

// The catalog is the truth about its tables: a commit that was confirmed may not be lost with the server's memory.
constexpr const char* kDurable =
    "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'";

constexpr const char* kOneTable = "catalog_name = $1 AND table_namespace = $2 AND table_name = $3";

std::string Display(const SqlTableName& name) { return name.table_namespace + "." + name.table; }

std::vector<std::string> FirstColumn(const Rows& rows) {
  std::vector<std::string> values;
  for (int row = 0; row < rows.count(); ++row) values.push_back(rows.Text(row, 0));
  return values;
}

}  // namespace

const char* PostgresStore::Layout::table_filter() const {
  return iceberg_type ? " AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)" : "";
}

Result<std::unique_ptr<PostgresStore>> PostgresStore::Make(postgres::ConnectOptions options, std::string catalog_name) {
  options.purpose = kPostgresPurpose;
  postgres::SessionOptions session_options;
  session_options.connect = std::move(options);
  session_options.settings = kDurable;
  ARROW_ASSIGN_OR_RAISE(auto session, postgres::Session::Make(std::move(session_options)));
  return std::unique_ptr<PostgresStore>(new PostgresStore(std::move(session), std::move(catalog_name)));
}

Result<PostgresStore::Layout> PostgresStore::ReadLayout(Connection& connection) {
  // A table that is made just now shows all of its columns or none.
  ARROW_ASSIGN_OR_RAISE(
      Rows rows,
      connection.Execute("SELECT attrelid = to_regclass('iceberg_tables') IS TRUE, attname = 'iceberg_type' "
                         "FROM pg_attribute WHERE attrelid IN (to_regclass('iceberg_tables'), "
                         "to_regclass('iceberg_namespace_properties')) AND attnum > 0 AND NOT attisdropped"));
  Layout layout;
  for (int row = 0; row < rows.count(); ++row) {
    (rows.Bool(row, 0) ? layout.tables : layout.namespace_properties) = true;
    if (rows.Bool(row, 0) && rows.Bool(row, 1)) layout.iceberg_type = true;
  }
  return layout;
}

Status PostgresStore::Transact(Repeat repeat, const Body& body) {
  return session_->Transact(repeat, [&](Connection& connection) -> Status {
    ARROW_ASSIGN_OR_RAISE(Layout layout, ReadLayout(connection));
    return body(connection, layout);
  });
}

Status PostgresStore::NoSuchTable(const SqlTableName& table) const {
  return MakeError(ErrorKind::kNotFound, fmt::format("there is no table {} in {}", Display(table), name()));
}

Status PostgresStore::MakeMissingTables() {
  std::string state;
  auto make = [&] {
    return Transact(Repeat::kHarmless, [&](Connection& connection, Layout layout) -> Status {
      if (layout.tables && layout.namespace_properties) return Status::OK();
      // IF NOT EXISTS asks for the right to create also where there is nothing to create.
      for (auto [there, sql] : {std::pair(layout.tables, kCreateTables),
                                std::pair(layout.namespace_properties, kCreateNamespaceProperties)}) {
        if (there) continue;
        Status made = connection.Execute(sql).status();
        state = connection.state();
        ARROW_RETURN_NOT_OK(made);
      }
      return Status::OK();
    });
  };
  Status made = make();
  // Somebody made it at the same moment.
  if (!made.ok() && postgres::IsMadeMeanwhile(state)) made = make();
  return made;
}

Result<std::optional<SqlTableRow>> PostgresStore::FindTable(const SqlTableName& table) {
  std::optional<SqlTableRow> found;
  ARROW_RETURN_NOT_OK(Transact(Repeat::kHarmless, [&](Connection& connection, const Layout& layout) -> Status {
    found.reset();
    if (!layout.tables) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(
        Rows rows,
        connection.Execute(
            fmt::format("SELECT metadata_location, previous_metadata_location FROM iceberg_tables WHERE {}{}",
                        kOneTable, layout.table_filter()),
            {catalog_name_, table.table_namespace, table.table}));
    if (rows.count() > 0) found = SqlTableRow{rows.Text(0, 0), rows.Text(0, 1)};
    return Status::OK();
  }));
  return found;
}

Status PostgresStore::InsertTable(const SqlTableName& table, const std::string& metadata_location) {
  ARROW_RETURN_NOT_OK(MakeMissingTables());
  return Transact(Repeat::kHarmful, [&](Connection& connection, const Layout& layout) -> Status {
    auto inserted = connection.Execute(
        fmt::format("INSERT INTO iceberg_tables(catalog_name, table_namespace, table_name, metadata_location, "
                    "previous_metadata_location{}) VALUES ($1, $2, $3, $4, NULL{}) ON CONFLICT DO NOTHING",
                    layout.iceberg_type ? ", iceberg_type" : "", layout.iceberg_type ? ", 'TABLE'" : ""),
        {catalog_name_, table.table_namespace, table.table, metadata_location});
    ARROW_RETURN_NOT_OK(inserted.status());
    if (inserted->affected() == 0) {
      return MakeError(ErrorKind::kAlreadyExists,
                       fmt::format("{} has a table or a view named {} already", name(), Display(table)));
    }
    // A namespace exists, to Java and to PyIceberg, by having a property; this is the one that both give it.
    return connection
        .Execute(
            "INSERT INTO iceberg_namespace_properties(catalog_name, namespace, property_key, property_value) "
            "SELECT $1::varchar, $2::varchar, 'exists', 'true' WHERE NOT EXISTS (SELECT 1 FROM "
            "iceberg_namespace_properties "
            "WHERE catalog_name = $1 AND namespace = $2) ON CONFLICT DO NOTHING",
            {catalog_name_, table.table_namespace})
        .status();
  });
}

Status PostgresStore::SwapMetadata(const SqlTableName& table, const std::string& from, const std::string& to) {
  return Transact(Repeat::kHarmful, [&](Connection& connection, const Layout& layout) -> Status {
    if (!layout.tables) return NoSuchTable(table);
    // Of writers at the same moment the second waits for the first, then sees its row.
    ARROW_ASSIGN_OR_RAISE(
        Rows updated,
        connection.Execute(fmt::format("UPDATE iceberg_tables SET metadata_location = $4, previous_metadata_location = "
                                       "$5 WHERE {} AND metadata_location = $5{}",
                                       kOneTable, layout.table_filter()),
                           {catalog_name_, table.table_namespace, table.table, to, from}));
    if (updated.affected() == 1) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(
        Rows rows, connection.Execute(fmt::format("SELECT metadata_location FROM iceberg_tables WHERE {}{}", kOneTable,
                                                  layout.table_filter()),
                                      {catalog_name_, table.table_namespace, table.table}));
    if (rows.count() == 0) return NoSuchTable(table);
    return MakeError(ErrorKind::kConflict,
                     fmt::format("table {} was committed by another writer first: it is at {}, not at {}",
                                 Display(table), rows.Text(0, 0), from),
                     "Reload the table and plan anew.");
  });
}

Status PostgresStore::DeleteTable(const SqlTableName& table) {
  return Transact(Repeat::kHarmful, [&](Connection& connection, const Layout& layout) -> Status {
    if (!layout.tables) return NoSuchTable(table);
    ARROW_ASSIGN_OR_RAISE(Rows removed, connection.Execute(fmt::format("DELETE FROM iceberg_tables WHERE {}{}",
                                                                       kOneTable, layout.table_filter()),
                                                           {catalog_name_, table.table_namespace, table.table}));
    return removed.affected() == 1 ? Status::OK() : NoSuchTable(table);
  });
}

Result<std::vector<std::string>> PostgresStore::ListNamespaces() {
  std::set<std::string> all;
  ARROW_RETURN_NOT_OK(Transact(Repeat::kHarmless, [&](Connection& connection, const Layout& layout) -> Status {
    all.clear();
    for (auto [there, sql] :
         {std::pair(layout.tables, "SELECT DISTINCT table_namespace FROM iceberg_tables WHERE catalog_name = $1"),
          std::pair(layout.namespace_properties,
                    "SELECT DISTINCT namespace FROM iceberg_namespace_properties WHERE catalog_name = $1")}) {
      if (!there) continue;
      ARROW_ASSIGN_OR_RAISE(Rows rows, connection.Execute(sql, {catalog_name_}));
      for (std::string& name : FirstColumn(rows)) all.insert(std::move(name));
    }
    return Status::OK();
  }));
  return std::vector<std::string>(all.begin(), all.end());
}

Result<std::vector<std::string>> PostgresStore::ListTables(const std::string& table_namespace) {
  std::vector<std::string> tables;
  ARROW_RETURN_NOT_OK(Transact(Repeat::kHarmless, [&](Connection& connection, const Layout& layout) -> Status {
    tables.clear();
    if (!layout.tables) return Status::OK();
    ARROW_ASSIGN_OR_RAISE(
        Rows rows, connection.Execute(fmt::format("SELECT table_name FROM iceberg_tables WHERE catalog_name = $1 AND "
                                                  "table_namespace = $2{} ORDER BY table_name COLLATE \"C\"",
                                                  layout.table_filter()),
                                      {catalog_name_, table_namespace}));
    tables = FirstColumn(rows);
    return Status::OK();
  }));
  return tables;
}

}  // namespace calve::catalog
