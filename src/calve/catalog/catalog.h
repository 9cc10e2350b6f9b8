// Catalogs: which metadata is a table's current one, and the compare-and-set that moves it.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calve/base/stop.h"
#include "calve/base/time.h"
#include "calve/catalog/rest_options.h"
#include "calve/iceberg/table_update.h"
#include "calve/storage/file_io.h"
#include "calve/storage/storage_credentials.h"

namespace calve::catalog {

struct TableIdent {
  std::vector<std::string> levels;  // the namespace
  std::string name;

  std::string ToString() const;  // "cold.trades"
  friend bool operator==(const TableIdent&, const TableIdent&) = default;
};

// "ns.table", "a.b.table"; a leading `catalog_name` is dropped where it is given and three or more parts stand there.
// kConfig where no namespace is named or a part is empty.
Result<TableIdent> ParseTableIdent(std::string_view text, std::string_view catalog_name = "");

struct LoadedTable {
  iceberg::TableMetadata metadata;
  std::string metadata_location;
};

struct CreateTableRequest {
  iceberg::Schema schema;
  iceberg::PartitionSpec spec;
  iceberg::SortOrder order;
  std::map<std::string, std::string> properties;
  std::string location;  // empty: the catalog chooses
};

// What one table becomes, as CommitTable has it.
struct TableCommit {
  TableIdent ident;
  std::vector<iceberg::TableRequirement> requirements;
  std::vector<iceberg::TableUpdate> updates;
};

// Thread-safe. Every change is a compare-and-set. Outcomes of a change:
//   OK               it is in
//   kConflict        it is proven not to be in: another commit came first, or a requirement does not hold
//   kUnknownOutcome  it may be in, now or later: nothing may be deleted before it was looked for
//   anything else    it is proven not to be in
class Catalog {
 public:
  virtual ~Catalog() = default;

  virtual std::string name() const = 0;  // for messages: "hadoop catalog at file:///srv/cold"
  // kNotFound where there is no such table.
  virtual Result<LoadedTable> LoadTable(const TableIdent& ident) = 0;
  // Namespaces are made where missing. kAlreadyExists where the table exists.
  virtual Result<LoadedTable> CreateTable(const TableIdent& ident, const CreateTableRequest& request) = 0;
  // Applies `updates` to the table's current metadata if all `requirements` hold on it.
  virtual Result<LoadedTable> CommitTable(const TableIdent& ident,
                                          std::span<const iceberg::TableRequirement> requirements,
                                          std::span<const iceberg::TableUpdate> updates) = 0;
  virtual Result<std::vector<std::vector<std::string>>> ListNamespaces() = 0;
  virtual Result<std::vector<TableIdent>> ListTables(const std::vector<std::string>& levels) = 0;
  // Forgets the table; its files stay.
  virtual Status DropTable(const TableIdent& ident) = 0;
  // Takes over a table whose metadata file is there already. kUnsupported where the catalog cannot.
  virtual Result<LoadedTable> RegisterTable(const TableIdent& ident, const std::string& metadata_location);
  // Whether CommitTables is to be had.
  virtual Result<bool> CommitsTogether() { return false; }
  // All of them in one step, or none: the outcome is of all together. Each table once. kUnsupported where the catalog
  // has no such step.
  virtual Status CommitTables(std::span<const TableCommit> commits);
};

struct CatalogOptions {
  std::string catalog;    // "hadoop", "sql", or a URI: "sqlite:////srv/catalog.db", "postgresql://user@host/db",
                          // "https://lake.example/api/catalog"
  std::string warehouse;  // "file:///srv/cold"; of a REST catalog a name or location as the server knows it, or empty
  std::string name;       // the catalog's own name (catalog_name in the SQL catalog); empty: "calve"
  std::string password = {};                      // of a database; empty: none, or what its client library finds
  RestOptions rest = {};                          // with `uri` where `catalog` is "rest"
  storage::StorageCredentials* vended = nullptr;  // where a REST catalog puts credentials for its tables' files
  const StopToken* stop = nullptr;                // ends waiting for a REST catalog; null: nothing does
};

// "rest", or the URL of one.
bool IsRestCatalog(std::string_view catalog);

// All that is borrowed must outlive the catalog. kConfig for what it does not know, listing what it does.
Result<std::unique_ptr<Catalog>> OpenCatalog(const CatalogOptions& options, storage::FileIO& file_io,
                                             const Clock& clock);

}  // namespace calve::catalog
