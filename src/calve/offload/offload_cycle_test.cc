// Whole cycles of OffloadTable where something else happens in between.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "calve/offload/testing_offload_place.h"

namespace calve::offload {
namespace {

using catalog::CommitFault;
using storage::FaultList;

constexpr TimestampMicros kNoon = 1'723'204'800'000'000;

class OffloadCycle : public ::testing::TestWithParam<CatalogKind> {
 protected:
  OffloadCycle() : place_(GetParam(), dir_.path() + "/w") { std::filesystem::create_directories(place_.folder); }

  // One more row; the clock stands at it.
  void Row() {
    ++last_;
    place_.source.Insert({kNoon + last_, last_, "a"});
    place_.source.SetNow(kNoon + last_);
  }
  Result<OffloadResult> Cycle() {
    FaultList none;
    return OffloadProcess(place_, none).Run();
  }
  void MoveMainTo(int64_t snapshot_id) {
    std::vector<iceberg::TableUpdate> updates = {iceberg::SetSnapshotRef{"main", {snapshot_id, true, {}, {}, {}}}};
    ASSERT_TRUE(place_.OpenCatalog()->CommitTable(place_.request.target, {}, updates).ok());
  }

  TempDir dir_;
  OffloadPlace place_;
  int64_t last_ = 0;
};

TEST_P(OffloadCycle, ATableThatWasMadeWithoutAnAnswerIsPlannedUpon) {
  const std::string call = "create-table " + place_.request.target.ToString();
  for (int skip = 0; skip < 10; ++skip) {
    TempDir dir;
    OffloadPlace place(GetParam(), dir.path());
    place.request.lease_micros = 0;
    place.source.Insert({kNoon, 1, "a"});
    place.source.SetNow(kNoon);
    FaultList faults;
    faults.Inject({std::nullopt,
                   storage::FaultAction::kFailAfter,
                   place.request.target.ToString(),
                   skip,
                   1,
                   {},
                   /*files=*/false});
    const auto done = OffloadProcess(place, faults).Run();
    if (faults.LastHit() != call) continue;
    EXPECT_EQ(done.ValueOrDie().rows, 1);
    return;
  }
  FAIL() << "no table was made";
}

// The snapshot is off main, and still names its files: whoever rolls forward again must find them.
TEST_P(OffloadCycle, ARollbackOverALostAnswerLeavesTheDataFiles) {
  Row();
  int64_t before = *Cycle().ValueOrDie().snapshot_id;
  Row();
  FaultList none;
  OffloadProcess process(place_, none);
  process.catalog().faults = {CommitFault::kLostAnswer};
  process.catalog().after_commit = [&] { MoveMainTo(before); };
  Status said = process.Run().status();
  EXPECT_EQ(KindOf(said), ErrorKind::kFailed) << said.ToString();
  catalog::LoadedTable table = place_.Load();
  ASSERT_EQ(table.metadata.snapshots.size(), 2u);
  MoveMainTo(table.metadata.snapshots[1].snapshot_id);
  EXPECT_EQ(ReadColdRows(place_.file_io, place_.Load().metadata).size(), 2u);
}

// Rolled back to rows of another engine's, from before calve's first window: the journal still tells of a watermark,
// and must not be believed.
TEST_P(OffloadCycle, AMainFromBeforeCalvesFirstWindowIsNotAdoptedFromTheJournal) {
  Row();
  place_.request.until = kNoon;
  Cycle().ValueOrDie();  // a window without rows
  int64_t first = *place_.Load().metadata.current_snapshot_id;
  place_.request.until.reset();
  iceberg::Snapshot engine = place_.Load().metadata.snapshots[0];
  engine.snapshot_id = 4711;
  engine.parent_snapshot_id.reset();
  engine.sequence_number = 2;
  engine.summary = {{"operation", "append"}, {"total-records", "5"}};
  std::vector<iceberg::TableUpdate> updates = {iceberg::AddSnapshot{engine}};
  ASSERT_TRUE(place_.OpenCatalog()->CommitTable(place_.request.target, {}, updates).ok());
  Cycle().ValueOrDie();  // the mirror is written with it
  MoveMainTo(4711);
  auto told = Cycle();
  EXPECT_EQ(KindOf(told.status()), ErrorKind::kConfig) << told.status().ToString();
  MoveMainTo(first);
  EXPECT_EQ(Cycle().ValueOrDie().rows, 1);
}

// A warehouse that is not mounted looks like one in which nothing was made yet.
TEST_P(OffloadCycle, ATableThatIsGoneIsMadeAnewAndTold) {
  const auto told = [&] {
    return testing::Contains(testing::HasSubstr("is not there and is made anew, though a run into it succeeded at"));
  };
  Row();
  EXPECT_THAT(Cycle().ValueOrDie().notes, testing::Not(told())) << "the first time";
  ASSERT_TRUE(place_.OpenCatalog()->DropTable(place_.request.target).ok());
  auto again = Cycle().ValueOrDie();
  EXPECT_EQ(again.rows, 1);
  EXPECT_THAT(again.notes, told());
  Row();
  EXPECT_THAT(Cycle().ValueOrDie().notes, testing::Not(told()));
}

// What the journal knows to be in cold was true when the cycle began.
TEST_P(OffloadCycle, ARollbackInACycleBringsLateRowsBackInTheNext) {
  constexpr int64_t kHour = 3600 * kMicrosPerSecond;
  place_.request.lookback_micros = 4 * kHour;
  Row();
  Cycle().ValueOrDie();
  const int64_t first = *place_.Load().metadata.current_snapshot_id;
  place_.source.Insert({kNoon - 2 * kHour, 100, "late"});
  EXPECT_EQ(Cycle().ValueOrDie().late.rows, 1);
  place_.source.Insert({kNoon, 101, "late"});
  Row();
  place_.source.before_rows = [&] { MoveMainTo(first); };
  Cycle().ValueOrDie();
  Cycle().ValueOrDie();
  EXPECT_EQ(ReadColdRows(place_.file_io, place_.Load().metadata).size(), 4u);
}

// All that is left then are another engine's snapshot and the property, which tells of late rows that main does not
// hold.
TEST_P(OffloadCycle, ARollbackOfLateRowsIsNoticedAfterAnExpiry) {
  constexpr int64_t kHour = 3600 * kMicrosPerSecond;
  place_.request.lookback_micros = 4 * kHour;
  Row();
  Cycle().ValueOrDie();
  const int64_t first = *place_.Load().metadata.current_snapshot_id;
  place_.source.Insert({kNoon - 2 * kHour, 100, "late"});
  EXPECT_EQ(Cycle().ValueOrDie().late.rows, 1);
  MoveMainTo(first);
  iceberg::Snapshot engine = *place_.Load().metadata.CurrentSnapshot();
  engine.snapshot_id = 4711;
  engine.parent_snapshot_id = first;
  engine.sequence_number = place_.Load().metadata.last_sequence_number + 1;
  engine.summary = {{"operation", "replace"}};
  std::vector<iceberg::TableUpdate> updates = {iceberg::AddSnapshot{engine}};
  ASSERT_TRUE(place_.OpenCatalog()->CommitTable(place_.request.target, {}, updates).ok());
  MoveMainTo(4711);
  updates.clear();
  iceberg::RemoveSnapshots expired;
  for (const auto& snapshot : place_.Load().metadata.snapshots) {
    if (snapshot.snapshot_id != 4711) expired.snapshot_ids.push_back(snapshot.snapshot_id);
  }
  for (const auto& [name, ref] : place_.Load().metadata.refs) {
    if (name != "main") updates.push_back(iceberg::RemoveSnapshotRef{name});
  }
  updates.push_back(expired);
  ASSERT_TRUE(place_.OpenCatalog()->CommitTable(place_.request.target, {}, updates).ok());
  EXPECT_EQ(Cycle().ValueOrDie().late.rows, 1);
}

// The table is changed by a commit of its own, before the window's: what it returns is not what was planned on.
TEST_P(OffloadCycle, ARollbackBeforeANewColumnIsAdded) {
  Row();
  Cycle().ValueOrDie();
  const int64_t first = *place_.Load().metadata.current_snapshot_id;
  Row();
  Cycle().ValueOrDie();
  Row();
  place_.source.AddColumn();
  FaultList none;
  OffloadProcess process(place_, none);
  process.catalog().before_commit = [&] { MoveMainTo(first); };
  EXPECT_EQ(process.Run().ValueOrDie().rows, 2);
  EXPECT_EQ(ReadColdRows(place_.file_io, place_.Load().metadata).size(), 3u);
}

TEST_P(OffloadCycle, AnotherCalvesWindowBeforeANewColumnIsAdded) {
  Row();
  Cycle().ValueOrDie();
  Row();
  place_.source.AddColumn();
  place_.request.lease_micros = 0;
  FaultList none;
  OffloadProcess process(place_, none);
  process.catalog().before_commit = [&] {
    place_.request.columns.new_columns = NewColumns::kIgnore;
    EXPECT_EQ(Cycle().ValueOrDie().rows, 1);
    place_.request.columns.new_columns = NewColumns::kAdd;
  };
  EXPECT_EQ(process.Run().ValueOrDie().rows, 0);
  EXPECT_EQ(ReadColdRows(place_.file_io, place_.Load().metadata).size(), 2u);
}

// Five hours of two rows each, and a chunk takes five: three commits whose windows join.
class ChunkedLoad : public OffloadCycle {
 protected:
  ChunkedLoad() {
    for (int64_t i = 0; i < 10; ++i) place_.source.Insert({kNoon + i / 2 * kHour + i, i, "a"});
    place_.source.SetNow(kNoon + 6 * kHour);
    place_.request.chunk.rows = 5;
  }
  std::vector<std::string> Windows() {
    std::vector<std::string> out;
    for (const iceberg::Snapshot& snapshot : place_.Load().metadata.snapshots) {
      const auto from = snapshot.summary.find("calve.window-from");
      out.push_back(fmt::format("{} {} {}", from == snapshot.summary.end() ? "" : from->second,
                                snapshot.summary.at("calve.window-to"), snapshot.summary.at("calve.rows")));
    }
    return out;
  }
  static constexpr int64_t kHour = 3600 * kMicrosPerSecond;
  const std::vector<std::string> whole_ = {" 2024-08-09T13:59:59.999999Z 4",
                                           "2024-08-09T13:59:59.999999Z 2024-08-09T15:59:59.999999Z 4",
                                           "2024-08-09T15:59:59.999999Z 2024-08-09T18:00:00.000000Z 2"};
};

TEST_P(ChunkedLoad, CommitsEachChunk) {
  const OffloadResult result = Cycle().ValueOrDie();
  EXPECT_EQ(result.chunks, 3);
  EXPECT_EQ(result.rows, 10);
  EXPECT_EQ(result.rows_expected, 10);
  EXPECT_EQ(result.window, (Window{std::nullopt, place_.source.now()}));
  EXPECT_EQ(result.watermark, place_.source.now());
  EXPECT_EQ(result.snapshot_id, place_.Load().metadata.current_snapshot_id);
  EXPECT_EQ(Windows(), whole_);
  EXPECT_EQ(ReadColdRows(place_.file_io, place_.Load().metadata).size(), 10u);
  EXPECT_EQ(Cycle().ValueOrDie().chunks, 1);
}

TEST_P(ChunkedLoad, WhatIsInStaysInAndIsNotReadAgain) {
  FaultList none;
  OffloadProcess process(place_, none);
  process.catalog().faults = {CommitFault::kNone, CommitFault::kFailed};
  Status failed = process.Run().status();
  EXPECT_THAT(MessageOf(failed), ::testing::HasSubstr("1 of 3 chunks are in, up to 2024-08-09T13:59:59.999999Z"));
  const OffloadResult rest = Cycle().ValueOrDie();
  EXPECT_EQ(rest.window.from, kNoon + 2 * kHour - 1);
  EXPECT_EQ(rest.rows, 6);
  EXPECT_EQ(Windows(), whole_);
}

// Of the whole load, not of the chunk at hand: the time left is told from it.
TEST_P(ChunkedLoad, ItsProgressGoesOn) {
  FaultList none;
  OffloadProcess process(place_, none);
  const OffloadResult result = process.Run().ValueOrDie();
  Progress before;
  std::vector<int64_t> committing;
  std::vector<TimestampMicros> watermarks;
  for (const Progress& now : process.told) {
    EXPECT_GE(now.rows, before.rows);
    EXPECT_GE(now.seconds, before.seconds);
    EXPECT_GE(now.bytes_written, before.bytes_written);
    EXPECT_TRUE(now.phase != "reading" || now.rows_expected == 10) << now.rows_expected;
    if (now.phase == "committing") committing.push_back(now.rows);
    EXPECT_EQ(now.watermark.has_value(), now.phase == "committed");
    if (now.watermark) watermarks.push_back(*now.watermark);
    before = now;
  }
  EXPECT_THAT(committing, ::testing::ElementsAre(4, 8, 10));
  EXPECT_EQ(before.bytes_written, result.bytes);
  EXPECT_THAT(watermarks, ::testing::ElementsAre(kNoon + 2 * kHour - 1, kNoon + 4 * kHour - 1, kNoon + 6 * kHour));
}

TEST_P(ChunkedLoad, ADryRunTellsHowMany) {
  place_.request.dry_run = true;
  const OffloadResult result = Cycle().ValueOrDie();
  EXPECT_EQ(result.chunks, 3);
  EXPECT_EQ(result.window, (Window{std::nullopt, place_.source.now()}));
  EXPECT_FALSE(place_.Exists());
}

// Another calve that was faster with a chunk: nothing twice.
TEST_P(ChunkedLoad, BesideAnotherCalve) {
  place_.request.lease_micros = 0;
  place_.source.before_rows = [&] { Cycle().ValueOrDie(); };
  Cycle().ValueOrDie();
  EXPECT_EQ(Windows(), whole_);
  EXPECT_EQ(ReadColdRows(place_.file_io, place_.Load().metadata).size(), 10u);
}

INSTANTIATE_TEST_SUITE_P(All, ChunkedLoad,
                         ::testing::Values(CatalogKind::kHadoop, CatalogKind::kSql, CatalogKind::kRest),
                         [](const auto& param) { return std::string(NameOf(param.param)); });
INSTANTIATE_TEST_SUITE_P(All, OffloadCycle,
                         ::testing::Values(CatalogKind::kHadoop, CatalogKind::kSql, CatalogKind::kRest),
                         [](const auto& param) { return std::string(NameOf(param.param)); });

}  // namespace
}  // namespace calve::offload
