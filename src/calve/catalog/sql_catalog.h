// The catalog in a database: a row per table names its current metadata file. Spec: "Metastore Tables".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "calve/catalog/catalog.h"
#include "calve/catalog/metadata_cache.h"
#include "calve/catalog/metadata_file.h"
#include "calve/catalog/sql_store.h"

namespace calve::catalog {

// The compare-and-set is the store's SwapMetadata. Metadata files have names of their own (NNNNN-UUID), are written
// first, and are deleted again only where the swap is proven not to have happened. `file_io` and `clock` must outlive
// it.
class SqlCatalog : public Catalog {
 public:
  // `warehouse` may be empty: then every new table must bring its location.
  SqlCatalog(std::unique_ptr<SqlStore> store, std::string warehouse, storage::FileIO& file_io, const Clock& clock)
      : store_(std::move(store)), warehouse_(std::move(warehouse)), file_io_(file_io), clock_(clock) {}

  std::string name() const override { return "sql catalog at " + store_->name(); }
  Result<LoadedTable> LoadTable(const TableIdent& ident) override;
  Result<LoadedTable> CreateTable(const TableIdent& ident, const CreateTableRequest& request) override;
  Result<LoadedTable> CommitTable(const TableIdent& ident, std::span<const iceberg::TableRequirement> requirements,
                                  std::span<const iceberg::TableUpdate> updates) override;
  Result<std::vector<std::vector<std::string>>> ListNamespaces() override;
  Result<std::vector<TableIdent>> ListTables(const std::vector<std::string>& levels) override;
  Status DropTable(const TableIdent& ident) override;
  Result<LoadedTable> RegisterTable(const TableIdent& ident, const std::string& metadata_location) override;

 private:
  Result<std::string> LocationOf(const TableIdent& ident, const std::string& requested) const;
  // Writes a new metadata file and returns its location. An error is certain: no table refers to the file.
  Result<std::string> WriteMetadata(const iceberg::TableMetadata& metadata, int64_t version);
  // The outcome of a change of the row to `location`, after `status` was all that was heard of it: the file is deleted
  // where the change is proven not to be in.
  Status Settle(const SqlTableName& name, const std::string& location, const Status& status);

  const std::unique_ptr<SqlStore> store_;
  const std::string warehouse_;
  storage::FileIO& file_io_;
  const Clock& clock_;
  MetadataCache metadata_{file_io_};
};

}  // namespace calve::catalog
