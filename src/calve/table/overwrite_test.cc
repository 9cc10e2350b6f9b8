// Snapshots that remove data files: what becomes of their manifests, and which races are refused.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "calve/iceberg/manifest.h"
#include "calve/table/scan.h"
#include "calve/table/snapshot_manifests.h"
#include "calve/table/testing_table.h"

namespace calve::table {
namespace {

using iceberg::DataFile;
using iceberg::EntryStatus;
using iceberg::FileContent;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::TableMetadata;

class OverwriteTest : public ::testing::Test {
 protected:
  std::vector<ManifestFile> Manifests(const TableMetadata& table) {
    return ReadManifests(io_, table, *table.CurrentSnapshot()).ValueOrDie();
  }
  std::set<std::string> LiveFiles(const TableMetadata& table) {
    std::set<std::string> names;
    for (const DataFile& file : ListDataFiles(io_, table, *table.current_snapshot_id).ValueOrDie()) {
      EXPECT_TRUE(names.insert(file.file_path.substr(std::string("mem://t/data/").size())).second) << file.file_path;
    }
    return names;
  }
  // "a D 1" of each entry of the snapshot's data manifests: name, status, data sequence number.
  std::vector<std::string> Entries(const TableMetadata& table) {
    std::vector<std::string> lines;
    for (const ManifestFile& manifest : Manifests(table)) {
      if (manifest.content == ManifestContent::kDeletes) continue;
      for (const ManifestEntry& entry : ReadEntries(io_, table, manifest).ValueOrDie()) {
        EXPECT_EQ(entry.sequence_number, entry.file_sequence_number);
        EXPECT_TRUE(entry.status != EntryStatus::kDeleted || entry.snapshot_id == manifest.added_snapshot_id);
        lines.push_back(fmt::format("{} {} {}", entry.data_file.file_path.substr(std::string("mem://t/data/").size()),
                                    "EAD"[static_cast<int>(entry.status)], entry.sequence_number.value_or(-1)));
      }
    }
    return lines;
  }
  std::string Total(const TableMetadata& table, const char* key) {
    return std::string(table.CurrentSnapshot()->summary.at(key));
  }

  // Days 1, 2, … hold the files named, one append each.
  TableMetadata TableOf(const std::vector<std::string>& names,
                        const std::map<std::string, std::string>& properties = {}) {
    TableMetadata table = EmptyTable(properties);
    int day = 0;
    for (const std::string& name : names) {
      table = AppendTo(io_, table, {FileOfDay(name, ++day)}, "commit-" + name).ValueOrDie();
    }
    return table;
  }

  storage::MemoryFileIO io_;
};

TEST_F(OverwriteTest, RewritesTheManifestThatHoldsTheFileAndNoOther) {
  const TableMetadata base = TableOf({"a", "b", "c"});
  const auto before = Manifests(base);
  const auto table = Commit(io_, base, Replacing(base, {FileOfDay("b", 2)}, {FileOfDay("b2", 2, 7, 700)}, "over"));
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_EQ(Entries(*table), (std::vector<std::string>{"b2 A 4", "c A 3", "b D 2", "a A 1"}));
  const auto after = Manifests(*table);
  ASSERT_EQ(after.size(), 4u);
  EXPECT_EQ(after[1].manifest_path, before[0].manifest_path);
  EXPECT_EQ(after[3].manifest_path, before[2].manifest_path);
  EXPECT_EQ(after[2].added_snapshot_id, *table->current_snapshot_id);
  EXPECT_EQ(after[2].sequence_number, 4);
  EXPECT_EQ(after[2].deleted_files_count, 1);
  EXPECT_EQ(after[2].deleted_rows_count, 10);
  const auto entries = ReadEntries(io_, *table, after[2]).ValueOrDie();
  EXPECT_EQ(entries[0].snapshot_id, *table->current_snapshot_id);
  EXPECT_EQ(entries[0].data_file.lower_bounds.at(2), "binance");
  const auto& summary = table->CurrentSnapshot()->summary;
  EXPECT_EQ(summary.at("operation"), "overwrite");
  EXPECT_EQ(summary.at("deleted-data-files"), "1");
  EXPECT_EQ(summary.at("deleted-records"), "10");
  EXPECT_EQ(summary.at("removed-files-size"), "1000");
  EXPECT_EQ(summary.at("changed-partition-count"), "1");
  EXPECT_EQ(summary.at("total-data-files"), "3");
  EXPECT_EQ(summary.at("total-records"), "27");
  EXPECT_EQ(summary.at("total-files-size"), "2700");
  // The older snapshot is what it was.
  EXPECT_EQ(ListDataFiles(io_, *table, *base.current_snapshot_id)->size(), 3u);
}

TEST_F(OverwriteTest, ADeletionKeepsItsManifestForOneSnapshot) {
  const TableMetadata base = TableOf({"a", "b"});
  TableMetadata table =
      Commit(io_, base, Replacing(base, {FileOfDay("b", 2), FileOfDay("a", 1)}, {}, "del")).ValueOrDie();
  EXPECT_EQ(Total(table, "operation"), "delete");
  EXPECT_EQ(Total(table, "total-records"), "0");
  EXPECT_EQ(Entries(table), (std::vector<std::string>{"b D 2", "a D 1"}));
  EXPECT_TRUE(LiveFiles(table).empty());
  table = AppendTo(io_, table, {FileOfDay("c", 3)}, "next").ValueOrDie();
  EXPECT_EQ(Entries(table), (std::vector<std::string>{"c A 4"}));
  EXPECT_EQ(Total(table, "total-data-files"), "1");
}

TEST_F(OverwriteTest, RemovesFromMergedManifestsAndMergesWhatItRewrites) {
  const TableMetadata base = TableOf({"a", "b", "c"}, {{"commit.manifest.min-count-to-merge", "2"}});
  ASSERT_EQ(Manifests(base).size(), 1u);
  TableMetadata table =
      Commit(io_, base, Replacing(base, {FileOfDay("a", 1), FileOfDay("c", 3)}, {FileOfDay("d", 1)}, "over"))
          .ValueOrDie();
  // One rewrite that takes all three in; no manifest is written in between.
  EXPECT_EQ(Entries(table), (std::vector<std::string>{"d A 4", "c D 3", "b E 2", "a D 1"}));
  EXPECT_EQ(Manifests(table)[0].min_sequence_number, 2);
  EXPECT_TRUE(io_.Exists("mem://t/metadata/over-m1.avro").ValueOrDie());
  EXPECT_FALSE(io_.Exists("mem://t/metadata/over-m2.avro").ValueOrDie());
  table = AppendTo(io_, table, {FileOfDay("e", 5)}, "next").ValueOrDie();
  EXPECT_EQ(Entries(table), (std::vector<std::string>{"e A 5", "d E 4", "b E 2"}));
  EXPECT_EQ(Total(table, "total-data-files"), "3");
}

TEST_F(OverwriteTest, RemovesAcrossSpecs) {
  TableMetadata base = TableOf({"a", "b"});
  base.partition_specs.push_back({1, {{2, 1001, "exchange", {}}}});
  base.default_spec_id = 1;
  DataFile file = FileOfDay("x", 0);
  file.spec_id = 1;
  file.partition = {std::string("kraken")};
  base = AppendTo(io_, base, {file}, "x").ValueOrDie();
  DataFile added = file;
  added.file_path = "mem://t/data/y";
  const TableMetadata table =
      Commit(io_, base, Replacing(base, {FileOfDay("a", 1), file}, {added}, "over")).ValueOrDie();
  EXPECT_EQ(Entries(table), (std::vector<std::string>{"y A 4", "x D 3", "b E 2", "a D 1"}));
  EXPECT_EQ(Total(table, "changed-partition-count"), "2");
  std::vector<int> specs;
  for (const ManifestFile& manifest : Manifests(table)) specs.push_back(manifest.partition_spec_id);
  EXPECT_EQ(specs, (std::vector<int>{1, 1, 0}));
}

TEST_F(OverwriteTest, ReadsOnlyManifestsThatMayHoldTheFile) {
  const TableMetadata base = TableOf({"a", "b", "c", "d"});
  std::vector<std::string> read;
  io_.fault = [&](const std::string& operation, const std::string& location) {
    if (operation == "read") read.push_back(location);
    return Status::OK();
  };
  const TableMetadata table = Commit(io_, base, Replacing(base, {FileOfDay("c", 3)}, {}, "over")).ValueOrDie();
  EXPECT_EQ(read, (std::vector<std::string>{base.CurrentSnapshot()->manifest_list, "mem://t/metadata/commit-c-m0.avro",
                                            "mem://t/metadata/commit-c-m0.avro"}));
  EXPECT_EQ(LiveFiles(table), (std::set<std::string>{"a", "b", "d"}));
}

TEST_F(OverwriteTest, AWrongPartitionSummaryIsNoConflict) {
  const TableMetadata base = TableOf({"a", "b"});
  auto manifests = Manifests(base);
  for (ManifestFile& manifest : manifests) manifest.partitions = {{true, false, std::nullopt, std::nullopt}};
  ASSERT_TRUE(
      io_.Replace(base.CurrentSnapshot()->manifest_list, EncodeManifestList(1, {}, 2, manifests).ValueOrDie()).ok());
  const auto table = Commit(io_, base, Replacing(base, {FileOfDay("a", 1)}, {}, "over"));
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  EXPECT_EQ(LiveFiles(*table), (std::set<std::string>{"b"}));
}

TEST_F(OverwriteTest, AFileThatStandsTwiceInTheTableGoesTwice) {
  TableMetadata base = TableOf({"a"});
  base = AppendTo(io_, base, {FileOfDay("a", 1)}, "again").ValueOrDie();
  const TableMetadata table =
      Commit(io_, base, Replacing(base, {FileOfDay("a", 1)}, {FileOfDay("b", 1)}, "over")).ValueOrDie();
  EXPECT_EQ(LiveFiles(table), (std::set<std::string>{"b"}));
  EXPECT_EQ(Total(table, "deleted-data-files"), "2");
  EXPECT_EQ(Total(table, "total-records"), "10");
}

TEST_F(OverwriteTest, ARetryReusesWhatItRewroteAndLeavesNoDebris) {
  const TableMetadata base = TableOf({"a", "b"});
  SnapshotProducer producer(io_, Replacing(base, {FileOfDay("a", 1)}, {FileOfDay("a2", 1)}, "over"));
  const auto lost = producer.Prepare(base, 1).ValueOrDie();
  const TableMetadata theirs = AppendTo(io_, base, {FileOfDay("c", 1)}, "theirs").ValueOrDie();
  EXPECT_EQ(KindOf(Apply(theirs, lost).status()), ErrorKind::kConflict);
  const auto won = producer.Prepare(theirs, 2).ValueOrDie();
  EXPECT_EQ(won.snapshot.snapshot_id, lost.snapshot.snapshot_id);
  EXPECT_FALSE(io_.Exists("mem://t/metadata/over-m2.avro").ValueOrDie());
  const TableMetadata table = Apply(theirs, won).ValueOrDie();
  EXPECT_EQ(Entries(table), (std::vector<std::string>{"a2 A 4", "c A 3", "b A 2", "a D 1"}));
  EXPECT_EQ(Total(table, "total-records"), "30");
  ASSERT_TRUE(producer.DeleteUnused(&won).ok());
  EXPECT_FALSE(io_.Exists(lost.snapshot.manifest_list).ValueOrDie());
  EXPECT_EQ(LiveFiles(table), (std::set<std::string>{"a2", "b", "c"}));
}

TEST_F(OverwriteTest, ARetryRewritesWhatAnotherEngineMerged) {
  const TableMetadata base = TableOf({"a", "b"});
  SnapshotProducer producer(io_, Replacing(base, {FileOfDay("a", 1)}, {FileOfDay("a2", 1)}, "over"));
  const auto lost = producer.Prepare(base, 1).ValueOrDie();
  TableMetadata merging = base;
  merging.properties["commit.manifest.min-count-to-merge"] = "2";
  TableMetadata theirs = AppendTo(io_, merging, {FileOfDay("c", 3)}, "theirs").ValueOrDie();
  theirs.properties.clear();
  const auto won = producer.Prepare(theirs, 2).ValueOrDie();
  const TableMetadata table = Apply(theirs, won).ValueOrDie();
  EXPECT_EQ(Entries(table), (std::vector<std::string>{"a2 A 4", "c E 3", "b E 2", "a D 1"}));
  ASSERT_TRUE(producer.DeleteUnused(&won).ok());
  EXPECT_FALSE(io_.Exists("mem://t/metadata/over-m1.avro").ValueOrDie());
  EXPECT_EQ(LiveFiles(table), (std::set<std::string>{"a2", "b", "c"}));
}

TEST_F(OverwriteTest, AFileThatSomebodyElseReplacedIsAConflict) {
  const TableMetadata base = TableOf({"a", "b"});
  SnapshotProducer producer(io_, Replacing(base, {FileOfDay("a", 1), FileOfDay("b", 2)}, {FileOfDay("x", 1)}, "over"));
  ASSERT_TRUE(producer.Prepare(base, 1).ok());
  const TableMetadata theirs =
      Commit(io_, base, Replacing(base, {FileOfDay("b", 2)}, {FileOfDay("b2", 2)}, "theirs")).ValueOrDie();
  const auto refused = producer.Prepare(theirs, 2);
  EXPECT_EQ(KindOf(refused.status()), ErrorKind::kConflict);
  EXPECT_NE(MessageOf(refused.status()).find("mem://t/data/b"), std::string::npos);
  EXPECT_FALSE(RemedyOf(refused.status()).empty());
  ASSERT_TRUE(producer.DeleteUnused(nullptr).ok());
  for (const std::string& location : io_.Locations()) EXPECT_EQ(location.find("over"), std::string::npos) << location;
}

TEST_F(OverwriteTest, AnUnknownPastIsAConflict) {
  const TableMetadata base = TableOf({"a"});
  const TableMetadata planned = AppendTo(io_, base, {FileOfDay("b", 2)}, "b").ValueOrDie();
  const TableMetadata newest = AppendTo(io_, planned, {FileOfDay("c", 3)}, "c").ValueOrDie();
  const SnapshotRequest request = Replacing(planned, {FileOfDay("a", 1)}, {}, "over");
  EXPECT_TRUE(Commit(io_, newest, request).ok());
  TableMetadata rolled_back = newest;
  rolled_back.current_snapshot_id = base.current_snapshot_id;
  rolled_back.refs["main"] = {*base.current_snapshot_id};
  EXPECT_EQ(KindOf(Commit(io_, rolled_back, request).status()), ErrorKind::kConflict);
  TableMetadata expired = newest;
  expired.snapshots = {*newest.CurrentSnapshot()};
  EXPECT_EQ(KindOf(Commit(io_, expired, request).status()), ErrorKind::kConflict);
  EXPECT_EQ(KindOf(Commit(io_, EmptyTable(), request).status()), ErrorKind::kConflict);
  // A chain that bites its tail.
  TableMetadata circular = expired;
  circular.snapshots.Edit(0).parent_snapshot_id = circular.snapshots[0].snapshot_id;
  EXPECT_EQ(KindOf(Commit(io_, circular, request).status()), ErrorKind::kConflict);
}

DataFile DeletesOfDay(const std::string& name, int day, FileContent content = FileContent::kPositionDeletes) {
  DataFile file = FileOfDay(name, day);
  file.content = content;
  return file;
}

TEST_F(OverwriteTest, NewDeletesOfARemovedFileAreAConflictAndOthersAreNot) {
  TableMetadata base = TableOf({"a", "b"});
  base.partition_specs.push_back({1, {}});
  const SnapshotRequest request = Replacing(base, {FileOfDay("a", 1)}, {FileOfDay("a2", 1)}, "over");
  int count = 0;
  const auto outcome = [&](const DataFile& file, EntryStatus status = EntryStatus::kAdded,
                           std::optional<int64_t> sequence_number = std::nullopt) -> std::optional<ErrorKind> {
    const ManifestFile manifest =
        WriteDeleteManifest(io_, base, fmt::format("deletes-{}.avro", ++count),
                            {{status, 9, sequence_number, sequence_number, file}}, file.spec_id);
    const TableMetadata theirs = CommitManifests(io_, base, {manifest}).ValueOrDie();
    SnapshotRequest mine = request;
    mine.commit_id += std::to_string(count);
    const auto committed = Commit(io_, theirs, mine);
    if (!committed.ok()) return KindOf(committed.status());
    // Manifests of delete files stay as they are.
    const auto manifests = Manifests(*committed);
    EXPECT_TRUE(std::any_of(manifests.begin(), manifests.end(), [&](const ManifestFile& kept) {
      return kept.manifest_path == manifest.manifest_path && kept.sequence_number == 3;
    }));
    return std::nullopt;
  };
  constexpr std::nullopt_t kIn = std::nullopt;
  const auto equality = FileContent::kEqualityDeletes;
  EXPECT_EQ(outcome(DeletesOfDay("d", 1)), ErrorKind::kConflict);
  EXPECT_EQ(outcome(DeletesOfDay("d", 2)), kIn);
  EXPECT_EQ(outcome(DeletesOfDay("d", 1, equality)), ErrorKind::kConflict);
  EXPECT_EQ(outcome(DeletesOfDay("d", 2, equality)), kIn);
  DataFile global = DeletesOfDay("d", 1, equality);
  global.spec_id = 1;
  global.partition = {};
  EXPECT_EQ(outcome(global), ErrorKind::kConflict);
  DataFile pointing = DeletesOfDay("d", 1);
  pointing.referenced_data_file = "mem://t/data/a";
  EXPECT_EQ(outcome(pointing), ErrorKind::kConflict);
  pointing.referenced_data_file = "mem://t/data/other-of-that-day";
  EXPECT_EQ(outcome(pointing), kIn);
  // Gone again; carried over in a new manifest from what was there when the table was read.
  EXPECT_EQ(outcome(DeletesOfDay("d", 1), EntryStatus::kDeleted, 3), kIn);
  EXPECT_EQ(outcome(DeletesOfDay("d", 1), EntryStatus::kExisting, 2), kIn);
}

TEST_F(OverwriteTest, DeletesThatWereThereWhenTheTableWasReadAreNoConflict) {
  TableMetadata base = TableOf({"a"});
  const ManifestFile manifest =
      WriteDeleteManifest(io_, base, "deletes.avro", {{EntryStatus::kAdded, 9, {}, {}, DeletesOfDay("d", 1)}});
  base = CommitManifests(io_, base, {manifest}).ValueOrDie();
  const auto table = Commit(io_, base, Replacing(base, {FileOfDay("a", 1)}, {FileOfDay("a2", 1)}, "over"));
  ASSERT_TRUE(table.ok()) << table.status().ToString();
  int64_t delete_files = 0;
  EXPECT_EQ(ListDataFiles(io_, *table, *table->current_snapshot_id, &delete_files)->size(), 1u);
  EXPECT_EQ(delete_files, 1);
  EXPECT_EQ(Total(*table, "total-delete-files"), "1");
  EXPECT_EQ(io_.Locations().count("mem://t/metadata/deletes.avro"), 1u);
}

// Compaction: rows of an older snapshot in a new file, which keeps their age.
TEST_F(OverwriteTest, FilesAsOldAsTheirRowsLetEqualityDeletesPass) {
  const TableMetadata base = TableOf({"a", "b"});
  SnapshotRequest request = Replacing(base, {FileOfDay("a", 1)}, {FileOfDay("a2", 1)}, "over");
  request.replace = true;
  request.data_sequence_number = base.CurrentSnapshot()->sequence_number;
  for (const bool equality : {true, false}) {
    DataFile deletes = DeletesOfDay("d", 1);
    deletes.content = equality ? iceberg::FileContent::kEqualityDeletes : iceberg::FileContent::kPositionDeletes;
    const std::string name = equality ? "equality.avro" : "position.avro";
    const ManifestFile manifest = WriteDeleteManifest(io_, base, name, {{EntryStatus::kAdded, 9, {}, {}, deletes}});
    const TableMetadata theirs = CommitManifests(io_, base, {manifest}).ValueOrDie();
    SnapshotRequest mine = request;
    mine.commit_id += name;
    const auto table = Commit(io_, theirs, mine);
    if (!equality) {
      EXPECT_EQ(KindOf(table.status()), ErrorKind::kConflict);
      continue;
    }
    ASSERT_TRUE(table.ok()) << table.status().ToString();
    EXPECT_EQ(table->CurrentSnapshot()->summary.at("operation"), "replace");
    int found = 0;
    for (const ScanTask& task : PlanScan(io_, *table, *table->current_snapshot_id, std::nullopt).ValueOrDie()) {
      if (task.file.file_path != FileOfDay("a2", 1).file_path) continue;
      ++found;
      EXPECT_EQ(task.sequence_number, base.CurrentSnapshot()->sequence_number);
      EXPECT_EQ(task.deletes.size(), 1u) << "what came since applies to it";
    }
    EXPECT_EQ(found, 1);
    const ManifestFile own = Manifests(*table).front();
    EXPECT_EQ(own.min_sequence_number, base.CurrentSnapshot()->sequence_number);
    EXPECT_EQ(own.sequence_number, table->CurrentSnapshot()->sequence_number);
    // A later merge keeps the number, and so does one within the commit that adds the file.
    TableMetadata merging = theirs;
    merging.properties["commit.manifest.min-count-to-merge"] = "2";
    mine.commit_id += "-merging";
    const TableMetadata merged = Commit(io_, merging, mine).ValueOrDie();
    for (const TableMetadata& at : {merged, AppendTo(io_, merged, {FileOfDay("c", 3)}, "later").ValueOrDie()}) {
      for (const ScanTask& task : PlanScan(io_, at, *at.current_snapshot_id, std::nullopt).ValueOrDie()) {
        if (task.file.file_path != FileOfDay("a2", 1).file_path) continue;
        EXPECT_EQ(task.sequence_number, base.CurrentSnapshot()->sequence_number);
      }
    }
  }
}

TEST_F(OverwriteTest, RefusesWhatMakesNoSense) {
  const TableMetadata base = TableOf({"a"});
  SnapshotRequest both = Replacing(base, {FileOfDay("a", 1)}, {FileOfDay("a", 1)}, "over");
  EXPECT_EQ(KindOf(Commit(io_, base, both).status()), ErrorKind::kFailed);
  SnapshotRequest unplanned = Replacing(base, {FileOfDay("a", 1)}, {}, "over");
  unplanned.planned_snapshot_id = std::nullopt;
  EXPECT_EQ(KindOf(Commit(io_, base, unplanned).status()), ErrorKind::kFailed);
  EXPECT_EQ(KindOf(Commit(io_, base, Replacing(base, {DeletesOfDay("d", 1)}, {}, "over")).status()),
            ErrorKind::kFailed);
  TableMetadata unknown = base;
  unknown.partition_specs[0].fields[0].transform = iceberg::ParseTransform("fortnight");
  const auto refused = Commit(io_, unknown, Replacing(base, {FileOfDay("a", 1)}, {}, "over"));
  EXPECT_EQ(KindOf(refused.status()), ErrorKind::kUnsupported) << refused.status().ToString();
}

// Writers that plan on any snapshot of late and commit on the newest: each is in as a whole or refused, and the table
// is what those that are in make of it.
TEST_F(OverwriteTest, RacingWritersMakeATableThatAModelAgreesWith) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto up_to = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n)(random); };
    TableMetadata table = TableOf({}, {{"commit.manifest.min-count-to-merge", std::to_string(2 + up_to(5))}});
    std::map<std::string, DataFile> model;
    std::vector<std::pair<TableMetadata, std::map<std::string, DataFile>>> past;
    int conflicts = 0;
    for (int step = 0; step < 40; ++step) {
      const auto& [planned, seen] =
          past.empty() ? std::pair(table, model) : past[past.size() - 1 - up_to(std::min<size_t>(2, past.size() - 1))];
      std::vector<DataFile> added, removed;
      for (size_t i = 0; i < up_to(3); ++i) {
        added.push_back(FileOfDay(fmt::format("{}-{}-{}", seed, step, i), static_cast<int>(up_to(3))));
      }
      for (const auto& [path, file] : seen) {
        if (up_to(5) == 0) removed.push_back(file);
      }
      const bool possible = std::all_of(removed.begin(), removed.end(),
                                        [&](const DataFile& file) { return model.contains(file.file_path); });
      SnapshotProducer producer(io_, Replacing(planned, removed, added, fmt::format("c-{}-{}", seed, step)));
      const auto first = producer.Prepare(planned, 1);
      const auto prepared = producer.Prepare(table, 2);
      ASSERT_EQ(prepared.ok(), possible) << prepared.status().ToString();
      if (!possible) {
        EXPECT_EQ(KindOf(prepared.status()), ErrorKind::kConflict);
        ASSERT_TRUE(producer.DeleteUnused(nullptr).ok());
        ++conflicts;
        continue;
      }
      table = Apply(table, *prepared).ValueOrDie();
      ASSERT_TRUE(producer.DeleteUnused(&*prepared).ok());
      for (const DataFile& file : removed) model.erase(file.file_path);
      for (const DataFile& file : added) model.emplace(file.file_path, file);
      past.emplace_back(table, model);
      std::set<std::string> live;
      for (const DataFile& file : ListDataFiles(io_, table, *table.current_snapshot_id).ValueOrDie()) {
        EXPECT_TRUE(live.insert(file.file_path).second);
      }
      std::set<std::string> expected;
      for (const auto& [path, file] : model) expected.insert(path);
      ASSERT_EQ(live, expected) << step;
      EXPECT_EQ(Total(table, "total-data-files"), std::to_string(model.size()));
      EXPECT_EQ(Total(table, "total-records"), std::to_string(10 * model.size()));
    }
    EXPECT_GT(conflicts, 0);
  }
}

}  // namespace
}  // namespace calve::table
