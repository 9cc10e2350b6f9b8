#include "calve/maintain/rewrite_manifests.h"

#include <gtest/gtest.h>

#include "calve/maintain/testing_maintained_table.h"

namespace calve::maintain {
namespace {

using catalog::CommitFault;

Result<ManifestReport> Rewrite(MaintainedTable& table, bool dry_run = false) {
  return RewriteManifests(*table.catalog, *table.file_io, table.clock, table.stop, table.ident, dry_run, NoSleep);
}

std::vector<iceberg::ManifestFile> ManifestsOf(MaintainedTable& table) {
  const auto metadata = table.Metadata();
  return table::ReadManifests(*table.file_io, metadata, *metadata.CurrentSnapshot()).ValueOrDie();
}

// What readers go by: path, snapshot, both sequence numbers.
std::set<std::string> EntriesOf(MaintainedTable& table) {
  std::set<std::string> entries;
  const auto metadata = table.Metadata();
  for (const auto& manifest : ManifestsOf(table)) {
    for (const auto& entry : table::ReadEntries(*table.file_io, metadata, manifest).ValueOrDie()) {
      if (entry.status == iceberg::EntryStatus::kDeleted) continue;
      entries.insert(fmt::format("{} {} {} {}", entry.data_file.file_path, *entry.snapshot_id, *entry.sequence_number,
                                 *entry.file_sequence_number));
    }
  }
  return entries;
}

TEST(RewriteManifests, SmallOnesBecomeOneAndEntriesStayAsTheyWere) {
  MaintainedTable table;
  for (int i = 0; i < 6; ++i) table.Commit({table.File("a" + std::to_string(i), 10 - i)});
  const auto before = table.Metadata();
  const auto entries = EntriesOf(table);
  EXPECT_EQ(Rewrite(table, /*dry_run=*/true)->rewritten, 6);
  EXPECT_EQ(table.Metadata().snapshots.size(), 6u);
  const auto report = Rewrite(table);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->rewritten, 6);
  EXPECT_EQ(report->written, 1);
  const auto manifests = ManifestsOf(table);
  ASSERT_EQ(manifests.size(), 1u);
  EXPECT_EQ(manifests[0].existing_files_count, 6);
  EXPECT_EQ(manifests[0].added_files_count, 0);
  EXPECT_EQ(manifests[0].min_sequence_number, 1);
  EXPECT_EQ(EntriesOf(table), entries);
  const auto after = table.Metadata();
  const auto& summary = after.CurrentSnapshot()->summary;
  EXPECT_EQ(summary.at("operation"), "replace");
  EXPECT_EQ(summary.at("calve.kind"), "rewrite-manifests");
  EXPECT_FALSE(summary.contains("calve.window-to"));
  for (const char* total : {"total-data-files", "total-records", "total-files-size"}) {
    EXPECT_EQ(summary.at(total), before.CurrentSnapshot()->summary.at(total));
  }
  // Entries are in the order of their partitions.
  const auto read = table::ReadEntries(*table.file_io, after, manifests[0]).ValueOrDie();
  EXPECT_EQ(read.front().data_file.partition.front(), iceberg::Literal(int32_t{5}));
  EXPECT_EQ(Rewrite(table)->rewritten, 0) << "not worth it any more";
}

TEST(RewriteManifests, WhatOthersCommitMeanwhileIsTakenAlong) {
  MaintainedTable table;
  for (int i = 0; i < 6; ++i) table.Commit({table.File("a" + std::to_string(i), i)});
  FaultyTable faulty(table);
  faulty.catalog.before_commit = [&] { table.Commit({table.File("late", 9)}, {table.File("a0", 0)}); };
  const auto report =
      RewriteManifests(faulty.catalog, faulty.file_io, table.clock, table.stop, table.ident, false, NoSleep);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(table.LiveNames(), (std::set<std::string>{"a1", "a2", "a3", "a4", "a5", "late"}));
  EXPECT_EQ(ManifestsOf(table).size(), 1u);
  EXPECT_EQ(table.Metadata().CurrentSnapshot()->summary.at("total-records"), "60");
}

TEST(RewriteManifests, WhateverCallGoesWrongTheTableReadsTheSame) {
  for (const auto action : {storage::FaultAction::kFailBefore, storage::FaultAction::kFailAfter}) {
    int hits = 0;
    for (int skip = 0;; ++skip) {
      MaintainedTable table;
      for (int i = 0; i < 5; ++i) table.Commit({table.File("a" + std::to_string(i), i)});
      const auto entries = EntriesOf(table);
      FaultyTable faulty(table);
      faulty.faults.Inject({std::nullopt, action, "", skip});
      const auto report =
          RewriteManifests(faulty.catalog, faulty.file_io, table.clock, table.stop, table.ident, false, NoSleep);
      table.Referenced();
      ASSERT_EQ(EntriesOf(table), entries);
      ASSERT_TRUE(Rewrite(table).ok());
      ASSERT_EQ(EntriesOf(table), entries);
      ASSERT_EQ(ManifestsOf(table).size(), 1u);
      if (faulty.faults.HitCount() == 0) break;
      ++hits;
    }
    EXPECT_GT(hits, 8);
  }
}

TEST(RewriteManifests, ALateEffectLandsOnceOrNotAtAll) {
  for (const auto fault : {CommitFault::kLateEffect, CommitFault::kLostAnswer, CommitFault::kConflict}) {
    MaintainedTable table;
    for (int i = 0; i < 6; ++i) table.Commit({table.File("a" + std::to_string(i), i)});
    const auto entries = EntriesOf(table);
    FaultyTable faulty(table);
    faulty.catalog.faults = {fault};
    const auto report =
        RewriteManifests(faulty.catalog, faulty.file_io, table.clock, table.stop, table.ident, false, NoSleep);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_EQ(table.Metadata().snapshots.size(), 7u);
    EXPECT_EQ(EntriesOf(table), entries);
    EXPECT_EQ(table.Files(), table.Referenced());
  }
}

}  // namespace
}  // namespace calve::maintain
