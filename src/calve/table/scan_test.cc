#include "calve/table/scan.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "calve/iceberg/avro_file.h"
#include "calve/iceberg/manifest.h"
#include "calve/table/snapshot_manifests.h"
#include "calve/table/testing_table.h"

namespace calve::table {
namespace {

using iceberg::DataFile;
using iceberg::FileContent;
using iceberg::ManifestFile;
using iceberg::RowRange;
using iceberg::TableMetadata;
using iceberg::Type;
using iceberg::TypeId;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr int64_t kScanDay = 86'400'000'000;

std::string BoundBytes(int64_t value) { return ToBytes(Type::Of(TypeId::kLong), value); }

DataFile Deletes(const std::string& path, FileContent content, int32_t day) {
  DataFile file;
  file.file_path = path;
  file.content = content;
  file.partition = {day};
  return file;
}

// A manifest of delete files, as another engine writes it: with the columns that matter, under names without ids.
std::string EncodeDeletes(const std::vector<DataFile>& files) {
  constexpr const char* kSchema = R"json({"type": "record", "name": "manifest_entry", "fields": [
    {"name": "status", "type": "int"}, {"name": "snapshot_id", "type": ["null", "long"]},
    {"name": "sequence_number", "type": ["null", "long"]}, {"name": "file_sequence_number", "type": ["null", "long"]},
    {"name": "data_file", "type": {"type": "record", "name": "r2", "fields": [
      {"name": "content", "type": "int"}, {"name": "file_path", "type": "string"},
      {"name": "file_format", "type": "string"},
      {"name": "partition", "type": {"type": "record", "name": "r102", "fields": [
        {"name": "ts_day", "field-id": 1000, "type": ["null", "int"]}]}},
      {"name": "record_count", "type": "long"}, {"name": "file_size_in_bytes", "type": "long"},
      {"name": "equality_ids", "type": {"type": "array", "items": "int"}},
      {"name": "referenced_data_file", "type": "string"}]}}]})json";
  iceberg::AvroFileWriter writer(kSchema, {{"content", "deletes"}, {"partition-spec-id", "0"}});
  for (const DataFile& file : files) {
    std::string& out = writer.buffer();
    for (const int64_t head : {1, 0, 0, 0}) iceberg::PutAvroLong(out, head);  // ADDED, the rest inherited
    iceberg::PutAvroLong(out, static_cast<int64_t>(file.content));
    iceberg::PutAvroBytes(out, file.file_path);
    iceberg::PutAvroBytes(out, "PARQUET");
    iceberg::PutAvroLong(out, 1);
    iceberg::PutAvroLong(out, std::get<int32_t>(file.partition.at(0)));
    iceberg::PutAvroLong(out, 1);
    iceberg::PutAvroLong(out, 100);
    for (const int id : file.equality_ids) {
      iceberg::PutAvroLong(out, 1);
      iceberg::PutAvroLong(out, id);
    }
    iceberg::PutAvroLong(out, 0);
    iceberg::PutAvroBytes(out, file.referenced_data_file.value_or(""));
    EXPECT_TRUE(writer.EndObject().ok());
  }
  return writer.Finish().ValueOrDie();
}

class ScanTest : public testing::Test {
 protected:
  ScanTest() {
    io_.fault = [this](const std::string& operation, const std::string& location) {
      if (operation == "read") ++reads_[location];
      return Status::OK();
    };
  }

  TableMetadata Commit(const TableMetadata& base, std::vector<DataFile> files) {
    return AppendTo(io_, base, std::move(files), fmt::format("c{}", ++commits_)).ValueOrDie();
  }

  // Adds a manifest of delete files to the current snapshot, as of its sequence number.
  void AddDeletes(const TableMetadata& table, const std::vector<DataFile>& files) {
    auto manifests = ReadManifests(io_, table, *table.CurrentSnapshot()).ValueOrDie();
    const std::string bytes = EncodeDeletes(files);
    ManifestFile manifest = manifests.at(0);
    manifest.manifest_path = fmt::format("mem://t/metadata/deletes-{}.avro", ++commits_);
    manifest.manifest_length = static_cast<int64_t>(bytes.size());
    manifest.content = iceberg::ManifestContent::kDeletes;
    manifest.sequence_number = table.CurrentSnapshot()->sequence_number;
    manifest.added_files_count = static_cast<int64_t>(files.size());
    // Of the partition of what they delete, or not: deletes of a file's own go by its path.
    ASSERT_TRUE(io_.WriteNew(manifest.manifest_path, bytes).ok());
    manifests.push_back(manifest);
    const auto& snapshot = *table.CurrentSnapshot();
    const std::string list =
        EncodeManifestList(snapshot.snapshot_id, {}, snapshot.sequence_number, manifests).ValueOrDie();
    ASSERT_TRUE(io_.Replace(snapshot.manifest_list, list).ok());
  }

  std::vector<ScanTask> Plan(const TableMetadata& table, const std::optional<RowRange>& range = std::nullopt) {
    reads_.clear();
    return PlanScan(io_, table, *table.current_snapshot_id, range).ValueOrDie();
  }

  std::vector<std::string> Paths(const std::vector<ScanTask>& tasks) {
    std::vector<std::string> paths;
    for (const ScanTask& task : tasks) paths.push_back(task.file.file_path.substr(std::string("mem://t/data/").size()));
    return paths;
  }

  storage::MemoryFileIO io_;
  std::map<std::string, int> reads_;
  int commits_ = 0;
};

TEST_F(ScanTest, AllFilesWithTheirSequenceNumbers) {
  TableMetadata table = Commit(EmptyTable(), {FileOfDay("a", 1), FileOfDay("b", 2)});
  const int64_t first = *table.current_snapshot_id;
  table = Commit(table, {FileOfDay("c", 3)});
  const auto tasks = Plan(table);
  EXPECT_THAT(Paths(tasks), ElementsAre("c", "a", "b"));
  EXPECT_EQ(tasks[0].sequence_number, 2);
  EXPECT_EQ(tasks[1].sequence_number, 1);
  EXPECT_TRUE(tasks[0].deletes.empty());
  EXPECT_EQ(PlanScan(io_, table, first, std::nullopt)->size(), 2u);
  EXPECT_EQ(KindOf(PlanScan(io_, table, 42, std::nullopt).status()), ErrorKind::kNotFound);
}

TEST_F(ScanTest, ManifestsAndFilesOutsideOfTheRangeAreLeftOut) {
  TableMetadata table = EmptyTable({{"commit.manifest-merge.enabled", "false"}});
  for (int day = 0; day < 20; day += 2) {
    table = Commit(table, {FileOfDay(fmt::format("{}", day), day), FileOfDay(fmt::format("{}", day + 1), day + 1)});
  }
  EXPECT_EQ(Plan(table).size(), 20u);
  EXPECT_EQ(reads_.size(), 11u) << "the list and ten manifests";
  EXPECT_THAT(Paths(Plan(table, RowRange{1, 7 * kScanDay, 8 * kScanDay})), UnorderedElementsAre("7", "8"));
  EXPECT_EQ(reads_.size(), 3u) << "the list and two manifests";
  EXPECT_THAT(Paths(Plan(table, RowRange{1, 7 * kScanDay, 8 * kScanDay - 1})), ElementsAre("7"));
  EXPECT_EQ(reads_.size(), 2u);
  EXPECT_THAT(Plan(table, RowRange{1, 30 * kScanDay, std::nullopt}), IsEmpty());
  EXPECT_EQ(reads_.size(), 1u);
}

TEST_F(ScanTest, BoundsPruneInsideAPartition) {
  DataFile early = FileOfDay("early", 1), late = FileOfDay("late", 1), unknown = FileOfDay("unknown", 1);
  early.lower_bounds[1] = BoundBytes(kScanDay);
  early.upper_bounds[1] = BoundBytes(kScanDay + 10);
  late.lower_bounds[1] = BoundBytes(kScanDay + 11);
  late.upper_bounds[1] = BoundBytes(kScanDay + 20);
  const TableMetadata table = Commit(EmptyTable(), {early, late, unknown});
  EXPECT_THAT(Paths(Plan(table, RowRange{1, kScanDay + 10, kScanDay + 15})), ElementsAre("late", "unknown"));
  EXPECT_THAT(Paths(Plan(table, RowRange{1, kScanDay + 9, kScanDay + 11})), ElementsAre("early", "late", "unknown"));
}

TEST_F(ScanTest, DeletesOfALaterCommitApply) {
  TableMetadata table = Commit(EmptyTable(), {FileOfDay("old", 1), FileOfDay("elsewhere", 2)});
  table = Commit(table, {FileOfDay("new", 1)});
  DataFile keys = Deletes("keys", FileContent::kEqualityDeletes, 1);
  keys.equality_ids = {2};
  DataFile rows = Deletes("rows", FileContent::kPositionDeletes, 50);
  rows.referenced_data_file = "mem://t/data/new";
  AddDeletes(table, {keys, rows});
  std::map<std::string, std::vector<std::string>> applying;
  for (const ScanTask& task : Plan(table, RowRange{1, kScanDay, 3 * kScanDay})) {
    for (const DataFile& deletes : task.deletes) applying[task.file.file_path].push_back(deletes.file_path);
    for (const DataFile& deletes : task.deletes) {
      if (deletes.file_path == "keys") {
        EXPECT_EQ(deletes.equality_ids, std::vector<int>{2});
      }
    }
  }
  EXPECT_EQ(applying, (std::map<std::string, std::vector<std::string>>{{"mem://t/data/old", {"keys"}},
                                                                       {"mem://t/data/new", {"rows"}}}));
  int64_t delete_files = 0;
  EXPECT_EQ(ListDataFiles(io_, table, *table.current_snapshot_id, &delete_files)->size(), 3u);
  EXPECT_EQ(delete_files, 2);
}

}  // namespace
}  // namespace calve::table
