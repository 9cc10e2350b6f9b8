// The catalog that is the file system itself, in the layout of Java's HadoopCatalog: <warehouse>/<namespace>/<table>,
// the newest <table>/metadata/vN.metadata.json is the current one. Spec: "File System Tables".
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calve/catalog/catalog.h"
#include "calve/catalog/commit_plan.h"
#include "calve/catalog/hadoop_versions.h"
#include "calve/catalog/metadata_cache.h"

namespace calve::catalog {

// The compare-and-set is FileIO::WriteNew of version N+1, which never overwrites. It holds because
//  - the name of version N+1 (its compression) follows from version N alone, so all who plan on N race for one name;
//  - a version's file is not deleted while a writer of that version may be under way, and a writer that took longer
//    than any should checks that N+1 was not won before and deleted since (write.metadata.delete-after-commit.enabled;
//    hadoop_publish.h).
// Thread-safe: its only state is the cache. `file_io` and `clock` must outlive it.
class HadoopCatalog : public Catalog {
 public:
  HadoopCatalog(std::string warehouse, storage::FileIO& file_io, const Clock& clock)
      : warehouse_(std::move(warehouse)), file_io_(file_io), clock_(clock) {}

  std::string name() const override { return "hadoop catalog at " + warehouse_; }
  Result<LoadedTable> LoadTable(const TableIdent& ident) override;
  // kConfig where the request names another location than the one that follows from the table's name.
  Result<LoadedTable> CreateTable(const TableIdent& ident, const CreateTableRequest& request) override;
  Result<LoadedTable> CommitTable(const TableIdent& ident, std::span<const iceberg::TableRequirement> requirements,
                                  std::span<const iceberg::TableUpdate> updates) override;
  // A folder with a folder `metadata` but no version in it is neither a namespace nor a table.
  Result<std::vector<std::vector<std::string>>> ListNamespaces() override;
  Result<std::vector<TableIdent>> ListTables(const std::vector<std::string>& levels) override;
  // Deletes the version files, oldest first, so that a drop that is cut short leaves the table as it was. The current
  // one is kept as metadata/dropped-vN-UUID.json.
  Status DropTable(const TableIdent& ident) override;

 private:
  struct Current {
    LoadedTable table;
    int64_t number = 0;
  };
  Result<std::string> TableLocation(const TableIdent& ident) const;
  Result<Current> LoadCurrent(const TableIdent& ident, HadoopVersions& versions);
  // The current version once nobody can replace it any more (hadoop_renames.h): what is built upon it may not take
  // another writer's commit away.
  Result<Current> LoadSettled(const TableIdent& ident, HadoopVersions& versions);
  // Its version is not there (any more): kNotFound.
  Result<Current> Load(const TableIdent& ident, const HadoopVersion& version);
  Status ListNamespacesBelow(const std::vector<std::string>& levels, std::vector<std::vector<std::string>>& found);

  const std::string warehouse_;
  storage::FileIO& file_io_;
  const Clock& clock_;
  MetadataCache metadata_{file_io_};
};

}  // namespace calve::catalog
