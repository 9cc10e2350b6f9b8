#include "calve/maintain/expire_snapshots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "calve/maintain/testing_maintained_table.h"
#include "calve/storage/testing_child_process.h"

namespace calve::maintain {
namespace {

using catalog::CommitFault;
using storage::FaultAction;
using testing::HasSubstr;
using Properties = std::map<std::string, std::string>;

// All but what the count keeps: snapshots of the test are milliseconds old.
ExpiryRequest AllBut(const MaintainedTable& table, int64_t count) { return {table.ident, -1, count}; }

Result<ExpiryReport> Expire(MaintainedTable& table, int64_t keep) {
  return ExpireSnapshots(*table.catalog, *table.file_io, table.clock, table.stop, AllBut(table, keep), NoSleep);
}

// Ages of milliseconds: the snapshots of the table are made older than that.
void Wait() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

TEST(ExpireSnapshots, WhatOnlyExpiredSnapshotsReferToGoes) {
  MaintainedTable table(Properties{{"history.expire.max-snapshot-age-ms", "0"}});
  table.Fill(4);  // five snapshots; the first is tagged
  Wait();
  ExpiryRequest request{table.ident};
  request.dry_run = true;
  const auto before = table.Files();
  const auto dry = ExpireSnapshots(*table.catalog, *table.file_io, table.clock, table.stop, request, NoSleep);
  ASSERT_TRUE(dry.ok()) << dry.status().ToString();
  EXPECT_EQ(dry->plan.expired.size(), 3u);
  EXPECT_EQ(table.Files(), before);
  EXPECT_EQ(table.Metadata().snapshots.size(), 5u);
  request.dry_run = false;
  const auto report = ExpireSnapshots(*table.catalog, *table.file_io, table.clock, table.stop, request, NoSleep);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->snapshots_before, 5);
  EXPECT_EQ(report->files_deleted, static_cast<int64_t>(dry->files.size()));
  EXPECT_EQ(table.Metadata().snapshots.size(), 2u);
  EXPECT_EQ(table.Files(), table.Referenced()) << "nothing missing, nothing left";
  EXPECT_TRUE(table.Metadata().refs.contains("one"));
  EXPECT_THAT(table.LiveNames(), testing::ElementsAre("a1", "a2", "a3", "b0"));
  // Without its tag the first snapshot goes, and with it the file that was replaced.
  table.Update({iceberg::RemoveSnapshotRef{"one"}});
  const auto again = Expire(table, 1);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(std::count_if(again->files.begin(), again->files.end(),
                          [](const auto& file) { return file.role == FileRole::kData; }),
            1);
  EXPECT_EQ(table.Files(), table.Referenced());
  EXPECT_FALSE(*table.file_io->Exists(table.Metadata().location + "/data/a0"));
  EXPECT_TRUE(Expire(table, 1)->plan.empty());
}

TEST(ExpireSnapshots, StatisticsGoWithTheirSnapshots) {
  MaintainedTable table;
  table.Fill(2);
  iceberg::TableMetadata metadata = table.Metadata();
  const auto path = [&](const char* name) { return metadata.location + "/metadata/" + name; };
  metadata.extra_json = fmt::format(
      R"({{"statistics": [{{"snapshot-id": {0}, "statistics-path": "{2}"}}, {{"snapshot-id": {1}, "statistics-path": "{3}"}}],
          "partition-statistics": [{{"snapshot-id": {0}, "statistics-path": "{4}"}}]}})",
      metadata.snapshots[1].snapshot_id, metadata.snapshots[2].snapshot_id, path("a.puffin"), path("b.puffin"),
      path("c.parquet"));
  ExpiredFiles files(*table.file_io, table.stop);
  ASSERT_TRUE(files.Find(metadata, {metadata.snapshots[1].snapshot_id}).ok());
  std::set<std::string> statistics;
  for (const ExpiredFile& file : files.InOrder()) {
    if (file.role == FileRole::kStatistics) statistics.insert(file.location);
  }
  EXPECT_THAT(statistics, testing::ElementsAre(path("a.puffin"), path("c.parquet")));
}

TEST(ExpireSnapshots, RefusesTablesWhoseFilesMayBeOthersAndVersionThree) {
  MaintainedTable table;
  table.Fill(2);
  table.Update({iceberg::SetProperties{{{"gc.enabled", "false"}}}});
  EXPECT_EQ(KindOf(Expire(table, 1).status()), ErrorKind::kConfig);
  EXPECT_EQ(table.Metadata().snapshots.size(), 3u);
}

// A snapshot that stays and cannot be read may need any file. One that goes and is not there needs none.
TEST(ExpireSnapshots, WhatCannotBeRead) {
  MaintainedTable table;
  table.Fill(3);
  Wait();
  const iceberg::TableMetadata metadata = table.Metadata();
  const std::string kept = metadata.CurrentSnapshot()->manifest_list;
  const std::string bytes = *table.file_io->Read(kept);
  ASSERT_TRUE(table.file_io->Replace(kept, bytes.substr(0, 40)).ok());
  const auto before = table.Files();
  EXPECT_EQ(KindOf(Expire(table, 1).status()), ErrorKind::kCorrupt);
  EXPECT_EQ(table.Metadata().snapshots.size(), 4u);
  EXPECT_EQ(table.Files(), before);
  ASSERT_TRUE(table.file_io->Replace(kept, bytes).ok());
  ASSERT_TRUE(table.file_io->Delete(metadata.snapshots[1].manifest_list).ok());
  const auto report = Expire(table, 1);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  ASSERT_EQ(report->notes.size(), 1u);
  EXPECT_THAT(report->notes[0], HasSubstr("orphan removal"));
  table.Referenced();
}

// Between planning and committing others put a tag on a snapshot that was to go, roll main back to one, and commit.
TEST(ExpireSnapshots, WhatOthersDoMeanwhileIsPlannedAnew) {
  for (const char* what : {"tag", "rollback", "commit", "staged"}) {
    MaintainedTable table;
    table.Fill(4);
    Wait();
    FaultyTable faulty(table);
    const int64_t second = table.Metadata().snapshots[1].snapshot_id;
    faulty.catalog.before_commit = [&, what = std::string(what)] {
      if (what == "tag") table.Update({iceberg::SetSnapshotRef{"mine", {.snapshot_id = second, .is_branch = false}}});
      if (what == "rollback") table.Update({iceberg::SetSnapshotRef{"main", {.snapshot_id = second}}});
      if (what == "commit") table.Commit({table.File("late", 9)});
      if (what == "staged") {
        const iceberg::TableMetadata base = table.Metadata();
        table::SnapshotProducer producer(*table.file_io, {{table.File("staged", 9)}, {}, {}, "staged"});
        table.Update({producer.Prepare(base, table.clock.Now() / 1000)->updates.front()});
      }
    };
    const auto report =
        ExpireSnapshots(faulty.catalog, faulty.file_io, table.clock, table.stop, AllBut(table, 1), NoSleep);
    ASSERT_TRUE(report.ok()) << what << ": " << report.status().ToString();
    const iceberg::TableMetadata after = table.Metadata();
    EXPECT_EQ(after.FindSnapshot(second) != nullptr, what == std::string("tag") || what == std::string("rollback"));
    EXPECT_EQ(table.Files(), table.Referenced()) << what;
  }
}

TEST(ExpireSnapshots, AnUnknownOutcomeDeletesNothingUntilItIsKnown) {
  for (const CommitFault fault : {CommitFault::kLostRequest, CommitFault::kHeldEffect, CommitFault::kLostAnswer}) {
    MaintainedTable table;
    table.Fill(3);
    Wait();
    const auto before = table.Files();
    FaultyTable faulty(table);
    faulty.catalog.faults = {fault};
    const auto report =
        ExpireSnapshots(faulty.catalog, faulty.file_io, table.clock, table.stop, AllBut(table, 1), NoSleep);
    if (fault == CommitFault::kLostAnswer) {
      ASSERT_TRUE(report.ok()) << report.status().ToString();
      EXPECT_GT(report->files_deleted, 0);
      EXPECT_EQ(table.Files(), table.Referenced());
      continue;
    }
    EXPECT_EQ(KindOf(report.status()), ErrorKind::kUnknownOutcome);
    EXPECT_EQ(table.Files(), before);
    if (faulty.catalog.held) {
      EXPECT_TRUE(faulty.catalog.held->ArriveAt(*table.catalog).ok());
    }
    table.Referenced();
    ASSERT_TRUE(Expire(table, 1).ok());
    table.Referenced();
    EXPECT_EQ(table.Metadata().snapshots.size(), 2u);
  }
}

// Each call in turn fails, loses its answer, or is the last one of the process: the table reads whole, and the next run
// ends what is to end.
TEST(ExpireSnapshots, WhateverCallGoesWrongTheTableReadsWhole) {
  for (const FaultAction action :
       {FaultAction::kFailBefore, FaultAction::kFailAfter, FaultAction::kDieBefore, FaultAction::kDieAfter}) {
    const bool dies = action == FaultAction::kDieBefore || action == FaultAction::kDieAfter;
    int hits = 0;
    for (int skip = 0;; skip += dies ? 2 : 1) {
      MaintainedTable table(Properties{{"history.expire.max-snapshot-age-ms", "0"}});
      table.Fill(3);
      Wait();
      const auto live = table.LiveNames();
      const auto run = [&] {
        FaultyTable faulty(table);
        faulty.faults.Inject({std::nullopt, action, "", skip});
        const auto report =
            ExpireSnapshots(faulty.catalog, faulty.file_io, table.clock, table.stop, {table.ident}, NoSleep);
        return faulty.faults.HitCount() > 0 ? storage::kDiedByFault : report.ok() ? 0 : 1;
      };
      const int ended = dies ? storage::WaitForChild(storage::StartChild(run)) : run();
      ASSERT_EQ(table.LiveNames(), live);
      const auto referenced = table.Referenced();
      const auto files = table.Files();
      EXPECT_TRUE(std::includes(files.begin(), files.end(), referenced.begin(), referenced.end()));
      const auto again =
          ExpireSnapshots(*table.catalog, *table.file_io, table.clock, table.stop, {table.ident}, NoSleep);
      ASSERT_TRUE(again.ok()) << again.status().ToString();
      ASSERT_EQ(table.Metadata().snapshots.size(), 2u);
      table.Referenced();
      if (ended == 0) break;
      ASSERT_EQ(ended, storage::kDiedByFault);
      ++hits;
    }
    EXPECT_GT(hits, 10);
  }
}

// Appends, replacements, branches, tags and roll-backs in any order: after each expiry there is what the snapshots that
// are left refer to, and nothing else.
TEST(ExpireSnapshots, RandomTablesKeepWhatTheyNeed) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    std::mt19937_64 random(seed);
    const auto below = [&](uint64_t bound) { return random() % bound; };
    MaintainedTable table(Properties{{"commit.manifest.min-count-to-merge", below(2) == 0 ? "3" : "100"}});
    std::vector<iceberg::DataFile> live;
    int names = 0;
    for (int step = 0; step < 24; ++step) {
      const iceberg::TableMetadata metadata = table.Metadata();
      switch (metadata.snapshots.size() < 2 ? 9 : below(10)) {
        case 0:
          table.Update({iceberg::SetSnapshotRef{
              "tag",
              {.snapshot_id = metadata.snapshots[below(metadata.snapshots.size())].snapshot_id, .is_branch = false}}});
          break;
        case 1:
          table.Update({iceberg::SetSnapshotRef{"branch",
                                                {.snapshot_id = *metadata.current_snapshot_id,
                                                 .min_snapshots_to_keep = 1 + static_cast<int64_t>(below(3))}}});
          break;
        case 2: {
          const iceberg::Snapshot* parent = metadata.ParentOf(*metadata.CurrentSnapshot());
          if (parent != nullptr) table.Update({iceberg::SetSnapshotRef{"main", {.snapshot_id = parent->snapshot_id}}});
          break;
        }
        case 3:
        case 4: {
          Wait();
          const auto before = table.LiveNames();
          const auto report = Expire(table, 1 + static_cast<int64_t>(below(4)));
          ASSERT_TRUE(report.ok()) << seed << ": " << report.status().ToString();
          ASSERT_EQ(table.Files(), table.Referenced()) << seed << ", step " << step;
          ASSERT_EQ(table.LiveNames(), before);
          break;
        }
        case 5:
        case 6: {
          const auto files = table::ListDataFiles(*table.file_io, metadata, *metadata.current_snapshot_id).ValueOrDie();
          if (files.empty()) break;
          table.Commit({table.File("r" + std::to_string(names++), static_cast<int>(below(3)))},
                       {files[below(files.size())]});
          break;
        }
        default:
          table.Commit({table.File("a" + std::to_string(names++), static_cast<int>(below(3)))});
      }
    }
  }
}

}  // namespace
}  // namespace calve::maintain
