#include "calve/offload/watermark.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "calve/offload/commit_decision.h"
#include "calve/offload/testing_tables.h"

namespace calve::offload {
namespace {

constexpr TimestampMicros kWatermarkNoon = 1'723'204'800'000'000;  // 2024-08-09T12:00:00Z

CommitStamp Stamp(TimestampMicros to, const std::string& id) {
  CommitStamp stamp;
  stamp.source = "server/k2.trades/table";
  stamp.window_to = to;
  stamp.rows = 3;
  stamp.commit_id = id;
  return stamp;
}

// A table with calve snapshots 1 (noon) and 2 (noon + 1 s), as calve leaves it.
iceberg::TableMetadata TwoCommits() {
  auto metadata = MakeMetadata({Field(1, "ts", true, iceberg::Type::Of(iceberg::TypeId::kTimestampTz))});
  for (int64_t i : {1, 2}) {
    CommitStamp stamp = Stamp(kWatermarkNoon + (i - 1) * kMicrosPerSecond, "commit-" + std::to_string(i));
    const auto& snapshot = AddSnapshotOnMain(metadata, i, StampSummary(stamp));
    metadata.properties[kWatermarkProperty] = StampProperty(stamp, i, snapshot.sequence_number);
  }
  return metadata;
}

void RemoveSnapshot(iceberg::TableMetadata& metadata, int64_t id) {
  metadata.snapshots.RemoveIf([&](const auto& s) { return s.snapshot_id == id; });
}

TEST(Watermark, OfANewTableIsNone) {
  auto metadata = MakeMetadata({});
  EXPECT_FALSE(*ReadWatermark(metadata));
  AddSnapshotOnMain(metadata, 7, {{"spark.app.id", "x"}});
  EXPECT_FALSE(*ReadWatermark(metadata));
}

TEST(Watermark, StampSurvivesTheRoundTrip) {
  auto metadata = MakeMetadata({});
  CommitStamp stamp = Stamp(kWatermarkNoon, "id");
  stamp.window_from = kWatermarkNoon - 1;
  stamp.max_sequence = -5;
  AddSnapshotOnMain(metadata, 1, StampSummary(stamp));
  CommitStamp read = (*ReadWatermark(metadata))->stamp;
  EXPECT_EQ(read.window_from, stamp.window_from);
  EXPECT_EQ(read.window_to, stamp.window_to);
  EXPECT_EQ(read.max_sequence, stamp.max_sequence);
  EXPECT_EQ(read.rows, 3);
  EXPECT_EQ(read.commit_id, "id");
  EXPECT_EQ(SourceTableOf(read.source), "k2.trades");
}

TEST(Watermark, IsTheNearestAncestorsPastOtherEnginesSnapshots) {
  auto metadata = TwoCommits();
  AddSnapshotOnMain(metadata, 3, {{"operation", "replace"}});
  auto watermark = *ReadWatermark(metadata);
  EXPECT_EQ(watermark->snapshot_id, 2);
  EXPECT_EQ(watermark->stamp.window_to, kWatermarkNoon + kMicrosPerSecond);
  EXPECT_FALSE(watermark->from_property);
}

TEST(Watermark, MovesBackWithARollback) {
  auto metadata = TwoCommits();
  metadata.current_snapshot_id = 1;
  metadata.refs["main"].snapshot_id = 1;
  EXPECT_EQ((*ReadWatermark(metadata))->stamp.window_to, kWatermarkNoon);
}

TEST(Watermark, IsThePropertysWhereHistoryIsCutOff) {
  auto metadata = TwoCommits();
  AddSnapshotOnMain(metadata, 3, {});
  RemoveSnapshot(metadata, 1);
  RemoveSnapshot(metadata, 2);
  auto watermark = *ReadWatermark(metadata);
  ASSERT_TRUE(watermark);
  EXPECT_TRUE(watermark->from_property);
  EXPECT_EQ(watermark->stamp.window_to, kWatermarkNoon + kMicrosPerSecond);
}

TEST(Watermark, IsNotGuessedAfterARollbackAndAnExpiry) {
  auto metadata = TwoCommits();
  // Main is rolled back to 1, another engine commits 4 on it, then 1 expires: the property tells of 2, which main
  // lacks.
  metadata.current_snapshot_id = 1;
  AddSnapshotOnMain(metadata, 4, {});
  RemoveSnapshot(metadata, 1);
  metadata.snapshots.Edit(metadata.snapshots.size() - 1).sequence_number =
      2;  // what remains is not newer than what the property tells of
  Status status = ReadWatermark(metadata).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kConfig) << status.ToString();
  EXPECT_NE(RemedyOf(status).find("--start-from"), std::string::npos);
}

// As Nessie does, after another engine's commit.
TEST(Watermark, WhereACatalogShowsTheCurrentSnapshotAloneThePropertyTells) {
  auto metadata = TwoCommits();
  AddSnapshotOnMain(metadata, 3, {{"operation", "append"}});
  metadata.snapshots = {metadata.snapshots.back()};
  metadata.snapshots.Edit(0).parent_snapshot_id.reset();
  const auto watermark = *ReadWatermark(metadata);
  ASSERT_TRUE(watermark);
  EXPECT_TRUE(watermark->from_property);
  EXPECT_EQ(watermark->stamp.window_to, kWatermarkNoon + kMicrosPerSecond);
  const auto trace = FindCommit(metadata, "commit-2");
  ASSERT_TRUE(trace);
  EXPECT_TRUE(trace->on_main);
  EXPECT_FALSE(trace->is_certain);
  // A writer that knows an older metadata file knows the whole history: this table was made anew.
  metadata.metadata_log.push_back({1, "file:///v1.metadata.json"});
  EXPECT_FALSE(*ReadWatermark(metadata));
}

TEST(Watermark, ThatDoesNotParseIsCorruptNotIgnored) {
  auto metadata = TwoCommits();
  metadata.snapshots.Edit(metadata.snapshots.size() - 1).summary.Set("calve.window-to", "yesterday");
  EXPECT_EQ(KindOf(ReadWatermark(metadata).status()), ErrorKind::kCorrupt);
  metadata = TwoCommits();
  AddSnapshotOnMain(metadata, 3, {});
  RemoveSnapshot(metadata, 2);
  for (const char* bad : {"", "{", "[]", "{\"snapshot-id\":\"x\"}"}) {
    metadata.properties[kWatermarkProperty] = bad;
    EXPECT_EQ(KindOf(ReadWatermark(metadata).status()), ErrorKind::kCorrupt) << bad;
  }
}

TEST(Watermark, ACycleAmongParentsEnds) {
  auto metadata = MakeMetadata({});
  AddSnapshotOnMain(metadata, 1, {});
  metadata.snapshots.Edit(0).parent_snapshot_id = 1;
  EXPECT_TRUE(ReadWatermark(metadata).ok());
}

TEST(NextStep, FindsItsCommitOnMainAndTakesItAsDone) {
  auto metadata = TwoCommits();
  EXPECT_EQ(*DecideNextStep(metadata, metadata.table_uuid, "commit-2", kWatermarkNoon), NextStep::kDone);
  AddSnapshotOnMain(metadata, 3, {});  // also under another engine's commit
  EXPECT_EQ(*DecideNextStep(metadata, metadata.table_uuid, "commit-2", kWatermarkNoon), NextStep::kDone);
  RemoveSnapshot(metadata, 2);  // also where only the property still tells of it
  EXPECT_EQ(*DecideNextStep(metadata, metadata.table_uuid, "commit-2", kWatermarkNoon), NextStep::kDone);
}

TEST(NextStep, TriesAgainWhereTheWatermarkIsWhereItWas) {
  auto metadata = TwoCommits();
  AddSnapshotOnMain(metadata, 3, {{"operation", "replace"}});
  EXPECT_EQ(*DecideNextStep(metadata, metadata.table_uuid, "mine", kWatermarkNoon + kMicrosPerSecond),
            NextStep::kTryAgain);
  EXPECT_EQ(*DecideNextStep(MakeMetadata({}), metadata.table_uuid, "mine", std::nullopt), NextStep::kTryAgain);
}

TEST(NextStep, PlansAnewWhereTheWatermarkMovedEitherWay) {
  auto metadata = TwoCommits();
  EXPECT_EQ(*DecideNextStep(metadata, metadata.table_uuid, "mine", kWatermarkNoon), NextStep::kPlanAnew);
  EXPECT_EQ(*DecideNextStep(metadata, metadata.table_uuid, "mine", std::nullopt), NextStep::kPlanAnew);
  EXPECT_EQ(*DecideNextStep(MakeMetadata({}), metadata.table_uuid, "mine", kWatermarkNoon), NextStep::kPlanAnew);
}

TEST(NextStep, SeesThatMainWasMovedAwayFromItsCommit) {
  auto metadata = TwoCommits();
  metadata.current_snapshot_id = 1;
  metadata.refs["main"].snapshot_id = 1;
  EXPECT_EQ(*DecideNextStep(metadata, metadata.table_uuid, "commit-2", kWatermarkNoon), NextStep::kRolledBack);
}

TEST(NextStep, IsAConflictOnAnotherTableOfThatName) {
  auto metadata = TwoCommits();
  EXPECT_EQ(KindOf(DecideNextStep(metadata, "another-uuid", "commit-2", kWatermarkNoon).status()),
            ErrorKind::kConflict);
}

// The property still tells of the commit that a rollback took away.
TEST(Watermark, ACommitThatWasRolledBackAndExpiredIsNotOnMain) {
  auto metadata = TwoCommits();
  metadata.current_snapshot_id = 1;
  metadata.refs["main"].snapshot_id = 1;
  ASSERT_FALSE(FindCommit(metadata, "commit-2")->on_main);
  RemoveSnapshot(metadata, 2);
  ASSERT_TRUE(FindCommit(metadata, "commit-2"));
  EXPECT_FALSE(FindCommit(metadata, "commit-2")->on_main);
  // Cut off before the oldest that is left is no better.
  metadata.snapshots.Edit(0).parent_snapshot_id = 99;
  EXPECT_FALSE(FindCommit(metadata, "commit-2")->on_main);
}

TEST(Watermark, ACommitThatExpiredUnderOthersIsOnMain) {
  auto metadata = TwoCommits();
  AddSnapshotOnMain(metadata, 3, {});
  RemoveSnapshot(metadata, 1);
  RemoveSnapshot(metadata, 2);
  EXPECT_TRUE(FindCommit(metadata, "commit-2")->on_main);
  EXPECT_TRUE(FindCommit(metadata, "commit-2")->is_certain) << "it is the parent of the oldest that is left";
}

// A rollback to before it, another engine's commit, and an expiry would leave the same behind.
TEST(Watermark, ThatACommitIsOnMainIsNotCertainOnceOthersAreBetween) {
  auto metadata = TwoCommits();
  AddSnapshotOnMain(metadata, 3, {});
  AddSnapshotOnMain(metadata, 4, {});
  for (int64_t gone : {1, 2, 3}) RemoveSnapshot(metadata, gone);
  EXPECT_TRUE(FindCommit(metadata, "commit-2")->on_main);
  EXPECT_FALSE(FindCommit(metadata, "commit-2")->is_certain);
}

}  // namespace
}  // namespace calve::offload
