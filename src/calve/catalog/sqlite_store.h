// SqlStore in an SQLite file.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "calve/catalog/sql_store.h"
#include "calve/sqlite/database.h"

namespace calve::catalog {

// The file is opened by the first call that needs it and made by the first change: looking at an empty catalog writes
// nothing. SQLite's own defaults (rollback journal, full sync) are kept, for this file is the truth about its tables.
class SqliteStore : public SqlStore {
 public:
  SqliteStore(std::string path, std::string catalog_name, int busy_timeout_ms = 10'000)
      : path_(std::move(path)), catalog_name_(std::move(catalog_name)), busy_timeout_ms_(busy_timeout_ms) {}

  std::string name() const override { return "sqlite:///" + path_; }
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
  enum class Access { kRead, kChange };

  // The open database; null where there is no file and none is to be made.
  Result<sqlite::Database*> Ready(Access access);
  Result<Layout> ReadLayout(sqlite::Database& database);
  Status MakeMissingTables(sqlite::Database& database, Layout& layout);
  Result<std::vector<std::string>> ReadColumn(sqlite::Database& database, const std::string& sql,
                                              const std::vector<std::string>& parameters);

  const std::string path_;
  const std::string catalog_name_;
  const int busy_timeout_ms_;

  std::mutex mutex_;
  std::optional<sqlite::Database> database_;  // protected by mutex_
};

}  // namespace calve::catalog
