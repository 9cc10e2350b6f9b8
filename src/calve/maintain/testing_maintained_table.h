// A real table of a hadoop catalog in a folder of its own, whose data files are a few bytes: what maintenance does to
// snapshots, manifests and files, and whether the table still reads whole.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "calve/base/testing_temp_dir.h"
#include "calve/catalog/testing_fault_catalog.h"
#include "calve/catalog/testing_interloper.h"
#include "calve/maintain/orphan_removal.h"
#include "calve/storage/fault_injection.h"
#include "calve/table/scan.h"
#include "calve/table/snapshot_manifests.h"
#include "calve/table/snapshot_producer.h"

namespace calve::maintain {

inline Status NoSleep(int64_t) { return Status::OK(); }

struct MaintainedTable {
  MaintainedTable(const MaintainedTable&) = delete;
  explicit MaintainedTable(std::map<std::string, std::string> properties = {}) {
    properties.try_emplace("commit.retry.num-retries", "2");
    catalog::CreateTableRequest create;
    create.schema.fields = {{1, "ts", true, iceberg::Type::Of(iceberg::TypeId::kTimestampTz), ""}};
    create.spec.fields = {{1, 1000, "ts_day", iceberg::ParseTransform("day")}};
    create.properties = std::move(properties);
    EXPECT_TRUE(catalog->CreateTable(ident, create).ok());
  }

  std::string Warehouse() const { return "file://" + dir.path(); }
  iceberg::TableMetadata Metadata() { return catalog->LoadTable(ident).ValueOrDie().metadata; }

  iceberg::DataFile File(const std::string& name, int day = 0) {
    iceberg::DataFile file;
    file.file_path = Metadata().location + "/data/" + name;
    file.partition = {int32_t{day}};
    file.record_count = 10;
    file.file_size_in_bytes = 4;
    if (!*file_io->Exists(file.file_path)) {
      EXPECT_TRUE(file_io->WriteNew(file.file_path, "PAR1").ok());
    }
    return file;
  }
  iceberg::TableMetadata Commit(const std::vector<iceberg::DataFile>& added,
                                const std::vector<iceberg::DataFile>& removed = {},
                                const std::map<std::string, std::string>& summary = {}) {
    const iceberg::TableMetadata base = Metadata();
    table::SnapshotProducer producer(
        *file_io, {added, removed, summary, "commit-" + std::to_string(++commits), base.current_snapshot_id});
    const auto prepared = producer.Prepare(base, clock.Now() / 1000).ValueOrDie();
    auto committed = catalog->CommitTable(ident, prepared.requirements, prepared.updates).ValueOrDie().metadata;
    EXPECT_TRUE(producer.DeleteUnused(&prepared).ok());
    return committed;
  }
  iceberg::TableMetadata Update(const std::vector<iceberg::TableUpdate>& updates) {
    return catalog->CommitTable(ident, {}, updates).ValueOrDie().metadata;
  }
  // Files a0 … of days 0 …, each in a snapshot of its own; then one that replaces a0; the tag `one` is on the first.
  void Fill(int count) {
    for (int i = 0; i < count; ++i) Commit({File("a" + std::to_string(i), i)});
    Commit({File("b0", 0)}, {File("a0", 0)});
    Update({iceberg::SetSnapshotRef{"one", {.snapshot_id = Metadata().snapshots[0].snapshot_id, .is_branch = false}}});
  }

  // Every file that any snapshot refers to, as a local path; each must be there.
  std::set<std::string> Referenced() {
    const iceberg::TableMetadata metadata = Metadata();
    std::set<std::string> files;
    for (const iceberg::Snapshot& snapshot : metadata.snapshots) {
      files.insert(storage::LocalPath(snapshot.manifest_list));
      const auto manifests = table::ReadManifests(*file_io, metadata, snapshot);
      EXPECT_TRUE(manifests.ok()) << manifests.status().ToString();
      for (const auto& manifest : manifests.ValueOr({})) files.insert(storage::LocalPath(manifest.manifest_path));
      const auto data = table::ListDataFiles(*file_io, metadata, snapshot.snapshot_id);
      EXPECT_TRUE(data.ok()) << data.status().ToString();
      for (const auto& file : data.ValueOr({})) files.insert(storage::LocalPath(file.file_path));
    }
    for (const std::string& file : files) EXPECT_TRUE(std::filesystem::exists(file)) << file;
    return files;
  }
  // The files that are there, but for the catalog's own.
  std::set<std::string> Files() {
    std::set<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir.path())) {
      const std::string name = entry.path().filename().string();
      if (entry.is_regular_file() && !name.ends_with(".metadata.json") && name != "version-hint.text") {
        files.insert(entry.path().string());
      }
    }
    return files;
  }
  std::set<std::string> LiveNames() {
    std::set<std::string> names;
    const iceberg::TableMetadata metadata = Metadata();
    if (metadata.CurrentSnapshot() == nullptr) return names;
    for (const auto& file : table::ListDataFiles(*file_io, metadata, *metadata.current_snapshot_id).ValueOrDie()) {
      names.insert(file.file_path.substr(file.file_path.rfind('/') + 1));
    }
    return names;
  }

  TempDir dir;
  SystemClock clock;
  StopToken stop;
  std::unique_ptr<storage::FileIO> file_io = storage::OpenFileIO(Warehouse()).ValueOrDie();
  std::unique_ptr<catalog::Catalog> catalog =
      catalog::OpenCatalog({"hadoop", Warehouse(), ""}, *file_io, clock).ValueOrDie();
  catalog::TableIdent ident{{"cold"}, "trades"};
  int commits = 0;
};

// The same table's catalog and files, whose calls go wrong when told.
struct FaultyTable {
  explicit FaultyTable(MaintainedTable& table)
      : file_io(*table.file_io, faults),
        inner(catalog::OpenCatalog({"hadoop", table.Warehouse(), ""}, file_io, table.clock).ValueOrDie()),
        catalog(*inner, faults) {}

  storage::FaultList faults;
  storage::FaultInjectingFileIO file_io;
  std::unique_ptr<catalog::Catalog> inner;
  catalog::FaultInjectingCatalog catalog;
};

}  // namespace calve::maintain
