#include "calve/maintain/orphan_removal.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "calve/base/testing_temp_dir.h"
#include "calve/table/snapshot_producer.h"

namespace calve::maintain {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kDay = 86'400'000;

// A real hadoop catalog with one table of two snapshots, the second of which replaces the first one's file.
class OrphanRemovalTest : public testing::Test {
 protected:
  void SetUp() override {
    file_io_ = *storage::OpenFileIO(Warehouse());
    catalog_ = *catalog::OpenCatalog({"hadoop", Warehouse(), ""}, *file_io_, clock_);
    table_ = *catalog_->CreateTable(ident_, Request());
    Write("data/a.parquet");
    Write("data/b.parquet");
    Commit({File("a.parquet")}, {}, "one");
    Commit({File("b.parquet")}, {File("a.parquet")}, "two");
  }

  std::string Warehouse() { return "file://" + dir_.path(); }
  catalog::CreateTableRequest Request() {
    catalog::CreateTableRequest create;
    create.schema.fields = {{1, "ts", true, iceberg::Type::Of(iceberg::TypeId::kTimestampTz), ""}};
    return create;
  }
  iceberg::DataFile File(const std::string& name) {
    iceberg::DataFile file;
    file.file_path = table_.metadata.location + "/data/" + name;
    file.record_count = 1;
    file.file_size_in_bytes = 4;
    return file;
  }
  void Write(const std::string& name) {
    ASSERT_TRUE(file_io_->WriteNew(table_.metadata.location + "/" + name, "PAR1").ok());
  }
  void Commit(std::vector<iceberg::DataFile> added, std::vector<iceberg::DataFile> removed, const std::string& id) {
    table::SnapshotProducer producer(*file_io_, {added, removed, {}, id, table_.metadata.current_snapshot_id});
    const auto prepared = *producer.Prepare(table_.metadata, clock_.Now() / 1000);
    table_ = *catalog_->CommitTable(ident_, prepared.requirements, prepared.updates);
  }
  void SetProperties(std::map<std::string, std::string> properties) {
    table_ = *catalog_->CommitTable(ident_, {}, std::vector<iceberg::TableUpdate>{iceberg::SetProperties{properties}});
  }
  void MakeAllOld() {
    for (const auto& entry : fs::recursive_directory_iterator(dir_.path())) {
      fs::last_write_time(entry.path(), fs::file_time_type::clock::now() - std::chrono::hours(24 * 10));
    }
  }
  std::set<std::string> Files() {
    std::set<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(dir_.path())) {
      if (entry.is_regular_file()) files.insert(entry.path().string());
    }
    return files;
  }
  Result<OrphanReport> Remove(bool dry_run = false) {
    return RemoveOrphans(*catalog_, *file_io_, clock_, stop_, {ident_, Warehouse(), 3 * kDay, dry_run});
  }

  TempDir dir_;
  SystemClock clock_;
  StopToken stop_;
  std::unique_ptr<storage::FileIO> file_io_;
  std::unique_ptr<catalog::Catalog> catalog_;
  catalog::TableIdent ident_{{"cold"}, "trades"};
  catalog::LoadedTable table_;
};

TEST_F(OrphanRemovalTest, RemovesDebrisAndNothingElse) {
  const auto before = Files();
  for (const char* name : {"data/debris.parquet", "data/d=1/debris.parquet", "metadata/debris-m0.avro",
                           "metadata/snap-1-1-debris.avro", "metadata/.calve-debris.tmp"}) {
    Write(name);
  }
  // Young debris may be a running commit's.
  const auto young = *Remove();
  EXPECT_EQ(young.files_deleted, 0);
  EXPECT_EQ(young.plan.young, 5);
  MakeAllOld();
  const auto dry = *Remove(/*dry_run=*/true);
  EXPECT_EQ(dry.plan.orphans.size(), 5u);
  EXPECT_EQ(Files().size(), before.size() + 5);
  const auto report = Remove();
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->files_deleted, 5);
  EXPECT_EQ(report->bytes_deleted, 20);
  EXPECT_EQ(Files(), before);
  EXPECT_EQ(Remove()->files_deleted, 0);
}

TEST_F(OrphanRemovalTest, FilesOfExpiredSnapshotsGoAndThoseOfBranchesStay) {
  const auto snapshots = table_.metadata.snapshots;
  ASSERT_EQ(snapshots.size(), 2u);
  table_ = *catalog_->CommitTable(
      ident_, {}, std::vector<iceberg::TableUpdate>{iceberg::SetSnapshotRef{"audit", {snapshots[0].snapshot_id}}});
  MakeAllOld();
  EXPECT_EQ(Remove()->files_deleted, 0);
  table_ =
      *catalog_->CommitTable(ident_, {},
                             std::vector<iceberg::TableUpdate>{iceberg::RemoveSnapshotRef{"audit"},
                                                               iceberg::RemoveSnapshots{{snapshots[0].snapshot_id}}});
  MakeAllOld();
  const auto report = *Remove();
  EXPECT_EQ(report.files_deleted, 3);  // its data file, manifest and manifest list
  EXPECT_FALSE(*file_io_->Exists(table_.metadata.location + "/data/a.parquet"));
  EXPECT_TRUE(*file_io_->Exists(table_.metadata.location + "/data/b.parquet"));
}

TEST_F(OrphanRemovalTest, DeletesNothingWhereTheMetadataCannotBeRead) {
  Write("data/debris.parquet");
  Write("metadata/debris.avro");
  for (const bool list : {true, false}) {
    for (const std::string& location : Files()) {
      const bool is_list = location.find("/snap-") != std::string::npos;
      if (!location.ends_with(".avro") || location.find("debris") != std::string::npos || is_list != list) continue;
      MakeAllOld();
      const std::string bytes = *file_io_->Read(location);
      for (const std::string& damaged : {bytes.substr(0, bytes.size() / 2), std::string("garbage")}) {
        ASSERT_TRUE(file_io_->Replace(location, damaged).ok());
        const auto before = Files();
        EXPECT_FALSE(Remove().ok()) << location;
        EXPECT_EQ(Files(), before) << location;
      }
      ASSERT_TRUE(file_io_->Delete(location).ok());
      const auto before = Files();
      EXPECT_EQ(KindOf(Remove().status()), ErrorKind::kNotFound) << location;
      EXPECT_EQ(Files(), before) << location;
      ASSERT_TRUE(file_io_->WriteNew(location, bytes).ok());
    }
  }
  MakeAllOld();
  EXPECT_EQ(Remove()->files_deleted, 2);
}

TEST_F(OrphanRemovalTest, StatisticsFilesAreReferredTo) {
  iceberg::TableMetadata metadata = table_.metadata;
  metadata.extra_json = R"({"statistics": [{"snapshot-id": 1, "statistics-path": "/x/a.puffin"}],
                            "partition-statistics": [{"snapshot-id": 1, "statistics-path": "/x/b.parquet"}]})";
  const References references = *CollectReferences(*file_io_, metadata, table_.metadata_location);
  EXPECT_TRUE(references.HasPath("/x/a.puffin"));
  EXPECT_TRUE(references.HasPath("/x/b.parquet"));
  for (const iceberg::MetadataLogEntry& entry : metadata.metadata_log) {
    EXPECT_TRUE(references.HasPath(PathKey(entry.metadata_file)));
  }
  EXPECT_TRUE(references.HasPath(PathKey(table_.metadata_location)));
  for (const char* broken : {R"({"statistics": [{"snapshot-id": 1}]})", R"({"partition-statistics": {}})"}) {
    metadata.extra_json = broken;
    EXPECT_EQ(KindOf(CollectReferences(*file_io_, metadata, "").status()), ErrorKind::kCorrupt) << broken;
  }
}

TEST_F(OrphanRemovalTest, RefusesTablesThatShareTheirFiles) {
  MakeAllOld();
  SetProperties({{"gc.enabled", "false"}});
  EXPECT_EQ(KindOf(Remove().status()), ErrorKind::kConfig);
  SetProperties({{"gc.enabled", "true"}, {"write.data.path", Warehouse() + "/pool"}});
  EXPECT_TRUE(Remove().ok());
  catalog::CreateTableRequest other = Request();
  other.properties = {{"write.data.path", "file:" + dir_.path() + "/pool/other"}};
  ASSERT_TRUE(catalog_->CreateTable({{"cold"}, "other"}, other).ok());
  const auto refused = Remove();
  EXPECT_EQ(KindOf(refused.status()), ErrorKind::kConfig);
  EXPECT_NE(MessageOf(refused.status()).find("cold.other"), std::string::npos);
}

TEST_F(OrphanRemovalTest, LooksOnlyWhereTheTableMayHaveFiles) {
  for (const std::string& path : {std::string("file:///elsewhere"), Warehouse(), Warehouse() + "/cold"}) {
    SetProperties({{"write.data.path", path}});
    ASSERT_TRUE(file_io_->Replace(Warehouse() + "/cold/journal.db", "x").ok());
    MakeAllOld();
    const auto report = Remove();
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_EQ(report->folders, std::vector<std::string>{table_.metadata.location + "/metadata"}) << path;
    ASSERT_EQ(report->notes.size(), 1u);
    EXPECT_EQ(report->files_deleted, 0);
  }
}

// Only a REST catalog knows where its tables are.
TEST_F(OrphanRemovalTest, WithoutAWarehouseOnlyBelowTheTable) {
  SetProperties({{"write.data.path", Warehouse() + "/pool"}});
  ASSERT_TRUE(file_io_->WriteNew(Warehouse() + "/pool/x.parquet", "x").ok());
  MakeAllOld();
  const auto report = RemoveOrphans(*catalog_, *file_io_, clock_, stop_, {ident_, "", 3 * kDay, true});
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->folders, std::vector<std::string>{table_.metadata.location + "/metadata"});
}

// A commit lands between the listing of the folders and the second look at the table.
class RacingFileIO : public storage::FileIO {
 public:
  explicit RacingFileIO(storage::FileIO& inner) : inner_(inner) {}
  std::function<void()> after_list;

  Result<std::string> Read(const std::string& location) override { return inner_.Read(location); }
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(const std::string& location) override {
    return inner_.OpenInput(location);
  }
  Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutput(const std::string& location) override {
    return inner_.OpenOutput(location);
  }
  Status WriteNew(const std::string& location, std::string_view bytes) override {
    return inner_.WriteNew(location, bytes);
  }
  Status Replace(const std::string& location, std::string_view bytes) override {
    return inner_.Replace(location, bytes);
  }
  Result<bool> Exists(const std::string& location) override { return inner_.Exists(location); }
  Status Delete(const std::string& location) override { return inner_.Delete(location); }
  Result<std::vector<storage::FileInfo>> List(const std::string& location) override {
    auto files = inner_.List(location);
    if (location.ends_with("/metadata") && after_list) std::exchange(after_list, nullptr)();
    return files;
  }
  Result<std::vector<std::string>> ListFolders(const std::string& location) override {
    return inner_.ListFolders(location);
  }

 private:
  storage::FileIO& inner_;
};

TEST_F(OrphanRemovalTest, ACommitThatLandsMeanwhileKeepsItsOldFiles) {
  Write("data/late.parquet");
  table::SnapshotProducer producer(*file_io_, {{File("late.parquet")}, {}, {}, "late"});
  const auto prepared = *producer.Prepare(table_.metadata, clock_.Now() / 1000);
  MakeAllOld();  // a run that took longer than the limit
  RacingFileIO racing(*file_io_);
  racing.after_list = [&] { ASSERT_TRUE(catalog_->CommitTable(ident_, prepared.requirements, prepared.updates).ok()); };
  const auto report = RemoveOrphans(*catalog_, racing, clock_, stop_, {ident_, Warehouse(), 3 * kDay, false});
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->files_deleted, 0);
  EXPECT_TRUE(*file_io_->Exists(File("late.parquet").file_path));
}

TEST_F(OrphanRemovalTest, StopsWhenAskedTo) {
  Write("data/debris.parquet");
  MakeAllOld();
  stop_.RequestStop(15);
  EXPECT_EQ(KindOf(Remove().status()), ErrorKind::kStopped);
  EXPECT_TRUE(*file_io_->Exists(File("debris.parquet").file_path));
}

TEST_F(OrphanRemovalTest, OpenPlansKeepTheirFilesAndAreToldOfWhenTheyAreOld) {
  const std::string open = "0b8f8a4e-57a5-4e2d-9f1a-3f2c1d0e9b8a", over = "1b8f8a4e-57a5-4e2d-9f1a-3f2c1d0e9b8a";
  for (const std::string& id : {open, over}) {
    Write("data/" + id + "/00000-a.parquet");
    Write("calve-plans/" + id + ".slices.jsonl");
  }
  Write("calve-plans/" + open + ".json");
  MakeAllOld();
  const auto before = Files();
  const auto report = Remove();
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->plan.of_open_plans, 3);
  EXPECT_EQ(report->files_deleted, 2);
  ASSERT_EQ(report->notes.size(), 1u);
  EXPECT_NE(report->notes[0].find(open), std::string::npos) << report->notes[0];
  for (const std::string& file : before) {
    EXPECT_EQ(fs::exists(file), file.find(over) == std::string::npos) << file;
  }
}

}  // namespace
}  // namespace calve::maintain
