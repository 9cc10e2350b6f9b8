// The database behind an SQL catalog: the tables iceberg_tables and iceberg_namespace_properties that Java's
// JdbcCatalog and PyIceberg's SqlCatalog share. One implementation for each database; SqlCatalog holds everything else.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "calve/base/error.h"

namespace calve::catalog {

struct SqlTableName {
  std::string table_namespace;  // levels joined by dots
  std::string table;
};

struct SqlTableRow {
  std::string metadata_location;
  std::string previous_metadata_location;  // empty where NULL
};

// Thread-safe. Each call is one transaction over the rows of one catalog_name. Rows of views are not tables: they are
// never returned or changed. The schema is taken as it is found, with or without iceberg_type, and never migrated; it
// is made where it is missing, by the first change. Outcomes of a change: OK, it is in; kUnknownOutcome, it may be in;
// anything else, it is not.
class SqlStore {
 public:
  virtual ~SqlStore() = default;

  virtual std::string name() const = 0;  // for messages, without secrets
  virtual Result<std::optional<SqlTableRow>> FindTable(const SqlTableName& name) = 0;
  // Enters the namespace as well where it is missing. kAlreadyExists where the name is taken, by a table or a view.
  virtual Status InsertTable(const SqlTableName& name, const std::string& metadata_location) = 0;
  // Moves the table from one metadata file to the next: kConflict where it is not at `from`, kNotFound where it is
  // gone.
  virtual Status SwapMetadata(const SqlTableName& name, const std::string& from, const std::string& to) = 0;
  virtual Status DeleteTable(const SqlTableName& name) = 0;                                     // kNotFound
  virtual Result<std::vector<std::string>> ListNamespaces() = 0;                                // sorted
  virtual Result<std::vector<std::string>> ListTables(const std::string& table_namespace) = 0;  // sorted
};

}  // namespace calve::catalog
