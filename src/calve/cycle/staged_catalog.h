// A catalog whose new snapshots wait to be committed together: who looks through it sees them, nobody else does yet.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "calve/catalog/catalog.h"

namespace calve::cycle {

// What waits for one table.
struct StagedTable {
  catalog::TableCommit commit;        // of all that waits, on the table as it was
  iceberg::TableMetadata base, next;  // before it and with it
  std::vector<int64_t> snapshots;     // that it adds, in order
};

// Thread-safe. `inner` and `clock` must outlive it. Only commits that add a snapshot wait, and what comes for their
// table after them; tables are created, and schemas changed before, right away.
class StagedCatalog : public catalog::Catalog {
 public:
  StagedCatalog(catalog::Catalog& inner, const Clock& clock) : inner_(inner), clock_(clock) {}

  // In the order in which they began to wait.
  std::vector<StagedTable> Staged() const;

  std::string name() const override { return inner_.name(); }
  Result<catalog::LoadedTable> LoadTable(const catalog::TableIdent& ident) override;
  Result<catalog::LoadedTable> CreateTable(const catalog::TableIdent& ident,
                                           const catalog::CreateTableRequest& request) override {
    return inner_.CreateTable(ident, request);
  }
  Result<catalog::LoadedTable> CommitTable(const catalog::TableIdent& ident,
                                           std::span<const iceberg::TableRequirement> requirements,
                                           std::span<const iceberg::TableUpdate> updates) override;
  Result<std::vector<std::vector<std::string>>> ListNamespaces() override { return inner_.ListNamespaces(); }
  Result<std::vector<catalog::TableIdent>> ListTables(const std::vector<std::string>& levels) override {
    return inner_.ListTables(levels);
  }
  Status DropTable(const catalog::TableIdent& ident) override { return inner_.DropTable(ident); }

 private:
  struct Waiting {
    StagedTable table;
    std::string metadata_location;  // of the table as it was
  };

  catalog::Catalog& inner_;
  const Clock& clock_;

  mutable std::mutex mutex_;
  std::vector<Waiting> waiting_;                    // protected by mutex_
  Waiting* Find(const catalog::TableIdent& ident);  // under mutex_
};

}  // namespace calve::cycle
