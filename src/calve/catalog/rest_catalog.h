// The catalog behind a server that speaks Iceberg's REST protocol. Spec: rest-catalog-open-api.yaml;
// docs/rest-catalog.md.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "calve/base/stop.h"
#include "calve/catalog/catalog.h"
#include "calve/catalog/rest_client.h"
#include "calve/catalog/rest_wire.h"
#include "calve/storage/storage_credentials.h"

namespace calve::catalog {

// The compare-and-set is the server's. What proves that a change is not in is in rest_outcome.h; besides, a commit that
// is refused as a conflict is looked for in the table first, because a gateway may have sent it twice.
//
// The server is first asked with the first call, and its configuration is kept from then on. Thread-safe.
class RestCatalog : public Catalog {
 public:
  // `warehouse` is a name or a location as the server knows it, and may be empty. `vended`, where given, takes the
  // credentials that come with tables, and is refreshed from here as long as the catalog lives. All must outlive it.
  // kConfig where the URL is none. Opens nothing.
  static Result<std::unique_ptr<RestCatalog>> Make(const RestOptions& options, const std::string& warehouse,
                                                   storage::StorageCredentials* vended, const Clock& clock,
                                                   const StopToken& stop);
  ~RestCatalog() override;

  std::string name() const override;
  Result<LoadedTable> LoadTable(const TableIdent& ident) override;
  // The server chooses the location where the request names none.
  Result<LoadedTable> CreateTable(const TableIdent& ident, const CreateTableRequest& request) override;
  Result<LoadedTable> CommitTable(const TableIdent& ident, std::span<const iceberg::TableRequirement> requirements,
                                  std::span<const iceberg::TableUpdate> updates) override;
  Result<std::vector<std::vector<std::string>>> ListNamespaces() override;
  Result<std::vector<TableIdent>> ListTables(const std::vector<std::string>& levels) override;
  Status DropTable(const TableIdent& ident) override;
  // Takes a table over whose files are there already. Outcomes as CreateTable's.
  Result<LoadedTable> RegisterTable(const TableIdent& ident, const std::string& metadata_location) override;
  // Where the server lists the end point for it, or lists none.
  Result<bool> CommitsTogether() override;
  Status CommitTables(std::span<const TableCommit> commits) override;

 private:
  RestCatalog(const RestOptions& options, std::string warehouse, storage::StorageCredentials* vended,
              const Clock& clock, const StopToken& stop);

  // The client for what the server's configuration says; asks for it where that was not done yet.
  Result<RestClient*> Client();
  Result<std::unique_ptr<RestClient>> Connect();
  // A table that was answered with, its credentials put away.
  Result<LoadedTable> Take(const RestClient& client, const TableIdent& ident, const std::string& body);
  void KeepCredentials(const RestClient& client, const TableIdent& ident, const RestTable& table);
  // What may be asked for again of a table: its name, and what the server said of its storage apart from credentials.
  struct KnownTable {
    TableIdent ident;
    std::map<std::string, std::string> config;
  };
  void PutCredentials(const std::string& location, const KnownTable& table,
                      const std::vector<storage::StorageCredential>& credentials);
  Status RefreshCredentials(const std::string& location);
  // Posts to `path` what makes a table; makes its namespace where that is missing.
  Result<LoadedTable> MakeTable(const TableIdent& ident, bool registers, const std::string& body);
  Status MakeNamespace(RestClient& client, const std::vector<std::string>& levels);
  // What stands under the name that is taken: kAlreadyExists for a table, kConfig for a view.
  Status NameIsTaken(RestClient& client, const TableIdent& ident, const Status& refusal);
  // After a conflict: OK where our own snapshots are in the table.
  Result<LoadedTable> LookForOwn(const TableIdent& ident, std::span<const iceberg::TableUpdate> updates,
                                 const Status& conflict);
  Result<std::vector<std::vector<std::string>>> ListNamespacesBelow(RestClient& client,
                                                                    const std::vector<std::string>& parent);
  Status NoSuchTable(const TableIdent& ident) const;

  // Constant after construction.
  const RestOptions options_;
  const std::string warehouse_;
  storage::StorageCredentials* const vended_;
  const Clock& clock_;
  const StopToken& stop_;
  RestAuth auth_;

  std::mutex mutex_;
  std::unique_ptr<RestClient> client_;        // protected by mutex_ until it is made, then constant
  std::map<std::string, KnownTable> tables_;  // protected by mutex_: by location, for renewing credentials
};

}  // namespace calve::catalog
