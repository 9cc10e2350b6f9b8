// Everything that an offload touches, in a folder of its own: a source in memory, a warehouse, a catalog, a journal (of
// the kind postgres both in one schema of a PostgreSQL server's); and what stands in the target table, read back from
// its files.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "calve/base/testing_temp_dir.h"
#include "calve/catalog/rest_options.h"
#include "calve/catalog/testing_fake_rest_server.h"
#include "calve/catalog/testing_fault_catalog.h"
#include "calve/offload/offload.h"
#include "calve/offload/repair.h"
#include "calve/offload/testing_fault_journal.h"
#include "calve/offload/testing_rows_source.h"
#include "calve/storage/fault_injection.h"
#include "calve/storage/local_file_io.h"

namespace calve::offload {

struct ColdRow {
  TimestampMicros ts = 0;
  int64_t id = 0;
  std::string symbol;
  int32_t extra = -1;  // -1: the file lacks the column
};

// The system's clock, moved ahead by as much as a test likes.
class MovedClock : public Clock {
 public:
  TimestampMicros Now() const override { return SystemClock().Now() + ahead; }
  int64_t ahead = 0;
};

// kPostgres: where PostgresServer::IsInstalled(). kRest: a REST catalog's server that runs in the test's process, over
// an SQL catalog. kRestCurrent: the same, and it shows only the current snapshot, as Nessie does.
enum class CatalogKind { kHadoop, kSql, kPostgres, kRest, kRestCurrent };
inline bool IsRest(CatalogKind kind) { return kind == CatalogKind::kRest || kind == CatalogKind::kRestCurrent; }
const char* NameOf(CatalogKind kind);

// Requests to the server are lost, or their answers, as the faults of the process at work say.
struct RestServerPlace {
  RestServerPlace(catalog::FakeRestServer::OpenInner open, catalog::RestServerOptions server_options);
  catalog::RestFault FaultOf(const http::SeenRequest& request);

  std::atomic<storage::FaultList*> faults{nullptr};
  StopToken stop;
  catalog::RestOptions options;
  catalog::FakeRestServer server;
};

// What survives a process.
struct OffloadPlace {
  OffloadPlace(CatalogKind kind, std::string folder);

  std::string Warehouse() const { return "file://" + folder + "/warehouse"; }
  std::string JournalFile() const { return folder + "/journal.db"; }
  std::string JournalUri() const { return database.empty() ? "sqlite:///" + JournalFile() : database; }
  // Without faults; of kRest what the server stores in.
  std::unique_ptr<catalog::Catalog> OpenCatalog();
  catalog::LoadedTable Load() { return Look().ValueOrDie(); }
  bool Exists() { return Look().ok(); }
  // Files and databases as they are now, to go back to as often as one likes.
  void Keep();
  void Restore();

  const CatalogKind kind;
  const std::string folder;
  const std::string database;  // of the kind postgres: the URI
  storage::LocalFileIO file_io;
  MovedClock clock;
  RowsSource source;
  OffloadRequest request;
  std::unique_ptr<RestServerPlace> rest;  // of kRest; forked children use their parent's

 private:
  Result<catalog::LoadedTable> Look();
  std::string Kept() const { return folder + ".kept"; }
  // As the superuser, in the schema; {0} is the schema, {1} the one that keeps its tables.
  void Sql(const std::string& sql) const;

  std::unique_ptr<catalog::Catalog> looking_;  // of the kind postgres: a connection is not made for each look
};

// One calve on it: opens everything anew, as a process does, with faults in every call that changes or asks state.
class OffloadProcess : public ProgressSink {
 public:
  OffloadProcess(OffloadPlace& place, storage::FaultList& faults);
  ~OffloadProcess() override;
  Result<OffloadResult> Run();
  // The same by slices: plan --resume, write-slice, commit.
  Result<OffloadResult> RunSlices();
  // verify --repair, with the offload's source, target, cursor and key.
  Result<RepairResult> Repair();
  catalog::FaultInjectingCatalog& catalog() { return catalog_; }

  void Update(const Progress& progress) override { told.push_back(progress); }
  void Note(const std::string& text) override { notes.push_back(text); }

  std::vector<std::string> notes;
  std::vector<Progress> told;

 private:
  OffloadPlace& place_;
  storage::FaultInjectingFileIO file_io_;
  std::unique_ptr<catalog::Catalog> inner_catalog_;
  std::unique_ptr<journal::Journal> inner_journal_;
  catalog::FaultInjectingCatalog catalog_;
  FaultInjectingJournal journal_;
  StopToken stop_;
};

// Files that hold these rows, written as another engine would; with a column `extra` where the table has one.
std::vector<iceberg::DataFile> WriteRows(storage::FileIO& file_io, const iceberg::TableMetadata& metadata,
                                         const std::vector<SourceRow>& rows);
// Another engine's snapshot on main: its id.
Result<int64_t> CommitFiles(OffloadPlace& place, std::vector<iceberg::DataFile> added,
                            std::vector<iceberg::DataFile> removed);
std::vector<ColdRow> ReadDataFile(storage::FileIO& file_io, const std::string& location);
// The rows of main's tip.
std::vector<ColdRow> ReadColdRows(storage::FileIO& file_io, const iceberg::TableMetadata& metadata);
// Paths of all files that the table needs: its metadata and that in its log, and of every snapshot the manifest list,
// the manifests and the live data files.
std::set<std::string> ReferencedFiles(storage::FileIO& file_io, const catalog::LoadedTable& table);
// Paths of the files in the warehouse but for the hint and the catalog's database.
std::set<std::string> FilesOnDisk(const OffloadPlace& place);

}  // namespace calve::offload
