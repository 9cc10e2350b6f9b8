#include "calve/catalog/sqlite_store.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>

namespace calve::catalog {
namespace {

using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

// As Java's JdbcCatalog (V1) and PyIceberg's SqlCatalog make them.
constexpr const char* kCreateTables =
    "CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, "
    "table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), "
    "iceberg_type VARCHAR(5), PRIMARY KEY (catalog_name, table_namespace, table_name))";
constexpr const char* kCreateNamespaceProperties =
    "CREATE TABLE iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL, "
    "property_key VARCHAR(255) NOT NULL, property_value VARCHAR(1000) NOT NULL, "
    "PRIMARY KEY (catalog_name, namespace, property_key))";

constexpr const char* kOneTable = "catalog_name = ? AND table_namespace = ? AND table_name = ?";

std::string Display(const SqlTableName& name) { return name.table_namespace + "." + name.table; }

Status NoSuchTable(const SqlTableName& name, const std::string& store) {
  return MakeError(ErrorKind::kNotFound, fmt::format("there is no table {} in {}", Display(name), store));
}

}  // namespace

const char* SqliteStore::Layout::table_filter() const {
  return iceberg_type ? " AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)" : "";
}

Result<Database*> SqliteStore::Ready(Access access) {
  // A connection to a deleted file would go on taking commits that nobody ever sees.
  if (database_ && database_->HasMoved()) database_.reset();
  if (!database_) {
    std::error_code ignored;
    if (access == Access::kRead && !std::filesystem::exists(path_, ignored)) return nullptr;
    ARROW_ASSIGN_OR_RAISE(Database opened, Database::Open(path_, busy_timeout_ms_));
    database_.emplace(std::move(opened));
  }
  return &*database_;
}

Result<SqliteStore::Layout> SqliteStore::ReadLayout(Database& database) {
  Layout layout;
  ARROW_ASSIGN_OR_RAISE(Statement columns,
                        database.Prepare("SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c "
                                         "WHERE m.name IN ('iceberg_tables', 'iceberg_namespace_properties')"));
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(bool row, columns.Step());
    if (!row) return layout;
    (columns.Text(0) == "iceberg_tables" ? layout.tables : layout.namespace_properties) = true;
    if (columns.Text(0) == "iceberg_tables" && columns.Text(1) == "iceberg_type") layout.iceberg_type = true;
  }
}

Status SqliteStore::MakeMissingTables(Database& database, Layout& layout) {
  if (!layout.tables) {
    ARROW_RETURN_NOT_OK(database.Execute(kCreateTables));
    layout.tables = layout.iceberg_type = true;
  }
  if (!layout.namespace_properties) ARROW_RETURN_NOT_OK(database.Execute(kCreateNamespaceProperties));
  layout.namespace_properties = true;
  return Status::OK();
}

Result<std::optional<SqlTableRow>> SqliteStore::FindTable(const SqlTableName& table) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready(Access::kRead));
  if (!database) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(Layout layout, ReadLayout(*database));
  if (!layout.tables) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(Statement select,
                        database->Prepare(fmt::format(
                            "SELECT metadata_location, previous_metadata_location FROM iceberg_tables WHERE {}{}",
                            kOneTable, layout.table_filter())));
  ARROW_ASSIGN_OR_RAISE(bool found, select.Bind(catalog_name_, table.table_namespace, table.table).Step());
  if (!found) return std::nullopt;
  return SqlTableRow{select.Text(0), select.Text(1)};
}

Status SqliteStore::InsertTable(const SqlTableName& table, const std::string& metadata_location) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready(Access::kChange));
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(*database));
  ARROW_ASSIGN_OR_RAISE(Layout layout, ReadLayout(*database));
  ARROW_RETURN_NOT_OK(MakeMissingTables(*database, layout));
  {
    ARROW_ASSIGN_OR_RAISE(
        Statement insert,
        database->Prepare(
            layout.iceberg_type
                ? "INSERT INTO iceberg_tables(catalog_name, table_namespace, table_name, metadata_location, "
                  "previous_metadata_location, iceberg_type) VALUES (?, ?, ?, ?, NULL, 'TABLE')"
                : "INSERT INTO iceberg_tables(catalog_name, table_namespace, table_name, metadata_location, "
                  "previous_metadata_location) VALUES (?, ?, ?, ?, NULL)"));
    Status status = insert.Bind(catalog_name_, table.table_namespace, table.table, metadata_location).Run();
    if (KindOf(status) == ErrorKind::kAlreadyExists) {
      return MakeError(ErrorKind::kAlreadyExists,
                       fmt::format("{} has a table or a view named {} already", name(), Display(table)));
    }
    ARROW_RETURN_NOT_OK(status);
    // A namespace exists, to Java and to PyIceberg, by having a property; this is the one that both give it.
    ARROW_ASSIGN_OR_RAISE(
        Statement ns,
        database->Prepare(
            "INSERT INTO iceberg_namespace_properties(catalog_name, namespace, property_key, property_value) "
            "SELECT ?1, ?2, 'exists', 'true' WHERE NOT EXISTS (SELECT 1 FROM iceberg_namespace_properties "
            "WHERE catalog_name = ?1 AND namespace = ?2)"));
    ARROW_RETURN_NOT_OK(ns.Bind(catalog_name_, table.table_namespace).Run());
  }
  return transaction.Commit();
}

Status SqliteStore::SwapMetadata(const SqlTableName& table, const std::string& from, const std::string& to) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready(Access::kRead));
  if (!database) return NoSuchTable(table, name());
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(*database));
  ARROW_ASSIGN_OR_RAISE(Layout layout, ReadLayout(*database));
  if (!layout.tables) return NoSuchTable(table, name());
  {
    ARROW_ASSIGN_OR_RAISE(
        Statement update,
        database->Prepare(fmt::format("UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ? "
                                      "WHERE {} AND metadata_location = ?{}",
                                      kOneTable, layout.table_filter())));
    ARROW_RETURN_NOT_OK(update.Bind(to, from, catalog_name_, table.table_namespace, table.table, from).Run());
  }
  if (database->Changes() != 1) {
    ARROW_ASSIGN_OR_RAISE(Statement select,
                          database->Prepare(fmt::format("SELECT metadata_location FROM iceberg_tables WHERE {}{}",
                                                        kOneTable, layout.table_filter())));
    ARROW_ASSIGN_OR_RAISE(bool found, select.Bind(catalog_name_, table.table_namespace, table.table).Step());
    if (!found) return NoSuchTable(table, name());
    return MakeError(ErrorKind::kConflict,
                     fmt::format("table {} was committed by another writer first: it is at {}, not at {}",
                                 Display(table), select.Text(0), from),
                     "Reload the table and plan anew.");
  }
  return transaction.Commit();
}

Status SqliteStore::DeleteTable(const SqlTableName& table) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready(Access::kRead));
  if (!database) return NoSuchTable(table, name());
  ARROW_ASSIGN_OR_RAISE(Transaction transaction, Transaction::Begin(*database));
  ARROW_ASSIGN_OR_RAISE(Layout layout, ReadLayout(*database));
  if (!layout.tables) return NoSuchTable(table, name());
  {
    ARROW_ASSIGN_OR_RAISE(Statement remove, database->Prepare(fmt::format("DELETE FROM iceberg_tables WHERE {}{}",
                                                                          kOneTable, layout.table_filter())));
    ARROW_RETURN_NOT_OK(remove.Bind(catalog_name_, table.table_namespace, table.table).Run());
  }
  if (database->Changes() != 1) return NoSuchTable(table, name());
  return transaction.Commit();
}

Result<std::vector<std::string>> SqliteStore::ListNamespaces() {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready(Access::kRead));
  if (!database) return std::vector<std::string>{};
  ARROW_ASSIGN_OR_RAISE(Layout layout, ReadLayout(*database));
  std::set<std::string> all;
  if (layout.tables) {
    ARROW_ASSIGN_OR_RAISE(
        auto names, ReadColumn(*database, "SELECT DISTINCT table_namespace FROM iceberg_tables WHERE catalog_name = ?",
                               {catalog_name_}));
    all.insert(names.begin(), names.end());
  }
  if (layout.namespace_properties) {
    ARROW_ASSIGN_OR_RAISE(
        auto names,
        ReadColumn(*database, "SELECT DISTINCT namespace FROM iceberg_namespace_properties WHERE catalog_name = ?",
                   {catalog_name_}));
    all.insert(names.begin(), names.end());
  }
  return std::vector<std::string>(all.begin(), all.end());
}

Result<std::vector<std::string>> SqliteStore::ListTables(const std::string& table_namespace) {
  std::lock_guard lock(mutex_);
  ARROW_ASSIGN_OR_RAISE(Database * database, Ready(Access::kRead));
  if (!database) return std::vector<std::string>{};
  ARROW_ASSIGN_OR_RAISE(Layout layout, ReadLayout(*database));
  if (!layout.tables) return std::vector<std::string>{};
  return ReadColumn(
      *database,
      fmt::format("SELECT table_name FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ?{} "
                  "ORDER BY table_name",
                  layout.table_filter()),
      {catalog_name_, table_namespace});
}

Result<std::vector<std::string>> SqliteStore::ReadColumn(Database& database, const std::string& sql,
                                                         const std::vector<std::string>& parameters) {
  ARROW_ASSIGN_OR_RAISE(Statement select, database.Prepare(sql));
  if (parameters.size() == 1) {
    select.Bind(parameters[0]);
  } else {
    select.Bind(parameters[0], parameters[1]);
  }
  std::vector<std::string> values;
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(bool row, select.Step());
    if (!row) return values;
    values.push_back(select.Text(0));
  }
}

}  // namespace calve::catalog
