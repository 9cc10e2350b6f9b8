// Whole cycles of OffloadTable where something else happens in between.
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

  storage::TempDir dir_;
  OffloadPlace place_;
  int64_t last_ = 0;
};

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

INSTANTIATE_TEST_SUITE_P(All, OffloadCycle, ::testing::Values(CatalogKind::kHadoop, CatalogKind::kSql),
                         [](const auto& param) { return std::string(NameOf(param.param)); });

}  // namespace
}  // namespace calve::offload
