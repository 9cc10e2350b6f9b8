// Everything that an offload touches, in a folder of its own: a source in memory, a warehouse, a catalog, a journal;
// and what stands in the target table, read back from its files.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "calve/catalog/testing_fault_catalog.h"
#include "calve/offload/offload.h"
#include "calve/offload/repair.h"
#include "calve/offload/testing_fault_journal.h"
#include "calve/offload/testing_rows_source.h"
#include "calve/storage/fault_injection.h"
#include "calve/storage/local_file_io.h"
#include "calve/storage/testing_temp_dir.h"

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

enum class CatalogKind { kHadoop, kSql };
const char* NameOf(CatalogKind kind);

// What survives a process.
struct OffloadPlace {
  OffloadPlace(CatalogKind kind, std::string folder);

  std::string Warehouse() const { return "file://" + folder + "/warehouse"; }
  std::string JournalFile() const { return folder + "/journal.db"; }
  // Without faults.
  std::unique_ptr<catalog::Catalog> OpenCatalog();
  catalog::LoadedTable Load() { return OpenCatalog()->LoadTable(request.target).ValueOrDie(); }
  bool Exists() { return OpenCatalog()->LoadTable(request.target).ok(); }

  const CatalogKind kind;
  const std::string folder;
  storage::LocalFileIO file_io;
  MovedClock clock;
  RowsSource source;
  OffloadRequest request;
};

// One calve on it: opens everything anew, as a process does, with faults in every call that changes or asks state.
class OffloadProcess : public ProgressSink {
 public:
  OffloadProcess(OffloadPlace& place, storage::FaultList& faults);
  Result<OffloadResult> Run();
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
