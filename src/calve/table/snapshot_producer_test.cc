#include "calve/table/snapshot_producer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "calve/iceberg/manifest.h"
#include "calve/table/scan.h"
#include "calve/table/snapshot_manifests.h"
#include "calve/table/testing_table.h"

namespace calve::table {
namespace {

using iceberg::EntryStatus;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::TableMetadata;

class SnapshotProducerTest : public ::testing::Test {
 protected:
  std::vector<ManifestFile> Manifests(const TableMetadata& table) {
    return ReadManifests(io_, table, *table.CurrentSnapshot()).ValueOrDie();
  }
  std::vector<ManifestEntry> Entries(const TableMetadata& table, const ManifestFile& manifest) {
    return ReadEntries(io_, table, manifest).ValueOrDie();
  }
  std::vector<std::string> LiveFiles(const TableMetadata& table) {
    std::vector<std::string> paths;
    for (const auto& file : ListDataFiles(io_, table, *table.current_snapshot_id).ValueOrDie())
      paths.push_back(file.file_path);
    return paths;
  }
  TableMetadata Add(const TableMetadata& base, const std::string& name) {
    auto table = AppendTo(io_, base, {FileOfDay(name, 19944)}, "commit-" + name);
    EXPECT_TRUE(table.ok()) << table.status().ToString();
    return *table;
  }

  storage::MemoryFileIO io_;
};

TEST_F(SnapshotProducerTest, FirstSnapshotOfATable) {
  const TableMetadata base = EmptyTable();
  SnapshotProducer append(io_, RequestOf({FileOfDay("a", 19944), FileOfDay("b", 19945)}, "c1"));
  const auto prepared = append.Prepare(base, 5'000);
  ASSERT_TRUE(prepared.ok()) << prepared.status().ToString();
  const iceberg::Snapshot& snapshot = prepared->snapshot;
  EXPECT_GT(snapshot.snapshot_id, 0);
  EXPECT_EQ(snapshot.parent_snapshot_id, std::nullopt);
  EXPECT_EQ(snapshot.sequence_number, 1);
  EXPECT_EQ(snapshot.timestamp_ms, 5'000);
  EXPECT_EQ(snapshot.schema_id, 0);
  EXPECT_EQ(snapshot.manifest_list, fmt::format("mem://t/metadata/snap-{}-1-c1.avro", snapshot.snapshot_id));
  EXPECT_EQ(snapshot.summary.at("calve.commit-id"), "c1");
  EXPECT_EQ(io_.Locations(), (std::set<std::string>{snapshot.manifest_list, "mem://t/metadata/c1-m0.avro"}));

  ASSERT_EQ(prepared->requirements.size(), 2u);
  EXPECT_EQ(std::get<iceberg::AssertTableUuid>(prepared->requirements[0]).uuid, base.table_uuid);
  EXPECT_EQ(std::get<iceberg::AssertRefSnapshotId>(prepared->requirements[1]).ref, "main");
  EXPECT_EQ(std::get<iceberg::AssertRefSnapshotId>(prepared->requirements[1]).snapshot_id, std::nullopt);

  const TableMetadata table = Apply(base, *prepared).ValueOrDie();
  const auto manifests = Manifests(table);
  ASSERT_EQ(manifests.size(), 1u);
  EXPECT_EQ(manifests[0].sequence_number, 1);
  EXPECT_EQ(manifests[0].min_sequence_number, 1);
  EXPECT_EQ(manifests[0].added_snapshot_id, snapshot.snapshot_id);
  EXPECT_EQ(manifests[0].manifest_length, static_cast<int64_t>(io_.Read("mem://t/metadata/c1-m0.avro")->size()));
  const auto entries = Entries(table, manifests[0]);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[1].status, EntryStatus::kAdded);
  EXPECT_EQ(entries[1].sequence_number, 1);
  EXPECT_EQ(entries[1].snapshot_id, snapshot.snapshot_id);
}

TEST_F(SnapshotProducerTest, TheSecondStandsOnTheFirst) {
  const TableMetadata first = Add(EmptyTable(), "a");
  SnapshotProducer append(io_, RequestOf({FileOfDay("b", 19945)}, "c2"));
  const auto prepared = append.Prepare(first, 1).ValueOrDie();
  EXPECT_EQ(prepared.snapshot.parent_snapshot_id, first.current_snapshot_id);
  EXPECT_EQ(std::get<iceberg::AssertRefSnapshotId>(prepared.requirements[1]).snapshot_id, first.current_snapshot_id);
  // A clock that lags behind the table's last change must not make the snapshot older than it.
  EXPECT_EQ(prepared.snapshot.timestamp_ms, first.last_updated_ms);
  const TableMetadata second = Apply(first, prepared).ValueOrDie();
  EXPECT_EQ(LiveFiles(second), (std::vector<std::string>{"mem://t/data/b", "mem://t/data/a"}));
  EXPECT_EQ(second.CurrentSnapshot()->summary.at("total-records"), "20");
}

TEST_F(SnapshotProducerTest, AnEmptyWindowCarriesEverythingOverAndWritesNoManifest) {
  const TableMetadata first = Add(EmptyTable({{"commit.manifest.min-count-to-merge", "1"}}), "a");
  const auto before = io_.Locations();
  const TableMetadata second = AppendTo(io_, first, {}, "c2").ValueOrDie();
  EXPECT_EQ(io_.Locations().size(), before.size() + 1);
  EXPECT_EQ(LiveFiles(second), LiveFiles(first));
  EXPECT_EQ(second.CurrentSnapshot()->summary.at("total-data-files"), "1");
  const TableMetadata empty = AppendTo(io_, EmptyTable(), {}, "c3").ValueOrDie();
  EXPECT_TRUE(LiveFiles(empty).empty());
}

TEST_F(SnapshotProducerTest, ARetryWritesItsManifestOnceAndCountsOnce) {
  const TableMetadata base = Add(EmptyTable(), "a");
  SnapshotProducer append(io_, RequestOf({FileOfDay("b", 19945)}, "c2"));
  const auto lost = append.Prepare(base, 1).ValueOrDie();
  const TableMetadata theirs = Add(base, "other");
  EXPECT_EQ(KindOf(Apply(theirs, lost).status()), ErrorKind::kConflict);
  const auto won = append.Prepare(theirs, 2).ValueOrDie();
  EXPECT_EQ(won.snapshot.snapshot_id, lost.snapshot.snapshot_id);
  EXPECT_EQ(won.snapshot.sequence_number, 3);
  EXPECT_EQ(won.snapshot.summary.at("added-records"), "10");
  EXPECT_EQ(won.snapshot.summary.at("total-records"), "30");
  EXPECT_NE(won.snapshot.manifest_list, lost.snapshot.manifest_list);
  EXPECT_FALSE(io_.Exists("mem://t/metadata/c2-m1.avro").ValueOrDie());
  const TableMetadata table = Apply(theirs, won).ValueOrDie();
  EXPECT_EQ(LiveFiles(table).size(), 3u);
  EXPECT_EQ(Manifests(table)[0].sequence_number, 3);

  ASSERT_TRUE(append.DeleteUnused(&won).ok());
  EXPECT_FALSE(io_.Exists(lost.snapshot.manifest_list).ValueOrDie());
  EXPECT_EQ(LiveFiles(table).size(), 3u);
  EXPECT_EQ(LiveFiles(theirs).size(), 2u);
}

TEST_F(SnapshotProducerTest, AnAttemptThatIsInIsNotMadeTwice) {
  const TableMetadata base = EmptyTable();
  SnapshotProducer append(io_, RequestOf({FileOfDay("a", 19945)}, "c"));
  const TableMetadata table = Apply(base, append.Prepare(base, 1).ValueOrDie()).ValueOrDie();
  EXPECT_EQ(KindOf(append.Prepare(table, 2).status()), ErrorKind::kAlreadyExists);
}

TEST_F(SnapshotProducerTest, NothingIsLeftOfAnAppendThatWasGivenUp) {
  const TableMetadata base = Add(EmptyTable({{"commit.manifest.min-count-to-merge", "2"}}), "a");
  const auto before = io_.Locations();
  SnapshotProducer append(io_, RequestOf({FileOfDay("b", 19945)}, "c2"));
  ASSERT_TRUE(append.Prepare(base, 1).ok());
  ASSERT_TRUE(append.Prepare(base, 1).ok());
  EXPECT_GT(io_.Locations().size(), before.size() + 2);
  ASSERT_TRUE(append.DeleteUnused(nullptr).ok());
  EXPECT_EQ(io_.Locations(), before);
  const auto again = append.Prepare(base, 1);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(LiveFiles(Apply(base, *again).ValueOrDie()).size(), 2u);
  PreparedSnapshot stranger;
  EXPECT_EQ(KindOf(append.DeleteUnused(&stranger)), ErrorKind::kFailed);
}

TEST_F(SnapshotProducerTest, AFailedWriteCanBeTriedAgain) {
  const TableMetadata base = Add(EmptyTable(), "a");
  SnapshotProducer append(io_, RequestOf({FileOfDay("b", 19945)}, "c2"));
  for (const ErrorKind kind : {ErrorKind::kUnknownOutcome, ErrorKind::kRetry}) {
    for (const char* name : {"-m", "snap-"}) {
      io_.fault = [&](const std::string& operation, const std::string& location) {
        return operation == "write" && location.find(name) != std::string::npos ? MakeError(kind, "the store says no")
                                                                                : Status::OK();
      };
      // Nothing was committed, so nothing about the table is unknown. The manifest is written only once it has failed
      // no more.
      const auto failed = append.Prepare(base, 1);
      EXPECT_TRUE(failed.ok() || KindOf(failed.status()) == ErrorKind::kRetry) << failed.status().ToString();
    }
  }
  io_.fault = nullptr;
  const auto prepared = append.Prepare(base, 1);
  ASSERT_TRUE(prepared.ok()) << prepared.status().ToString();
  const TableMetadata table = Apply(base, *prepared).ValueOrDie();
  EXPECT_EQ(LiveFiles(table).size(), 2u);
  ASSERT_TRUE(append.DeleteUnused(&*prepared).ok());
  EXPECT_EQ(LiveFiles(table).size(), 2u);
  EXPECT_EQ(io_.Locations().size(), 4u);
}

TEST_F(SnapshotProducerTest, ForeignFilesAreNeverDeleted) {
  ASSERT_TRUE(io_.WriteNew("mem://t/metadata/c-m0.avro", "someone else's").ok());
  SnapshotProducer append(io_, RequestOf({FileOfDay("a", 19945)}, "c"));
  EXPECT_EQ(KindOf(append.Prepare(EmptyTable(), 1).status()), ErrorKind::kAlreadyExists);
  ASSERT_TRUE(append.DeleteUnused(nullptr).ok());
  EXPECT_EQ(*io_.Read("mem://t/metadata/c-m0.avro"), "someone else's");
}

TEST_F(SnapshotProducerTest, MergingKeepsNumbersAndDropsWhatWasDeleted) {
  TableMetadata table = EmptyTable({{"commit.manifest.min-count-to-merge", "3"}});
  table = Add(table, "a");
  const int64_t first_id = *table.current_snapshot_id;
  // Another engine deleted "gone" in a manifest of its own.
  std::vector<ManifestEntry> theirs = {{EntryStatus::kDeleted, 55, 1, 1, FileOfDay("gone", 19944)},
                                       {EntryStatus::kExisting, 44, 0, 0, FileOfDay("old", 19943)}};
  auto manifest = EncodeManifest(table.schema(), table.spec(), 55, theirs).ValueOrDie();
  manifest.summary.manifest_path = "mem://t/metadata/theirs.avro";
  manifest.summary.sequence_number = 2;
  manifest.summary.min_sequence_number = 0;
  ASSERT_TRUE(io_.WriteNew(manifest.summary.manifest_path, manifest.bytes).ok());
  auto manifests = Manifests(table);
  manifests.insert(manifests.begin(), manifest.summary);
  iceberg::Snapshot snapshot = *table.CurrentSnapshot();
  snapshot.parent_snapshot_id = snapshot.snapshot_id;
  snapshot.snapshot_id = 55;
  snapshot.sequence_number = 2;
  snapshot.manifest_list = "mem://t/metadata/snap-55.avro";
  ASSERT_TRUE(io_.WriteNew(snapshot.manifest_list, EncodeManifestList(55, first_id, 2, manifests).ValueOrDie()).ok());
  PreparedSnapshot overwrite{snapshot, {}, {iceberg::AddSnapshot{snapshot}, iceberg::SetSnapshotRef{"main", {55}}}};
  table = Apply(table, overwrite).ValueOrDie();

  table = Add(table, "b");
  manifests = Manifests(table);
  ASSERT_EQ(manifests.size(), 1u);
  EXPECT_EQ(manifests[0].added_files_count, 1);
  EXPECT_EQ(manifests[0].existing_files_count, 2);
  EXPECT_EQ(manifests[0].deleted_files_count, 0);
  EXPECT_EQ(manifests[0].sequence_number, 3);
  EXPECT_EQ(manifests[0].min_sequence_number, 0);
  const auto entries = Entries(table, manifests[0]);
  ASSERT_EQ(entries.size(), 3u);
  const auto check = [&](size_t i, const char* path, EntryStatus status, int64_t number, int64_t snapshot_id) {
    EXPECT_EQ(entries[i].data_file.file_path, std::string("mem://t/data/") + path);
    EXPECT_EQ(entries[i].status, status);
    EXPECT_EQ(entries[i].sequence_number, number);
    EXPECT_EQ(entries[i].file_sequence_number, number);
    EXPECT_EQ(entries[i].snapshot_id, snapshot_id);
  };
  check(0, "b", EntryStatus::kAdded, 3, *table.current_snapshot_id);
  check(1, "old", EntryStatus::kExisting, 0, 44);
  check(2, "a", EntryStatus::kExisting, 1, first_id);
}

TEST_F(SnapshotProducerTest, DeleteManifestsAndManifestsWithoutLiveFiles) {
  TableMetadata table = Add(EmptyTable({{"commit.manifest.min-count-to-merge", "2"}}), "a");
  auto manifests = Manifests(table);
  ManifestFile deletes = manifests[0];
  deletes.manifest_path = "mem://t/metadata/deletes-that-nobody-reads.avro";
  deletes.content = ManifestContent::kDeletes;
  ManifestFile dead = manifests[0];
  dead.manifest_path = "mem://t/metadata/dead-that-nobody-reads.avro";
  dead.added_files_count = dead.existing_files_count = 0;
  dead.deleted_files_count = 5;
  manifests.push_back(deletes);
  manifests.push_back(dead);
  const std::string list = EncodeManifestList(1, {}, 1, manifests).ValueOrDie();
  ASSERT_TRUE(io_.Replace(table.CurrentSnapshot()->manifest_list, list).ok());
  table = Add(table, "b");
  manifests = Manifests(table);
  ASSERT_EQ(manifests.size(), 2u);
  EXPECT_EQ(manifests[0].content, ManifestContent::kData);
  EXPECT_EQ(manifests[1].manifest_path, deletes.manifest_path);
  EXPECT_EQ(manifests[1].sequence_number, deletes.sequence_number);
  int64_t delete_files = 0;
  EXPECT_EQ(ListDataFiles(io_, table, *table.current_snapshot_id, &delete_files)->size(), 2u);
  EXPECT_EQ(delete_files, 1);
}

TEST_F(SnapshotProducerTest, HonoursTheMetadataPath) {
  const TableMetadata table = Add(EmptyTable({{"write.metadata.path", "mem://elsewhere/m/"}}), "a");
  for (const std::string& location : io_.Locations())
    EXPECT_TRUE(location.starts_with("mem://elsewhere/m/")) << location;
  EXPECT_EQ(LiveFiles(table).size(), 1u);
}

TEST_F(SnapshotProducerTest, KeepsTheRetentionOfMain) {
  TableMetadata table = Add(EmptyTable(), "a");
  table.refs["main"].min_snapshots_to_keep = 17;
  table = Add(table, "b");
  EXPECT_EQ(table.refs["main"].min_snapshots_to_keep, 17);
}

TEST_F(SnapshotProducerTest, RefusesV3AndUnknownSpecs) {
  TableMetadata table = EmptyTable();
  iceberg::DataFile file = FileOfDay("a", 1);
  file.spec_id = 9;
  EXPECT_EQ(KindOf(AppendTo(io_, table, {file}, "c1").status()), ErrorKind::kFailed);
  table.format_version = 3;
  const auto refused = AppendTo(io_, table, {FileOfDay("a", 1)}, "c2");
  EXPECT_EQ(KindOf(refused.status()), ErrorKind::kUnsupported);
  EXPECT_FALSE(RemedyOf(refused.status()).empty());
  EXPECT_TRUE(io_.Locations().empty());
}

TEST_F(SnapshotProducerTest, ManyFilesMakeManifestsOfTheTargetSize) {
  std::vector<iceberg::DataFile> files;
  for (int i = 0; i < 1'000; ++i) files.push_back(FileOfDay(fmt::format("{}", i), i));
  const auto table = AppendTo(io_, EmptyTable({{"commit.manifest.target-size-bytes", "75000"}}), files, "c");
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(Manifests(*table).size(), 4u);
  EXPECT_EQ(LiveFiles(*table).size(), 1'000u);
  EXPECT_EQ(table->CurrentSnapshot()->summary.at("changed-partition-count"), "1000");
}

TEST_F(SnapshotProducerTest, ACorruptManifestListIsNamed) {
  const TableMetadata table = Add(EmptyTable(), "a");
  const std::string list = table.CurrentSnapshot()->manifest_list;
  ASSERT_TRUE(io_.Replace(list, "garbage").ok());
  const auto failed = AppendTo(io_, table, {FileOfDay("b", 1)}, "c");
  EXPECT_EQ(KindOf(failed.status()), ErrorKind::kCorrupt);
  EXPECT_NE(MessageOf(failed.status()).find(list), std::string::npos);
}

TEST_F(SnapshotProducerTest, TheThousandthCommitCostsWhatTheTenthDid) {
  TableMetadata table = EmptyTable();
  std::vector<int64_t> costs;
  size_t manifests_max = 0;
  std::map<std::string, int64_t> added_in;
  for (int i = 1; i <= 1'000; ++i) {
    const int64_t before = io_.bytes_read() + io_.bytes_written();
    const std::string name = fmt::format("{:04}.parquet", i);
    SnapshotProducer append(io_, RequestOf({FileOfDay(name, 19944 + i / 24)}, "commit-" + name));
    const PreparedSnapshot prepared = append.Prepare(table, 1'000 + i).ValueOrDie();
    costs.push_back(io_.bytes_read() + io_.bytes_written() - before);
    // Only what the next commit needs, so that the loop measures this layer and not the metadata's growth.
    TableMetadata next = table;
    next.snapshots = {prepared.snapshot};
    next.current_snapshot_id = prepared.snapshot.snapshot_id;
    next.refs["main"] = {prepared.snapshot.snapshot_id};
    next.last_sequence_number = prepared.snapshot.sequence_number;
    table = next;
    added_in["mem://t/data/" + name] = prepared.snapshot.snapshot_id;
    if (i % 50 == 0) manifests_max = std::max(manifests_max, Manifests(table).size());
  }
  EXPECT_LE(manifests_max, 100u);
  std::map<std::string, int> seen;
  for (const ManifestFile& manifest : Manifests(table)) {
    for (const ManifestEntry& entry : Entries(table, manifest)) {
      const std::string& path = entry.data_file.file_path;
      ++seen[path];
      EXPECT_EQ(entry.sequence_number, std::stoi(path.substr(path.rfind('/') + 1))) << path;
      EXPECT_EQ(entry.file_sequence_number, entry.sequence_number);
      EXPECT_EQ(entry.snapshot_id, added_in[path]);
      const bool own = entry.snapshot_id == manifest.added_snapshot_id;
      EXPECT_EQ(entry.status, own ? EntryStatus::kAdded : EntryStatus::kExisting) << path;
    }
  }
  EXPECT_EQ(seen.size(), 1'000u);
  for (const auto& [path, count] : seen) EXPECT_EQ(count, 1) << path;
  EXPECT_EQ(table.CurrentSnapshot()->summary.at("total-data-files"), "1000");
  // A commit that merges costs more; on average over a merge's period it stays flat.
  const auto average = [&](int first, int last) {
    int64_t sum = 0;
    for (int i = first; i < last; ++i) sum += costs[static_cast<size_t>(i)];
    return sum / (last - first);
  };
  EXPECT_LT(average(900, 1'000), 3 * average(0, 100)) << average(900, 1'000) << ' ' << average(0, 100);
  EXPECT_LT(costs[999], 4 * costs[9]) << costs[999] << ' ' << costs[9];
}

}  // namespace
}  // namespace calve::table
